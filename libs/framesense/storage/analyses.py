"""Store analyses of videos: the worker writes their frames in chunks, the gateway reads them.

An analysis is named by everything its captions depend on (the video's content, the sampling, the model), so the same
question finds the same answer, and a worker that takes over finds the chunks of the one that died. Layout under the
blob store::

    videos/{sha256}/source                      the upload
    videos/{sha256}/stream-{number}             one of its pictures by itself, where a player would show another
    analyses/{key}/chunks/{first index}.npz     captions, times and embeddings of consecutive frames
    analyses/{key}/patches/{first index}.npz    their patch descriptors, read a chunk at a time
    analyses/{key}/thumbnails/{index}.jpg
    analyses/{key}/patch-curves/{name}.npy      curves that took a while to compute, one value a frame
    analyses/{key}/analysis.json                written last: its presence says that the analysis is whole
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from framesense.novelty.patches import Grid, PackedGrids
from framesense.schemas.models import ModelInfo
from framesense.schemas.novelty import VideoInfo
from framesense.storage.blobs import Storage

VIDEOS, ANALYSES = "videos", "analyses"
"""Prefixes under which each video and each analysis has one of its own."""
FORMAT = 5
"""Part of every key: raise it when chunks change their meaning, and old analyses are made anew."""


def video_prefix(sha256: str) -> str:
    """Return the prefix under which everything of an uploaded video is stored."""
    return f"{VIDEOS}/{sha256}"


def video_key(sha256: str) -> str:
    """Return the key of an uploaded video."""
    return f"{video_prefix(sha256)}/source"


def stream_key(sha256: str, number: int) -> str:
    """Return the key of one of a video's pictures by itself."""
    return f"{video_prefix(sha256)}/stream-{number}"


@dataclass(frozen=True)
class VideoModels:
    """Name the models that see a video: the captioner, and the tagger whose space a search uses (None: no search)."""

    captioner: ModelInfo
    tagger: ModelInfo | None = None

    @property
    def shared_encoder(self) -> str | None:
        """Return the image encoder that both have, so that one pass of it serves both; None where they differ."""
        encoder = self.captioner.encoder
        return encoder if self.tagger and self.tagger.encoder == encoder else None

    def all(self) -> list[ModelInfo]:
        return [self.captioner] + ([self.tagger] if self.tagger else [])


def analysis_key(
    *,
    sha256: str,
    every_n_second: float,
    beams: int,
    max_tokens: int,
    models: VideoModels,
    video_stream: int | None = None,
) -> str:
    """Return the name of an analysis: a hash of all that its frames, captions and embeddings depend on.

    ``video_stream``: of several pictures the one that was chosen, None where none was.
    """
    inputs: list[str | int | float] = [FORMAT, sha256, float(every_n_second), beams, max_tokens]
    inputs += [] if video_stream is None else [f"stream {video_stream}"]
    inputs += [text for model in models.all() for text in (model.name, model.revision)]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def analysis_prefix(key: str) -> str:
    """Return the prefix under which everything of an analysis is stored."""
    return f"{ANALYSES}/{key}"


class Summary(BaseModel):
    """Describe a whole analysis: the video and the models that saw it."""

    video: VideoInfo
    models: list[ModelInfo]


@dataclass(frozen=True)
class Frames:
    """Hold ``n`` consecutive sampled frames.

    ``times``: n seconds, float64. ``words``: n × d mean word embeddings and ``sentences``: n × s L2-normalised sentence
    embeddings, float32. ``visual``: n × v embeddings of the pictures themselves, ``aligned``: n × e L2-normalised
    embeddings in the tagger's space, where texts are too; float32, stored as float16; None where no model gave them.
    ``confidences``: n chances, each that the caption is right; None where the captioner was not calibrated, or an
    earlier release analysed the video.
    """

    times: NDArray[np.float64]
    captions: Sequence[str]
    words: NDArray[np.float32]
    sentences: NDArray[np.float32]
    visual: NDArray[np.float32] | None = None
    aligned: NDArray[np.float32] | None = None
    confidences: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.times)

    def chances(self) -> list[float | None]:
        """Return the chance that each caption is right, to three decimals; None for all where none are stored."""
        if self.confidences is None:
            return [None] * len(self)
        return [round(chance, 3) for chance in self.confidences.tolist()]

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join consecutive parts. Raises ValueError where there are none."""
        return cls(
            times=np.concatenate([part.times for part in parts]),
            captions=[caption for part in parts for caption in part.captions],
            words=np.concatenate([part.words for part in parts]),
            sentences=np.concatenate([part.sentences for part in parts]),
            visual=_joined([part.visual for part in parts]),
            aligned=_joined([part.aligned for part in parts]),
            confidences=_joined([part.confidences for part in parts]),
        )

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        captions = np.frombuffer(json.dumps(list(self.captions)).encode(), dtype=np.uint8)
        optional = {"visual": self.visual, "aligned": self.aligned, "confidences": self.confidences}
        halves = {name: array.astype(np.float16) for name, array in optional.items() if array is not None}
        arrays: dict[str, Any] = {"words": self.words, "sentences": self.sentences, **halves}
        np.savez(buffer, times=self.times, captions=captions, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(
                times=arrays["times"],
                captions=json.loads(arrays["captions"].tobytes()),
                words=arrays["words"],
                sentences=arrays["sentences"],
                visual=arrays["visual"].astype(np.float32) if "visual" in arrays else None,
                aligned=arrays["aligned"].astype(np.float32) if "aligned" in arrays else None,
                confidences=arrays["confidences"].astype(np.float32) if "confidences" in arrays else None,
            )


def _joined(parts: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    """Join the parts' arrays; return None when a part lacks it."""
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None


class AnalysisStore:
    """Read and write analyses. A chunk written twice stays the same, so two workers cannot spoil one another's."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def append(
        self, key: str, first: int, frames: Frames, thumbnails: Sequence[bytes], patches: PackedGrids | None = None
    ) -> None:
        """Write frames ``first`` … ``first + len(frames) − 1``, the chunk last, so that all else is there before it."""
        for index, jpeg in enumerate(thumbnails, first):
            self._storage.write(thumbnail_key(key, index), jpeg)
        if patches is not None:
            self._storage.write(f"{analysis_prefix(key)}/patches/{first:08d}.npz", patches.to_bytes())
        self._storage.write(f"{analysis_prefix(key)}/chunks/{first:08d}.npz", frames.to_bytes())

    def checkpoint(self, key: str) -> Frames | None:
        """Return the frames finished so far without a gap, or None when there are none."""
        parts: list[Frames] = []
        for chunk in self._storage.list(f"{analysis_prefix(key)}/chunks"):
            first = int(chunk.rsplit("/", 1)[1].removesuffix(".npz"))
            if first != sum(map(len, parts)):
                break
            parts.append(Frames.from_bytes(self._storage.read(chunk)))
        return Frames.concatenate(parts) if parts else None

    def patches(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[Grid]:
        """Yield the patch descriptors of the frames ``start`` … ``stop − 1`` (to the last by default), in order.

        One chunk is in memory at a time. Yields nothing where none are stored.
        """
        return (grid for grid, _ in self.patches_and_motion(key, start, stop))

    def patches_and_motion(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[Grid, Grid | None]]:
        """Yield what :meth:`patches` does, each with the motion of its places (rows × columns × 2).

        The motion is None where an earlier release analysed the video and measured none.
        """
        chunks = self._storage.list(f"{analysis_prefix(key)}/patches")
        firsts = [int(chunk.rsplit("/", 1)[1].removesuffix(".npz")) for chunk in chunks]
        for chunk, first, following in zip(chunks, firsts, [*firsts, None][1:], strict=True):
            if (following is not None and following <= start) or (stop is not None and first >= stop):
                continue
            packed = PackedGrids.from_bytes(self._storage.read(chunk))
            for index in range(max(start - first, 0), len(packed) if stop is None else min(stop - first, len(packed))):
                motion = packed.motion
                yield packed[index], None if motion is None else motion[index].astype(np.float32)

    def finish(self, key: str, summary: Summary) -> None:
        self._storage.write(f"{analysis_prefix(key)}/analysis.json", summary.model_dump_json().encode())

    def curve(self, key: str, name: str) -> NDArray[np.float64] | None:
        """Return a curve stored beside an analysis, one value a frame; None where there is none of that name."""
        try:
            content = self._storage.read(_curve_key(key, name))
        except FileNotFoundError:
            return None
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), dtype=np.float64)

    def save_curve(self, key: str, name: str, curve: NDArray[np.float64]) -> None:
        """Store a curve beside an analysis, so that it need not be computed again."""
        buffer = io.BytesIO()
        np.save(buffer, curve)
        self._storage.write(_curve_key(key, name), buffer.getvalue())

    def is_whole(self, key: str) -> bool:
        return self._storage.exists(f"{analysis_prefix(key)}/analysis.json")

    def load(self, key: str) -> tuple[Summary, Frames] | None:
        """Return a whole analysis, or None while it is not whole."""
        try:
            summary = Summary.model_validate_json(self._storage.read(f"{analysis_prefix(key)}/analysis.json"))
        except FileNotFoundError:
            return None
        frames = self.checkpoint(key)
        return (summary, frames) if frames else None

    def thumbnail(self, key: str, index: int) -> bytes:
        """Return a frame's thumbnail, a JPEG. Raises FileNotFoundError."""
        return self._storage.read(thumbnail_key(key, index))

    def delete(self, key: str) -> None:
        self._storage.delete(analysis_prefix(key))


def thumbnail_key(key: str, index: int) -> str:
    return f"{analysis_prefix(key)}/thumbnails/{index:08d}.jpg"


def _curve_key(key: str, name: str) -> str:
    return f"{analysis_prefix(key)}/patch-curves/{name}.npy"
