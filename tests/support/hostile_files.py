"""Files that are made to do harm: small to send, and without end, or far too large, for whoever believes them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = 16, height: int = 16, *, extra: bytes = b"", rows: bytes | None = None) -> bytes:
    """A grey PNG, 8 bits a pixel. ``extra``: chunks before its pixels; ``rows``: what is unpacked as these."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(height * (width + 1)) if rows is None else rows, 9)
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animated_png(frames: int) -> bytes:
    pixels = zlib.compress(bytes(16 * 17))
    place = struct.pack(">IIIIHHBB", 16, 16, 0, 0, 1, 1, 0, 0)
    parts = [chunk(b"acTL", struct.pack(">II", frames, 0)), chunk(b"fcTL", struct.pack(">I", 0) + place)]
    parts.append(chunk(b"IDAT", pixels))
    for number in range(1, 2 * frames - 1, 2):
        parts.append(chunk(b"fcTL", struct.pack(">I", number) + place))
        parts.append(chunk(b"fdAT", struct.pack(">I", number + 1) + pixels))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0))
    return PNG + header + b"".join(parts) + chunk(b"IEND", b"")


def gif(frames: int) -> bytes:
    """A GIF whose one frame comes over and over."""
    stream = io.BytesIO()
    Image.new("P", (16, 16)).save(stream, "GIF")
    content = stream.getvalue()
    start = content.index(b"\x2c\0\0\0\0")
    return content[:start] + content[start:-1] * frames + b"\x3b"


def gif_beyond_its_canvas() -> bytes:
    start = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return start + b"\x2c" + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x44\x01\0\x3b"


def tiff(pages: int = 1, *, endless: bool = False) -> bytes:
    """A TIFF of so many pages; ``endless``: after the first one comes the first one."""
    stream, page = io.BytesIO(), Image.new("L", (16, 16))
    page.save(stream, "TIFF", save_all=pages > 1, append_images=[page] * (pages - 1))
    content = bytearray(stream.getvalue())
    if endless:
        (directory,) = struct.unpack_from("<I", content, 4)
        (tags,) = struct.unpack_from("<H", content, directory)
        struct.pack_into("<I", content, directory + 2 + 12 * tags, directory)
    return bytes(content)


def jpeg_with_endless_exif() -> bytes:
    """Its EXIF directory refers to itself, and has a text of four gigabytes."""
    tags = struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x010E, 2, 0xFFFFFFFF, 8)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + tags + struct.pack("<I", 8)
    plain = jpeg()
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]


def jpeg(**options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "grey").save(stream, "JPEG", **options)
    return stream.getvalue()


PACKED = zlib.compress(bytes(200_000_000), 9)
"""200 MB, packed into 200 kB."""
PICTURES: Mapping[str, tuple[bytes, frozenset[int]]] = {
    "PNG of 900 megapixels": (png(30_000, 30_000, rows=b""), frozenset({413})),
    "PNG of more rows than it says": (png(rows=bytes(200_000_000)), frozenset({202, 422})),
    "PNG with a profile of 200 MB": (png(extra=chunk(b"iCCP", b"x\0\0" + PACKED)), frozenset({202, 422})),
    "PNG with a text of 200 MB": (png(extra=chunk(b"zTXt", b"x\0\0" + PACKED)), frozenset({202, 422})),
    "PNG with many texts": (
        png(extra=chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1_000_000))) * 400),
        frozenset({202, 422}),
    ),
    "APNG of 20,000 frames": (animated_png(20_000), frozenset({202})),
    "GIF of 100,000 frames": (gif(100_000), frozenset({202})),
    "GIF with a frame beyond its canvas": (gif_beyond_its_canvas(), frozenset({413})),
    "TIFF of 2,000 pages": (tiff(2000), frozenset({202})),
    "TIFF without a last page": (tiff(endless=True), frozenset({202})),
    "JPEG with EXIF without end": (jpeg_with_endless_exif(), frozenset({202})),
    "JPEG with a profile of 10 MB of nothing": (jpeg(icc_profile=bytes(10_000_000)), frozenset({202})),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", frozenset({415})),
    "HTML": (b"<!doctype html><script>alert(1)</script>", frozenset({415})),
}
"""Each with the statuses that may be answered to it: what is taken is its first frame or page, and never more."""


def overlapping_zip(entries: int, size: int) -> bytes:
    """A zip whose entries are all the same packed bytes, each ``size`` unpacked (D. Fifield, "A better zip bomb")."""
    content = PNG + bytes(size - len(PNG))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed, crc = packer.compress(content) + packer.flush(), zlib.crc32(content)
    facts = struct.pack("<HHHIII", 8, 0, 0x21, crc, len(packed), size)
    first = b"PK\3\4" + struct.pack("<HH", 20, 0) + facts + struct.pack("<HH", 9, 0) + b"00000.png" + packed
    directory = b"".join(
        b"PK\1\2" + struct.pack("<HHH", 20, 20, 0) + facts + struct.pack("<HHHHHII", 9, 0, 0, 0, 0, 0, 0) + name
        for name in (b"%05d.png" % number for number in range(entries))
    )
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, entries, entries, len(directory), len(first), 0)
    return first + directory + end


def nested_zip() -> bytes:
    """A zip of a photo and of another zip, which would unpack to 10 GB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", png())
        archive.writestr("more.zip", overlapping_zip(1000, 10_000_000))
    return stream.getvalue()
