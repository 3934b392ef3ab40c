"""The frame around every page: title, navigation, theme."""

from pathlib import Path

import streamlit as st

from ui.sign_in import require_sign_in
from ui.widget_state import values_shown

HERE = Path(__file__).parent
ASSETS = HERE / "assets"

st.set_page_config(page_title="Framesense", page_icon=ASSETS / "icon.png", layout="wide")
st.html(ASSETS / "page.css")

page = st.navigation(
    [
        st.Page(
            HERE / "video/page.py",
            title="Video novelty",
            icon=":material/show_chart:",
            url_path="video_novelty",
            default=True,
        ),
        st.Page(HERE / "photo/page.py", title="Caption an image", icon=":material/image:", url_path="caption_image"),
        st.Page(HERE / "edit/page.py", title="Edit", icon=":material/brush:", url_path="edit"),
        st.Page(HERE / "tags/page.py", title="Tags", icon=":material/sell:", url_path="tags"),
        st.Page(
            HERE / "studio/page.py", title="Classifier studio", icon=":material/category:", url_path="classifier_studio"
        ),
        st.Page(HERE / "photo_sets/page.py", title="Photo set", icon=":material/photo_library:", url_path="photo_set"),
        st.Page(HERE / "about.py", title="About", icon=":material/info:", url_path="about"),
    ],
    position="top",
)
require_sign_in()
page.run()
values_shown()
