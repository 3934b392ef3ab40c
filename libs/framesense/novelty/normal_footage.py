"""How far a frame is from footage known to be normal, by what its places look like and by how they move.

A bicycle among people looks much like them in so small a picture, but it moves as none of them does. Looks and motion
are each compared with the nearest in the normal footage (:class:`framesense.novelty.patches.Reference`). The footage
itself tells how much each of them varies where nothing is odd, so a motion that is so many standard deviations out
counts as much as looks that are. Pure numpy, no I/O beyond bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.patches import Grid, Map, Reference, distances_within

LEAST_FRAMES = 8
"""Fewer do not tell how much motion varies."""
SPREAD_FRAMES = 128
"""Frames that tell it, thinned evenly: a long reference takes no longer."""
USUAL = 0.95
"""The share of them, the least odd ones, that is taken as usual: footage that was joined from pieces has cuts, at which
everything seems to leap."""
LEAST_LOOKS_SPREAD, LEAST_MOTION_SPREAD = 0.2, 0.005
"""Standard deviations of frame scores below which the rest is noise: distance of descriptors; heights a second."""
MOST_MOTION_SPREAD = 0.03
"""Heights a second. Where the motion of normal footage is harder to foretell than that (a scene full of it, a camera
that shakes, a reference too short for it), motion tells nothing and looks alone are compared."""


@dataclass(frozen=True)
class NormalFootage:
    """What is normal.

    A motion distance m counts as ``offset + factor · m`` of looks; ``motion`` is None where motion was not measured or
    tells nothing. ``own``: how far its own frames are from the rest of it (scores, may be none).
    """

    looks: Reference
    motion: Reference | None
    offset: float
    factor: float
    own: NDArray[np.float64]

    @classmethod
    def build(cls, looks: Sequence[Grid], motions: Sequence[Grid | None]) -> NormalFootage:
        """Build a reference from the descriptors and the motion of the same frames; raises ValueError for no frames."""
        reference = Reference.build(looks)
        every = max(1, -(-len(looks) // SPREAD_FRAMES))
        own = distances_within(looks[::every])
        known = [motion for motion in motions if motion is not None]
        if len(known) < max(LEAST_FRAMES, len(looks)):
            return cls(reference, None, 0.0, 0.0, own)
        own_motion = distances_within(known[::every])
        (looks_mean, looks_spread), (motion_mean, motion_spread) = _usual(own), _usual(own_motion)
        if motion_spread > MOST_MOTION_SPREAD:
            return cls(reference, None, 0.0, 0.0, own)
        factor = max(looks_spread, LEAST_LOOKS_SPREAD) / max(motion_spread, LEAST_MOTION_SPREAD)
        offset = looks_mean - factor * motion_mean
        usual_motion = np.minimum(own_motion, np.quantile(own_motion, USUAL))
        both = np.maximum(own, offset + factor * usual_motion)
        return cls(reference, Reference.build(known), offset, factor, both)

    def distances(self, looks: Grid, motion: Grid | None = None) -> Map:
        """Measure how far a frame is from the footage at each place: rows × columns, ≥ 0.

        Each distance is the larger of looks and motion; looks alone count where ``motion`` is None. Raises ValueError
        where the footage was seen by another model.
        """
        found = self.looks.distances(looks)
        if self.motion is None or motion is None:
            return found
        moved: Map = np.maximum(found, self.offset + self.factor * self.motion.distances(motion)).astype(np.float32)
        return moved

    def to_bytes(self) -> bytes:
        moves: dict[str, Any] = {} if self.motion is None else {"motion": self.motion.patches}
        buffer = io.BytesIO()
        scale = np.array([self.offset, self.factor])
        np.savez(buffer, looks=self.looks.patches, scale=scale, own=self.own, **moves)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> NormalFootage:
        """Read a stored reference, also what the release before wrote: an array of looks, no more."""
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return cls(Reference(loaded), None, 0.0, 0.0, np.zeros(0))
        with loaded as arrays:
            motion = Reference(arrays["motion"]) if "motion" in arrays else None
            offset, factor = map(float, arrays["scale"])
            return cls(Reference(arrays["looks"]), motion, offset, factor, arrays["own"])


def _usual(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and the standard deviation of the least odd scores."""
    usual = np.sort(scores)[: max(2, int(np.ceil(USUAL * len(scores))))]
    return float(usual.mean()), float(usual.std())
