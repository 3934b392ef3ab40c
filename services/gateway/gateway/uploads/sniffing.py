"""What kind of file some bytes begin, cheaply: enough to refuse at the door what is plainly no video.

Containers are told by their signatures; what is not recognised goes on to the worker, whose decoder decides.
"""

from framesense.http.problems import ProblemError

HEAD_BYTES = 4096
"""How much of a file's beginning is looked at."""

_UNKNOWN = "application/octet-stream"
# (offset, signature) -> what a person would call the file. RIFF and ISO files carry their kind four bytes further on.
_NOT_VIDEO = (
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"BM", "a BMP image"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (8, b"WEBP", "a WebP image"),
    (8, b"WAVE", "a WAV sound file"),
    (0, b"fLaC", "a FLAC sound file"),
    (0, b"ID3", "an MP3 sound file"),
    (4, b"ftyphei", "a HEIC image"),
    (4, b"ftypmif1", "a HEIF image"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftypM4A", "an M4A sound file"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
)
_VIDEO = (
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (4, b"moov", "video/quicktime"),
    (4, b"mdat", "video/quicktime"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"OggS", "video/ogg"),
    (0, b"\x30\x26\xb2\x75", "video/x-ms-wmv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"\x47", "video/mp2t"),
)
VIDEO_MEDIA_TYPES = sorted({kind for _, _, kind in _VIDEO} | {"video/webm", "video/x-matroska", _UNKNOWN})
"""What :func:`video_media_type` may answer."""


def refuse_non_video(name: str, head: bytes) -> None:
    """Raise a 415 problem when ``head``, a file's first bytes, plainly begins something else than a video."""
    kind = next((kind for offset, sign, kind in _NOT_VIDEO if head.startswith(sign, offset)), None)
    if kind is None and _is_text(head):
        kind = "text"
    if kind is not None:
        detail = f"{name} holds {kind}, not a video. Send an MP4, MOV, WebM, MKV, AVI, MPEG or similar file."
        raise ProblemError(415, "unsupported-video", "Unsupported video", detail)


def video_media_type(head: bytes) -> str:
    """Return the media type to serve a stored video under."""
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML: WebM is the Matroska that says so in its header
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    return next((kind for offset, sign, kind in _VIDEO if head.startswith(sign, offset)), _UNKNOWN)


def _is_text(head: bytes) -> bool:
    """Tell whether a file is text.

    Playlists are text as well, and must never reach a decoder: they make it open what they name.
    """
    if b"\x00" in head or not head:
        return False
    try:
        text = head[:512].decode("utf-8", errors="strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return False
    printable = sum(character.isprintable() or character in "\r\n\t\ufeff" for character in text)
    return printable > 0.95 * len(head[:512].decode("utf-8", errors="replace"))
