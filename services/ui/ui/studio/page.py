"""Classifiers made of words. ``?classifier=`` names the one that is shown."""

import streamlit as st

from ui.api import GatewayError
from ui.settings import UiSettings
from ui.shared import gateway_api, show_error
from ui.studio.classifier import show_classifier
from ui.studio.navigation import close_classifier
from ui.studio.start import show_start

api = gateway_api(UiSettings().gateway_url)
name = st.query_params.get("classifier")

try:
    if name:
        show_classifier(api, name)
    else:
        show_start(api)
except GatewayError as error:
    show_error(error)
    if name:
        st.button("Back to all classifiers", icon=":material/arrow_back:", on_click=close_classifier)
