"""Keep the values of widgets while one goes from page to page, from tab to tab, to a result and back."""

from typing import Any

import streamlit as st

_VALUES = "widget-values"
_SENT = "widget-values-sent"


def restore_value(key: str, default: Any) -> Any:
    """Have the widget of this key show what it showed last, and return that. To be called before the widget.

    Streamlit forgets the widgets that a page does not show. And it tells the browser a value only in the run that sets
    it: the next click may interrupt that one, whereupon the browser would take the widget's least value for the user's.
    So it is set until a run came to its end (``values_shown``), and no longer: that would take away what is typed or
    moved meanwhile.
    """
    values: dict[str, Any] = st.session_state.setdefault(_VALUES, {})
    sent: set[str] = st.session_state.setdefault(_SENT, set())
    is_new = key not in st.session_state
    values[key] = values.get(key, default) if is_new else st.session_state[key]
    if is_new or key in sent:
        sent.add(key)
        st.session_state[key] = values[key]
    return values[key]


def values_shown() -> None:
    """Note that the browser has the values that were restored. To be called at the end of a page."""
    st.session_state[_SENT] = set()


def set_value(key: str, value: Any) -> None:
    """Set what the widget shows next."""
    st.session_state.pop(key, None)
    st.session_state.setdefault(_VALUES, {})[key] = value


def reset_value(key: str) -> None:
    """Have the widget show its default next."""
    st.session_state.pop(key, None)
    st.session_state.setdefault(_VALUES, {}).pop(key, None)
