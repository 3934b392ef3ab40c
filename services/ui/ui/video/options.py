"""The widgets that ask how a video is analysed and how its novelty is reckoned."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from framesense.schemas.novelty import Interval, Metric, Signal, VideoParameters
from framesense.schemas.videos import VideoStreamInfo

INTERVALS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)
"""Seconds between two frames that are offered."""
EVERY_N_HELP = """A frame is looked at every so many seconds. Fewer seconds find shorter events and take longer.

**auto** follows the video's length: five times a second for clips of seconds, every 10 seconds for five hours.
"""
WINDOW_HELP = "Each frame is compared with the mean of up to so many frames before it. A larger window forgets slower."
METRIC_HELP = "Euclidean suits the mean of word vectors, cosine suits sentences. Auto and Patch have their own."
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


def ask_window(default: int, *, key: str) -> int:
    shown = min(10, default)
    chosen = st.slider("Compare with … frames before", 1, 10, shown, help=WINDOW_HELP, key=f"window-{key}")
    return default if chosen == shown else chosen


def ask_signal(default: Signal, *, key: str) -> Signal:
    return _choose("Signal", Signal, default, help_text=SIGNAL_HELP, key=f"signal-{key}")


def ask_metric(default: Metric, signal: Signal, *, key: str) -> Metric:
    """Ask for the metric; greyed out for signals that have their own."""
    disabled = signal in OWN_METRIC
    return _choose("Metric", Metric, default, help_text=METRIC_HELP, key=f"metric-{key}", disabled=disabled)


def ask_sensitivity(default: float, *, key: str) -> float:
    """Ask how unusual a moment has to be to be listed, from 0 to 1."""
    return st.slider("Sensitivity", 0.0, 1.0, default, step=0.05, help=SENSITIVITY_HELP, key=f"sensitivity-{key}")


def ask_reference(default: str | None, references: Sequence[str], *, key: str) -> str | None:
    """Ask what to compare with. None: the frames before."""
    choices = [FRAMES_BEFORE, *references]
    if (wanted := st.session_state.pop(f"wanted-reference-{key}", None)) in choices:
        st.session_state[f"reference-{key}"] = wanted
    shown = choices.index(default) if default in choices else 0
    chosen = st.selectbox("Normal is", choices, index=shown, help=REFERENCE_HELP, key=f"reference-{key}", width=280)
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


def ask_all(
    default: VideoParameters, *, key: str, across: bool, references: Callable[[], Sequence[str]] = tuple
) -> VideoParameters:
    """Ask for all options, ``across`` the page side by side, else below one another; on a phone always the latter."""
    seconds, window, choices = st.columns([2, 2, 3], gap="medium") if across else (st.container() for _ in range(3))
    with seconds:
        every_n_second = ask_every_n(default.every_n_second, key=key)
    with window:
        rolling_window_size = ask_window(default.rolling_window_size, key=key)
        sensitivity = ask_sensitivity(default.sensitivity, key=key)
    with choices, st.container(horizontal=True, gap="medium"):
        signal = ask_signal(default.signal, key=key)
        metric = ask_metric(default.metric, signal, key=key)
        reference = ask_reference(default.reference, references(), key=key) if signal is Signal.PATCH else None
    return VideoParameters(
        every_n_second=every_n_second,
        video_stream=default.video_stream,
        rolling_window_size=rolling_window_size,
        signal=signal,
        metric=metric,
        reference=reference,
        sensitivity=sensitivity,
    )


def _choose(
    label: str, choices: type[Choice], default: Choice, *, help_text: str, key: str, disabled: bool = False
) -> Choice:
    chosen = st.segmented_control(
        label,
        list(choices),
        default=default,
        format_func=str.capitalize,
        help=help_text,
        key=key,
        required=True,
        disabled=disabled,
    )
    return choices(chosen or default)
