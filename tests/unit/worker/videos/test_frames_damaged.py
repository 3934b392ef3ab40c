"""Damaged videos: what decodes is shown, what does not is counted."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import av
import pytest

from tests.support.videos import numbered_video, read_number
from worker.videos.frames import Video, open_video

GROUP = 25
OPTIONS = {"preset": "veryfast", "bf": "2", "g": str(GROUP), "x264-params": f"keyint={GROUP}:scenecut=0"}


def opened(path: Path) -> Video:
    return open_video(path, max_pixels=1_000_000)


def numbers(video: Video, every: float = 0.2) -> list[int]:
    return [read_number(frame.picture) for frame in video.samples(every)]


def spoilt(path: Path, packets: Mapping[int, slice]) -> Path:
    """Zero a part of each of these packets, numbered in file order."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number, part in packets.items():
        position, size = places[number]
        assert position is not None
        for at in range(*part.indices(size)):
            data[position + at] = 0
    target = path.with_stem("damaged")
    target.write_bytes(data)
    return target


def undecodable(path: Path) -> int:
    """Count the frames that libavcodec makes nothing of."""
    with av.open(str(path)) as container:
        packets, decoded = 0, 0
        for packet in container.demux(video=0):
            packets += packet.size > 0
            with suppress(av.FFmpegError):
                decoded += len(packet.decode())
        return packets - decoded


@pytest.mark.parametrize("key", [False, True])
def test_after_damaged_packets_decoding_goes_on(key: bool, tmp_path: Path) -> None:
    """A key frame's tail is lost as well, or is not: what its head holds is shown, with a warning."""
    whole = numbered_video(tmp_path / "whole.mp4", 200, options=OPTIONS)
    lost = {number: slice(0, 20) for number in (110, 112)} | ({100: slice(-60, None)} if key else {})
    path = spoilt(whole, lost)
    video = opened(path)
    found = numbers(video)
    assert found[:20] == list(range(0, 100, 5))
    assert found[25:] == list(range(125, 200, 5))
    assert max(found[20:25]) > 100, "what follows the damage is shown"
    assert video.warnings[0].startswith(f"{undecodable(path)} damaged frames could not be decoded"), video.warnings
    assert [warning.startswith("Key frames are damaged (at 0:04.0)") for warning in video.warnings[1:]] == [True] * key
