"""What every page needs: the gateway, and how its refusals are shown."""

from collections.abc import Sequence

import httpx
import streamlit as st

from ui.api import GatewayApi, GatewayError
from ui.settings import UiSettings
from ui.wording import plain

TIMEOUT = httpx.Timeout(60, connect=3)
"""Seconds. Long enough for a dozen photos on a slow machine."""


@st.cache_resource(show_spinner=False)
def gateway_api(url: str) -> GatewayApi:
    """Return a client of the gateway: one pool of connections for all pages and people."""
    return GatewayApi(httpx.Client(base_url=url, timeout=TIMEOUT))


def browser_gateway_url(settings: UiSettings) -> str:
    return settings.browser_gateway_url(st.context.url or "")


def show_error(error: GatewayError) -> None:
    problem = error.problem
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
