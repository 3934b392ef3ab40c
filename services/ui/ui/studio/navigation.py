"""From classifier to classifier: the one that is shown is named in the page's address."""

import streamlit as st


def open_classifier(name: str) -> None:
    st.query_params["classifier"] = name


def close_classifier() -> None:
    st.query_params.clear()
