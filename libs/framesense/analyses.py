"""What the worker learns of a video and the gateway tells of it: the frames of an analysis, in chunks.

An analysis is named by everything its captions depend on (the video's content, the sampling, the model), so the same
question finds the same answer, and a worker that takes over finds the chunks of the one that died. Layout under the
blob store::

    videos/{sha256}/source                      the upload
    analyses/{key}/chunks/{first index}.npz     captions, times and embeddings of consecutive frames
    analyses/{key}/thumbnails/{index}.jpg
    analyses/{key}/analysis.json                written last: its presence says that the analysis is whole
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from framesense.schemas.models import ModelInfo
from framesense.schemas.novelty import Signal, VideoInfo
from framesense.storage import Storage

FORMAT = 1
"""Part of every key: raise it when chunks change their meaning, and old analyses are made anew."""


def video_key(sha256: str) -> str:
    return f"videos/{sha256}/source"


def analysis_key(*, sha256: str, every_n_second: float, beams: int, max_tokens: int, model: ModelInfo) -> str:
    """The name of an analysis: a hash of all that its frames and captions depend on."""
    asked = [FORMAT, sha256, float(every_n_second), beams, max_tokens, model.name, model.revision]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


class Summary(BaseModel):
    """What is known once the whole video was seen."""

    video: VideoInfo
    models: list[ModelInfo]


@dataclass(frozen=True)
class Frames:
    """``n`` consecutive sampled frames. ``times``: n seconds, float64. ``words``: n × d mean word embeddings and
    ``sentences``: n × s L2-normalised sentence embeddings, float32."""

    times: NDArray[np.float64]
    captions: Sequence[str]
    words: NDArray[np.float32]
    sentences: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.times)

    def signal(self, signal: Signal) -> NDArray[np.float32]:
        """The embeddings that a novelty signal compares: n × its dimensions."""
        return {Signal.WORDS: self.words, Signal.SENTENCE: self.sentences}[signal]

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Raises ValueError for no parts."""
        return cls(
            times=np.concatenate([part.times for part in parts]),
            captions=[caption for part in parts for caption in part.captions],
            words=np.concatenate([part.words for part in parts]),
            sentences=np.concatenate([part.sentences for part in parts]),
        )

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        captions = np.frombuffer(json.dumps(list(self.captions)).encode(), dtype=np.uint8)
        np.savez(buffer, times=self.times, captions=captions, words=self.words, sentences=self.sentences)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            captions = json.loads(arrays["captions"].tobytes())
            return cls(times=arrays["times"], captions=captions, words=arrays["words"], sentences=arrays["sentences"])


class AnalysisStore:
    """Reads and writes analyses. Writing a chunk twice leaves it as it was, so two workers cannot spoil one another."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def append(self, key: str, first: int, frames: Frames, thumbnails: Sequence[bytes]) -> None:
        """Frames ``first`` … ``first + len(frames) − 1``; the chunk comes last, so its thumbnails are there too."""
        for index, jpeg in enumerate(thumbnails, first):
            self._storage.write(thumbnail_key(key, index), jpeg)
        self._storage.write(f"analyses/{key}/chunks/{first:08d}.npz", frames.to_bytes())

    def checkpoint(self, key: str) -> Frames | None:
        """The frames finished so far without a gap, or None when there are none."""
        parts: list[Frames] = []
        for chunk in self._storage.list(f"analyses/{key}/chunks"):
            first = int(chunk.rsplit("/", 1)[1].removesuffix(".npz"))
            if first != sum(map(len, parts)):
                break
            parts.append(Frames.from_bytes(self._storage.read(chunk)))
        return Frames.concatenate(parts) if parts else None

    def finish(self, key: str, summary: Summary) -> None:
        self._storage.write(f"analyses/{key}/analysis.json", summary.model_dump_json().encode())

    def load(self, key: str) -> tuple[Summary, Frames] | None:
        """A whole analysis, or None while it is not whole."""
        try:
            summary = Summary.model_validate_json(self._storage.read(f"analyses/{key}/analysis.json"))
        except FileNotFoundError:
            return None
        frames = self.checkpoint(key)
        return (summary, frames) if frames else None

    def thumbnail(self, key: str, index: int) -> bytes:
        """JPEG bytes. Raises FileNotFoundError."""
        return self._storage.read(thumbnail_key(key, index))

    def delete(self, key: str) -> None:
        self._storage.delete(f"analyses/{key}")


def thumbnail_key(key: str, index: int) -> str:
    return f"analyses/{key}/thumbnails/{index:08d}.jpg"
