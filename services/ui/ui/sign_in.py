"""The page of those who have not shown a key yet, where the gateway asks for one."""

import streamlit as st

from ui.api import GatewayError
from ui.components import sign_in_form
from ui.pages import set_title
from ui.settings import UiSettings
from ui.shared import browser_gateway_url, gateway_api


def require_sign_in() -> None:
    """Show the sign-in page, and nothing after it, to whoever the gateway does not know."""
    settings = UiSettings()
    try:
        session = gateway_api(settings.gateway_url).session()
    except GatewayError:
        return  # the page says what is wrong with the gateway
    if session.required and session.key is None:
        show_sign_in(browser_gateway_url(settings))
        st.stop()


def show_sign_in(public: str) -> None:
    """Show the form; ``public``: the gateway's address for the browser."""
    set_title("Sign in")
    st.title("Sign in", anchor=False)
    st.markdown("Whoever runs this Framesense gives you a key; `framesense keys add NAME` makes one.")
    sign_in_form(gateway=public, key="sign-in")
