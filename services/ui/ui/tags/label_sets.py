"""Words that are kept under a name, for everyone who opens the page."""

import streamlit as st

from framesense.schemas.tags import NewLabelSet
from framesense.wording import counted
from ui.api import GatewayApi, GatewayError
from ui.shared import show_error
from ui.tags.question import Question
from ui.wording import plain


def offer_saving(api: GatewayApi, question: Question) -> None:
    with st.popover("Save as label set", icon=":material/bookmark:"), st.form("label-set", border=False):
        name = st.text_input("Name", placeholder="rooms")
        replace = st.checkbox("Replace the one of that name")
        if not st.form_submit_button("Save", type="primary"):
            return
        content = NewLabelSet(name=name, labels=list(question.labels), templates=list(question.templates))
        try:
            saved = api.save_label_set(content, replace=replace)
        except GatewayError as error:
            show_error(error)
            return
        st.success(
            f"{counted(len(saved.labels), 'word is', 'words are')} kept as “{plain(saved.name)}”.",
            icon=":material/check:",
        )
