"""One gateway for all tests of this folder; each begins with an empty Redis."""

from collections.abc import Iterator

import pytest

from tests.support.a1111_studio import Studio, running_studio


@pytest.fixture(scope="package")
def process(redis_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with running_studio(redis_process, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def studio(process: Studio, redis_url: str) -> Studio:
    process.gateway.tagger.reset()
    process.gateway.captioner.failure = None
    process.gateway.http.cookies.clear()
    return process
