"""Why a video is refused, in words."""

from __future__ import annotations

import re
from pathlib import Path

import av
import av.logging
from av.container import InputContainer

from framesense.http.problems import ProblemError

MAYBE_DAMAGED = "The file may be cut off or damaged."


def no_video_track(container: InputContainer) -> ProblemError:
    """Describe a file without a picture."""
    kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
    detail = f"The file holds no video track, only: {kinds}."
    if not any(s.type in ("audio", "subtitle") for s in container.streams):
        detail += f" {MAYBE_DAMAGED}"
    return ProblemError(422, "no-video-track", "No video", detail)


def unsupported_codec(container: InputContainer) -> ProblemError:
    """Describe a video for which there is no decoder."""
    names = _codec_names(container)
    detail = f"There is no decoder here for the video's codec ({names}). "
    detail += "Convert it, to H.264 for instance, and try again."
    if names == "none":
        detail = f"The video's codec is not known here. {MAYBE_DAMAGED}"
    return ProblemError(422, "unsupported-codec", "Unsupported codec", detail)


def nothing_decodes(codec: str) -> ProblemError:
    """Describe a video of which no frame decodes."""
    detail = f"The video's codec is {codec}, but none of its frames could be decoded: the file seems to be damaged."
    return ProblemError(422, "undecodable-video", "Undecodable video", detail)


def not_opened(path: Path) -> ProblemError:
    """Describe a file that does not open as a video."""
    boxes = _top_level_boxes(path)
    if "ftyp" in boxes and "moov" not in boxes:
        detail = (
            "The file is an MP4 or MOV without its index (the 'moov' box), so its frames cannot be found: the "
            "recording or the upload was probably cut off. Send the whole file, or repair it from a good one of the "
            "same camera."
        )
        return ProblemError(422, "no-index", "Video without index", detail)
    if "ftyp" in boxes:
        return ProblemError(
            422, "damaged-video", "Damaged video", "The file is an MP4 or MOV, but its index is damaged."
        )
    detail = "The file is not a video in a format known here, such as MP4, MOV, MKV, WebM, AVI or MPEG-TS."
    return ProblemError(415, "not-a-video", "Not a video", detail)


def _top_level_boxes(path: Path) -> list[str]:
    """List the kinds of an ISO base media file's outermost boxes (ISO/IEC 14496-12, 4.2), as far as they make sense."""
    boxes: list[str] = []
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            header = file.read(16)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:
                length = int.from_bytes(header[8:], "big")
            if not kind.isascii() or length < 8:
                break
            boxes.append(kind.decode("ascii"))
            at += length
    return boxes


def _codec_names(container: InputContainer) -> str:
    """Return what libavformat calls the codecs it has no decoder for; PyAV gives those names in its summary alone."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        summary: str = container.dumps_format()  # type: ignore[attr-defined]  # missing from PyAV's stubs
    finally:
        av.logging.set_level(level)
    return ", ".join(re.findall(r"Video: ([^ ,]+)", summary)) or "unknown"
