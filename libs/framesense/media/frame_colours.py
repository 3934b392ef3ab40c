"""The colours of decoded frames as players show them, as 8-bit RGB of the standard range."""

from __future__ import annotations

import numpy as np
from av import VideoFrame
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from framesense.media.high_dynamic_range import Transfer, tone_mapped

UNTAGGED, BT2020 = 2, (9, 10)
"""Matrix coefficients in ITU-T H.273: unspecified; BT.2020 with non-constant and with constant luminance."""
HD_WIDTH, HD_HEIGHT = 1280, 720
"""Pixels from which an untagged video is high definition."""


def transfer_of(frame: VideoFrame, named: int) -> Transfer | None:
    """Return the transfer of a video of high dynamic range, None for others. ``named``: what its container says.

    A deep picture with the colours of BT.2020 and no transfer named is taken for PQ: who writes BT.2020 for screens of
    standard range says so, who writes HDR10 forgets it now and then.
    """
    for number in (int(frame.color_trc), named):
        if number in list(Transfer):
            return Transfer(number)
        if number != UNTAGGED:
            return None
    deep = any(component.bits > 8 for component in frame.format.components)
    return Transfer.PQ if deep and frame.colorspace in BT2020 else None


def colour_space(frame: VideoFrame) -> Colorspace | None:
    """Return the colour space of a frame that does not name its own, as players take it: HD is BT.709, SD is BT.601."""
    if frame.colorspace != UNTAGGED:
        return None
    large = frame.width >= HD_WIDTH or frame.height >= HD_HEIGHT
    return Colorspace.ITU709 if large else Colorspace.ITU601


def to_rgb(frame: VideoFrame, width: int, height: int, transfer: Transfer | None) -> NDArray[np.uint8]:
    """Return a frame in RGB of this size: height × width × 3. ``transfer``: of a high range, which is tone mapped.

    Shrinking and the change to RGB are one step of libswscale, so a large frame is never held in RGB.
    """
    small = frame.reformat(
        width=width,
        height=height,
        format="rgb48le" if transfer else "rgb24",
        src_colorspace=colour_space(frame),
        interpolation="AREA",
    )
    picture = small.to_ndarray()
    if transfer:
        return tone_mapped(picture.astype(np.uint16), transfer, wide=frame.colorspace in BT2020)
    return np.asarray(picture, dtype=np.uint8)
