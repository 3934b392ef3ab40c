"""What was found out of a set of photos."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from framesense.schemas.jobs import Job
from framesense.schemas.photo_sets import (
    Clustering,
    ClusterMethod,
    GroupStatistics,
    Photo,
    PhotoSetReport,
    PhotoSetResult,
)
from framesense.wording import counted
from ui.api import GatewayApi, PhotoSetFormat
from ui.components import photo_map
from ui.jobs.navigation import show_heading
from ui.photo_sets.balance import balance_figure, fits_in_words
from ui.photo_sets.map import Colouring, colourings, map_figure
from ui.shared import primary_colour, show_warnings
from ui.wording import percent, plain, size

DOWNLOADS: list[tuple[PhotoSetFormat, str, str]] = [
    ("csv", "CSV", "text/csv"),
    ("parquet", "Parquet", "application/vnd.apache.parquet"),
    ("json", "JSON", "application/json"),
]
METHOD_NAMES = {ClusterMethod.KMODES: "k-modes", ClusterMethod.KMEANS: "k-means", ClusterMethod.HDBSCAN: "HDBSCAN"}
PAIRS_SHOWN, SKIPPED_SHOWN = 24, 50


def show_report(api: GatewayApi, public: str, job: Job) -> None:
    """Show the report on a photo set.

    ``public``: the gateway's address in the browser, which fetches thumbnails from there.
    """
    result = _stored_result(job.id, _api=api)
    report, photos = result.report, result.photos
    show_heading(job)
    _show_facts(report)
    show_warnings(report.warnings)
    _show_numbers(report)
    _show_map(public, job, report, photos)
    _show_balance(report)
    if report.groups:
        _show_groups(report.groups)
    _show_clusterings(report.clusterings, grouped=report.groups is not None)
    _show_duplicates(public, report, photos)
    _show_photos(public, job, photos)
    _show_downloads(api, job)


@st.cache_data(show_spinner=False, max_entries=4)
def _stored_result(job_id: str, *, _api: GatewayApi) -> PhotoSetResult:
    """Read a job's result and keep it: it never changes."""
    return _api.photo_set(job_id)


def _show_facts(report: PhotoSetReport) -> None:
    facts = [
        counted(report.photos, "photo"),
        f"{report.width.median:g} × {report.height.median:g} pixels at the median",
        f"{size(round(report.bytes.mean))} each on average",
        counted(len(report.labels), "label"),
        f"tags from {report.threshold_on.value} {report.threshold:.2f} on",
    ]
    st.caption(" · ".join(facts))
    if report.skipped:
        with st.expander(counted(len(report.skipped), "file was passed over", "files were passed over")):
            for file in report.skipped[:SKIPPED_SHOWN]:
                st.caption(f"{plain(file.path)}: {plain(file.reason)}")


def _show_numbers(report: PhotoSetReport) -> None:
    tags = report.tags
    numbers = [
        ("Tags a photo", f"{tags.per_photo.mean:.2f}", "mean number of tags"),
        ("Best cosine", f"{tags.best_cosine.mean:.2f}", "mean cosine of each photo's best label"),
        (f"Gap 1st – {tags.gap_rank}th", f"{tags.gap.mean:.2f}", "mean cosine of the best minus that of a later label"),
        ("Near-duplicates", f"{report.near_duplicates}", "photos that are close to one before them"),
        ("Exact duplicates", f"{report.exact_duplicates}", "photos whose file was there before, byte by byte"),
    ]
    if report.vendi_score is not None:
        numbers.append(("Different photos", f"{report.vendi_score:.1f}", "Vendi score: the effective number of them"))
    with st.container(horizontal=True, gap="large"):
        for label, value, explanation in numbers:
            st.metric(label, value, help=explanation, width="content")


def _show_map(public: str, job: Job, report: PhotoSetReport, photos: list[Photo]) -> None:
    if report.map_method is None:
        return
    st.header("The photos on a map", anchor=False)
    choices = list(colourings(photos))
    chosen = st.segmented_control(
        "Coloured by", choices, default=choices[0], format_func=_capital, required=True, key=f"colour-{job.id}"
    )
    photo_map(
        figure=map_figure(photos, Colouring(chosen or choices[0])).to_plotly_json(),
        photos=[
            {
                "thumbnail": public + photo.thumbnail,
                "name": photo.path,
                "tags": _tags(photo),
            }
            for photo in photos
        ],
        key=f"map-{job.id}",
    )
    st.caption(
        f"Alike photos lie together ({plain(report.map_method)}). Click or tap a dot to see its photo; drag to move."
    )


def _show_balance(report: PhotoSetReport) -> None:
    balance = report.class_balance
    st.header("How balanced the labels are", anchor=False)
    chart, words = st.columns([3, 2], gap="large")
    with chart:
        figure = balance_figure(report.tags.labels, primary_colour())
        st.plotly_chart(figure, key="balance", config={"displayModeBar": False})
    with words:
        st.markdown(f"Evenness **{percent(balance.entropy)}** (all labels equally frequent: 100 %)")
        if balance.imbalance is not None:
            st.markdown(f"The most frequent label has **{balance.imbalance:.3g}** times the photos of the least.")
        for line in fits_in_words(balance.fits):
            st.markdown(line)
        if balance.note:
            st.caption(plain(balance.note))


def _show_groups(groups: GroupStatistics) -> None:
    st.header("Groups", anchor=False)
    tags = groups.distinct_tags
    st.markdown(
        f"{counted(len(groups.groups), 'group')}, from {plain(groups.source)}. Distinct tags a group: {tags.min:g} to "
        f"{tags.max:g}, {tags.mean:.1f} on average."
        + (f" {counted(groups.ungrouped, 'photo is', 'photos are')} in no group." if groups.ungrouped else "")
    )
    st.dataframe(
        {
            "Group": [group.name for group in groups.groups],
            "Photos": [group.photos for group in groups.groups],
            "Distinct tags": [group.distinct_tags for group in groups.groups],
            "Most frequent": [", ".join(group.top_tags) for group in groups.groups],
        },
        hide_index=True,
        height="content" if len(groups.groups) < 12 else 420,
    )


def _show_clusterings(clusterings: list[Clustering], *, grouped: bool) -> None:
    if not clusterings:
        return
    st.header("Clusters", anchor=False)
    columns: dict[str, Sequence[object]] = {
        "Method": [f"{METHOD_NAMES[one.method]} on {one.on}" for one in clusterings],
        "Clusters": [one.clusters for one in clusterings],
        "Silhouette": [one.silhouette for one in clusterings],
    }
    if grouped:
        columns["ARI"] = [one.adjusted_rand for one in clusterings]
        columns["NMI"] = [one.mutual_information for one in clusterings]
    columns |= {
        "Elbow": ["–" if one.elbow is None else str(one.elbow) for one in clusterings],
        "In none": [one.noise for one in clusterings],
        "Sizes": [", ".join(map(str, one.sizes)) for one in clusterings],
        "Number chosen by": [one.chosen_by for one in clusterings],
    }
    helps = {
        "Silhouette": "1: well apart, 0: touching",
        "ARI": "agreement with the groups, adjusted Rand index: 1 is perfect, 0 is chance",
        "NMI": "agreement with the groups, normalised mutual information: 1 is perfect",
    }
    config = {name: st.column_config.NumberColumn(format="%.2f", help=text) for name, text in helps.items()}
    st.dataframe(columns, hide_index=True, column_config=config)


def _show_duplicates(public: str, report: PhotoSetReport, photos: list[Photo]) -> None:
    twins = sorted(
        (photo for photo in photos if photo.duplicate_of is not None), key=lambda photo: -(photo.duplicate_cosine or 0)
    )
    if not twins:
        return
    st.header(f"{counted(len(twins), 'photo is', 'photos are')} there twice, or nearly", anchor=False)
    with st.container(horizontal=True, gap="medium"):
        for photo in twins[:PAIRS_SHOWN]:
            first = photos[photo.duplicate_of or 0]
            with st.container(border=True, width=220, gap="small"):
                with st.container(horizontal=True, gap="small"):
                    st.image(public + first.thumbnail, width=84, alt=first.path)
                    st.image(public + photo.thumbnail, width=84, alt=photo.path)
                st.caption(f"cosine {photo.duplicate_cosine or 0:.3f}  \n{plain(first.path)}  \n{plain(photo.path)}")
    if len(twins) > PAIRS_SHOWN:
        st.caption(f"The first {PAIRS_SHOWN}; the table below has all.")


def _show_photos(public: str, job: Job, photos: list[Photo]) -> None:
    st.header("All photos", anchor=False)
    query = st.text_input("Only with", placeholder="a tag, a group or a name", key=f"photos-{job.id}", width=320)
    shown = [photo for photo in photos if query.casefold() in f"{photo.path} {_tags(photo)}".casefold()]
    st.caption(f"{len(shown)} of {counted(len(photos), 'photo')}")
    st.dataframe(
        {
            "Photo": [public + photo.thumbnail for photo in shown],
            "Name": [photo.path for photo in shown],
            "Tags": [[tag.label for tag in photo.tags] for photo in shown],
            "Best": [photo.tags[0].probability if photo.tags else None for photo in shown],
            "Twin of": [photos[photo.duplicate_of].path if photo.duplicate_of is not None else "" for photo in shown],
        },
        hide_index=True,
        row_height=56,
        height="content" if len(shown) < 8 else 460,
        column_config={
            "Photo": st.column_config.ImageColumn(width=90),
            "Name": st.column_config.TextColumn(width="medium"),
            "Tags": st.column_config.ListColumn(width="large"),
            "Best": st.column_config.NumberColumn(format="percent", width=80, help="probability of the best tag"),
        },
    )


def _show_downloads(api: GatewayApi, job: Job) -> None:
    st.header("Take it away", anchor=False)
    stem = job.name.rpartition(".")[0] or job.name or "photos"
    with st.container(horizontal=True):
        for file_format, label, media_type in DOWNLOADS:
            st.download_button(
                label,
                partial(api.photo_set_export, job.id, file_format),
                file_name=f"{stem}-tags.{file_format}",
                mime=media_type,
                on_click="ignore",
                icon=":material/download:",
                key=f"{file_format}-{job.id}",
            )


def _capital(text: str) -> str:
    """Write the first letter large; unlike ``str.capitalize`` this leaves *HDBSCAN* as it is."""
    return text[0].upper() + text[1:]


def _tags(photo: Photo) -> str:
    return ", ".join(tag.label for tag in photo.tags)
