"""One classifier: what it is made of, and what can be done with it."""

from functools import partial

import streamlit as st

from framesense.schemas.classifiers import Classifier
from ui.api import GatewayApi
from ui.pages import page_of, set_title
from ui.shared import show_warnings
from ui.studio.measuring import show_measuring
from ui.studio.navigation import close_classifier
from ui.studio.teaching import show_gain, show_teaching
from ui.studio.trying import show_trying
from ui.wording import plain

LABELS_SHOWN = 30


def show_classifier(api: GatewayApi, name: str) -> None:
    classifier = api.classifier(name)
    with st.container(gap=None):
        st.button("All classifiers", icon=":material/arrow_back:", type="tertiary", on_click=close_classifier)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            set_title(name, page_of("studio/page.py").title)
            st.title(plain(name), anchor=False)
            st.download_button(
                "Download",
                partial(api.classifier_file, name),
                f"{name}.safetensors",
                "application/octet-stream",
                icon=":material/download:",
                on_click="ignore",
            )
    _show_facts(classifier)
    if not classifier.usable:
        model = f"{plain(classifier.model_name)} ({plain(classifier.model_revision)})"
        st.error(f"The model that made it, {model}, is not the one that is loaded.", icon=":material/error:")
        return
    show_warnings(classifier.warnings)
    if classifier.few_shot:
        show_gain(classifier.few_shot)
    trying, teaching, measuring = st.tabs(["Try it", "Teach it with photos", "Measure it"])
    with trying:
        show_trying(api, classifier)
    with teaching:
        show_teaching(api, classifier)
    with measuring:
        show_measuring(api, classifier)


def _show_facts(classifier: Classifier) -> None:
    shown = classifier.labels[:LABELS_SHOWN]
    more = len(classifier.labels) - len(shown)
    st.markdown(" ".join(f":gray-badge[{plain(label)}]" for label in shown) + (f" and {more} more" if more else ""))
    st.caption(" · ".join(f"“{plain(template)}”" for template in classifier.templates))
