"""What this is, whether it works now, and where the rest is."""

import streamlit as st

from ui.api import GatewayError
from ui.settings import UiSettings
from ui.shared import browser_gateway_url, gateway_api, show_error
from ui.wording import model_state, plain

settings = UiSettings()
api = gateway_api(settings.gateway_url)
public = browser_gateway_url(settings)

st.title("Framesense", anchor=False)
st.markdown(
    "Looks at pictures and video for you: finds the odd moments of a video, captions photos, tags and sorts them by "
    "words of your own, and edits them while it leaves alone what you did not ask for. Everything runs on your own "
    "machines.",
    width=720,
)

st.header("Services", anchor=False)
if reason := api.not_ready():
    st.warning(f"**Not ready**  \n{plain(reason)}", icon=":material/hourglass_empty:")
elif missing := api.missing():
    for name, reason in missing.items():
        st.warning(f"**{plain(name.capitalize())}**  \n{plain(reason)}", icon=":material/warning:")
else:
    st.success("All services are ready.", icon=":material/check_circle:")

st.header("Models", anchor=False)
try:
    servers = api.models()
    states = {state.service: state for state in servers.states}
    for model in servers.models:
        name = f"**{plain(model.service)}**: {plain(model.family)} ({plain(model.name)})"
        parts = [
            name,
            f"{model.parameters / 1e6:.1f} million weights",
            f"{plain(model.dtype)} on {plain(model.device)}",
        ]
        state = states.get(model.service)
        st.markdown(" · ".join(parts + ([plain(model_state(state))] if state else [])))
        if model.note:
            st.caption(plain(model.note))
        if state and state.switch_error:
            st.warning(f"The last switch failed: {plain(state.switch_error)}", icon=":material/swap_horiz:")
    for service, reason in servers.unavailable.items():
        st.warning(f"**{plain(service)}**  \n{plain(reason)}", icon=":material/hourglass_empty:")
except GatewayError as error:
    show_error(error)

try:
    if key := api.session().key:
        st.header("You", anchor=False)
        st.markdown(f"Signed in with the key **{plain(key.name)}** ({', '.join(key.scopes)}).")
        if st.button("Sign out", icon=":material/logout:"):
            api.sign_out()
            st.rerun()
except GatewayError as error:
    show_error(error)

st.header("For programs", anchor=False)
st.markdown(f"- [REST API, to try out]({public}/docs)\n- [OpenAPI description]({public}/openapi.json)")
