"""Videos with random damage, in six containers: each gives frames or a reason, none hangs or takes the caller with it.

``MUTATED_VIDEOS=1000 make test-faults`` tries more of them.
"""

import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from framesense.http.problems import ProblemError
from tests.support.containers import Recipe, write
from tests.support.decoders import decoders
from worker.videos.isolated import DecoderLimits, IsolatedVideo

TRIED = int(os.environ.get("MUTATED_VIDEOS", "30"))
CONTAINERS = ("mp4", "mkv", "webm", "ts", "avi", "flv")
LIMITS = DecoderLimits(max_pixels=10_000_000, memory=2 * 1024**3, idle_seconds=60, cpu_seconds=120)
MOST_FRAMES = 400


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder, found = tmp_path_factory.mktemp("originals"), {}
    for container in CONTAINERS:
        path = folder / f"clip.{container}"
        write(path, Recipe(container, (1,) * 59, keyint=6, bframes=2))
        found[container] = path.read_bytes()
    return found


def mutations() -> Iterator[tuple[int, str]]:
    for seed in range(TRIED):
        yield seed, CONTAINERS[seed % len(CONTAINERS)]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flip bytes, cut, repeat, swap or zero parts of a file."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 2, 8, 40])):
        at, size = chance.randrange(len(changed)), chance.choice([1, 1, 4, 64, 1500])
        part = changed[at : at + size]
        way = chance.randrange(5)
        if way == 0:
            changed[at : at + size] = chance.randbytes(len(part))
        elif way == 1:
            changed[at : at + size] = bytes(len(part))
        elif way == 2:
            del changed[at : at + size]
        elif way == 3:
            changed[at:at] = part
        else:
            changed[at : at + size] = bytes(byte ^ 1 << chance.randrange(8) for byte in part)
        changed = changed or bytearray(b"x")
    return bytes(changed)


@pytest.mark.timeout(60 * TRIED + 300)
def test_damaged_videos_give_frames_or_a_reason(originals: dict[str, bytes], tmp_path: Path) -> None:
    outcomes = {"frames": 0, "refused": 0}
    for seed, container in mutations():
        path = tmp_path / f"mutated.{container}"
        path.write_bytes(mutated(originals[container], random.Random(seed)))
        try:
            with IsolatedVideo(path, LIMITS) as video:
                times = []
                for frame in video.moving_samples(0.2, longest_side=160):
                    times.append(frame.time)
                    if len(times) == MOST_FRAMES:
                        break
            assert all(before < after for before, after in pairwise(times)), (seed, container)
            outcomes["frames"] += 1
        except ProblemError as error:
            assert error.status in (415, 422), (seed, container, error.detail)
            assert "got no further" not in error.detail, (seed, container)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0, "the damage is neither too little nor too much"
    assert decoders() == []
