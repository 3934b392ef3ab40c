"""The frame around every page: title, navigation, theme."""

from pathlib import Path

import streamlit as st

from ui.pages import PAGES, set_title
from ui.sign_in import require_sign_in
from ui.widget_state import values_shown

HERE = Path(__file__).parent
ASSETS = HERE / "assets"

st.set_page_config(page_title="Framesense", page_icon=ASSETS / "icon.png", layout="wide")
st.html(ASSETS / "page.css")

page = st.navigation(
    [
        st.Page(HERE / page.script, title=page.title, icon=page.icon, url_path=page.path, default=page is PAGES[0])
        for page in PAGES
    ],
    position="top",
)
set_title(page.title)
require_sign_in()
page.run()
values_shown()
