"""A decoded frame as people see it: upright, with square pixels, in RGB, no larger than asked for."""

from fractions import Fraction

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from framesense.media.frame_colours import colour_space, to_rgb
from framesense.media.high_dynamic_range import Transfer

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
    frame: VideoFrame,
    orientation: Orientation,
    *,
    longest_side: int,
    pixel_aspect: Fraction | None = None,
    transfer: Transfer | None = None,
) -> Picture:
    """Render the frame as shown, shrunk (never enlarged) until its longer side is at most ``longest_side`` pixels.

    A large frame is never held in RGB, unless it is partly transparent: then it is laid over white first.
    ``transfer``: that of a high dynamic range, which is mapped to the standard one.
    """
    if any(component.is_alpha for component in frame.format.components) or frame.format.has_palette:
        frame = _over_white(frame)
    width, height = max(1, round(frame.width * (pixel_aspect or 1))), frame.height
    scale = min(1.0, longest_side / max(width, height))
    picture = to_rgb(frame, max(1, round(width * scale)), max(1, round(height * scale)), transfer)
    return orientation.apply(picture)


def _over_white(frame: VideoFrame) -> VideoFrame:
    rgba = frame.reformat(format="rgba", src_colorspace=colour_space(frame)).to_ndarray().astype(np.uint16)
    alpha = rgba[..., 3:]
    laid = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return VideoFrame.from_ndarray(laid.astype(np.uint8), format="rgb24")


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32]:
    try:
        data = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    except KeyError:
        return np.eye(3, dtype=np.int32).ravel()
    return np.frombuffer(bytes(data), dtype=np.int32)
