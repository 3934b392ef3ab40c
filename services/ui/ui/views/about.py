"""What this is, whether it works now, and where the rest is."""

import streamlit as st

from ui.api import GatewayError
from ui.settings import UiSettings
from ui.shared import browser_gateway_url, gateway_api, show_error
from ui.wording import plain

settings = UiSettings()
api = gateway_api(settings.gateway_url)
public = browser_gateway_url(settings)

st.title("Framesense")
st.markdown(
    "Finds the odd moments of a video: every few seconds a frame is captioned and compared with the frames before it. "
    "Everything runs on your own machines.",
    width=720,
)

st.subheader("Services")
if reason := api.not_ready():
    st.warning(f"**Not ready**  \n{plain(reason)}", icon=":material/hourglass_empty:")
else:
    st.success("All services are ready.", icon=":material/check_circle:")

st.subheader("Models")
try:
    for model in api.models():
        name = f"**{plain(model.service)}**: {plain(model.family)} ({plain(model.name)})"
        st.markdown(
            f"{name} · {model.parameters / 1e6:.1f} million weights · {plain(model.dtype)} on {plain(model.device)}"
        )
        if model.note:
            st.caption(plain(model.note))
except GatewayError as error:
    show_error(error)

st.subheader("For programs")
st.markdown(f"- [REST API, to try out]({public}/docs)\n- [OpenAPI description]({public}/openapi.json)")
