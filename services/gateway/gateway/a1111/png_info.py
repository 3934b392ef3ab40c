"""Read a picture's metadata: the texts that A1111, this editor and others write into PNG, JPEG and WebP."""

import io
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

from framesense.edits.png_metadata import PARAMETERS
from framesense.http.problems import ProblemError
from framesense.media.images import FORMATS, ImageLimits
from gateway.a1111.infotext import read_infotext
from gateway.a1111.pictures import picture_bytes
from gateway.a1111.schemas import PngInfoResponse

_USER_COMMENT_CODES = {
    b"UNICODE\0": ("utf-16-be", "utf-16-le"),
    b"ASCII\0\0\0": ("utf-8",),
    b"\0\0\0\0\0\0\0\0": ("utf-8",),
}


def read_png_info(picture: str, limits: ImageLimits) -> PngInfoResponse:
    """Read the metadata of a picture in base64. Raises ProblemError as :func:`picture_texts` does."""
    texts = picture_texts(picture_bytes(picture, limits, name="image"), limits)
    text = texts.pop(PARAMETERS, "")
    return PngInfoResponse(info=text, items=texts, parameters=read_infotext(text))


def picture_texts(content: bytes, limits: ImageLimits) -> dict[str, str]:
    """Return every text that the file carries, by its name, :data:`PARAMETERS` also from EXIF's user comment.

    Raises ProblemError: 413 too many pixels, 415 no picture, 422 a damaged one.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > limits.max_pixels:
                detail = f"image has {image.width} × {image.height} pixels; at most {limits.max_pixels:,} are taken."
                raise ProblemError(413, "image-too-large", "Image too large", detail)
            # Text chunks may also stand behind the pixels.
            texts: dict[Any, Any] = {**image.info, **getattr(image, "text", {})}
            comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except ProblemError:
        raise
    except UnidentifiedImageError as error:
        detail = "image is no picture of a kind that is taken: JPEG, PNG, WebP, GIF, BMP or TIFF."
        raise ProblemError(415, "unsupported-image", "Unsupported image", detail) from error
    except Exception as error:  # readers fail in many ways on hostile bytes; each means the same to the sender
        raise ProblemError(422, "damaged-image", "Damaged image", f"image cannot be read ({error}).") from error
    found = {str(name): str(text) for name, text in texts.items() if isinstance(text, str)}
    if PARAMETERS not in found and (text := _user_comment(comment)):
        found[PARAMETERS] = text
    return found


def _user_comment(comment: Any) -> str:
    """Decode EXIF's user comment: eight bytes that name the encoding, then the text."""
    if isinstance(comment, str):
        return comment
    if not isinstance(comment, bytes):
        return ""
    readings = [comment[8:].decode(code, errors="replace") for code in _USER_COMMENT_CODES.get(comment[:8], ())]
    # Which end of a UTF-16 letter comes first is not told: Latin letters read the wrong way round are rare signs.
    return max(readings, key=lambda text: sum(letter.isascii() for letter in text), default="").strip("\0 ")
