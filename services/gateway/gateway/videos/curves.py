"""Novelty curves of analysed videos, by any signal: embeddings are compared at once, patches a frame at a time."""

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.novelty.background import Grids
from framesense.novelty.normal_footage import NormalFootage
from framesense.novelty.patches import Grid, Map, PatchMemory, frame_score
from framesense.novelty.scores import auto_evidence, curve_scores, floor_of, reference_scores
from framesense.novelty.signals import signal_novelty
from framesense.schemas.novelty import NoveltyParameters, Signal
from framesense.storage.analyses import AnalysisStore
from gateway.videos.analysed import Analysed
from gateway.videos.references import References

Curve = NDArray[np.float64]

SCORES_VERSION = 6
"""Part of the name under which the scores of `auto` are stored: raise it when they are computed otherwise."""
LEAST_MEMORY, MOST_MEMORY = 64, 256
"""Frames that the patch signal remembers: the window, but no fewer and no more than these. A short memory finds odd
what comes by every minute, a long one costs time."""


class Curves:
    """Compute curves from what analyses store; those that need the patches are stored beside them."""

    def __init__(self, analyses: AnalysisStore, references: References, *, kept: int) -> None:
        self._analyses, self._references = analyses, references
        self._patch_curve = lru_cache(maxsize=kept)(self._read_patch_curve)

    def scores(self, analysed: Analysed, parameters: NoveltyParameters) -> Curve:
        """Return how far each frame stands out; 1 is where a strong moment begins. Blocking.

        Raises ProblemError as :meth:`novelty`.
        """
        novelty = self.novelty(analysed, parameters)
        if parameters.signal is Signal.AUTO and self._sees(analysed):
            return novelty
        if parameters.reference is not None:
            reference = self._references.get(parameters.reference)
            return reference_scores(novelty, usual=reference.usual_distance, farthest=reference.farthest_distance)
        family = next((model.family for model in analysed.summary.models if model.service == "captioner"), "")
        floor = floor_of(parameters.signal, parameters.metric, captioner_family=family)
        return curve_scores(novelty, floor=floor)

    def _sees(self, analysed: Analysed) -> bool:
        """Tell whether pictures were stored to compare, as a whole and place by place."""
        return analysed.frames.visual is not None and next(self._analyses.patches(analysed.key, 0, 1), None) is not None

    def _auto_curve(self, analysed: Analysed, window: int) -> Curve:
        visual = analysed.frames.visual
        assert visual is not None

        def read(indices: NDArray[np.intp]) -> Grids:
            wanted, first = set(indices.tolist()), int(indices[0])
            grids = enumerate(self._analyses.patches(analysed.key, first, int(indices[-1]) + 1), first)
            return np.stack([grid for index, grid in grids if index in wanted])

        times = analysed.frames.times
        every = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        return self._stored(
            analysed.key,
            f"auto-{SCORES_VERSION}-{window}",
            lambda: auto_evidence(visual, read, self._brightness(analysed), window=window, every=every).scores,
        )

    def _brightness(self, analysed: Analysed) -> Curve | None:
        """Return the mean brightness of each frame, 0 … 255; None where a picture is missing or cannot be read."""
        try:
            pictures = (self._analyses.thumbnail(analysed.key, index) for index in range(len(analysed.frames)))
            return np.array([mean_brightness(jpeg) for jpeg in pictures], dtype=np.float64)
        except OSError:
            return None

    def _stored(self, key: str, name: str, compute: Callable[[], Curve]) -> Curve:
        """Return a curve that is stored beside its analysis, computed and stored the first time."""
        stored = self._analyses.curve(key, name)
        if stored is not None:
            return stored
        curve = compute()
        if len(curve):
            self._analyses.save_curve(key, name, curve)
        return curve

    def novelty(self, analysed: Analysed, parameters: NoveltyParameters) -> Curve:
        """Return one value a frame, ≥ 0, in the metric's unit. Blocking.

        Raises ProblemError for a signal that was not stored or an unknown reference.
        """
        if parameters.signal is Signal.PATCH:
            revision = self._references.revision(parameters.reference) if parameters.reference else ""
            curve = self._patch_curve(analysed.key, _memory(parameters), parameters.reference, revision)
            if len(curve) != len(analysed.frames):
                raise _not_stored(Signal.PATCH)
            return curve
        if parameters.signal is Signal.AUTO and self._sees(analysed):
            return self._auto_curve(analysed, parameters.rolling_window_size)
        try:
            return signal_novelty(
                analysed.frames, parameters.signal, window=parameters.rolling_window_size, metric=parameters.metric
            )
        except LookupError as error:
            raise _not_stored(parameters.signal) from error

    def patch_map(self, analysed: Analysed, index: int, parameters: NoveltyParameters) -> Map:
        """Measure how odd each patch of a frame is: rows × columns.

        Blocking; raises ProblemError as :meth:`novelty`.
        """
        memory = _memory(parameters)
        reference = self._references.load(parameters.reference) if parameters.reference else None
        first = index if reference else max(0, index - memory)
        grids = list(self._analyses.patches_and_motion(analysed.key, first, index + 1))
        if len(grids) != index + 1 - first:
            raise _not_stored(Signal.PATCH)
        return next(islice(_maps(iter(grids), reference, memory), len(grids) - 1, None))

    def _read_patch_curve(self, key: str, memory: int, reference: str | None, revision: str) -> Curve:
        name = f"reference-{reference}-{revision}" if reference else f"memory-{memory}"
        known = self._references.load(reference) if reference else None

        def compare() -> Curve:
            maps = _maps(self._analyses.patches_and_motion(key), known, memory)
            return np.array([frame_score(distances) for distances in maps], dtype=np.float64)

        return self._stored(key, name, compare)


def mean_brightness(jpeg: bytes) -> float:
    """Return the mean of a picture's luma, 0 … 255. Raises OSError for what is no picture."""
    with Image.open(io.BytesIO(jpeg)) as image:
        image.draft("L", (32, 32))  # an eighth of the size is decoded, no more
        return float(np.asarray(image.convert("L"), dtype=np.float32).mean())


def _memory(parameters: NoveltyParameters) -> int:
    return min(MOST_MEMORY, max(LEAST_MEMORY, parameters.rolling_window_size))


def _maps(frames: Iterator[tuple[Grid, Grid | None]], reference: NormalFootage | None, memory: int) -> Iterator[Map]:
    """Compare each frame with the reference, else with up to ``memory`` frames before it.

    Raises ProblemError 409 for a reference made from pictures of another model.
    """
    before = PatchMemory(memory)
    for grid, motion in frames:
        try:
            yield reference.distances(grid, motion) if reference else before.distances(grid)
        except ValueError as error:
            detail = f"The reference does not fit this video: {error}. Make it anew from a job of the same captioner."
            raise ProblemError(409, "reference-does-not-fit", "Reference does not fit", detail) from error
        if reference is None:
            before.remember(grid)


def _not_stored(signal: Signal) -> ProblemError:
    detail = (
        f"This video was analysed by a captioner that gives nothing to compare for the signal '{signal}'. Choose "
        "another signal (auto, words and sentence always work), or analyse the video with the embedded captioner."
    )
    return ProblemError(409, "signal-not-stored", "Signal not stored", detail)
