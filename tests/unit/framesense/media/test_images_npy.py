"""Arrays sent in place of image files."""

import io
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.media.images import NPY_MEDIA_TYPE, encode_npy, shrink
from tests.support.image_files import decode, file_of, picture, refusal


def test_npy_is_the_same_as_png() -> None:
    from_array = decode(encode_npy(picture()), media_type=NPY_MEDIA_TYPE)
    assert np.array_equal(from_array, decode(file_of(Image.fromarray(picture()), "PNG")))


def test_npy_of_a_view() -> None:
    flipped = picture()[:, ::-1]
    assert np.array_equal(decode(encode_npy(flipped), media_type=NPY_MEDIA_TYPE), flipped)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        npy(np.zeros((4, 4), np.uint8)),
        npy(np.zeros((4, 4, 4), np.uint8)),
        npy(np.zeros((0, 4, 3), np.uint8)),
        npy(np.zeros((4, 4, 3), np.float32)),
        npy(np.asfortranarray(np.zeros((4, 5, 3), np.uint8))),
        npy(np.array([{"pickled": 1}], dtype=object)),
        encode_npy(picture())[:-1],
        encode_npy(picture()) + b"\0",
        encode_npy(picture())[:20],
        b"not an array",
    ],
    ids=["2-d", "4-channels", "empty", "float", "fortran", "pickle", "short", "long", "header-cut", "text"],
)
def test_bad_arrays(data: bytes) -> None:
    assert refusal(data, media_type=NPY_MEDIA_TYPE).status == 422


def test_an_array_that_only_claims_to_be_huge() -> None:
    data = encode_npy(picture()).replace(b"(32, 48, 3)", b"(99999, 99999, 3)")[:128]
    header = data.index(b"{")
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 99999, 3), }"
    data = data[:header] + text.ljust(128 - header - 1) + b"\n"
    assert refusal(data, media_type=NPY_MEDIA_TYPE).status == 413


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (3120, 1560), (640, 480), (300, 2080)])
def test_shrinking_first_changes_nothing_where_the_factor_divides(width: int, height: int) -> None:
    def squash(image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((260, 260), Image.Resampling.BICUBIC, reducing_gap=2.0))

    frame = picture(width, height)
    small = shrink(frame, 520)
    assert min(small.shape[:2]) >= min(520, width, height)
    assert np.array_equal(squash(small), squash(frame))


def _npy_header(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4, 3), ",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -4, 3)}",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -16, 3)}",
        b"{'descr': [1], 'fortran_order': False, 'shape': (4, 4, 3)}",
        b"{'descr': ('|u1', 7), 'fortran_order': False, 'shape': (4, 4, 3)}",
        b"{1: 2, 'descr': '|u1'}",
        b"{[]: 2}",
        b"(" * 5000,
        b"-" * 9000 + b"1",
        b"\x27\x27\x27",
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_a_hostile_npy_header_is_a_damaged_image(header: bytes) -> None:
    with pytest.raises(ProblemError) as refused:
        decode(_npy_header(header) + bytes(48), media_type=NPY_MEDIA_TYPE)
    assert (refused.value.status, refused.value.slug) == (422, "damaged-image")


def test_any_bytes_as_an_npy_header_are_refused_or_decoded() -> None:
    whole, chance = npy(np.zeros((4, 4, 3), np.uint8)), np.random.default_rng(0)
    for _ in range(2000):
        changed = bytearray(whole)
        for place in chance.integers(0, len(whole) - 48, size=chance.integers(1, 6)):
            changed[place] = chance.integers(0, 256)
        with suppress(ProblemError):
            assert decode(bytes(changed), media_type=NPY_MEDIA_TYPE).shape[2] == 3
