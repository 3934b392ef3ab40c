"""The pages, in the order of the navigation."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class PageInfo:
    """``script``: below this folder. ``path``: in the address; the first page is at the root as well."""

    script: str
    title: str
    icon: str
    path: str


PAGES = (
    PageInfo("video/page.py", "Video novelty", ":material/show_chart:", "video_novelty"),
    PageInfo("photo/page.py", "Caption an image", ":material/image:", "caption_image"),
    PageInfo("edit/page.py", "Edit", ":material/brush:", "edit"),
    PageInfo("tags/page.py", "Tags", ":material/sell:", "tags"),
    PageInfo("studio/page.py", "Classifier studio", ":material/category:", "classifier_studio"),
    PageInfo("photo_sets/page.py", "Photo set", ":material/photo_library:", "photo_set"),
    PageInfo("about.py", "About", ":material/info:", "about"),
)


def page_of(script: str) -> PageInfo:
    return next(page for page in PAGES if page.script == script)


def set_title(*parts: str) -> None:
    """Name the browser's tab for what is shown, the closest first: ``street.mp4 · Video novelty · Framesense``."""
    st.set_page_config(page_title=" · ".join([*parts, "Framesense"]))
