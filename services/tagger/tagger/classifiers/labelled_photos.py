"""Labelled photos: a zip with a folder for each label, or files with a label each → names, embeddings, truth."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from framesense.http.texts import split_labels
from framesense.http.uploads import IMAGE_FIELDS, Form, Upload, read_form
from framesense.media.archives import looks_like_zip, read_images
from framesense.media.names import clean_name
from framesense.schemas.labels import label_key
from tagger.dependencies import TaggerDependencies
from tagger.labels.validation import read_texts
from tagger.serving import BatchedEmbedder

Floats = NDArray[np.float32]
Integers = NDArray[np.intp]

ARCHIVE_FIELD = "archive"


@dataclass(frozen=True)
class LabelledPhotos:
    names: list[str]
    embeddings: Floats
    """n × dimensions."""
    truth: Integers
    """n indices into the classifier's labels."""


async def read_labelled(
    request: Request, labels: Sequence[str], dependencies: TaggerDependencies, model: BatchedEmbedder
) -> LabelledPhotos:
    """Read and embed photos with their labels, from a form or a zip.

    Labels match a classifier's whatever their case, ``_`` and ``-`` taken for a blank.

    Raises ProblemError: 413 over a limit, 415 not a form or a zip, 422 no photos or a label that it does not have.
    """
    form = await read_form(
        request,
        dependencies.labelled,
        fields=(*IMAGE_FIELDS, ARCHIVE_FIELD),
        max_values=dependencies.archives.max_images + 100,
    )
    photos = await asyncio.to_thread(_pairs, form, dependencies)
    known = {label_key(clean_name(label)): index for index, label in enumerate(labels)}
    if strange := sorted({label for _, label in photos if label_key(clean_name(label)) not in known}):
        detail = (
            f"The photos are labelled {', '.join(map(repr, strange[:5]))}, which the classifier does not have. It has: "
            f"{', '.join(map(repr, labels[:20]))}. Name the folders so."
        )
        raise ProblemError(422, "unknown-label", "Unknown label", detail)
    chunks = [photos[start : start + dependencies.chunk] for start in range(0, len(photos), dependencies.chunk)]
    embeddings = [await unless_disconnected(request, model.embed([upload for upload, _ in chunk])) for chunk in chunks]
    return LabelledPhotos(
        names=[upload.filename for upload, _ in photos],
        embeddings=np.concatenate(embeddings),
        truth=np.array([known[label_key(clean_name(label))] for _, label in photos], np.intp),
    )


def _pairs(form: Form, dependencies: TaggerDependencies) -> list[tuple[Upload, str]]:
    """Pair the photos of a form with their labels."""
    first = form.files[0]
    if len(form.files) == 1 and looks_like_zip(first.content):
        pairs = []
        for image in read_images(io.BytesIO(first.content), dependencies.archives, name=first.filename):
            if image.group is None:
                detail = f"{image.path} lies in no folder of the zip. Put each photo into a folder named as its label."
                raise ProblemError(422, "photo-without-label", "Photo without a label", detail)
            pairs.append((Upload(image.content, str(image.path), None), image.group))
        return pairs
    labels = read_texts(form.values.get("labels", []), split_labels)
    if len(labels) != len(form.files):
        detail = (
            f"{len(form.files)} photos and {len(labels)} labels were sent. Send a label for each photo, in the same "
            f"order, in the field 'labels'; or one zip with a folder for each label in the field {ARCHIVE_FIELD!r}."
        )
        raise ProblemError(422, "photo-without-label", "Photo without a label", detail)
    return list(zip(form.files, labels, strict=True))
