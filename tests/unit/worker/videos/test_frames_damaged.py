"""Damaged videos: what decodes is shown, what does not is counted."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import av
import pytest

from framesense.http.problems import ProblemError
from tests.support.videos import numbered_picture, numbered_video, read_number, render_video
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


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_a_recording_that_begins_between_key_frames_begins_where_it_decodes(suffix: str, tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / f"whole.{suffix}", 100, options=OPTIONS)
    path = tmp_path / f"late.{suffix}"
    with av.open(str(whole)) as reader, av.open(str(path), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(reader.demux(video=0)):
            if packet.size and number >= 5:
                packet.stream = copy
                writer.mux(packet)
    video = opened(path)
    assert numbers(video, 0.04) == list(range(25, 100))
    first = next(iter(video.samples(0.2)))
    assert (read_number(first.picture), first.time > 0.7) == (25, True), "times are those of a player"
    assert [warning.startswith("The first 0.8 s have no key frame") for warning in video.warnings] == [True]


def test_lost_parts_of_a_transport_stream_are_counted(tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / "whole.ts", 100, options={**OPTIONS, "crf": "1"})
    assert opened(whole).warnings == []
    data = whole.read_bytes()
    cells = [data[at : at + 188] for at in range(0, len(data), 188)]
    lost = {len(cells) // 3, 2 * len(cells) // 3}
    path = tmp_path / "lossy.ts"
    path.write_bytes(b"".join(cell for number, cell in enumerate(cells) if number not in lost))
    warning, *_ = opened(path).warnings
    assert "lack parts" in warning or "lacks parts" in warning
    assert int(warning.split()[0]) in range(1, 5)


@pytest.mark.parametrize("rest", [0, 10])
def test_a_cut_off_file_ends_where_its_packets_end(rest: int, tmp_path: Path) -> None:
    """By the index its last packet stays until the next one, seconds later, which is lost, or all but its head."""
    times = [number / 25 for number in range(50)] + [6 + number / 25 for number in range(50)]
    pictures = [numbered_picture(number) for number in range(100)]
    options = {**OPTIONS, "bf": "0"}
    faststart = {"movflags": "faststart"}
    whole = render_video(tmp_path / "whole.mp4", pictures, times=times, options=options, container_options=faststart)
    assert opened(whole).warnings == []
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    assert places[50] is not None
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: places[50] + rest])
    video = opened(path)
    assert [warning for warning in video.warnings if "cut off" in warning]
    frames = list(video.samples(0.2))
    if not rest:
        assert [read_number(frame.picture) for frame in frames] == list(range(0, 50, 5))
    assert frames[-1].time < 6.1


@pytest.mark.parametrize("until", [b"hdlr", b"stsd"])
def test_a_file_whose_index_is_cut_off_is_said_to_be_damaged(until: bytes, tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / "whole.mp4", 50)
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: data.index(until) - 4])
    with pytest.raises(ProblemError) as refused:
        opened(path)
    assert "may be cut off or damaged" in refused.value.detail, refused.value.detail
