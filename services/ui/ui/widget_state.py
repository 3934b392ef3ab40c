"""Keep the values of widgets while one goes from page to page, from tab to tab, to a result and back."""

from typing import Any

import streamlit as st

_VALUES = "widget-values"


def restore_value(key: str, default: Any) -> Any:
    """Have the widget of this key show what it showed last, and return that. To be called before the widget.

    Streamlit forgets the widgets that a page does not show. And it tells the browser a value only in the run that sets
    it: the next click may interrupt that one, whereupon the browser would take the widget's least value for the user's.
    So it is set in every run.
    """
    values: dict[str, Any] = st.session_state.setdefault(_VALUES, {})
    values[key] = st.session_state.get(key, values.get(key, default))
    st.session_state[key] = values[key]
    return values[key]


def restore_text(key: str, default: str) -> str:
    """Have the text box of this key show what it showed last, and return that. To be called before the box.

    Unlike ``restore_value`` it sets nothing that is there: that would take away what is being typed meanwhile.
    """
    values: dict[str, Any] = st.session_state.setdefault(_VALUES, {})
    if key not in st.session_state:
        st.session_state[key] = values.get(key, default)
    values[key] = st.session_state[key]
    return str(values[key])


def set_value(key: str, value: Any) -> None:
    """Set what the widget shows next."""
    st.session_state.pop(key, None)
    st.session_state.setdefault(_VALUES, {})[key] = value


def reset_value(key: str) -> None:
    """Have the widget show its default next."""
    st.session_state.pop(key, None)
    st.session_state.setdefault(_VALUES, {}).pop(key, None)
