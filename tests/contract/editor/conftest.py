"""An editor whose model paints one colour."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.support.editor_api import serving
from tests.support.paint_model import Painter


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
def client(painter: Painter) -> Iterator[TestClient]:
    with serving(painter) as client:
        yield client
