"""How far each frame stands out, on one scale for every signal: 1 is where a strong moment begins.

Pure numpy, no I/O. docs/novelty.md has the measurements that chose the constants.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.background import LINGER, ReadGrids, compare_with_background, filled
from framesense.novelty.curve import Floats
from framesense.novelty.light import light_changes
from framesense.novelty.mixing import unit
from framesense.novelty.moments import WEAK
from framesense.novelty.shots import above_neighbours, jumps
from framesense.schemas.novelty import Metric, Signal

PAST = 1024
"""Frames before a frame that it is compared with, and as many more, taken evenly, of all that came earlier."""

CUT_RISE, CUT_CHANGE = 0.5, 0.4
"""A jump this far above those around it, or a whole picture this unlike all before it, makes half of a cut."""
CHANGE, CHANGE_MOVING, CHANGE_USUAL = 0.17, 0.3, 3.0
"""Cosine distance of the whole picture to all before it that stands out before a camera that stands still, and before
one that moves and so meets new things all the time; and how many times the usual one it has to be."""
EARLY, EARLY_SHARE = 24, 0.6
"""So many frames are compared with few others yet, and what is new among them counts by this share."""
ODD_PLACE, ODD_PLACE_USUAL = 0.4, 0.46
"""Distance of the oddest places to their background that stands out, and how far above the usual it has to be."""
RESTLESS, STEEP = 0.5, 8.0
"""Distance of a quiet place to its background from which a camera does not stand still, and how fast what is odd there
loses its meaning."""
LIGHT = 1.0
"""Halvings or doublings of the brightness that stand out where the picture stays the same otherwise."""
RETURN = 0.45
"""A frame after a cut is back at an earlier scene where its distance to that is at most this share of the distance to
the frame before, and less than CHANGE: another meadow is not the same meadow."""
VISIT_SHARE, VISIT_LONGEST = 0.9, 0.15
"""A scene that comes for no longer than this share of the video, or LEAST_SCENE frames, and gives way to the one before
it is one moment from its first frame to its last."""
PARTING, PARTED = 2, 0.49
"""So many frames before a cut are lowered to this share of the lower side, so that it begins a moment of its own."""
LEAST_SCENE, LEAST_FRAMES = 24, 8
"""Frames that a scene needs for its background to be known: one of several, and the only one."""
FIRST, FIRST_SHARE = 16, 0.45
"""What is odd from a scene's very first frame on for up to so many frames was there before: it did not appear, and
often it is but an encoder that settles. It counts by this share."""
CURVE_SPREADS = 5.0
"""A curve stands out where it is this many times as far above its usual height as that is above its lowest tenth."""
FLOORS = {
    (Signal.VISUAL, Metric.COSINE): 0.09,
    (Signal.VISUAL, Metric.EUCLIDEAN): 0.42,
    (Signal.WORDS, Metric.COSINE): 0.2,
    (Signal.WORDS, Metric.EUCLIDEAN): 0.6,
    (Signal.SENTENCE, Metric.COSINE): 0.95,
    (Signal.SENTENCE, Metric.EUCLIDEAN): 1.2,
    (Signal.AUTO, Metric.COSINE): 0.7,
    (Signal.AUTO, Metric.EUCLIDEAN): 1.15,
    (Signal.PATCH, Metric.COSINE): 0.7,
    (Signal.PATCH, Metric.EUCLIDEAN): 0.7,
}
"""For :func:`floor_of`: the largest rises of quiet footage. Of captions they are large, as a caption changes for no
reason; ``auto`` is the mix of captions alone, where a captioner gives no pictures to compare."""
STEADY_FAMILIES = frozenset({"show-attend-tell"})
"""Families of captioners whose captions stay while the picture shows the same things
(``worker.videos.caption_hysteresis``)."""
STEADY_FLOORS = {
    (Signal.WORDS, Metric.COSINE): 0.1,
    (Signal.WORDS, Metric.EUCLIDEAN): 0.4,
    (Signal.SENTENCE, Metric.COSINE): 0.45,
    (Signal.SENTENCE, Metric.EUCLIDEAN): 0.95,
}
"""The same of captions that stay: on quiet footage they change before a slow pan alone."""
LEAST_STAY = 0.4
"""Seconds that something has to be in its place: a glint, a blink or a gesture is shorter."""
NOISE = 0.1
"""Distances of places this small are quantisation and the encoder's rounding: no novelty."""


@dataclass(frozen=True)
class Evidence:
    """n values each, in units of what stands out; ``begins``: the frames that begin another scene."""

    cuts: NDArray[np.float64]
    changes: NDArray[np.float64]
    places: NDArray[np.float64]
    light: NDArray[np.float64]
    begins: NDArray[np.intp]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Return the largest of each frame, parted where a cut ends what was odd before it."""
        scores: NDArray[np.float64] = np.max([self.cuts, self.changes, self.places, self.light], axis=0)
        for before, index in pairwise([0, *self.begins.tolist()]):
            if index - before > PARTING:
                last = scores[index - PARTING : index]
                np.minimum(last, PARTED * min(last.max(), scores[index]), out=last)
        return scores


def auto_evidence(
    visual: Floats, read: ReadGrids, brightness: Floats | None = None, *, window: int, every: float
) -> Evidence:
    """Collect what speaks for each frame standing out: new pictures, new places, jumps, another light.

    ``visual``: n × d embeddings of the pictures; ``read``: their patch descriptors; ``brightness``: the mean of each
    picture, 0 … 255, None where it is not known; ``window``: for how many frames something stays new; ``every``:
    seconds from frame to frame.
    """
    count = len(visual)
    pictures = unit(visual)
    rises = above_neighbours(jumps(read, count)) / CUT_RISE
    new, nearest = newness(pictures, gap=1)
    cuts = (rises + new / CUT_CHANGE) / 2
    returns = _returns(pictures, new)
    changes, _ = newness(pictures, gap=window)
    usual = float(np.median(changes)) if count else 0.0
    places, light, motion = np.zeros(count), np.zeros(count), np.ones(count)
    back = returns & (rises >= 1)
    found = scenes((cuts >= 1) | back, returns, nearest)
    for scene in found:
        if len(scene) >= min(LEAST_SCENE, max(LEAST_FRAMES, count)):
            # In edited footage what moves within a shot is what the shot is for: the shorter its part, the more so.
            odd, motion[scene] = _odd_places(read, scene, window)
            part = np.sqrt(len(scene) / count)
            places[scene] = _lasting(odd, every) * part
            if brightness is not None:
                stops = light_changes(np.asarray(brightness)[scene], gap=LINGER * window)
                # What a wandering view or a dusk changes at all times is usual.
                light[scene] = _lasting(np.maximum(stops - np.median(stops), 0), every) * part / LIGHT
    level = np.maximum(CHANGE + (CHANGE_MOVING - CHANGE) * motion, CHANGE_USUAL * usual)
    cuts, changes = np.where(returns, 0, cuts), changes / level
    begins = np.flatnonzero(cuts >= 1)
    # A light that goes out leaves the scene as it is; a camera that turns to something darker shows another picture.
    light *= 1 - motion * np.minimum(changes, 1)
    changes[:EARLY] *= EARLY_SHARE
    for index in np.flatnonzero(back):
        changes[index : index + window] = 0
    for visit in _visits(found, count):
        cuts[visit] = np.maximum(cuts[visit], VISIT_SHARE * np.maximum(cuts, changes)[visit].max())
    return Evidence(cuts, changes, places, light, begins)


def _odd_places(read: ReadGrids, scene: NDArray[np.intp], window: int) -> tuple[NDArray[np.float64], float]:
    """Score a scene's frames by their oddest places, and tell from 0 to 1 how much the camera moves."""
    background = compare_with_background(read, scene, window=window)
    odd = np.maximum(background.oddness - NOISE, 0)
    level = max(ODD_PLACE, float(np.quantile(odd, 0.25)) + ODD_PLACE_USUAL)
    restless = max(0.0, float(np.quantile(background.restlessness, 0.25)) - RESTLESS)
    scores = odd / level / (1 + STEEP * restless)
    begins = int(np.argmax(np.append(scores[:FIRST], 0) < WEAK))
    scores[:begins] *= FIRST_SHARE
    return scores, min(1.0, STEEP * restless)


def _lasting(scores: NDArray[np.float64], every: float) -> NDArray[np.float64]:
    """Remove peaks shorter than LEAST_STAY, where frames are near enough to tell (grey opening).

    What comes with the very last frame was not seen to stay either.
    """
    frames = max(1, round(LEAST_STAY / every)) if every > 0 else 1
    opened: NDArray[np.float64] = -filled(-scores, frames - 1, beyond=np.inf)
    return opened


def scenes(cuts: NDArray[np.bool_], returns: NDArray[np.bool_], nearest: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the frames of each scene: a cut begins another, unless it is back at an earlier one."""
    labels = np.zeros(len(cuts), dtype=np.intp)
    for index in range(1, len(cuts)):
        if not cuts[index]:
            labels[index] = labels[index - 1]
        else:
            labels[index] = labels[nearest[index]] if returns[index] else labels.max() + 1
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _visits(found: list[NDArray[np.intp]], count: int) -> list[NDArray[np.intp]]:
    """Return the scenes that are seen once, for a short while, between frames of one other scene."""
    labels = np.zeros(count, dtype=np.intp)
    for label, scene in enumerate(found):
        labels[scene] = label
    return [
        scene
        for scene in found
        if len(scene) <= max(LEAST_SCENE, VISIT_LONGEST * count)
        and scene[0] > 0
        and scene[-1] + 1 < count
        and scene[-1] - scene[0] + 1 == len(scene)
        and labels[scene[0] - 1] == labels[scene[-1] + 1]
    ]


def _returns(pictures: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the frames that are unlike the frame before, but like an earlier one."""
    change = np.zeros(len(pictures))
    change[1:] = 1 - np.einsum("nd,nd->n", pictures[1:], pictures[:-1])
    return (new <= RETURN * change) & (new < CHANGE)


def newness(pictures: NDArray[np.float64], *, gap: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Find, for each of n pictures, the nearest of those ``gap`` or more frames before it.

    ``pictures``: n × d of length 1. Returns n cosine distances in [0, 2] and the indices of the nearest pictures; the
    first ``gap`` are compared with the first picture.
    """
    found, which = np.zeros(len(pictures)), np.zeros(len(pictures), dtype=np.intp)
    for index in range(1, len(pictures)):
        last = max(1, index - gap + 1)
        first = max(0, last - PAST)
        earlier = np.concatenate([np.arange(0, first, max(1, first // PAST)), np.arange(first, last)])
        likeness = pictures[earlier] @ pictures[index]
        best = int(np.argmax(likeness))
        found[index], which[index] = max(0.0, 1 - float(likeness[best])), earlier[best]
    return found, which


def floor_of(signal: Signal, metric: Metric, *, captioner_family: str) -> float:
    """Return the rise of a signal's curve that stands out where the captions are of a captioner of this family."""
    steady = STEADY_FLOORS if captioner_family in STEADY_FAMILIES else FLOORS
    return steady.get((signal, metric), FLOORS[signal, metric])


def curve_scores(curve: NDArray[np.float64], *, floor: float) -> NDArray[np.float64]:
    """Score a novelty curve of any signal, metric and window.

    What is usual is told by the lower part of the curve alone: in a short, busy video half of the frames may stand out,
    and a spread of all of them would hide every one. ``floor``: the rise that stands out in footage where nothing
    happens. Returns n values ≥ 0; the first frame has no novelty and scores 0.
    """
    scores = np.zeros(len(curve))
    if len(curve) < 3:
        return scores
    low, usual = np.quantile(curve[1:], [0.1, 0.3])
    level = max(floor, CURVE_SPREADS * float(usual - low))
    scores[1:] = np.maximum(curve[1:] - usual, 0) / level
    return scores


def reference_scores(curve: NDArray[np.float64], *, usual: float, farthest: float) -> NDArray[np.float64]:
    """Score distances to a reference, by how far its own frames are from the rest of it.

    ``usual``, ``farthest``: the median and the largest of these distances
    (:func:`framesense.novelty.patches.distances_within`). What is farther than the farthest by a quarter of that range,
    and by more than NOISE, stands out.
    """
    scores: NDArray[np.float64] = np.maximum(curve - usual, 0) / max(1.25 * (farthest - usual), NOISE)
    return scores
