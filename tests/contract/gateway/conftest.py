"""The gateway of the contract tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from framesense.storage.analyses import ANALYSES, VIDEOS
from framesense.storage.edits import EDITS
from framesense.storage.photo_sets import PHOTO_SETS, TAGGINGS
from tests.support.gateway_process import Gateway, running_gateway

SMALL_LIMITS = {
    "max_video_bytes": 200_000,
    "max_photo_set_bytes": 250_000,
    "max_photos_per_request": 40,
    "max_images_per_request": 3,
    "max_image_bytes": 100_000,
    "max_image_request_bytes": 200_000,
    "max_labelled_photos": 5,
    "max_classifier_bytes": 50_000,
    "max_json_bytes": 10_000,
    "upload_idle_timeout": 1.0,
    "events_keep_alive": 0.2,
    "analyses_in_memory": 0,
}
"""So that small files go over them."""


@pytest.fixture(scope="module")
def gateway_process(redis_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(redis_process, tmp_path_factory.mktemp("gateway"), **SMALL_LIMITS) as running:
        yield running


@pytest.fixture
def gateway(gateway_process: Gateway, redis_url: str) -> Gateway:
    """A gateway that several tests share, emptied."""
    gateway_process.captioner.failure = None
    gateway_process.tagger.reset()
    for prefix in (VIDEOS, ANALYSES, PHOTO_SETS, TAGGINGS, EDITS):
        gateway_process.storage.delete(prefix)
    for name in gateway_process.left_behind():
        (gateway_process.settings.upload_folder / name).unlink()
    return gateway_process


@pytest.fixture
def fresh_gateway(redis_url: str, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of a test's own, which remembers nothing."""
    with running_gateway(redis_url, tmp_path, **SMALL_LIMITS) as running:
        yield running
