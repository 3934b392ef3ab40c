"""Small pictures of an edit under way: not at every step, or they would cost more than the steps."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import cv2
import numpy as np

from editor.sizing import thumbnail
from framesense.images import RGB


class Previews:
    """Of one edit. ``interval``: least seconds between two; ``side``: the longest, in pixels."""

    def __init__(self, interval: float, side: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._side, self._clock = interval, side, clock
        self._last = -float("inf")

    @property
    def due(self) -> bool:
        return self._clock() - self._last >= self._interval

    def encode(self, picture: RGB) -> str:
        """H × W × 3 → JPEG, base64."""
        self._last = self._clock()
        return as_jpeg(picture, self._side)


def as_jpeg(picture: RGB, side: int) -> str:
    small = np.ascontiguousarray(thumbnail(picture, side)[..., ::-1])
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(encoded.tobytes()).decode()
