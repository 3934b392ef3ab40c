"""The times of results are those of the player: Chromium seeks to each and shows the frame that was sampled there."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Browser

from framesense.media.clips import copy_stream
from tests.support.containers import Recipe, write
from tests.support.videos import BITS, numbered_picture, read_number, render_video
from worker.videos.frames import open_video

pytestmark = pytest.mark.browser

X264 = {"preset": "veryfast", "bf": "2", "g": "12"}
LATE = [2 + number / 25 for number in range(100)]
VPX: dict[str, Any] = {"codec": "libvpx", "audio_codec": "libopus"}
CONTAINERS: dict[str, dict[str, Any]] = {
    "plain.mp4": {"options": X264},
    "with-sound.mp4": {"options": X264, "audio_seconds": 4},
    "late.mp4": {"options": X264, "audio_seconds": 6, "times": LATE},
    "late-without-sound.mp4": {"options": X264, "times": LATE},
    "negative-offsets.mp4": {
        "options": X264,
        "audio_seconds": 4,
        "container_options": {"movflags": "negative_cts_offsets"},
    },
    "without-edit-list.mp4": {"options": X264, "container_options": {"use_editlist": "0"}},
    "fragmented.mp4": {
        "options": X264,
        "audio_seconds": 4,
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "late.mov": {"options": X264, "audio_seconds": 6, "times": LATE},
    "late.mkv": {"options": X264, "audio_seconds": 6, "times": LATE},
    "late-without-sound.mkv": {"options": X264, "times": LATE},
    "with-sound.webm": {**VPX, "audio_seconds": 4},
    "late.webm": {**VPX, "audio_seconds": 6, "times": LATE},
}
LATE_BY_REORDERING = {"without-edit-list.mp4", "fragmented.mp4"}
"""Files whose first frame is decoded at 0 and shown at 0.08 s: no edit list takes the wait for reordering away."""
TYPES = {".mp4": "video/mp4", ".mov": "video/mp4", ".mkv": "video/webm", ".webm": "video/webm"}
"""As whom a browser plays it."""
SHOWN = """async ([source, times, bits]) => {
    const video = document.querySelector("video"), canvas = document.querySelector("canvas"), numbers = [];
    const url = URL.createObjectURL(await (await fetch(source)).blob());
    await new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = () => reject(video.error.message);
        video.src = url;
    });
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d", {willReadFrequently: true});
    for (const time of times) {
        // "seeked" may come before the new frame can be drawn; the first time there may be no new one
        const drawn = new Promise(resolve => video.requestVideoFrameCallback(resolve));
        const patience = new Promise(resolve => setTimeout(resolve, 1000));
        await new Promise(resolve => { video.onseeked = resolve; video.currentTime = time; });
        await Promise.race([drawn, patience]);
        context.drawImage(video, 0, 0);
        const row = context.getImageData(0, canvas.height >> 2, canvas.width, 1).data;
        const bright = bit => row[4 * Math.floor((2 * bit + 1) * canvas.width / (2 * bits))] > 127;
        numbers.push([...Array(bits).keys()].reduce((number, bit) => number | bright(bit) << bit, 0));
    }
    return numbers;
}"""


def sought(path: Path, time: float, number: int) -> int:
    """The number that Chromium shows when it has sought to a frame of a file that is late by reordering.

    It begins at the last key frame that is *decoded* by then, even if that one is shown later: of the frames just
    before a key frame those cannot be sought to. It is the browser's fault: it plays them at their times.
    """
    with av.open(str(path)) as container:
        keys = [packet for packet in container.demux(video=0) if packet.is_keyframe and packet.size]
        last = max((key for key in keys if key.dts * key.time_base <= time), key=lambda key: key.dts)
        return round(last.pts * last.time_base * 25) - 2 if last.pts * last.time_base > time else number


def test_the_player_shows_what_was_sampled(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.set_content("<video muted></video><canvas></canvas>")
    for name, how in CONTAINERS.items():
        path = render_video(tmp_path / name, [numbered_picture(number) for number in range(100)], **how)
        samples = list(open_video(path, max_pixels=1_000_000).samples(0.52))
        # In the middle of a frame, so that no rounding decides which one it is.
        times = [frame.time + 0.02 for frame in samples]
        source = f"data:{TYPES[path.suffix]};base64,{b64encode(path.read_bytes()).decode()}"
        shown = page.evaluate(SHOWN, [source, times, BITS])
        right = [read_number(frame.picture) for frame in samples]
        if name in LATE_BY_REORDERING:
            right = [sought(path, time, number) for time, number in zip(times, right, strict=True)]
            assert sum(one != read_number(frame.picture) for one, frame in zip(right, samples, strict=True)) <= 2
        assert shown == right, name
    page.close()


def test_the_player_shows_the_picture_that_was_chosen(browser: Browser, tmp_path: Path) -> None:
    """As the gateway sends it: by itself, with its times."""
    page = browser.new_page()
    page.set_content("<video muted></video><canvas></canvas>")
    for container in ("mp4", "mkv"):
        source, alone = tmp_path / f"several.{container}", tmp_path / "alone.mp4"
        number = write(source, Recipe(container, (1,) * 79, offset=1.0, bframes=2, before=("small", "sound")))
        copy_stream(source, alone, number=number)
        samples = list(open_video(source, max_pixels=1_000_000, number=number).samples(0.52))
        address = f"data:video/mp4;base64,{b64encode(alone.read_bytes()).decode()}"
        shown = page.evaluate(SHOWN, [address, [frame.time + 0.02 for frame in samples], BITS])
        assert shown == [read_number(frame.picture) for frame in samples], container
    page.close()
