"""Analyse a recording as the product does: embeddings as the embedded captioner gives them, scores, moments."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.moments.cases import Case, Recording, sample
from captioner.models.lite2_views import encode_with_views
from framesense.models.encoders.efficientnet_lite2 import load_encoder, squash
from framesense.models.spec import choose_dtype
from framesense.novelty.curve import rolling_novelty
from framesense.novelty.patches import PackedGrids, PatchMemory, frame_score
from framesense.novelty.sampling import default_interval
from framesense.novelty.scores import FLOORS, auto_evidence, curve_scores
from framesense.schemas.novelty import Metric, Signal

BATCH, WINDOW, MEMORY = 16, 3, 64
LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a JPEG's luma (ITU-R BT.601)."""
CACHE = Path(tempfile.gettempdir()) / "framesense-moments-2"


@dataclass(frozen=True)
class EmbeddedFrames:
    """n frames of a recording: ``visual`` n × d, ``grids`` n × rows × columns × d, ``brightness`` n means, 0 … 255."""

    times: NDArray[np.float64]
    every: float
    visual: NDArray[np.float32]
    grids: NDArray[np.float32]
    brightness: NDArray[np.float32]

    def every_nth(self, step: int) -> "EmbeddedFrames":
        """Thin the frames, as if every ``step``-th had been sampled."""
        kept = slice(None, None, step)
        return EmbeddedFrames(
            self.times[kept], self.every * step, self.visual[kept], self.grids[kept], self.brightness[kept]
        )

    def scores(self, signal: Signal = Signal.AUTO, metric: Metric = Metric.COSINE) -> NDArray[np.float64]:
        if signal is Signal.AUTO:
            return auto_evidence(
                self.visual, lambda indices: self.grids[indices], self.brightness, window=WINDOW, every=self.every
            ).scores
        if signal is Signal.VISUAL:
            curve = rolling_novelty(self.visual, window=WINDOW, metric=metric)
        else:
            memory, values = PatchMemory(MEMORY), []
            for grid in self.grids:
                values.append(frame_score(memory.distances(grid)))
                memory.remember(grid)
            curve = np.array(values)
        return curve_scores(curve, floor=FLOORS[signal, metric])


class Product:
    """Embeds recordings, and keeps the embeddings in ``cache``: they take most of the time."""

    def __init__(self, cache: Path) -> None:
        self._cache, self._device = cache, torch.device("cpu")
        self._dtype = choose_dtype("auto", self._device)
        self._encoder = load_encoder()
        cache.mkdir(parents=True, exist_ok=True)

    def embed(self, case: Case) -> EmbeddedFrames:
        """Embed a case with default options: at the interval that follows from the length."""
        every = default_interval(case.duration)
        place = (
            self._cache
            / f"{hashlib.sha256(repr((case.kind, case.name, case.duration, every)).encode()).hexdigest()}.npz"
        )
        if not place.exists():
            self._embed_recording(sample(case, every), place)
        with np.load(place) as stored:
            grids = PackedGrids(stored["values"], stored["scales"])
            whole = np.stack([grids[index] for index in range(len(grids))])
            return EmbeddedFrames(
                stored["times"], every, stored["visual"].astype(np.float32), whole, stored["brightness"]
            )

    def _embed_recording(self, recording: Recording, place: Path) -> None:
        visual, grids = [], []
        with torch.inference_mode():
            for batch in _batches(recording.pictures):
                pixels = torch.stack([squash(picture) for picture in batch])
                _, whole, patches = encode_with_views(self._encoder, pixels, self._dtype)
                visual.append(whole.float().numpy())
                grids.append(patches.float().numpy())
        packed = PackedGrids.pack(np.concatenate(grids))
        half = np.concatenate(visual).astype(np.float16)  # as analyses are stored
        brightness = np.array([np.dot(picture.mean(axis=(0, 1)), LUMA) for picture in recording.pictures], np.float32)
        np.savez(
            place,
            times=recording.times,
            visual=half,
            values=packed.values,
            scales=packed.scales,
            brightness=brightness,
        )


def _batches(pictures: Sequence[NDArray[np.uint8]]) -> list[Sequence[NDArray[np.uint8]]]:
    return [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
