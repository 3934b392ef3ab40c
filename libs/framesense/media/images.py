"""Decode the bytes of an image file into a safe RGB array.

The size of the file and the size its header promises are checked before anything is decoded, so that a decompression
bomb costs nothing. What comes out is what a person would see: EXIF orientation and colour profile applied, transparency
over white, the first frame of an animation, 16-bit greys scaled to 8.

Resizing is not done here: it belongs to each model's own preprocessing.
"""

import io
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from framesense.http.problems import ProblemError
from framesense.media.budget import PixelBudget
from framesense.media.code_points import read_code_points
from framesense.media.colours import RGB as RGB
from framesense.media.colours import to_srgb

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
NPY_MEDIA_TYPE = "application/x-npy"
"""An RGB array as ``numpy.save`` writes it: how Framesense's own services pass frames without encoding them twice."""


@dataclass(frozen=True)
class ImageLimits:
    """Limit an image: its file in bytes, its picture in pixels (width × height).

    ``budget``: what all those that are decoded with these limits share; None for no bound on how many are at once.
    """

    max_bytes: int
    max_pixels: int
    budget: PixelBudget | None = None

    def reserve(self, image: Image.Image) -> AbstractContextManager[None]:
        """Hold the pixels of an image while it is decoded; blocks until there is room for them."""
        return self.budget.reserve(image.width * image.height) if self.budget else nullcontext()


def decode_image(
    data: bytes,
    limits: ImageLimits,
    *,
    name: str = "the image",
    media_type: str | None = None,
    least_side: int | None = None,
) -> RGB:
    """Decode one image file.

    Args:
        data: the file, in one of :data:`FORMATS`, whatever its name says.
        limits: what is refused before it is decoded.
        name: what to call the image in an error.
        media_type: :data:`NPY_MEDIA_TYPE` for a raw array; anything else is ignored, the bytes themselves tell.
        least_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size (several times faster) as long as no side
            gets shorter than this many pixels; None decodes it whole.

    Raises:
        ProblemError: 413 too large, 415 not an image of a supported kind, 422 empty or damaged.
    """
    if not data:
        raise ProblemError(422, "empty-image", "Empty image", f"{name} is empty (0 bytes). Send an image file.")
    if len(data) > limits.max_bytes:
        detail = f"{name} has {len(data):,} bytes; at most {limits.max_bytes:,} are taken."
        raise ProblemError(413, "image-too-large", "Image too large", detail)
    if media_type == NPY_MEDIA_TYPE:
        return _decode_npy(data, limits, name)
    image = _open(data, limits, name)
    try:
        if least_side is not None:
            image.draft("RGB" if image.mode == "RGB" else None, (least_side, least_side))
        with limits.reserve(image):
            image.load()
            # Pillow turns the greys of 8 bits over by itself.
            return to_srgb(
                image,
                orientation=_orientation(image),
                white_is_zero=_photometric(image) == 0,
                code_points=read_code_points(data),
            )
    except Exception as error:  # decoders fail in many ways on hostile bytes; each means the same to the sender
        _refuse_damaged(name, error)


def encode_npy(image: RGB) -> bytes:
    """Encode an H × W × 3 uint8 array as a :data:`NPY_MEDIA_TYPE` body."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(image), allow_pickle=False)
    return stream.getvalue()


def shrink(image: RGB, least_side: int) -> RGB:
    """Shrink by whole factors, each pixel the mean of those it replaces, while both sides keep ``least_side`` pixels.

    Far cheaper than a resizing filter, and enough before one: Pillow's own ``reducing_gap`` does the same.
    """
    height, width = image.shape[:2]
    factors = max(1, width // least_side), max(1, height // least_side)
    return image if factors == (1, 1) else np.asarray(Image.fromarray(image).reduce(factors))


def _open(data: bytes, limits: ImageLimits, name: str) -> Image.Image:
    """Read an image's header and check its size; decode nothing."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        _refuse_unidentified(data, name, error)
    except Image.DecompressionBombError:
        _refuse_pixels(name, limits, "far more")
    except Exception as error:  # a known signature, then nonsense
        _refuse_damaged(name, error)
    if image.width * image.height > limits.max_pixels:
        _refuse_pixels(name, limits, f"{image.width} × {image.height} = {image.width * image.height:,}")
    return image


def _decode_npy(data: bytes, limits: ImageLimits, name: str) -> RGB:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"format version {version}, expected (1, 0)")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # the header is parsed as Python; hostile ones fail in many ways
        _refuse_damaged(name, error)
    if len(shape) != 3 or shape[2] != 3 or min(shape) < 1 or dtype != np.uint8 or fortran_order:
        _refuse_damaged(name, ValueError(f"{dtype} of shape {shape}, expected C-ordered H × W × 3 uint8"))
    if shape[0] * shape[1] > limits.max_pixels:
        _refuse_pixels(name, limits, f"{shape[1]} × {shape[0]} = {shape[0] * shape[1]:,}")
    pixels = np.frombuffer(data, np.uint8, offset=stream.tell())
    if pixels.size != shape[0] * shape[1] * shape[2]:
        _refuse_damaged(name, ValueError(f"{pixels.size} values for shape {shape}"))
    return pixels.reshape(shape)


def _photometric(image: Image.Image) -> int | None:
    """Return a TIFF's PhotometricInterpretation; 0 stands for greys whose 0 is white."""
    return image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) if isinstance(image, TiffImageFile) else None


def _orientation(image: Image.Image) -> object:
    """Return what a picture's EXIF says of its orientation; None where there is none, or none that can be read."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # unreadable metadata say nothing about the orientation; the picture itself is whole
        return None


# ------------------------------------------------------------------------------------------------------- refusals


def _refuse_pixels(name: str, limits: ImageLimits, found: str) -> NoReturn:
    detail = f"{name} has {found} pixels; at most {limits.max_pixels:,} are taken. Send a smaller copy."
    raise ProblemError(413, "image-too-large", "Image too large", detail)


def _refuse_damaged(name: str, error: Exception) -> NoReturn:
    detail = f"{name} is damaged or cut off and cannot be decoded ({error}). Send it again or export it anew."
    raise ProblemError(422, "damaged-image", "Damaged image", detail) from error


def _refuse_unidentified(data: bytes, name: str, error: Exception) -> NoReturn:
    if data.startswith(_SUPPORTED_SIGNATURES) or (data.startswith(b"RIFF") and data[8:12] in (b"WEBP", b"")):
        _refuse_damaged(name, ValueError("its header is incomplete, or tells of a kind of pixels that is not read"))
    taken = "JPEG, PNG, WebP, GIF, BMP and TIFF"
    detail = f"{name} looks like {looks_like(data)}, not like an image of a kind that is taken: {taken}."
    raise ProblemError(415, "unsupported-image", "Unsupported image", detail) from error


HEADER_BYTES = 32
"""What :func:`is_image` needs of a file's beginning."""
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
"""Sizes of the header that follows a BMP's first 14 bytes: "BM" alone begins many a text."""


def is_image(beginning: bytes) -> bool:
    """Tell whether a file that begins so is of one of :data:`FORMATS`."""
    if beginning.startswith(b"BM"):
        return beginning[6:10] == bytes(4) and int.from_bytes(beginning[14:18], "little") in _BMP_HEADERS
    return beginning.startswith(_SUPPORTED_SIGNATURES) or beginning[:4] + beginning[8:12] == b"RIFFWEBP"


_SUPPORTED_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")

_OTHER_SIGNATURES = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"\x1f\x8b": "a gzip archive",
    b"\x1aE\xdf\xa3": "a Matroska or WebM video",
    b"8BPS": "a Photoshop file",
    b"\0\0\1\0": "a Windows icon",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
    b"\xffO\xffQ": "a JPEG 2000 image",
    b"\x93NUMPY": f"a NumPy array (send it as {NPY_MEDIA_TYPE})",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"OggS": "Ogg media",
    b"ID3": "MP3 audio",
}

_MARKUP = {
    rb"<svg[\s>]": "an SVG drawing",
    rb"<!doctype html|<html[\s>]": "an HTML page",
    rb"\s*<\?xml": "an XML document",
    rb"\s*[{\[]": "JSON or plain text",
}


def looks_like(data: bytes) -> str:
    """Return in words what a file that is no supported image seems to be, for example "an HTML page"."""
    for signature, words in _OTHER_SIGNATURES.items():
        if data.startswith(signature):
            return words
    if data[4:8] == b"ftyp":
        return {
            b"avif": "an AVIF image",
            b"heic": "a HEIC image",
            b"heix": "a HEIC image",
            b"mif1": "a HEIF image",
        }.get(data[8:12], "an MP4 or QuickTime video")
    if data.startswith(b"RIFF"):
        return "an AVI video or WAV audio"
    beginning = data[:1024]
    for pattern, words in _MARKUP.items():
        if re.search(pattern, beginning, re.IGNORECASE) and (pattern[:1] == b"<" or re.match(pattern, beginning)):
            return words
    if b"\0" not in beginning and _is_text(beginning):
        return "plain text"
    return "data of an unknown kind"


def _is_text(beginning: bytes) -> bool:
    try:
        beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(beginning) - 4 and error.reason == "unexpected end of data"
    return True
