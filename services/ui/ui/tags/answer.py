"""The tags of each photo, all of them against all words, and files to take away."""

from collections.abc import Sequence

import streamlit as st

from framesense.schemas.tags import Tag, TagsResponse, ThresholdOn
from ui.api import Photo
from ui.photo.attention import preview
from ui.shared import show_warnings
from ui.tags.choice import chosen_tags
from ui.tags.heatmap import Value, similarity_figure
from ui.tags.table import tags_csv
from ui.wording import percent, plain

SHOWN_ACROSS = 2
THRESHOLD_HELP = {
    ThresholdOn.PROBABILITY: "A word fits from this probability on; the start is the model's own.",
    ThresholdOn.COSINE: "A word fits from this cosine on; the start is the model's own.",
}


def show_answer(photos: tuple[Photo, ...], answer: TagsResponse) -> None:
    """Show the tags of photos.

    ``answer`` holds the scores of all words, so that nothing is asked again when the threshold moves.
    """
    show_warnings(answer.warnings)
    threshold, most = _ask_threshold(answer)
    columns = st.columns(SHOWN_ACROSS, gap="medium")
    for index, (photo, image) in enumerate(zip(photos, answer.images, strict=True)):
        scores = image.scores or []
        with columns[index % SHOWN_ACROSS]:
            _show_photo(photo, chosen_tags(scores, threshold, answer.threshold_on, most), scores)
    _show_heatmap(photos, answer)
    _show_downloads(answer, threshold)


def _ask_threshold(answer: TagsResponse) -> tuple[float, int]:
    on = answer.threshold_on
    with st.container(horizontal=True, gap="large"):
        threshold = st.slider(
            f"Least {on.value}",
            0.0 if on is ThresholdOn.PROBABILITY else -1.0,
            1.0,
            round(answer.threshold, 2),
            0.01,
            help=THRESHOLD_HELP[on],
            key=f"threshold-{answer.model.revision}",
            width=320,
        )
        most = st.number_input("At most … tags", 1, 50, 5, key="tags-most", width=160)
    return threshold, most


def _show_photo(photo: Photo, tags: Sequence[Tag], scores: Sequence[Tag]) -> None:
    with st.container(border=True):
        left, right = st.columns([2, 3], gap="small")
        with left:
            if picture := preview(photo.data):
                st.image(picture, alt=photo.name)
            st.caption(plain(photo.name))
        with right, st.container(gap="small"):
            if not tags:
                st.caption(_nothing_fits(scores))
            for tag in tags:
                text = f"**{plain(tag.label)}** {percent(tag.probability)} · cosine {tag.cosine:.2f}"
                st.progress(min(1.0, tag.probability), text=text)


def _nothing_fits(scores: Sequence[Tag]) -> str:
    closest = max(scores, key=lambda tag: tag.probability, default=None)
    nearest = f" The nearest is **{plain(closest.label)}**, {percent(closest.probability)}." if closest else ""
    return f"No word fits as well as that.{nearest}"


def _show_heatmap(photos: tuple[Photo, ...], answer: TagsResponse) -> None:
    st.header("Every photo with every word", anchor=False)
    value = st.segmented_control(
        "Shown", list(Value), default=Value.COSINE, format_func=str.capitalize, required=True, key="tags-value"
    )
    figure = similarity_figure(answer, [preview(photo.data) for photo in photos], Value(value or Value.COSINE))
    st.plotly_chart(figure, key="tags-heatmap", config={"displayModeBar": False})


def _show_downloads(answer: TagsResponse, threshold: float) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "CSV", tags_csv(answer, threshold), "tags.csv", "text/csv", icon=":material/download:", on_click="ignore"
        )
        st.download_button(
            "JSON",
            answer.model_dump_json(indent=2, exclude_none=True),
            "tags.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
        )
