"""Images through the gateway: passed on, answered as the captioner answers, and refused in words."""

import io
from pathlib import Path

import httpx
import pytest
import skimage
from PIL import Image

from framesense.schemas.captions import CaptionResponse
from framesense.schemas.models import ModelServers
from tests.support.gateway_process import MODEL, TAGGER_MODEL, Gateway, problem

COINS = (Path(skimage.__file__).parent / "data" / "coins.png").read_bytes()


def photo(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


def post(gateway: Gateway, *images: bytes, field: str = "images", **query: object) -> httpx.Response:
    files = [(field, (f"{n}.png", image, "image/png")) for n, image in enumerate(images)]
    return gateway.http.post("/caption", files=files, params=query)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["images", "image", "file"])
def test_one_image(gateway: Gateway, field: str) -> None:
    answer = post(gateway, COINS, field=field)
    assert answer.status_code == 200
    captions = CaptionResponse.model_validate(answer.json())
    assert captions.captions[0].caption.startswith("a ")
    assert captions.model == MODEL


def test_many_images_in_their_order_and_with_extras(gateway: Gateway) -> None:
    alone = [CaptionResponse.model_validate(post(gateway, photo(n)).json()).captions[0].caption for n in range(3)]
    answer = post(gateway, *map(photo, range(3)), **{"return": "embeddings", "beams": 2, "max_tokens": 9})
    captions = CaptionResponse.model_validate(answer.json()).captions
    assert [caption.caption for caption in captions] == alone
    assert all(caption.embeddings for caption in captions)


@pytest.mark.parametrize(
    ("name", "value"), [("beams", 0), ("beams", "nan"), ("max_tokens", -1), ("encoding_format", "hex")]
)
def test_wrong_options_are_refused(gateway: Gateway, name: str, value: object) -> None:
    assert name in problem(post(gateway, COINS, **{name: value}), 422).detail


def test_too_many_and_too_large_images_are_refused(gateway: Gateway) -> None:
    assert "3 files" in problem(post(gateway, *map(photo, range(4))), 413).detail
    assert "100,000" in problem(post(gateway, bytes(100_001)), 413).detail
    assert "200,000" in problem(post(gateway, bytes(99_000), bytes(99_000), bytes(99_000)), 413).detail


def test_what_the_captioner_says_is_passed_on(gateway: Gateway) -> None:
    gateway.captioner.failure = 503
    answer = post(gateway, COINS)
    assert problem(answer, 503).title == "Busy"
    assert answer.headers["retry-after"] == "3"


def test_a_captioner_that_is_gone_is_told(fresh_gateway: Gateway) -> None:
    fresh_gateway.captioner.stop()
    answer = post(fresh_gateway, COINS)
    assert "captioner does not answer" in problem(answer, 503).detail
    assert int(answer.headers["retry-after"]) > 0
    models = ModelServers.model_validate(fresh_gateway.http.get("/models").json())
    assert models.models == [TAGGER_MODEL]
    assert "captioner does not answer" in models.unavailable["captioner"]
    assert "captioner" in problem(fresh_gateway.http.get("/ready"), 503).detail
    assert fresh_gateway.http.get("/health").status_code == 200


def test_the_models(gateway: Gateway) -> None:
    models = ModelServers.model_validate(gateway.http.get("/models").json())
    assert models.models == [MODEL, TAGGER_MODEL]
    assert list(models.unavailable) == ["editor"]  # none runs here
