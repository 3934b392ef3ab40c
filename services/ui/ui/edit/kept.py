"""Values of widgets that stay while one goes from tab to tab, to a result and back."""

from typing import Any

import streamlit as st

_KEPT = "edit-kept"


def keep(key: str, default: Any) -> Any:
    """To be called before the widget of this key, which then shows what it showed last; answers that.

    Streamlit forgets the widgets that a page does not show. And it tells the browser a value only in the run that sets
    it: the next click may interrupt that one, whereupon the browser would take the widget's least value for the user's.
    So it is set in every run.
    """
    kept: dict[str, Any] = st.session_state.setdefault(_KEPT, {})
    kept[key] = st.session_state.get(key, kept.get(key, default))
    st.session_state[key] = kept[key]
    return kept[key]


def replace(key: str, value: Any) -> None:
    """What the widget will show next."""
    st.session_state.pop(key, None)
    st.session_state.setdefault(_KEPT, {})[key] = value


def forget(key: str) -> None:
    """The widget will show its default next."""
    st.session_state.pop(key, None)
    st.session_state.setdefault(_KEPT, {}).pop(key, None)
