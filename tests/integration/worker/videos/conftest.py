"""Real Redis, real Celery processes, real videos; only the captioner is a stand-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway_process import served
from tests.support.number_captioner import NumberCaptioner
from tests.support.video_stack import VideoStack


@pytest.fixture
def captioner() -> Iterator[NumberCaptioner]:
    captioner = NumberCaptioner()
    with served(captioner.app()) as (captioner.url, _):
        yield captioner


@pytest.fixture
def stack(redis_url: str, tmp_path: Path, captioner: NumberCaptioner) -> Iterator[VideoStack]:
    running = VideoStack(redis_url, tmp_path, captioner)
    yield running
    running.close()
