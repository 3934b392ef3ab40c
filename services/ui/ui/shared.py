"""What every page needs: the gateway, and how its refusals are shown."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import streamlit as st

from framesense.schemas.access import SESSION_COOKIE
from ui.api import GatewayApi, GatewayError
from ui.settings import UiSettings
from ui.wording import plain

_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,200}")
TIMEOUT = httpx.Timeout(60, connect=3)
"""Seconds. Long enough for a dozen photos on a slow machine."""


def gateway_api(url: str) -> GatewayApi:
    """Return a client of the gateway for whoever sees the page."""
    return GatewayApi(_connections(url), session_token(st.context.cookies))


def session_token(cookies: Mapping[str, str]) -> str | None:
    """Return the token of a session at the gateway from a browser's cookies, if it may be one."""
    token = cookies.get(SESSION_COOKIE, "")
    return token if _TOKEN.fullmatch(token) else None


@st.cache_resource(show_spinner=False)
def _connections(url: str) -> httpx.Client:
    return gateway_client(url)


def gateway_client(url: str) -> httpx.Client:
    """Return a pool of connections for all pages and people; it keeps no cookie of anybody."""
    nobody = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.Client(base_url=url, timeout=TIMEOUT, cookies=nobody)


def browser_gateway_url(settings: UiSettings) -> str:
    return settings.browser_gateway_url(st.context.url or "")


def show_error(error: GatewayError) -> None:
    """Say what the gateway refused; whoever is no longer signed in gets the sign-in page instead."""
    problem = error.problem
    if problem.status == HTTPStatus.UNAUTHORIZED:
        st.rerun()
    st.error(f"**{plain(problem.title)}**  \n{plain(problem.detail)}", icon=":material/error:")


def warn_unless_ready(api: GatewayApi) -> None:
    if reason := api.not_ready():
        st.warning(f"**Not ready yet**  \n{plain(reason)}", icon=":material/hourglass_empty:")


def warn_of_missing(api: GatewayApi, *names: str) -> None:
    """Show which of these do not work: ``queue edit``, ``editor`` and such, and the disk in any case."""
    missing = api.missing()
    show_warnings([missing[name] for name in (*names, "disk") if name in missing])


def show_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        st.warning(plain(warning), icon=":material/warning:")


def primary_colour() -> str:
    return theme_colour("primaryColor")


def theme_colour(option: str) -> str:
    """Return a colour of the page's theme, for figures that Streamlit does not colour by itself."""
    return str(st.get_option(f"theme.{st.context.theme.type or 'light'}.{option}"))
