"""The tagger as it runs: its own process, the embedded weights, HTTP, no network.

The process refuses every connection and name look-up outside loopback, so each test here also shows that the embedded
model needs none.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import skimage
import skimage.io

from framesense.media.images import NPY_MEDIA_TYPE, encode_npy
from framesense.schemas.arrays import to_numpy
from framesense.schemas.tags import ImageEmbeddings, TagsResponse
from tests.support.processes import ServerProcess, running_server

PHOTOS = Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("tagger")
    with running_server("tagger", folder, guarded=True, storage_url=folder / "blobs") as running:
        yield running


@pytest.fixture
def url(server: ServerProcess) -> str:
    return server.url


def test_real_photos_get_their_tags(url: str) -> None:
    labels = ["a cat", "a cup of coffee", "a rocket"]
    names = ("chelsea.png", "coffee.png")
    files = [("images", (name, (PHOTOS / name).read_bytes(), "image/png")) for name in names]
    answer = httpx.post(f"{url}/tags", files=files, data={"labels": labels}, timeout=60)
    found = TagsResponse.model_validate_json(answer.content)
    assert [image.tags[0].label for image in found.images] == labels[:2]


def test_arrays_and_files_have_one_embedding(url: str) -> None:
    file = (PHOTOS / "coffee.png").read_bytes()
    array = encode_npy(np.asarray(skimage.io.imread(PHOTOS / "coffee.png"))[..., :3])
    parts = [("images", ("a", file, "image/png")), ("images", ("b", array, NPY_MEDIA_TYPE))]
    answer = httpx.post(f"{url}/embed/images", files=parts, timeout=60)
    first, second = to_numpy(ImageEmbeddings.model_validate_json(answer.content).embeddings)
    assert first @ second == pytest.approx(1, abs=1e-3)


def test_concurrent_clients_share_model_calls(server: ServerProcess) -> None:
    file = {"images": ("a.png", (PHOTOS / "coffee.png").read_bytes(), "image/png")}

    def ask(_: int) -> int:
        return httpx.post(f"{server.url}/embed/images", files=file, timeout=120).status_code

    calls, images = (server.metric(f"tagger_batch_images_{name}") for name in ("count", "sum"))
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(32))) == {200}
    assert server.metric("tagger_batch_images_sum") - images == 32
    assert server.metric("tagger_batch_images_count") - calls < 24


def test_it_stops_when_asked_and_asked_for_nothing_outside(server: ServerProcess) -> None:
    server.stop()
    assert server.network_attempts == []
    assert "Traceback" not in server.log
