"""The widgets that ask how a video is analysed and how its novelty is reckoned."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from framesense.schemas.novelty import Interval, Metric, Signal, VideoParameters
from framesense.schemas.videos import VideoStreamInfo

INTERVALS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)
"""Seconds between two frames that are offered."""
EVERY_N_HELP = """A frame is looked at every so many seconds. Fewer seconds find shorter events and take longer.

**auto** follows the video's length: five times a second for clips of seconds, every 10 seconds for five hours.
"""
WINDOW_HELP = "Each frame is compared with the mean of up to so many frames before it. A larger window forgets slower."
METRIC_HELP = "Euclidean suits the mean of word vectors, cosine suits sentences."
OWN_METRIC = (Signal.AUTO, Signal.PATCH)
"""Signals that no metric changes."""
SIGNAL_HELP = """What of a frame is compared.

- **Auto**: cuts, pictures unlike all before, light, and what comes and goes before a camera that stands still. The
  best choice for most videos.
- **Words**, **Sentence**: the caption only, as words or by its sense.
- **Visual**: the picture only.
- **Patch**: the picture place by place, for cameras that stand still. Pictures then show where something is odd.
"""
SENSITIVITY_HELP = "Further right, fainter moments are listed too. The curve stays as it is."
REFERENCE_HELP = "What is normal: the frames before, or footage that was marked as normal."
STREAM_HELP = "The file holds several videos. Thumbnails and clips are of the one that is chosen here."
FRAMES_BEFORE = "The frames before"
WANTED_REFERENCE = "wanted-reference"
"""Session key: the reference that is to be chosen next."""

Choice = TypeVar("Choice", Metric, Signal)


def ask_every_n(default: Interval, *, key: str) -> Interval:
    """Ask for the seconds between two frames; `auto` is offered where it is the default."""
    steps: list[Interval] = sorted({*INTERVALS, *([default] if default != "auto" else [])})
    offered: list[Interval] = ["auto", *steps] if default == "auto" else steps
    return st.select_slider(
        "Look every", offered, default, format_func=_interval_label, help=EVERY_N_HELP, key=f"every-n-{key}"
    )


def _interval_label(interval: Interval) -> str:
    return "auto" if interval == "auto" else f"{interval:g} s"


def ask_window(default: int, **options: Any) -> int:
    shown = min(10, default)
    chosen = st.slider("Compare with … frames before", 1, 10, shown, help=WINDOW_HELP, **options)
    return default if chosen == shown else chosen


def ask_signal(default: Signal, **options: Any) -> Signal:
    return _choose("Signal", Signal, default, help=SIGNAL_HELP, **options)


def ask_metric(default: Metric, **options: Any) -> Metric:
    return _choose("Metric", Metric, default, help=METRIC_HELP, **options)


def ask_sensitivity(default: float, **options: Any) -> float:
    """Ask how unusual a moment has to be to be listed, from 0 to 1."""
    return st.slider("Sensitivity", 0.0, 1.0, default, step=0.05, help=SENSITIVITY_HELP, **options)


def ask_reference(default: str | None, references: Sequence[str], **options: Any) -> str | None:
    """Ask what to compare with. None: the frames before."""
    choices = [FRAMES_BEFORE, *references]
    if (wanted := st.session_state.pop(WANTED_REFERENCE, None)) in choices:
        st.session_state[options["key"]] = wanted
    shown = choices.index(default) if default in choices else 0
    chosen = st.selectbox("Normal is", choices, index=shown, help=REFERENCE_HELP, width=280, **options)
    return None if chosen == FRAMES_BEFORE else chosen


def ask_stream(default: int | None, streams: Sequence[VideoStreamInfo], *, key: str) -> int | None:
    """Ask which of several videos in a file is meant. None: the one that players show, or there is only one."""
    if len(streams) < 2:
        return default
    numbers = [None if stream.shown_first else stream.number for stream in streams]
    shown = numbers.index(default) if default in numbers else numbers.index(None)
    labels = {number: _stream_label(stream) for number, stream in zip(numbers, streams, strict=True)}
    return st.selectbox(
        "Video stream", numbers, shown, format_func=labels.__getitem__, help=STREAM_HELP, key=f"stream-{key}", width=280
    )


def _stream_label(stream: VideoStreamInfo) -> str:
    return f"{stream.number}: {stream.width} × {stream.height}, {stream.codec}"


def ask_new(default: VideoParameters) -> VideoParameters:
    """Ask for the options of a new analysis, below one another."""
    every_n_second = ask_every_n(default.every_n_second, key="new")
    return _ask_novelty(default, every_n_second, [st.container() for _ in range(2)], tuple, _options_of_new)


def ask_again(default: VideoParameters, *, job_id: str, references: Callable[[], Sequence[str]]) -> VideoParameters:
    """Ask for the options of an analysis that is there, side by side; on a phone below one another.

    What redraws the curve is part of the page's address.
    """
    seconds, *others = st.columns([2, 2, 3], gap="medium")
    with seconds:
        every_n_second = ask_every_n(default.every_n_second, key=job_id)
    return _ask_novelty(default, every_n_second, others, references, _options_in_address)


def _options_of_new(name: str) -> dict[str, Any]:
    return {"key": f"new-{name}"}


def _options_in_address(name: str) -> dict[str, Any]:
    return {"key": name, "bind": "query-params"}


def _ask_novelty(
    default: VideoParameters,
    every_n_second: Interval,
    places: Sequence[DeltaGenerator],
    references: Callable[[], Sequence[str]],
    options: Callable[[str], dict[str, Any]],
) -> VideoParameters:
    """Ask for what makes a curve, and only for what changes it. ``options``: of the widget of a name."""
    numbers, choices = places
    window, metric, reference = default.rolling_window_size, default.metric, None
    with choices:
        signal = ask_signal(default.signal, **options("signal"))
        if signal not in OWN_METRIC:
            metric = ask_metric(default.metric, **options("metric"))
        if signal is Signal.PATCH:
            reference = ask_reference(default.reference, references(), **options("normal"))
    with numbers:
        if signal is not Signal.PATCH:
            window = ask_window(default.rolling_window_size, **options("window"))
        sensitivity = ask_sensitivity(default.sensitivity, **options("sensitivity"))
    return VideoParameters(
        every_n_second=every_n_second,
        video_stream=default.video_stream,
        rolling_window_size=window,
        signal=signal,
        metric=metric,
        reference=reference,
        sensitivity=sensitivity,
    )


def _choose(label: str, choices: type[Choice], default: Choice, **options: Any) -> Choice:
    chosen = st.segmented_control(
        label, list(choices), default=default, format_func=str.capitalize, required=True, **options
    )
    return choices(chosen or default)
