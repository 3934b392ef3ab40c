"""The tagger as it runs: its own process, the embedded weights, HTTP, no network.

The process refuses every connection and name look-up outside loopback, so each test here also shows that the embedded
model needs none.
"""

import os
import signal
import socket
import subprocess
import sys
import time
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

PHOTOS = Path(skimage.__file__).parent / "data"

OFFLINE = """
import ipaddress, runpy, socket

def guard(name):
    allowed = getattr(socket.socket, name)
    def checked(self, address, *rest):
        if self.family != socket.AF_UNIX and not ipaddress.ip_address(address[0]).is_loopback:
            raise SystemExit(f"FORBIDDEN connection to {address}")
        return allowed(self, address, *rest)
    setattr(socket.socket, name, checked)

guard("connect")
guard("connect_ex")
resolve = socket.getaddrinfo

def getaddrinfo(host, *rest, **more):
    if host not in (None, "localhost", "127.0.0.1", "::1"):
        raise SystemExit(f"FORBIDDEN look-up of {host}")
    return resolve(host, *rest, **more)

socket.getaddrinfo = getaddrinfo
runpy.run_module("tagger", run_name="__main__")
"""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("tagger")
    log = folder / "log"
    # No HF_HUB_OFFLINE here: not even an attempt is made.
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    environment |= {"TAGGER_PORT": str(port), "STORAGE_URL": str(folder / "blobs")}
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-c", OFFLINE], env=environment, stdout=stream, stderr=stream)
    url = f"http://127.0.0.1:{port}"
    try:
        while not _ready(url):
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield process, url, log
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def url(process: tuple[subprocess.Popen[bytes], str, Path]) -> str:
    return process[1]


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


def test_concurrent_clients_share_model_calls(url: str) -> None:
    file = {"images": ("a.png", (PHOTOS / "coffee.png").read_bytes(), "image/png")}

    def ask(_: int) -> int:
        return httpx.post(f"{url}/embed/images", files=file, timeout=120).status_code

    before = _batches(url)
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(32))) == {200}
    after = _batches(url)
    assert after[1] - before[1] == 32
    assert after[0] - before[0] < 24


def _batches(url: str) -> tuple[float, float]:
    """Model calls and images so far."""
    lines = dict(line.rsplit(" ", 1) for line in httpx.get(f"{url}/metrics").text.splitlines() if line[0] != "#")
    return float(lines["tagger_batch_images_count"]), float(lines["tagger_batch_images_sum"])


def test_it_stops_when_asked_and_asked_for_nothing_outside(
    process: tuple[subprocess.Popen[bytes], str, Path],
) -> None:
    running, _, log = process
    running.send_signal(signal.SIGTERM)
    running.wait(timeout=60)
    assert "FORBIDDEN" not in log.read_text()
    assert "Traceback" not in log.read_text()
