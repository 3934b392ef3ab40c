"""A decoded frame as people see it: upright, with square pixels, in RGB, no larger than asked for."""

from fractions import Fraction

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""height × width × 3, RGB, 0 … 255."""


class Orientation:
    """How a display matrix (ISO/IEC 14496-12, 6.2.2) turns and mirrors the pictures of a video, in steps of 90°.

    Made of one frame and used for all: PyAV's ``side_data`` ties a frame into a reference cycle, so looking at every
    frame's would keep many frames in memory until the garbage collector runs.
    """

    def __init__(self, frame: VideoFrame) -> None:
        matrix = _display_matrix(frame)
        a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
        self.swaps_axes = abs(b) > abs(a)
        self._mirror_x, self._mirror_y = (c < 0, b < 0) if self.swaps_axes else (a < 0, d < 0)
        self.degrees = -frame.rotation % 360
        """Clockwise, before any mirroring."""

    def apply(self, picture: Picture) -> Picture:
        if self.swaps_axes:
            picture = picture.swapaxes(0, 1)
        if self._mirror_x:
            picture = picture[:, ::-1]
        if self._mirror_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def shown_size(frame: VideoFrame, orientation: Orientation, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Return width and height in square pixels, upright. ``pixel_aspect``: width / height of a stored pixel."""
    width = max(1, round(frame.width * (pixel_aspect or 1)))
    size = (width, frame.height)
    return size[::-1] if orientation.swaps_axes else size


def render(
    frame: VideoFrame, orientation: Orientation, *, longest_side: int, pixel_aspect: Fraction | None = None
) -> Picture:
    """Render the frame as shown, shrunk (never enlarged) until its longer side is at most ``longest_side`` pixels.

    Shrinking and the change to RGB are one step of libswscale, so a large frame is never held in RGB.
    """
    width, height = max(1, round(frame.width * (pixel_aspect or 1))), frame.height
    scale = min(1.0, longest_side / max(width, height))
    small = frame.reformat(
        width=max(1, round(width * scale)), height=max(1, round(height * scale)), format="rgb24", interpolation="AREA"
    )
    return orientation.apply(np.asarray(small.to_ndarray(), dtype=np.uint8))


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32]:
    try:
        data = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    except KeyError:
        return np.eye(3, dtype=np.int32).ravel()
    return np.frombuffer(bytes(data), dtype=np.int32)
