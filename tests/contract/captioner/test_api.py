"""The captioner's routes, in process, on a random decoder: what is asked is answered, the rest refused in words."""

import io
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image
from pydantic import ValidationError

from captioner.app import create_app
from captioner.captioning import Captioner, CaptionOptions, Described
from captioner.models.show_attend_tell import SPECIAL_WORDS, ConfidenceModel, Decoder, DecoderSizes, save_decoder
from captioner.models.show_attend_tell.files import revision_of
from captioner.settings import CaptionerSettings
from framesense.media.images import NPY_MEDIA_TYPE, encode_npy
from framesense.schemas.arrays import to_numpy
from framesense.schemas.captions import Caption, CaptionResponse
from framesense.schemas.models import ModelPhase, ModelsResponse, ModelState
from framesense.schemas.problems import MEDIA_TYPE, Problem
from tests.support.waiting import wait_until, wait_until_ready, wait_while_loading

PHOTOS = Path(skimage.__file__).parent / "data"
CHELSEA = (PHOTOS / "chelsea.png").read_bytes()
COFFEE = (PHOTOS / "coffee.png").read_bytes()


def settings(models_dir: Path, **changes: object) -> CaptionerSettings:
    return CaptionerSettings(
        models_dir=models_dir,
        captioner_max_images=4,
        captioner_max_queue=8,
        captioner_max_beams=5,
        captioner_max_tokens=30,
        max_image_bytes=2_000_000,
        captioner_max_request_bytes=5_000_000,
        **changes,
    )


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of random weights, in the format of the trained one."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    words = [*SPECIAL_WORDS, *(f"word{n}" for n in range(60))]
    decoder = Decoder(DecoderSizes(vocabulary=len(words), embedding=12, hidden=16, attention=8))
    save_decoder(folder / "captioner-show-attend-tell", decoder, words, image_size=260, length_penalty=1.0)
    return folder


@pytest.fixture(scope="module")
def client(models_dir: Path) -> Iterator[TestClient]:
    # float32: so that a picture's caption does not depend on what shares its batch
    with TestClient(create_app(settings(models_dir, captioner_dtype="float32"))) as client:
        wait_until_ready(client)
        yield client


def post(
    client: TestClient, *images: bytes, field: str = "images", media_type: str = "image/png", **query: object
) -> Response:
    files = [(field, (f"photo-{n}.png", image, media_type)) for n, image in enumerate(images)]
    query["return"] = query.pop("extras", None)
    return client.post("/caption", files=files, params={k: v for k, v in query.items() if v is not None})


def captions(answer: Response) -> list[Caption]:
    assert answer.status_code == 200, answer.text
    return CaptionResponse.model_validate_json(answer.content).captions


def problem(answer: Response) -> Problem:
    assert answer.headers["content-type"] == MEDIA_TYPE
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code
    assert found.request_id == answer.headers["x-request-id"]
    return found


# -------------------------------------------------------------------------------------------------- answers


def test_one_caption_an_image_in_order(client: TestClient) -> None:
    chelsea, coffee = captions(post(client, CHELSEA, COFFEE))
    assert [chelsea.caption] == [alone.caption for alone in captions(post(client, CHELSEA))]
    assert [coffee.caption] == [alone.caption for alone in captions(post(client, COFFEE))]
    assert chelsea.caption != coffee.caption


def test_tokens_and_log_probabilities(client: TestClient) -> None:
    (caption,) = captions(post(client, CHELSEA, max_tokens=7))
    assert 1 <= len(caption.tokens) <= 7
    assert " ".join(token.text for token in caption.tokens) == caption.caption
    assert not {token.text for token in caption.tokens} & set(SPECIAL_WORDS)
    mean = np.mean([token.log_probability for token in caption.tokens])
    assert caption.log_probability == pytest.approx(mean, abs=1e-4)


def test_arrays_are_left_out_unless_asked_for(client: TestClient) -> None:
    answer = post(client, CHELSEA)
    assert answer.json()["captions"][0].keys() == {"caption", "tokens", "log_probability"}
    assert len(answer.content) < 4000


@pytest.mark.parametrize("field", ["images", "image", "file"])
def test_field_names(client: TestClient, field: str) -> None:
    assert len(captions(post(client, CHELSEA, COFFEE, field=field))) == 2


def test_embeddings(client: TestClient) -> None:
    (caption,) = captions(post(client, CHELSEA, extras="embeddings"))
    assert caption.embeddings is not None
    assert to_numpy(caption.embeddings.words).shape == (len(caption.tokens), 12)
    sentence = to_numpy(caption.embeddings.sentence)
    assert sentence.shape == (384,)
    assert np.linalg.norm(sentence) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_every_attention_map_sums_to_one(client: TestClient, beams: int) -> None:
    (caption,) = captions(post(client, CHELSEA, extras="attention", beams=beams))
    assert caption.attention is not None
    maps = to_numpy(caption.attention)
    assert maps.shape == (len(caption.tokens), 9, 9)
    assert maps.min() >= 0
    assert np.allclose(maps.sum(axis=(1, 2)), 1, atol=1e-4)


def test_views(client: TestClient) -> None:
    (caption,) = captions(post(client, CHELSEA, extras="visual,patches", encoding_format="base64"))
    assert caption.visual is not None and caption.patches is not None
    visual, patches = to_numpy(caption.visual), to_numpy(caption.patches)
    assert visual.shape == (472,)
    assert np.linalg.norm(visual[:120]) == pytest.approx(1, abs=1e-3), "each stage by itself"
    assert np.linalg.norm(visual[120:]) == pytest.approx(1, abs=1e-3)
    assert patches.shape == (17, 17, 64)
    lengths = np.linalg.norm(patches, axis=2)
    assert lengths.mean() == pytest.approx(np.sqrt(2), rel=0.15), "two stages of length 1, as projected"
    (alone,) = captions(post(client, CHELSEA, extras="visual"))
    assert alone.visual is not None and alone.patches is None


def test_features(client: TestClient) -> None:
    (caption,) = captions(post(client, CHELSEA, extras="features", encoding_format="base64"))
    assert caption.features is not None
    assert to_numpy(caption.features).shape == (9, 9, 1280)


@pytest.mark.parametrize("extras", ["embeddings,attention", ["embeddings", "attention"], "attention, embeddings,"])
def test_extras_may_be_repeated_or_comma_separated(client: TestClient, extras: object) -> None:
    (caption,) = captions(post(client, CHELSEA, extras=extras))
    assert caption.embeddings is not None
    assert caption.attention is not None
    assert caption.features is None


def test_both_encodings_hold_the_same_numbers(client: TestClient) -> None:
    (plain,) = captions(post(client, CHELSEA, extras="attention", encoding_format="float"))
    (packed,) = captions(post(client, CHELSEA, extras="attention", encoding_format="base64"))
    assert plain.attention is not None
    assert packed.attention is not None
    assert isinstance(plain.attention, list)
    assert np.array_equal(to_numpy(plain.attention), to_numpy(packed.attention))


def test_an_array_is_captioned_like_the_same_picture_as_png(client: TestClient) -> None:
    array = np.asarray(Image.open(io.BytesIO(CHELSEA)).convert("RGB"))
    assert captions(post(client, encode_npy(array), media_type=NPY_MEDIA_TYPE)) == captions(post(client, CHELSEA))


def test_odd_pictures_are_captioned(client: TestClient) -> None:
    def png(mode: str, size: tuple[int, int]) -> bytes:
        stream = io.BytesIO()
        Image.new(mode, size).save(stream, "PNG")
        return stream.getvalue()

    odd = [png("RGB", (1, 1)), png("RGBA", (3, 700)), png("I;16", (33, 5)), png("1", (64, 64))]
    assert len(captions(post(client, *odd))) == 4


def test_models(client: TestClient) -> None:
    (model,) = ModelsResponse.model_validate_json(client.get("/models").content).models
    assert (model.service, model.name, model.family) == ("captioner", "embedded", "show-attend-tell")
    assert model.dtype == "float32"
    assert model.revision


def test_what_is_loaded(client: TestClient) -> None:
    (state,) = ModelsResponse.model_validate_json(client.get("/models").content).states
    assert (state.service, state.model, state.state, state.device) == ("captioner", "embedded", ModelPhase.READY, "cpu")
    assert (state.process_bytes or 0) > 10_000_000
    assert state.in_use == 0
    assert state.idle_since is not None


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"model": "gpt"}, 422, "hf:ORG/NAME"),
        ({"model": "open_clip:ViT-B-32/laion2b"}, 422, "no captioning model"),
        ({"model": "path:/etc"}, 403, "MODEL_FOLDERS"),
        ({}, 422, "model"),
    ],
)
def test_models_that_cannot_be_switched_to(client: TestClient, body: dict[str, str], status: int, word: str) -> None:
    found = problem(client.put("/models", json=body))
    assert found.status == status
    assert word in found.detail
    assert len(captions(post(client, CHELSEA))) == 1


def test_the_model_that_answers_already_need_not_be_loaded(client: TestClient) -> None:
    answer = client.put("/models", json={"model": "embedded"})
    assert answer.status_code == 200
    assert ModelState.model_validate(answer.json()).state is ModelPhase.READY


def test_metrics_tell_of_batches_and_the_queue(client: TestClient) -> None:
    post(client, CHELSEA, COFFEE)
    text = client.get("/metrics").text
    assert "captioner_batch_images_bucket" in text
    assert "captioner_queue_images 0.0" in text
    assert 'http_requests_total{method="POST",route="/caption",status="200"}' in text


def test_openapi_shows_the_upload_and_the_limits(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/caption"]["post"]
    assert "multipart/form-data" in operation["requestBody"]["content"]
    (beams,) = [p["schema"] for p in operation["parameters"] if p["name"] == "beams"]
    assert (beams["default"], beams["minimum"], beams["maximum"]) == (4, 1, 5)
    assert {"200", "413", "415", "422", "503"} <= operation["responses"].keys()


def test_without_a_calibration_there_is_no_confidence_and_the_model_says_why(client: TestClient) -> None:
    answer = post(client, CHELSEA)
    assert "confidence" not in answer.json()["captions"][0]
    assert "no calibration" in answer.json()["model"]["no_confidence"]


def test_a_calibrated_captioner_says_how_likely_it_is_right(models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "captioner-show-attend-tell"
    shutil.copytree(models_dir / folder.name, folder)
    chance = np.random.default_rng(0)
    ConfidenceModel(
        chance.normal(size=(1280, 8)).astype(np.float32),
        np.zeros(8, np.float32),
        chance.normal(size=(64, 8)).astype(np.float32),
        np.array([3, 0.1, 0], np.float32),
        0.4,
        revision_of(folder),
    ).save(folder)
    with TestClient(create_app(settings(tmp_path, captioner_dtype="float32"))) as client:
        wait_until_ready(client)
        answer = post(client, CHELSEA, COFFEE)
        chelsea, coffee = captions(answer)
        assert chelsea.confidence is not None and coffee.confidence is not None
        assert 0 < chelsea.confidence < 1 and chelsea.confidence != coffee.confidence
        assert "no_confidence" not in answer.json()["model"]
        (with_more,) = captions(post(client, CHELSEA, extras="embeddings,visual", encoding_format="base64"))
        assert with_more.confidence == pytest.approx(chelsea.confidence, abs=0.01)


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["beams", "max_tokens"])
@pytest.mark.parametrize("value", ["0", "-1", "31", "1e9", "nan", "inf", "2.5", "many", "", "9" * 5000])
def test_bad_numbers(client: TestClient, name: str, value: str) -> None:
    found = problem(post(client, CHELSEA, **{name: value}))
    assert found.status == 422
    assert name in found.detail


@pytest.mark.parametrize("query", [{"extras": "smell"}, {"extras": "attention,smell"}, {"encoding_format": "morse"}])
def test_unknown_options(client: TestClient, query: dict[str, str]) -> None:
    found = problem(post(client, CHELSEA, **query))
    assert found.status == 422
    assert "attention" in found.detail or "base64" in found.detail


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 422), (b"<html></html>", 415), (b"<svg></svg>", 415), (b"plain text", 415), (CHELSEA[:9000], 422)],
)
def test_a_bad_image_is_refused_by_name_and_the_next_request_works(
    client: TestClient, data: bytes, status: int
) -> None:
    found = problem(post(client, CHELSEA, data))
    assert found.status == status
    assert "photo-1.png" in found.detail
    assert len(captions(post(client, CHELSEA))) == 1


def test_too_large_a_file(client: TestClient) -> None:
    assert problem(post(client, CHELSEA, bytes(2_000_001))).status == 413


def test_too_large_a_request_is_refused_by_its_length(client: TestClient) -> None:
    found = problem(post(client, *[bytes(1_900_000)] * 3))
    assert found.status == 413
    assert "5,000,000" in found.detail


def test_too_many_images(client: TestClient) -> None:
    found = problem(post(client, *[CHELSEA[:100]] * 5))
    assert found.status == 413
    assert "4" in found.detail


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 415),
        ({"json": {"image": "x"}}, 415),
        ({"data": {"images": "text"}}, 415),
        ({"files": {"other": ("x.png", CHELSEA)}}, 422),
        ({"files": {"images": (None, "text")}}, 422),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
    ],
    ids=["nothing", "json", "urlencoded", "another-field", "text-field", "no-boundary", "nonsense"],
)
def test_requests_without_an_image(client: TestClient, options: dict[str, object], status: int) -> None:
    assert problem(client.post("/caption", **options)).status == status


# ------------------------------------------------------------------------------------------- states of the model


class Held(Captioner):
    """A captioner whose calls wait for ``gate``: forces a full queue."""

    gate = threading.Event()
    began = threading.Event()

    def describe(self, options: CaptionOptions, pixels: list[torch.Tensor]) -> list[Described]:
        if options.max_tokens == 29:
            self.began.set()
            assert self.gate.wait(timeout=60)
        return super().describe(options, pixels)


def test_a_full_queue_is_a_503_with_retry_after(models_dir: Path) -> None:
    chosen = settings(models_dir, captioner_max_batch=1)
    answers: list[Response] = []
    with TestClient(create_app(chosen, load=Held.load)) as client:
        wait_until_ready(client)
        threads = [threading.Thread(target=lambda: answers.append(post(client, CHELSEA, max_tokens=29)))]
        threads[0].start()
        assert Held.began.wait(timeout=60)
        threads += [
            threading.Thread(target=lambda: answers.append(post(client, *[CHELSEA] * 4, max_tokens=29))) for _ in "ab"
        ]
        for thread in threads[1:]:
            thread.start()
        wait_until(lambda: "captioner_queue_images 8.0" in client.get("/metrics").text)
        refused = post(client, CHELSEA)
        Held.gate.set()
        for thread in threads:
            thread.join()
        assert problem(refused).status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert [answer.status_code for answer in answers] == [200] * 3
        assert post(client, CHELSEA).status_code == 200


class SmallMemory(Captioner):
    """A captioner on a device that has room for two pictures at once."""

    def describe(self, options: CaptionOptions, pixels: list[torch.Tensor]) -> list[Described]:
        if len(pixels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().describe(options, pixels)


def test_what_does_not_fit_is_run_in_halves_and_the_size_is_told(models_dir: Path) -> None:
    with TestClient(create_app(settings(models_dir), load=SmallMemory.load)) as client:
        wait_until_ready(client)
        for _ in range(2):
            assert len(captions(post(client, *[CHELSEA, COFFEE] * 2))) == 4
        (state,) = ModelsResponse.model_validate_json(client.get("/models").content).states
        assert state.batch_limit in (1, 2)


def test_while_loading_everything_but_health_is_a_503(models_dir: Path) -> None:
    gate = threading.Event()

    def load(chosen: CaptionerSettings) -> Captioner:
        assert gate.wait(timeout=60)
        raise OSError("the disk is gone")

    chosen = settings(models_dir)
    with TestClient(create_app(chosen, load=load)) as client:
        assert client.get("/health").status_code == 200
        for answer in (client.get("/ready"), client.get("/models?load=true"), post(client, CHELSEA)):
            assert problem(answer).status == 503
            assert "being loaded" in answer.json()["detail"]
            assert "retry-after" in answer.headers
        found = ModelsResponse.model_validate_json(client.get("/models").content)
        assert found.models == []
        assert [state.state for state in found.states] == [ModelPhase.LOADING]
        gate.set()
        assert "the disk is gone" in problem(wait_while_loading(client)).detail
        (state,) = ModelsResponse.model_validate_json(client.get("/models").content).states
        assert state.state is ModelPhase.FAILED
        assert "the disk is gone" in (state.detail or "")


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with TestClient(create_app(settings(tmp_path))) as client:
        assert str(tmp_path) in problem(wait_while_loading(client)).detail


@pytest.mark.parametrize(
    "bad",
    [
        {"captioner_model": "gpt"},
        {"captioner_max_queue": 3},
        {"captioner_max_batch": 0},
        {"captioner_dtype": "int8"},
        {"captioner_max_wait": float("nan")},
    ],
)
def test_senseless_settings(bad: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        CaptionerSettings(**{"captioner_max_images": 4, "captioner_max_queue": 8, **bad})
