"""Deletion, which asks first: what is deleted is gone for everyone."""

import streamlit as st

from ui.wording import plain


def ask_deletion(what: str, *, key: str) -> bool:
    """Show a bin that asks before it deletes, and return whether the answer was yes.

    ``key``: begins with "delete-", by which the page's style shows the bin and leaves its name to screen readers.
    ``what``: what would be gone, as a sentence's object: "the classifier “shapes”".
    """
    with st.popover(f"Delete {plain(what)}", icon=":material/delete:", type="tertiary", help="Delete", key=key):
        st.markdown(f"Delete {plain(what)}? It is gone for everyone, and cannot be brought back.")
        return st.button("Delete", key=f"{key}-yes", type="primary")
