"""The photo in hand, and the mask that is painted on it."""

import base64
import io

import numpy as np
from PIL import Image

from ui.edit.photo import SHOWN_SIDE, mask_file, mask_of_file, show
from ui.edit.pictures import EMPTY
from ui.examples import edit


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _url(image: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(_encoded(image, "PNG")).decode("ascii")


def _opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))


def test_a_large_photo_that_lies_on_its_side_is_shown_upright_and_small() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to show
    shown = show(_encoded(Image.new("RGB", (4000, 1000)), "JPEG", exif=exif.tobytes()))
    assert shown is not None
    assert shown.whole == (1000, 4000)
    assert shown.size == (SHOWN_SIDE // 4, SHOWN_SIDE)
    assert _opened(shown.address).size == shown.size


def test_what_is_no_photo_is_not_shown() -> None:
    assert show(b"not a photo") is None
    assert show(_encoded(Image.new("RGB", (90, 90), "red"), "PNG")[:80]) is None


def test_a_painted_mask_becomes_black_and_white_of_the_photos_size() -> None:
    painted = np.zeros((100, 200), np.uint8)
    painted[20:60, 50:150] = 255
    painted[0:10, 0:10] = 90  # the rim of a brush
    file = mask_file(_url(Image.fromarray(painted)), (800, 400))
    assert file is not None
    mask = np.asarray(Image.open(io.BytesIO(file.data)))
    assert mask.shape == (400, 800)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[100:220, 220:580].min() == 255
    assert mask[:, :190].max() == 0


def test_what_is_no_mask_is_none() -> None:
    assert mask_file(_url(Image.new("L", (20, 20))), (20, 20)) is None
    assert mask_file("data:image/png;base64,AAAA", (20, 20)) is None
    assert mask_file("what the browser says", (20, 20)) is None


def test_an_uploaded_mask_comes_to_the_shown_size() -> None:
    uploaded = np.zeros((50, 100, 3), np.uint8)
    uploaded[:, :50] = 255
    address = mask_of_file(_encoded(Image.fromarray(uploaded), "PNG"), (640, 320))
    assert address is not None
    mask = _opened(address)
    assert mask.size == (640, 320)
    assert (mask.getpixel((100, 160)), mask.getpixel((600, 160))) == (255, 0)
    assert mask_of_file(b"no picture", (10, 10)) is None


def test_the_placeholder_is_a_picture() -> None:
    assert _opened(EMPTY).size == (1, 1)


def test_the_example_is_a_photo_with_words() -> None:
    photo, parameters = edit()
    shown = show(photo.data)
    assert shown is not None
    assert min(shown.whole) > 400
    assert parameters.prompt
    assert parameters.seed is not None
