"""The widgets that ask what to look for in a set of photos."""

import streamlit as st
from pydantic import ValidationError

from framesense.schemas.photo_sets import PhotoSetParameters
from framesense.schemas.tags import DEFAULT_TEMPLATE
from ui.api import GatewayApi
from ui.wording import lines_in, plain, words_in

LABELS_HELP = "One a line, or commas between. Any words will do: nothing is trained."
TEMPLATES_HELP = "{label} stands for each word. Several sentences, one a line, are averaged."
NEAR_HELP = "Photos whose embeddings have this cosine or more are called near-duplicates."
CLUSTERS_HELP = "How many clusters to make; as many as fit best when left empty."
GROUP_HELP = "The column of the zip's groups.csv that holds each photo's group."
MOST_HELP = "A photo gets no more tags than this; as many as fit when left empty."


def ask_parameters(api: GatewayApi) -> PhotoSetParameters | None:
    """Ask for a job's parameters; None until there are words to look for."""
    labels, label_set = _ask_labels(api)
    with st.expander("More"):
        templates = lines_in(st.text_area("In a sentence", placeholder=DEFAULT_TEMPLATE, help=TEMPLATES_HELP))
        with st.container(horizontal=True):
            top_k = st.number_input("At most … tags", 1, 1000, None, help=MOST_HELP, width=160)
            clusters = st.number_input("Clusters", 2, 100, None, help=CLUSTERS_HELP, width=160)
        near_duplicate = st.slider("Near-duplicates from cosine", 0.8, 1.0, 0.97, 0.005, format="%.3f", help=NEAR_HELP)
        group_column = st.text_input("Group column", help=GROUP_HELP).strip() or None
    if not labels and not label_set:
        return None
    try:
        return PhotoSetParameters(
            labels=labels,
            label_set=label_set,
            templates=templates,
            top_k=top_k,
            clusters=clusters,
            near_duplicate=near_duplicate,
            group_column=group_column,
        )
    except ValidationError as error:
        st.error(plain(error.errors()[0]["msg"]), icon=":material/error:")
        return None


def _ask_labels(api: GatewayApi) -> tuple[list[str], str | None]:
    """Ask for words, or for the name of a label set."""
    names = [one.name for one in api.label_sets()]
    label_set = st.selectbox("Label set", names, index=None, placeholder="none", width=240) if names else None
    if label_set:
        return [], label_set
    return words_in(st.text_area("Words", help=LABELS_HELP, placeholder="kitchen, bathroom, bedroom, …")), None
