"""Attention maps over a photo."""

import io

import numpy as np
from PIL import Image

from ui.photo.attention import SIDE, overlay, preview


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_preview_is_upright_rgb_and_small() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to show
    shown = preview(_encoded(Image.new("L", (1600, 400), 200), "JPEG", exif=exif.tobytes()))
    assert shown is not None
    assert shown.mode == "RGB"
    assert shown.size == (160, 640)


def test_preview_of_what_is_no_photo() -> None:
    photo = _encoded(Image.new("RGB", (50, 50)), "PNG")
    assert preview(b"") is None
    assert preview(b"not a photo") is None
    assert preview(photo[: len(photo) // 2]) is None


def test_overlay_is_bright_where_the_word_looked() -> None:
    photo = Image.new("RGB", (900, 450), (120, 120, 120))
    attention = np.zeros((9, 9), np.float32)
    attention[1, 7] = 0.8
    lit = np.asarray(overlay(photo, attention)).astype(float).mean(axis=2)
    assert lit.shape == (SIDE // 2, SIDE)
    row, column = np.unravel_index(int(lit.argmax()), lit.shape)
    assert abs(row / lit.shape[0] - 1.5 / 9) < 1 / 18
    assert abs(column / lit.shape[1] - 7.5 / 9) < 1 / 18
    assert lit[-1, 0] < 0.35 * 120 < 120 < lit.max()


def test_overlay_of_an_empty_map_is_dim() -> None:
    dim = np.asarray(overlay(Image.new("RGB", (64, 64), (100, 100, 100)), np.zeros((9, 9), np.float32)))
    assert dim.max() <= 30
