"""Results as files: safe in a spreadsheet, valid in a player, the same numbers everywhere."""

import csv
import io
import json
import re

import pytest

from framesense.schemas.models import ModelInfo
from framesense.schemas.novelty import AnalysedParameters, Frame, Moment, Strength, VideoInfo, VideoResult
from framesense.schemas.references import TimeRange
from gateway.videos.exports import to_csv, to_json, to_vtt

CUE = re.compile(r"(\d+)\n(\d\d):(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d):(\d\d)\.(\d{3})\n([^\n]+)\n")


def result(
    captions: list[str], times: list[float], duration: float, confidences: list[float | None] | None = None
) -> VideoResult:
    chances = confidences or [None] * len(captions)
    frames = [
        Frame(
            index=index,
            time=time,
            caption=caption,
            confidence=chances[index],
            novelty=index / 8,
            thumbnail=f"/jobs/x/frames/{index}.jpg",
        )
        for index, (caption, time) in enumerate(zip(captions, times, strict=True))
    ]
    moment = Moment(
        start=times[-1],
        peak=times[-1],
        end=times[-1],
        peak_index=len(times) - 1,
        caption=captions[-1],
        novelty=1,
        score=4.5,
        strength=Strength.STRONG,
        best=times[-1],
        best_index=len(times) - 1,
        thumbnail=frames[-1].thumbnail,
        clip="/jobs/0/moments/0.mp4",
    )
    video = VideoInfo(name="a.mp4", sha256="0", bytes=1, duration=duration, width=1, height=1, fps=25, codec="h264")
    model = ModelInfo(service="c", name="m", family="f", revision="1", device="cpu", dtype="f", parameters=0)
    return VideoResult(
        video=video,
        frames=frames,
        moments=[moment],
        stands_out=True,
        parameters=AnalysedParameters(every_n_second=10),
        models=[model],
    )


def _csv_rows(answer: VideoResult) -> list[dict[str, str]]:
    """The rows as a spreadsheet reads them, which knows UTF-8 by the mark at its beginning."""
    table = to_csv(answer)
    assert table.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"), newline="")))


def test_a_table_of_the_frames() -> None:
    rows = _csv_rows(result(["a dog", 'he said "no",\nthen'], [0, 2.5], 4, [None, 0.25]))
    assert rows == [
        {
            "index": "0",
            "time": "0.000",
            "caption": "a dog",
            "novelty": "0.000000",
            "moment_score": "",
            "thumbnail": "/jobs/x/frames/0.jpg",
            "confidence": "",
        },
        {
            "index": "1",
            "time": "2.500",
            "caption": 'he said "no",\nthen',
            "novelty": "0.125000",
            "moment_score": "4.500",
            "thumbnail": "/jobs/x/frames/1.jpg",
            "confidence": "0.250",
        },
    ]


@pytest.mark.parametrize("caption", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_no_cell_begins_like_a_formula(caption: str) -> None:
    rows = _csv_rows(result([caption], [0], 1))
    assert rows[0]["caption"] == f"'{caption}"


def test_json_is_the_result() -> None:
    whole = result(["a dog", "a cat"], [0, 2.5], 4)
    assert json.loads(to_json(whole)) == whole.model_dump(mode="json")


def test_cues_follow_one_another() -> None:
    subtitles = to_vtt(result(["a dog", "a cat"], [0, 3599.9996], 3725.25))
    assert subtitles.startswith("WEBVTT\n\n")
    assert [cue[0] for cue in CUE.findall(subtitles)] == ["0", "1"]
    assert "00:00:00.000 --> 01:00:00.000\na dog\n" in subtitles
    assert "01:00:00.000 --> 01:02:05.250\na cat\n" in subtitles


def test_no_cue_lasts_into_a_hole() -> None:
    whole = result(["a dog", "a cat", "a cow"], [0, 2, 3600], 3602)
    video = whole.video.model_copy(update={"holes": [TimeRange(start=4, end=3600)]})
    subtitles = to_vtt(whole.model_copy(update={"video": video}))
    assert "00:00:02.000 --> 00:00:04.000\na cat\n" in subtitles
    assert "01:00:00.000 --> 01:00:02.000\na cow\n" in subtitles


def test_a_cue_never_ends_before_it_begins() -> None:
    cues = CUE.findall(to_vtt(result(["a", "b", "c"], [0, 1.0001, 1.0002], 1)))
    times = [[int(part) for part in cue[1:9]] for cue in cues]
    assert len(times) == 3
    assert all(time[:4] < time[4:] for time in times)


@pytest.mark.parametrize(
    ("caption", "line"),
    [
        ("a <b>dog</b> & cat", "a &lt;b&gt;dog&lt;/b&gt; &amp; cat"),
        ("one --> two", "one --&gt; two"),
        ("two\n\nlines\r\nhere", "two lines here"),
    ],
)
def test_captions_cannot_break_their_cue(caption: str, line: str) -> None:
    assert [cue[9] for cue in CUE.findall(to_vtt(result([caption], [0], 1)))] == [line]


def test_a_guess_says_so() -> None:
    whole = result(["a dog", "a cat", "a cow"], [0, 1, 2], 3, [0.49, 0.5, None])
    assert [cue[9] for cue in CUE.findall(to_vtt(whole, 0.5))] == ["perhaps: a dog", "a cat", "a cow"]
    assert [cue[9] for cue in CUE.findall(to_vtt(whole, 0))] == ["a dog", "a cat", "a cow"]


def test_words_that_fit_the_picture_come_before_a_guess() -> None:
    whole = result(["a dog", "a cat"], [0, 1], 2, [0.49, 0.5])
    frames = [frame.model_copy(update={"words": ["road", "car"]}) for frame in whole.frames]
    cues = CUE.findall(to_vtt(whole.model_copy(update={"frames": frames}), 0.5))
    assert [cue[9] for cue in cues] == ["road, car; perhaps: a dog", "a cat"]
