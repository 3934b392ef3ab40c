"""Write pictures as a video that every browser plays."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray


def write_mp4(
    path: Path, pictures: Iterable[NDArray[np.uint8]], size: tuple[int, int], *, fps: int, crf: int, preset: str
) -> None:
    """Write pictures one after another, H.264 in MP4.

    Args:
        path: the file, made or replaced.
        pictures: H×W×3, uint8 RGB.
        size: W and H, both even.
        fps: pictures a second.
        crf: how coarse it is, 0 (without loss) to 51.
        preset: how long the encoder takes for its size, ``ultrafast`` to ``veryslow``.
    """
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": preset})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
