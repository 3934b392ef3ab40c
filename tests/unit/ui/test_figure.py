"""The novelty curve as a figure."""

import pytest

from framesense.schemas.novelty import Frame, Moment, NoveltyCurve, NoveltyParameters, Strength
from framesense.schemas.references import TimeRange
from ui.figure import MARKERS_UP_TO, novelty_figure


def _frames(count: int, step: float = 2.0) -> list[Frame]:
    return [
        Frame(index=i, time=step * i, caption=f"frame {i}", novelty=float(i), thumbnail=f"/{i}.jpg")
        for i in range(count)
    ]


def _curve(frames: list[Frame], *moments: Moment) -> NoveltyCurve:
    novelty = [frame.novelty for frame in frames]
    return NoveltyCurve(
        parameters=NoveltyParameters(), novelty=novelty, moments=list(moments), stands_out=bool(moments)
    )


def test_the_curve_lies_on_a_clock() -> None:
    frames = _frames(4)
    figure = novelty_figure(frames, _curve(frames), found=[1, 3])
    novelty, found = figure.data[:2]
    assert list(novelty.x) == [f"1970-01-01T00:00:0{2 * i}.000" for i in range(4)]
    assert list(novelty.y) == [0, 1, 2, 3]
    assert (list(found.x), list(found.y)) == ([novelty.x[1], novelty.x[3]], [1, 3])
    assert figure.layout.xaxis.tickformat == "%-M:%S"
    assert [stop.value for stop in figure.layout.xaxis.tickformatstops] == ["%-M:%S.%3f", "%-M:%S.%2f", "%-M:%S.%1f"]
    assert tuple(figure.layout.xaxis.range) == ("1970-01-01T00:00:00.000", "1970-01-01T00:00:07.000")


def test_a_hole_covers_the_curve_and_moves_no_frame() -> None:
    frames = _frames(4)
    figure = novelty_figure(frames, _curve(frames), holes=[TimeRange(start=3, end=5)])
    (cover,) = figure.layout.shapes
    assert (cover.name, cover.layer, cover.label.text) == ("hole", "above", "no frames")
    assert (cover.x0, cover.x1) == ("1970-01-01T00:00:03.000", "1970-01-01T00:00:05.000")
    assert len(figure.data[0].x) == 4


def test_a_moment_of_one_frame_has_a_width() -> None:
    frames = _frames(4)
    moment = Moment(
        start=4,
        peak=4,
        end=4,
        peak_index=2,
        caption="frame 2",
        novelty=2,
        score=2,
        strength=Strength.STRONG,
        best=4,
        best_index=2,
        thumbnail="/2.jpg",
        clip="/0.mp4",
    )
    (shade,) = novelty_figure(frames, _curve(frames, moment)).layout.shapes
    assert (shade.x0, shade.x1) == ("1970-01-01T00:00:03.000", "1970-01-01T00:00:05.000")


def test_hours_are_shown_from_an_hour_on() -> None:
    frames = _frames(3, step=1800)
    assert novelty_figure(frames, _curve(frames)).layout.xaxis.tickformat == "%-H:%M:%S"


@pytest.mark.parametrize(("count", "mode"), [(1, "lines+markers"), (MARKERS_UP_TO + 1, "lines")])
def test_many_frames_are_drawn_as_a_line(count: int, mode: str) -> None:
    frames = _frames(count)
    assert novelty_figure(frames, _curve(frames)).data[0].mode == mode


def test_the_fit_of_a_search_has_a_scale_of_its_own() -> None:
    frames = _frames(3)
    figure = novelty_figure(frames, _curve(frames), fit=[0.1, 0.3, 0.2])
    curve, _, fit = figure.data
    assert list(fit.y) == [0.1, 0.3, 0.2]
    assert (fit.yaxis, list(fit.x)) == ("y2", list(curve.x))
