"""Which of several videos in a file is meant."""

from streamlit.testing.v1 import AppTest


def _page(count: int, default: int | None) -> None:
    import streamlit as st

    from framesense.schemas.videos import VideoStreamInfo
    from ui.video.options import ask_stream

    sizes = [(1920, 1080), (640, 360), (320, 180)]
    streams = [
        VideoStreamInfo(number=2 * n, width=width, height=height, codec="h264", shown_first=n == 0)
        for n, (width, height) in enumerate(sizes[:count])
    ]
    st.text(f"chosen: {ask_stream(default, streams, key='x')}")


def page(count: int, default: int | None = None) -> AppTest:
    return AppTest.from_function(_page, args=(count, default)).run(timeout=30)


def test_a_file_with_one_video_asks_nothing() -> None:
    shown = page(1)
    assert len(shown.selectbox) == 0
    assert shown.text[0].value == "chosen: None"


def test_one_of_several_videos_is_chosen() -> None:
    shown = page(3)
    assert shown.selectbox[0].options == ["0: 1920 × 1080, h264", "2: 640 × 360, h264", "4: 320 × 180, h264"]
    assert shown.text[0].value == "chosen: None", "the one that players show needs no number"
    shown.selectbox[0].select_index(2).run(timeout=30)
    assert shown.text[0].value == "chosen: 4"


def test_what_was_chosen_is_shown() -> None:
    assert page(3, 2).text[0].value == "chosen: 2"
