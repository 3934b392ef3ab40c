"""Clips to measure on: real pictures that move, H.264, 1080p at 30 frames a second."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT, FPS = 1920, 1080, 30
SCENE_SECONDS = 6
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "hubble_deep_field.jpg")


def render(path: Path, seconds: int) -> Path:
    """Render a pan and zoom over scikit-image's photos, a photo every six seconds.

    There is a keyframe at least every 250 frames.
    """
    photos = [_wide(photo) for photo in _photos()]
    # Sensor noise: without it the encoder has next to nothing to store, and decoding costs less than real footage.
    grain = np.random.default_rng(0).integers(-6, 7, (2 * HEIGHT, WIDTH, 1), dtype=np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(seconds * FPS):
            photo = photos[number // (SCENE_SECONDS * FPS) % len(photos)]
            frame = av.VideoFrame.from_ndarray(_grainy(_view(photo, number), grain, number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def repeat(source: Path, path: Path, times: int) -> Path:
    """Repeat the same packets again and again, re-stamped: an hour of video in a moment, without encoding."""
    with av.open(str(path), "w") as output:
        with av.open(str(source)) as first:
            video = first.streams.video[0]
            target = output.add_stream_from_template(video)
            base: Fraction = video.time_base or Fraction(1, FPS)
            length = int(Fraction(video.frames, FPS) / base)
        for turn in range(times):
            with av.open(str(source)) as again:
                for packet in again.demux(video=0):
                    if packet.dts is None or packet.pts is None:
                        continue  # the flush packet
                    packet.dts += turn * length
                    packet.pts += turn * length
                    packet.time_base = base
                    packet.stream = target
                    output.mux(packet)
    return path


def _photos() -> list[NDArray[np.uint8]]:
    folder = Path(skimage.__file__).parent / "data"
    return [np.asarray(Image.open(folder / name).convert("RGB")) for name in PHOTOS]


def _wide(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale a photo to cover a frame a quarter larger than the clip's, so that there is room to pan."""
    scale = 1.25 * max(WIDTH / photo.shape[1], HEIGHT / photo.shape[0])
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _view(photo: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Cut the part of the photo that frame ``number`` shows: it drifts, so that no two frames are the same."""
    within = number % (SCENE_SECONDS * FPS) / (SCENE_SECONDS * FPS)
    top = round((photo.shape[0] - HEIGHT) * within)
    left = round((photo.shape[1] - WIDTH) * (1 - within))
    return np.ascontiguousarray(photo[top : top + HEIGHT, left : left + WIDTH])


def _grainy(view: NDArray[np.uint8], grain: NDArray[np.int16], number: int) -> NDArray[np.uint8]:
    offset = number * 37 % HEIGHT
    noisy: NDArray[np.uint8] = np.clip(view + grain[offset : offset + HEIGHT], 0, 255).astype(np.uint8)
    return noisy
