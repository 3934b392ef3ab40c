"""A tagged photo set → what is told of it: the report, and a line for each photo."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.diversity import vendi_score
from framesense.schemas.photo_sets import (
    Clustering,
    ClusterMethod,
    Photo,
    PhotoSetParameters,
    PhotoSetReport,
    PhotoSetResult,
    SkippedFile,
)
from framesense.schemas.tags import Tag
from framesense.storage.photo_sets import Tagged
from worker.photo_sets.clustering import LEAST_PHOTOS, Partition, agreement, hdbscan, kmeans, kmodes, plane
from worker.photo_sets.duplicates import Duplicates, find_duplicates
from worker.photo_sets.groups import Grouping
from worker.photo_sets.statistics import class_balance, group_statistics, spread, tag_statistics

DIGITS = 5
"""Of the scores told."""
Pause = Callable[[], None]
"""Called between two long steps; raises to give up."""


@dataclass(frozen=True)
class PhotoSet:
    """A tagged photo set to report on. ``parameters``: with the labels and templates that were used in the end."""

    name: str
    tagged: Tagged
    parameters: PhotoSetParameters
    grouping: Grouping | None
    other_files: Sequence[PurePosixPath]
    warnings: Sequence[str] = ()
    """What was noticed while the zip was read."""

    @property
    def groups(self) -> list[str | None]:
        return [self.grouping.of(file.path) if self.grouping else None for file in self.tagged.files]


@dataclass(frozen=True)
class _Picture:
    """Clusters and places of some of the photos."""

    rows: NDArray[np.intp]
    partitions: dict[ClusterMethod, Partition]
    places: NDArray[np.floating]


def describe(photos: PhotoSet, *, max_clustered: int, pause: Pause = lambda: None) -> PhotoSetResult:
    """Describe a tagged set of at least one photo.

    ``max_clustered``: of more photos an even sample is clustered.
    """
    tagged = photos.tagged
    duplicates = find_duplicates(
        tagged.embeddings,
        [file.sha256 for file in tagged.files],
        least_cosine=photos.parameters.near_duplicate,
    )
    pause()
    picture = _picture(photos, max_clustered, pause)
    return PhotoSetResult(
        report=_report(photos, duplicates, picture),
        photos=_lines(photos, duplicates, picture),
        parameters=photos.parameters,
    )


def _picture(photos: PhotoSet, most: int, pause: Pause) -> _Picture | None:
    tagged, clusters = photos.tagged, photos.parameters.clusters
    rows = np.linspace(0, len(tagged) - 1, min(len(tagged), most)).astype(np.intp)
    if len(rows) < LEAST_PHOTOS:
        return None
    embeddings = tagged.embeddings[rows]
    partitions = {
        ClusterMethod.KMODES: kmodes(tagged.tagged[rows], clusters=clusters, pause=pause),
        ClusterMethod.KMEANS: kmeans(embeddings, clusters=clusters, pause=pause),
    }
    pause()
    partitions[ClusterMethod.HDBSCAN] = hdbscan(embeddings)
    pause()
    return _Picture(rows, partitions, plane(embeddings))


def _report(photos: PhotoSet, duplicates: Duplicates, picture: _Picture | None) -> PhotoSetReport:
    tagged, files, labels = photos.tagged, photos.tagged.files, photos.parameters.labels
    not_images = [SkippedFile(path=str(path), reason="not an image") for path in photos.other_files]
    partitions = picture.partitions if picture else {}
    grouped = None
    if photos.grouping:
        grouped = group_statistics(photos.grouping.source, photos.groups, labels, tagged.tagged)
    return PhotoSetReport(
        name=photos.name,
        photos=len(tagged),
        skipped=[*tagged.skipped, *not_images],
        bytes=spread([file.bytes for file in files]),
        width=spread([file.width for file in files]),
        height=spread([file.height for file in files]),
        labels=labels,
        templates=photos.parameters.templates,
        threshold=tagged.rule.threshold,
        threshold_on=tagged.rule.threshold_on,
        tags=tag_statistics(labels, tagged.cosine, tagged.tagged),
        class_balance=class_balance(tagged.tagged.sum(axis=0)),
        groups=grouped,
        clusterings=[_clustering(method, found, photos, picture) for method, found in partitions.items() if picture],
        map_method="t-SNE of the embeddings' principal components" if picture else None,
        exact_duplicates=int(duplicates.exact.sum()),
        near_duplicates=int(duplicates.near.sum()),
        vendi_score=vendi_score(tagged.embeddings) if tagged.embeddings.any() else None,
        warnings=[*photos.warnings, *tagged.rule.warnings, *_warnings(photos, picture)],
        models=[tagged.rule.model],
    )


def _warnings(photos: PhotoSet, picture: _Picture | None) -> list[str]:
    found = list(photos.grouping.warnings) if photos.grouping else []
    if picture is None:
        found.append(f"Fewer than {LEAST_PHOTOS} photos are not clustered and have no map.")
    elif len(picture.rows) < len(photos.tagged):
        sample, all_photos = len(picture.rows), len(photos.tagged)
        found.append(f"Clusters and the map show an even sample of {sample:,} of {all_photos:,} photos.")
    return found


def _clustering(method: ClusterMethod, found: Partition, photos: PhotoSet, picture: _Picture) -> Clustering:
    groups = photos.groups
    agreed = agreement(found.labels, [groups[row] for row in picture.rows])
    return Clustering(
        method=method,
        on="tags" if method is ClusterMethod.KMODES else "embeddings",
        clusters=found.clusters,
        sizes=found.sizes,
        noise=int((found.labels < 0).sum()),
        chosen_by=found.chosen_by,
        elbow=found.elbow,
        candidates=found.candidates,
        silhouette=found.silhouette,
        adjusted_rand=agreed and agreed[0],
        mutual_information=agreed and agreed[1],
    )


def _lines(photos: PhotoSet, duplicates: Duplicates, picture: _Picture | None) -> list[Photo]:
    tagged, groups = photos.tagged, photos.groups
    at = {int(row): place for place, row in enumerate(picture.rows)} if picture else {}
    lines = []
    for index, file in enumerate(tagged.files):
        line = Photo(
            index=index,
            path=file.path,
            group=groups[index],
            width=file.width,
            height=file.height,
            bytes=file.bytes,
            sha256=file.sha256,
            tags=_tags(tagged, index, photos.parameters.labels),
        )
        if duplicates.of[index] >= 0:
            line.duplicate_of = int(duplicates.of[index])
            line.duplicate_cosine = float(duplicates.cosine[index])
        if picture and (place := at.get(index)) is not None:
            line.clusters = {method: int(found.labels[place]) for method, found in picture.partitions.items()}
            line.x, line.y = (float(value) for value in picture.places[place])
        lines.append(line)
    return lines


def _tags(tagged: Tagged, index: int, labels: Sequence[str]) -> list[Tag]:
    """Return a photo's tags, the most probable first."""
    cosine, probability = tagged.cosine[index], tagged.probability[index]
    columns: list[int] = np.flatnonzero(tagged.tagged[index]).tolist()
    return [
        Tag(
            label=labels[column],
            cosine=round(float(cosine[column]), DIGITS),
            probability=round(float(probability[column]), DIGITS),
        )
        for column in sorted(columns, key=lambda column: -float(probability[column]))
    ]
