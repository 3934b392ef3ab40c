"""Store tagged photo sets: the worker writes tags and embeddings in chunks, the gateway reads the result.

A tagging is named by everything it depends on (the zip's content, labels, templates, thresholds, the model), so the
same question finds the same answer, and a worker that takes over finds the chunks of the one that died. Layout under
the blob store::

    photosets/{sha256}/source                        the zip
    taggings/{key}/chunks/{first entry}.npz          photos, embeddings and scores of consecutive entries of the zip
    taggings/{key}/thumbnails/{photo}.jpg
    taggings/{key}/photos.csv, photos.parquet        the tables
    taggings/{key}/result.json                       written last: its presence says that the tagging is whole
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter

from framesense.schemas.models import ModelInfo
from framesense.schemas.photo_sets import PhotoSetParameters, PhotoSetResult, SkippedFile
from framesense.schemas.tags import ThresholdOn
from framesense.storage.blobs import Storage

PHOTO_SETS, TAGGINGS = "photosets", "taggings"
"""Prefixes under which each photo set and each tagging has one of its own."""
FORMAT = 2
"""Part of every key: raise it when chunks change their meaning, and old taggings are made anew."""

Floats = NDArray[np.float32]


class Table(StrEnum):
    """A table of all photos, as a file."""

    CSV = "csv"
    PARQUET = "parquet"


def photo_set_prefix(sha256: str) -> str:
    """Return the prefix under which everything of an uploaded photo set is stored."""
    return f"{PHOTO_SETS}/{sha256}"


def photo_set_key(sha256: str) -> str:
    """Return the key of an uploaded photo set."""
    return f"{photo_set_prefix(sha256)}/source"


def tagging_key(*, sha256: str, parameters: PhotoSetParameters, model: ModelInfo) -> str:
    """Return the name of a tagging: a hash of all it depends on. A label set must have been replaced by its labels."""
    inputs = [FORMAT, sha256, parameters.model_dump(mode="json"), model.name, model.revision]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def tagging_prefix(key: str) -> str:
    """Return the prefix under which everything of a tagging is stored."""
    return f"{TAGGINGS}/{key}"


class PhotoFile(BaseModel):
    """Describe a photo as it came: ``path`` inside the zip, size in pixels (upright) and bytes, hash of its content."""

    path: str
    width: int
    height: int
    bytes: int
    sha256: str


class Rule(BaseModel):
    """Record how tags were chosen, by which model, and what to know before trusting them."""

    threshold: float
    threshold_on: ThresholdOn
    warnings: list[str]
    model: ModelInfo


@dataclass(frozen=True)
class Tagged:
    """Hold ``n`` photos of ``entries`` consecutive entries of the zip, scored for ``m`` labels."""

    rule: Rule
    entries: int
    skipped: list[SkippedFile]
    files: list[PhotoFile]
    embeddings: Floats
    """n × dimensions, L2-normalised."""
    cosine: Floats
    """n × m."""
    probability: Floats
    """n × m, calibrated."""
    tagged: NDArray[np.bool_]
    """n × m: the tags given."""

    def __len__(self) -> int:
        return len(self.files)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join consecutive parts. Raises ValueError where there are none."""
        return cls(
            rule=parts[0].rule,
            entries=sum(part.entries for part in parts),
            skipped=[file for part in parts for file in part.skipped],
            files=[file for part in parts for file in part.files],
            embeddings=np.concatenate([part.embeddings for part in parts]),
            cosine=np.concatenate([part.cosine for part in parts]),
            probability=np.concatenate([part.probability for part in parts]),
            tagged=np.concatenate([part.tagged for part in parts]),
        )

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        described = _DESCRIPTION.dump_json((self.rule, self.entries, self.skipped, self.files))
        np.savez(
            buffer,
            described=np.frombuffer(described, dtype=np.uint8),
            embeddings=self.embeddings,
            cosine=self.cosine,
            probability=self.probability,
            tagged=self.tagged,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            rule, entries, skipped, files = _DESCRIPTION.validate_json(arrays["described"].tobytes())
            return cls(
                rule=rule,
                entries=entries,
                skipped=skipped,
                files=files,
                embeddings=arrays["embeddings"],
                cosine=arrays["cosine"],
                probability=arrays["probability"],
                tagged=arrays["tagged"],
            )


_DESCRIPTION = TypeAdapter(tuple[Rule, int, list[SkippedFile], list[PhotoFile]])


class PhotoSetStore:
    """Read and write taggings. A chunk written twice stays the same, so two workers cannot spoil one another's."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def append(self, key: str, first_entry: int, first_photo: int, chunk: Tagged, thumbnails: Sequence[bytes]) -> None:
        """Write the chunk that begins at an entry of the zip and at a photo of those taken, after its thumbnails."""
        for index, jpeg in enumerate(thumbnails, first_photo):
            self._storage.write(_thumbnail_key(key, index), jpeg)
        self._storage.write(f"{tagging_prefix(key)}/chunks/{first_entry:08d}.npz", chunk.to_bytes())

    def checkpoint(self, key: str) -> Tagged | None:
        """Return what is finished so far without a gap, or None when nothing is."""
        parts: list[Tagged] = []
        for chunk in self._storage.list(f"{tagging_prefix(key)}/chunks"):
            first = int(chunk.rsplit("/", 1)[1].removesuffix(".npz"))
            if first != sum(part.entries for part in parts):
                break
            parts.append(Tagged.from_bytes(self._storage.read(chunk)))
        return Tagged.concatenate(parts) if parts else None

    def finish(self, key: str, result: PhotoSetResult, tables: dict[Table, bytes]) -> None:
        for table, content in tables.items():
            self._storage.write(_table_key(key, table), content)
        self._storage.write(f"{tagging_prefix(key)}/result.json", result.model_dump_json().encode())

    def load(self, key: str) -> PhotoSetResult | None:
        """Return the result of a whole tagging, or None while it is not whole."""
        try:
            return PhotoSetResult.model_validate_json(self._storage.read(f"{tagging_prefix(key)}/result.json"))
        except FileNotFoundError:
            return None

    def is_whole(self, key: str) -> bool:
        return self._storage.exists(f"{tagging_prefix(key)}/result.json")

    def table(self, key: str, table: Table) -> bytes:
        """Return a table of all photos as a file. Raises FileNotFoundError."""
        return self._storage.read(_table_key(key, table))

    def thumbnail(self, key: str, index: int) -> bytes:
        """Return a photo's thumbnail, a JPEG. Raises FileNotFoundError."""
        return self._storage.read(_thumbnail_key(key, index))

    def delete(self, key: str) -> None:
        self._storage.delete(tagging_prefix(key))


def _thumbnail_key(key: str, index: int) -> str:
    return f"{tagging_prefix(key)}/thumbnails/{index:08d}.jpg"


def _table_key(key: str, table: Table) -> str:
    return f"{tagging_prefix(key)}/photos.{table}"
