"""How the places of a picture move, from two frames of a moment: dense optical flow, averaged over a grid."""

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.videos.rendering import Picture

Motion = NDArray[np.float32]
"""Rows × columns × 2: to the right and down, picture heights a second."""

ROWS = COLUMNS = 17
"""As the embedded captioner's patches."""
LONGEST_SIDE = 360
"""Pixels of the pictures that are compared: people a tenth of the picture's height still move by tenths of a pixel."""
LEAST_SIDE = 32
"""Pixels: dense inverse search refuses pictures that are hardly larger than its windows."""
GAP = 0.1
"""Seconds between the two frames, where the video has frames so close: at walking pace about one pixel."""
LONGEST_GAP = 0.5
"""Seconds. A frame that is on screen for longer shows nothing that moves."""

STILL: Motion = np.zeros((ROWS, COLUMNS, 2), dtype=np.float32)
STILL.flags.writeable = False


def motion_between(before: Picture, after: Picture, seconds: float) -> Motion:
    """Measure how the places of a picture move: ROWS × COLUMNS × 2, zeros for frames too far apart in time.

    ``seconds``: between the frames, > 0.

    Uses dense inverse search (Kroeger et al., 2016, arXiv:1603.03590), down to half the size as its *medium* setting:
    the faster ones stop at a quarter, at which a person far away is no more than a few pixels. Fewer steps than that
    setting find the same things in less than half the time (docs/novelty.md).
    """
    if seconds > LONGEST_GAP or before.shape != after.shape:
        return STILL
    grey, later = _small(before), _small(after)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setPatchStride(4)
    search.setGradientDescentIterations(16)
    search.setVariationalRefinementIterations(2)
    flow = search.calc(grey, later, None)  # type: ignore[call-overload]
    speed = flow / np.float32(seconds * grey.shape[0])
    return resized(np.asarray(speed, dtype=np.float32), ROWS, COLUMNS)


def resized(motion: Motion, rows: int, columns: int) -> Motion:
    """Average motion over rows × columns places, or interpolate it to a finer grid."""
    if motion.shape[:2] == (rows, columns):
        return motion
    return np.asarray(cv2.resize(motion, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _small(picture: Picture) -> NDArray[np.uint8]:
    """Return the picture in grey, at most LONGEST_SIDE, and at least as large as dense inverse search can take."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = max(LEAST_SIDE, round(width * scale)), max(LEAST_SIDE, round(height * scale))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
