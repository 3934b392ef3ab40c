"""Colours as players show them: high dynamic range, untagged matrices, transparency."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framesense.media.high_dynamic_range import REFERENCE_WHITE
from worker.videos.frames import Video, open_video

BT709_TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def opened(path: Path) -> Video:
    return open_video(path, max_pixels=10_000_000)


def first(path: Path) -> NDArray[np.uint8]:
    return next(iter(opened(path).samples(1.0))).picture


def chart(height: int = 128, width: int = 192) -> NDArray[np.uint8]:
    """Return skin, grey, sky and leaf in four columns that grow brighter from top to bottom."""
    colours = np.array([(220, 170, 150), (200, 200, 200), (120, 160, 220), (110, 170, 90)]) / 255
    columns = np.repeat(colours, width // 4, axis=0)[None]
    shade = np.linspace(0.2, 1, height)[:, None, None]
    return np.asarray(np.rint(255 * columns * shade), dtype=np.uint8)


def linear(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = picture / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084, inverse EOTF."""
    power = (light * REFERENCE_WHITE / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100-2: inverse OOTF for 1000 cd/m², then the OETF."""
    shown = light * REFERENCE_WHITE / 1000
    luminance = np.maximum(shown @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
    scene = shown * luminance ** ((1 - 1.2) / 1.2)
    logarithm = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), logarithm))


def written(path: Path, signal: NDArray[np.uint16], transfer: str) -> Path:
    """Write RGB of 16 bits as 10-bit HEVC in BT.2020. ``transfer``: as x265 calls it."""
    with av.open(str(path), "w") as container:
        options = {"x265-params": f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:qp=4"}
        stream = container.add_stream("libx265", rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = signal.shape[:2]
        stream.pix_fmt = "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(signal, format="rgb48le")
        frame = frame.reformat(format="yuv420p10le", dst_colorspace="BT2020", dst_color_range="MPEG")
        for number in range(3):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("transfer", "curve"), [("smpte2084", pq), ("arib-std-b67", hlg), ("undef", pq)])
@pytest.mark.parametrize("suffix", ["mov", "mkv"])
def test_high_dynamic_range_looks_like_standard_range(transfer: str, curve: Curve, suffix: str, tmp_path: Path) -> None:
    original = chart()
    signal = np.rint(65535 * np.clip(curve(linear(original) @ BT709_TO_BT2020.T), 0, 1)).astype(np.uint16)
    path = written(tmp_path / f"bright.{suffix}", signal, transfer)
    shown = first(path)
    assert np.abs(shown.astype(int) - original).mean() < 6
    assert shown.std() == pytest.approx(original.std(), rel=0.12)
    assert bool(opened(path).warnings) == (transfer == "undef"), "what is not stated is a guess, and said"


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), "ITU709"), ((640, 360), "ITU601")])
def test_untagged_colours_are_those_of_the_size(size: tuple[int, int], matrix: str, tmp_path: Path) -> None:
    colour = (200, 60, 40)
    path = tmp_path / "untagged.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "qp": "4"})
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        picture = np.full((size[1], size[0], 3), colour, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=matrix)))
        container.mux(stream.encode(None))
    assert np.abs(first(path).mean(axis=(0, 1)) - colour).max() < 4


@pytest.mark.parametrize(("codec", "pixel_format"), [("png", "rgba"), ("qtrle", "argb"), ("ffv1", "yuva420p")])
def test_transparent_places_are_white(codec: str, pixel_format: str, tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 4), dtype=np.uint8)
    picture[:, 32:] = (200, 0, 0, 255)
    picture[:16, 32:, 3] = 128
    path = tmp_path / "logo.mov"
    with av.open(str(path), "w", format="matroska" if codec == "ffv1" else "mov") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixel_format
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    shown = first(path).astype(int)
    assert np.abs(shown[:, :30] - 255).max() < 6
    assert np.abs(shown[20:, 36:] - (200, 0, 0)).max() < 12
    assert np.abs(shown[:12, 36:] - (227, 127, 127)).max() < 14
