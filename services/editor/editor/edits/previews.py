"""Make small pictures of an edit under way: not at every step, or they would cost more than the steps."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from editor.imaging.sizing import thumbnail
from framesense.media.images import RGB

SHARE = 1 / 30
"""Most of an edit's time that goes into previews."""


class Previews:
    """Limit how often previews of one edit are made.

    Args:
        interval: least seconds between two; 0: one at every step, whatever it costs.
        side: the longest, in pixels.
    """

    def __init__(self, interval: float, side: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._side, self._clock = interval, side, clock
        self._next = -math.inf

    def take(self, render: Callable[[], Sequence[RGB]]) -> list[str] | None:
        """Return the pictures that ``render`` gives, H × W × 3 each, as JPEGs in base64; None, without rendering,
        before the next are due.
        """
        began = self._clock()
        if began < self._next:
            return None
        taken = [as_jpeg(picture, self._side) for picture in render()]
        now = self._clock()
        self._next = now + max(self._interval, (now - began) / SHARE) if self._interval else now
        return taken


def as_jpeg(picture: RGB, side: int) -> str:
    small = np.ascontiguousarray(thumbnail(picture, side)[..., ::-1])
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(encoded.tobytes()).decode()
