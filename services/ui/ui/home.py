"""The frame around every page: title, navigation, theme."""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
VIEWS, ASSETS = HERE / "views", HERE / "assets"
"""Not ``pages``: Streamlit would serve a folder of that name on its own until this script has run once."""

st.set_page_config(page_title="Framesense", page_icon=ASSETS / "icon.png", layout="wide")
st.html(ASSETS / "page.css")

page = st.navigation(
    [
        st.Page(VIEWS / "video_novelty.py", title="Video novelty", icon=":material/show_chart:", default=True),
        st.Page(VIEWS / "caption_image.py", title="Caption an image", icon=":material/image:"),
        st.Page(VIEWS / "edit.py", title="Edit", icon=":material/brush:"),
        st.Page(VIEWS / "tags.py", title="Tags", icon=":material/sell:"),
        st.Page(VIEWS / "classifier_studio.py", title="Classifier studio", icon=":material/category:"),
        st.Page(VIEWS / "photo_set.py", title="Photo set", icon=":material/photo_library:"),
        st.Page(VIEWS / "about.py", title="About", icon=":material/info:"),
    ],
    position="top",
)
page.run()
