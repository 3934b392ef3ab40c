"""Small pictures inside a page or a figure."""

import base64
import io

from PIL import Image


def data_url(picture: Image.Image, side: int = 96) -> str:
    """Write a picture as a JPEG of at most ``side`` pixels into an address that holds the picture itself."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return jpeg_url(stream.getvalue())


def jpeg_url(jpeg: bytes) -> str:
    """Write a JPEG into an address that holds it: such a picture is there at once, even one that changes often."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
