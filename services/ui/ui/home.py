"""The frame around every page: title, navigation, theme."""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
PAGES, ASSETS = HERE / "pages", HERE / "assets"

st.set_page_config(page_title="Framesense", page_icon=ASSETS / "icon.png", layout="wide")
st.html(ASSETS / "page.css")

page = st.navigation(
    [
        st.Page(PAGES / "video_novelty.py", title="Video novelty", icon=":material/show_chart:", default=True),
        st.Page(PAGES / "caption_image.py", title="Caption an image", icon=":material/image:"),
        st.Page(PAGES / "about.py", title="About", icon=":material/info:"),
    ],
    position="top",
)
page.run()
