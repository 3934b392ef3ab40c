"""The gateway of the contract tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway import Gateway, running_gateway


@pytest.fixture
def gateway(redis_url: str, tmp_path: Path) -> Iterator[Gateway]:
    """Small limits, so that small files go over them."""
    with running_gateway(
        redis_url,
        tmp_path,
        max_video_bytes=200_000,
        max_images_per_request=3,
        max_image_bytes=100_000,
        max_image_request_bytes=200_000,
        upload_idle_timeout=1.0,
        events_keep_alive=0.2,
    ) as running:
        yield running
