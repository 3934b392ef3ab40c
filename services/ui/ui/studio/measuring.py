"""A zip of labelled folders → confusion matrix, accuracy of each label, and the mistakes as pictures."""

import io
from collections.abc import Iterable
from pathlib import PurePosixPath

import streamlit as st

from framesense.http.problems import ProblemError
from framesense.media.archives import ArchiveLimits, read_images
from framesense.schemas.classifiers import Classifier, EvaluationResponse, Mistake
from framesense.wording import counted
from ui import examples
from ui.api import GatewayApi, GatewayError
from ui.photo.attention import preview
from ui.shared import show_error, show_warnings, theme_colour
from ui.studio.confusion import confusion_figure
from ui.studio.table import evaluation_csv
from ui.studio.trying import is_example
from ui.thumbnails import data_url
from ui.wording import percent, plain

MISTAKES_SHOWN = 48
LIMITS = ArchiveLimits(max_images=10_000, max_bytes=2 * 1024**3, max_image_bytes=64 * 1024**2)
"""For finding the mistakes in the zip again; the gateway has limits of its own."""


def show_measuring(api: GatewayApi, classifier: Classifier) -> None:
    st.markdown("A zip with a folder for each label, named as it, with photos of it inside.", width=720)
    file = st.file_uploader("Labelled photos", type=["zip"], key=f"measure-{classifier.name}")
    archive = file.getvalue() if file else b""
    if not archive and is_example(classifier) and st.toggle("Use other drawings of the example", key="measure-example"):
        st.caption("They are not among those that it can be taught with.")
        archive = examples.drawings_archive()
    if not archive:
        return
    try:
        answer, mistaken = _measured(classifier.name, archive, classifier.model_dump_json(), _api=api)
    except GatewayError as error:
        show_error(error)
        return
    show_warnings(answer.warnings)
    st.metric(f"Right, of {counted(answer.photos, 'photo')}", percent(answer.accuracy))
    matrix, labels = st.columns([3, 2], gap="large")
    with matrix:
        figure = confusion_figure(answer, on_pale=theme_colour("textColor"), on_strong=theme_colour("backgroundColor"))
        st.plotly_chart(figure, key="confusion", config={"displayModeBar": False})
    with labels:
        _show_labels(answer)
    _show_mistakes(answer, mistaken)
    _show_downloads(classifier.name, answer)


@st.cache_data(show_spinner="Measuring …", max_entries=4, ttl=600, scope="session")  # another key may not ask
def _measured(
    name: str, archive: bytes, version: str, *, _api: GatewayApi
) -> tuple[EvaluationResponse, dict[str, str]]:
    """Measure a classifier; return the answer, and the mistakes' pictures by path.

    ``version``: tells a taught classifier from what it was.
    """
    answer = _api.evaluate(name, archive)
    return answer, _pictures(archive, answer.mistakes[:MISTAKES_SHOWN])


def _pictures(archive: bytes, mistakes: Iterable[Mistake]) -> dict[str, str]:
    wanted = {PurePosixPath(mistake.image) for mistake in mistakes}
    found = {}
    try:
        for image in read_images(io.BytesIO(archive), LIMITS):
            if image.path in wanted and (picture := preview(image.content)):
                found[str(image.path)] = data_url(picture)
    except ProblemError:  # the gateway took the zip: the rest is shown without pictures
        pass
    return found


def _show_labels(answer: EvaluationResponse) -> None:
    st.dataframe(
        {
            "Label": [one.label for one in answer.per_class],
            "Photos": [one.photos for one in answer.per_class],
            "Found": [_hundredfold(one.accuracy) for one in answer.per_class],
            "Right when said": [_hundredfold(one.precision) for one in answer.per_class],
        },
        hide_index=True,
        column_config={
            "Label": st.column_config.TextColumn(width="small"),
            "Photos": st.column_config.NumberColumn(width=60),
            "Found": st.column_config.ProgressColumn(format="%.0f %%", max_value=100, width="small", help="recall"),
            "Right when said": st.column_config.ProgressColumn(
                format="%.0f %%", max_value=100, width="small", help="precision"
            ),
        },
    )


def _show_downloads(name: str, answer: EvaluationResponse) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "CSV",
            evaluation_csv(answer),
            f"{name}-labels.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="The labels, one a line.",
        )
        st.download_button(
            "JSON",
            answer.model_dump_json(indent=2, exclude_none=True),
            f"{name}-measured.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            help="All of it: labels, confusion matrix, mistakes.",
        )


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _show_mistakes(answer: EvaluationResponse, pictures: dict[str, str]) -> None:
    mistakes = answer.mistakes[:MISTAKES_SHOWN]
    if not mistakes:
        st.success("No mistakes.", icon=":material/check_circle:")
        return
    count = len(answer.mistakes)
    st.header(counted(count, "mistake", "mistakes, the surest first"), anchor=False)
    if len(mistakes) < len(answer.mistakes):
        st.caption(f"The first {len(mistakes)} of them.")
    with st.container(horizontal=True, gap="small"):
        for mistake in mistakes:
            with st.container(width=150, gap="small"):
                if picture := pictures.get(mistake.image):
                    st.image(picture, width=96, alt=mistake.image)
                st.markdown(f"**{plain(mistake.predicted)}** {percent(mistake.probability)}")
                st.caption(f"is {plain(mistake.label)} · {plain(PurePosixPath(mistake.image).name)}")
