"""A video's result as files: CSV for spreadsheets, JSON for programs, WebVTT captions for players."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from framesense.media.spreadsheets import BYTE_ORDER_MARK, safe_cell
from framesense.schemas.captions import hedged
from framesense.schemas.novelty import VideoResult

CSV_COLUMNS = ("index", "time", "caption", "novelty", "moment_score", "thumbnail", "confidence")
"""``time`` in seconds; ``moment_score`` only where a moment peaks; ``confidence`` is empty where it is not known."""


class ExportFormat(StrEnum):
    CSV = "csv"
    JSON = "json"
    VTT = "vtt"
    PARQUET = "parquet"
    ZIP = "zip"


@dataclass(frozen=True)
class Export:
    media_type: str
    write: Callable[[VideoResult, float], str]
    """Write a result; captions less likely right than the second argument are guesses."""


def to_csv(result: VideoResult, guess_below: float = 0.0) -> str:
    scores = {moment.peak_index: f"{moment.score:.3f}" for moment in result.moments}
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    rows = csv.writer(text)
    rows.writerow(CSV_COLUMNS)
    for frame in result.frames:
        score = scores.get(frame.index, "")
        caption = safe_cell(frame.caption)
        confidence = "" if frame.confidence is None else f"{frame.confidence:.3f}"
        rows.writerow(
            (frame.index, f"{frame.time:.3f}", caption, f"{frame.novelty:.6f}", score, frame.thumbnail, confidence)
        )
    return text.getvalue()


def to_json(result: VideoResult, guess_below: float = 0.0) -> str:
    return result.model_dump_json(indent=2)


def to_vtt(result: VideoResult, guess_below: float = 0.0) -> str:
    """Write a cue a frame, shown until the next one or until there are no frames (https://www.w3.org/TR/webvtt1/); a
    guess begins with "perhaps:".

    A cue never ends before it begins.
    """
    starts = [round(frame.time * 1000) for frame in result.frames]
    holes = [round(hole.start * 1000) for hole in result.video.holes]
    following = [*starts[1:], round(result.video.duration * 1000)]
    ends = [min([end, *(hole for hole in holes if hole > start)]) for start, end in zip(starts, following, strict=True)]
    cues = [
        f"{frame.index}\n{_clock(start)} --> {_clock(max(end, start + 1))}\n"
        f"{_cue_text(hedged(frame.caption, frame.confidence, guess_below, frame.words))}\n"
        for frame, start, end in zip(result.frames, starts, ends, strict=True)
    ]
    return "\n".join(["WEBVTT\n", *cues])


EXPORTS = {
    ExportFormat.CSV: Export("text/csv; charset=utf-8", to_csv),
    ExportFormat.JSON: Export("application/json", to_json),
    ExportFormat.VTT: Export("text/vtt; charset=utf-8", to_vtt),
}


def _cue_text(text: str) -> str:
    """Put a text on one line (an empty one would end the cue) and escape WebVTT's own marks.

    ``-->`` needs no more than that.
    """
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"
