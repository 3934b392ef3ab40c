"""The tagger's routes, in process, with the embedded model: what is asked is answered, the rest refused in words."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image

from framesense.models.encoders.efficientnet_lite2 import encode_pooled, encoder_name, load_encoder, squash
from framesense.schemas.arrays import EncodingFormat, encode, to_numpy
from framesense.schemas.classifiers import Classifier, ClassifierList, ClassifyResponse, EvaluationResponse
from framesense.schemas.problems import MEDIA_TYPE, Problem
from framesense.schemas.tags import (
    FeatureEmbeddings,
    FeaturesRequest,
    ImageEmbeddings,
    LabelSet,
    LabelSetList,
    SimilarityResponse,
    TagsResponse,
    TextEmbeddings,
)
from tagger.app import create_app
from tagger.settings import TaggerSettings
from tests.support.waiting import wait_until_ready

PHOTOS = Path(skimage.__file__).parent / "data"
CAT, CUP = ((PHOTOS / name).read_bytes() for name in ("chelsea.png", "coffee.png"))
LABELS = ["cat", "cup of coffee", "rocket"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = TaggerSettings(
        storage_url=str(tmp_path_factory.mktemp("blobs")),
        tagger_dtype="float32",  # a picture's embedding must not depend on what shares its batch
        tagger_max_images=4,
        tagger_max_queue=8,
        tagger_max_labels=50,
        tagger_max_stored=4,
        tagger_max_archive_images=10,
        tagger_max_head_bytes=1_000_000,
        max_image_bytes=2_000_000,
    )
    with TestClient(create_app(settings)) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture
def pets(client: TestClient) -> Iterator[str]:
    """A classifier."""
    made = client.post("/classifiers", json={"name": "pets", "labels": LABELS})
    assert made.status_code == 201, made.text
    yield "pets"
    client.delete("/classifiers/pets")


def files(*images: bytes, field: str = "images") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(field, (f"photo-{n}.png", image, "image/png")) for n, image in enumerate(images)]


def archive(*photos: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for path, content in photos:
            made.writestr(path, content)
    return [("archive", ("photos.zip", stream.getvalue(), "application/zip"))]


def tag(client: TestClient, *images: bytes, **form: object) -> TagsResponse:
    answer = client.post("/tags", files=files(*images), data={"labels": LABELS} | form)
    assert answer.status_code == 200, answer.text
    return TagsResponse.model_validate_json(answer.content)


def problem(answer: Response) -> Problem:
    assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code
    return found


# --------------------------------------------------------------------------------------------------------- tags


def test_the_right_tag_comes_first(client: TestClient) -> None:
    cat, cup = tag(client, CAT, CUP).images
    assert [cat.tags[0].label, cup.tags[0].label] == ["cat", "cup of coffee"]
    assert cat.image == "photo-0.png"
    assert cat.tags[0].probability > 0.5


def test_never_without_a_tag(client: TestClient) -> None:
    (image,) = tag(client, CAT, threshold="1", threshold_on="cosine").images
    assert (len(image.tags), image.over_threshold) == (1, 0)


def test_every_label_is_over_the_least_threshold(client: TestClient) -> None:
    answer = tag(client, CAT, threshold="-1", threshold_on="cosine")
    assert {one.label for one in answer.images[0].tags} == set(LABELS)
    probabilities = [one.probability for one in answer.images[0].tags]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(tag(client, CAT, threshold="-1", threshold_on="cosine", top_k="2").images[0].tags) == 2


def test_templates_change_the_cosines(client: TestClient) -> None:
    plain = tag(client, CAT, **{"return": "all"})
    both = tag(client, CAT, template=["a photo of a {label}", "a blurred {label}, far away"], **{"return": "all"})
    assert both.templates == ["a photo of a {label}", "a blurred {label}, far away"]
    assert plain.images[0].scores and both.images[0].scores
    assert plain.images[0].scores[0].cosine != both.images[0].scores[0].cosine


def test_extras(client: TestClient) -> None:
    answer = tag(client, CAT, CUP, **{"return": "embeddings,all"})
    assert answer.embeddings is not None
    embeddings = to_numpy(answer.embeddings)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-4)
    assert [[score.label for score in image.scores or []] for image in answer.images] == [LABELS, LABELS]
    assert tag(client, CAT).embeddings is None


def test_words_of_other_languages_get_a_note(client: TestClient) -> None:
    assert tag(client, CAT).warnings == []
    (note,) = tag(client, CAT, labels=["cat", "猫"]).warnings
    assert "猫" in note and "English" in note


@pytest.mark.parametrize(
    ("form", "slug"),
    [
        ({"labels": []}, "no-labels"),
        ({"labels": [f"label {n}" for n in range(51)]}, "too-many-labels"),
        ({"labels": json.dumps([f"label {n}" for n in range(10_000)])}, "too-many-labels"),
        ({"labels": ["cat", ""]}, "empty-label"),
        ({"labels": ["cat", "cat"]}, "repeated-label"),
        ({"template": "a photo"}, "template-without-label"),
        ({"threshold": "nan"}, "invalid-request"),
        ({"threshold": "2"}, "invalid-request"),
        ({"threshold": "high"}, "invalid-request"),
        ({"threshold_on": "luck"}, "invalid-request"),
        ({"top_k": "0"}, "invalid-request"),
        ({"return": "everything"}, "invalid-request"),
        ({"label_set": "rooms"}, "invalid-request"),
    ],
)
def test_bad_requests(client: TestClient, form: dict[str, object], slug: str) -> None:
    answer = client.post("/tags", files=files(CAT), data={"labels": LABELS} | form)
    found = problem(answer)
    assert (found.status, found.type) == (422, f"urn:framesense:problem:{slug}")


@pytest.mark.parametrize(
    ("image", "status"), [(b"", 422), (b"<svg></svg>", 415), (CAT[:5000], 422), (b"x" * 2_000_001, 413)]
)
def test_bad_images(client: TestClient, image: bytes, status: int) -> None:
    assert problem(client.post("/tags", files=files(CUP, image), data={"labels": LABELS})).status == status
    assert tag(client, CAT).images[0].tags[0].label == "cat"


def test_no_image_and_too_many(client: TestClient) -> None:
    assert problem(client.post("/tags", json={"labels": LABELS})).status == 415
    assert problem(client.post("/tags", files=files(*[CAT] * 5), data={"labels": LABELS})).status == 413


# --------------------------------------------------------------------------------------------------- label sets


def test_a_label_set_from_making_to_deleting(client: TestClient) -> None:
    made = client.post("/label-sets", json={"name": "things", "labels": LABELS, "templates": ["my {label}"]})
    assert made.status_code == 201, made.text
    assert problem(client.post("/label-sets", json={"name": "things", "labels": LABELS})).status == 409
    answer = client.post("/tags", files=files(CAT), data={"label_set": "things"})
    assert TagsResponse.model_validate_json(answer.content).templates == ["my {label}"]
    client.put("/label-sets/things", json={"labels": ["cat", "dog"]})
    assert LabelSet.model_validate_json(client.get("/label-sets/things").content).labels == ["cat", "dog"]
    (listed,) = LabelSetList.model_validate_json(client.get("/label-sets").content).label_sets
    assert (listed.name, listed.labels) == ("things", 2)
    assert client.delete("/label-sets/things").status_code == 204
    assert problem(client.get("/label-sets/things")).status == 404
    assert problem(client.post("/tags", files=files(CAT), data={"label_set": "things"})).status == 404


@pytest.mark.parametrize("name", ["../etc", "a b", ""])
def test_names_of_label_sets(client: TestClient, name: str) -> None:
    assert problem(client.post("/label-sets", json={"name": name, "labels": LABELS})).status == 422


# --------------------------------------------------------------------------------------------------- embeddings


def test_image_and_text_embeddings_agree_with_similarity(client: TestClient) -> None:
    images = ImageEmbeddings.model_validate_json(
        client.post("/embed/images", files=files(CAT, CUP), params={"encoding_format": "base64"}).content
    )
    texts = TextEmbeddings.model_validate_json(client.post("/embed/texts", json={"texts": LABELS}).content)
    answer = client.post("/similarity", files=files(CAT, CUP), data={"texts": LABELS})
    similarity = SimilarityResponse.model_validate_json(answer.content)
    cosines = to_numpy(images.embeddings) @ to_numpy(texts.embeddings).T
    np.testing.assert_allclose(to_numpy(similarity.cosine), cosines, atol=1e-4)
    assert texts.background_mean is not None and len(texts.background_mean) == 3
    assert similarity.texts == LABELS


def pooled_features(*pictures: bytes) -> np.ndarray:
    """Return what a captioner with the same encoder tells of the pictures."""
    arrays = [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in pictures]
    with torch.inference_mode():
        pixels = torch.stack([squash(array) for array in arrays])
        return encode_pooled(load_encoder(), pixels, torch.float32).numpy()


@pytest.mark.parametrize("encoding", EncodingFormat)
def test_features_embed_like_the_pictures_that_they_are_of(client: TestClient, encoding: EncodingFormat) -> None:
    images = client.post("/embed/images", files=files(CAT, CUP), params={"encoding_format": "base64"})
    by_pictures = ImageEmbeddings.model_validate_json(images.content)
    assert by_pictures.model.encoder == encoder_name()
    asked = FeaturesRequest(
        encoder=encoder_name(), features=encode(pooled_features(CAT, CUP), encoding), encoding_format=encoding
    )
    answer = client.post("/embed/features", json=asked.model_dump(mode="json"))
    by_features = FeatureEmbeddings.model_validate_json(answer.content)
    assert by_features.model == by_pictures.model
    cosines = (to_numpy(by_features.embeddings) * to_numpy(by_pictures.embeddings)).sum(axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-4)


def test_features_of_another_encoder_are_refused(client: TestClient) -> None:
    asked = {"encoder": "resnet@1", "features": np.zeros((1, 2992)).tolist()}
    refused = problem(client.post("/embed/features", json=asked))
    assert refused.status == 409
    assert encoder_name() in refused.detail and "resnet@1" in refused.detail


@pytest.mark.parametrize(
    ("features", "status", "words"),
    [
        (np.zeros((1, 2991)).tolist(), 422, "2992"),
        ([], 422, "2992"),
        ([[0.0] * 2992, [0.0] * 2], 422, "differ in length"),
        ([[1e30] * 2992], 422, "too large"),
        ([[1e300] * 2992], 422, "not finite"),
        ([["x"] * 2992], 422, "features"),
        (np.zeros((5, 2992)).tolist(), 413, "at most 4"),
        ({"shape": [2992], "data": base64.b64encode(bytes(4 * 2992)).decode()}, 422, "2992"),
        ({"shape": [1, 1, 2992], "data": base64.b64encode(bytes(4 * 2992)).decode()}, 422, "2992"),
        ({"shape": [2, 2992], "data": base64.b64encode(bytes(4 * 2992)).decode()}, 422, "does not hold"),
        ({"shape": [10**9, 10**9], "data": ""}, 422, "does not hold"),
        ({"shape": [1, 2992], "data": "%%%"}, 422, "features"),
        (None, 422, "features"),
    ],
)
def test_odd_features_are_refused(client: TestClient, features: object, status: int, words: str) -> None:
    refused = problem(client.post("/embed/features", json={"encoder": encoder_name(), "features": features}))
    assert refused.status == status
    assert words in refused.detail


def test_texts_in_templates(client: TestClient) -> None:
    body = {"texts": ["cat"], "templates": ["a photo of a {label}"]}
    templated = TextEmbeddings.model_validate_json(client.post("/embed/texts", json=body).content)
    written = TextEmbeddings.model_validate_json(
        client.post("/embed/texts", json={"texts": ["a photo of a cat"]}).content
    )
    np.testing.assert_allclose(to_numpy(templated.embeddings), to_numpy(written.embeddings), atol=1e-5)


@pytest.mark.parametrize("texts", [[], [""], ["x" * 201], ["a"] * 2])
def test_bad_texts(client: TestClient, texts: list[str]) -> None:
    assert problem(client.post("/embed/texts", json={"texts": texts})).status == 422


# -------------------------------------------------------------------------------------------------- classifiers


def test_classify(client: TestClient, pets: str) -> None:
    answer = client.post(f"/classifiers/{pets}/classify", files=files(CAT, CUP))
    cat, cup = ClassifyResponse.model_validate_json(answer.content).images
    assert [cat.ranking[0].label, cup.ranking[0].label] == ["cat", "cup of coffee"]
    assert sum(one.probability for one in cat.ranking) == pytest.approx(1, abs=1e-3)


def test_download_and_upload(client: TestClient, pets: str) -> None:
    head = client.get(f"/classifiers/{pets}/head").content
    upload = {"head": ("pets.safetensors", head)}
    assert problem(client.post("/classifiers/upload", files=upload)).status == 409
    made = client.post("/classifiers/upload", files=upload, params={"name": "again"})
    assert made.status_code == 201, made.text
    assert Classifier.model_validate_json(made.content).labels == LABELS
    names = [one.name for one in ClassifierList.model_validate_json(client.get("/classifiers").content).classifiers]
    assert names == ["again", "pets"]
    assert client.delete("/classifiers/again").status_code == 204


def test_heads_that_are_refused(client: TestClient, pets: str) -> None:
    head = client.get(f"/classifiers/{pets}/head").content
    revision = client.get("/models").json()["models"][0]["revision"].encode()
    others = head.replace(revision, b"0" * len(revision))
    found = problem(client.post("/classifiers/upload", files={"head": ("x", others)}, params={"name": "x"}))
    assert (found.status, found.type) == (409, "urn:framesense:problem:other-model")
    broken = head[:-4] + np.float32(np.nan).tobytes()
    found = problem(client.post("/classifiers/upload", files={"head": ("x", broken)}, params={"name": "x"}))
    assert found.status == 422 and "NaN" in found.detail
    found = problem(client.post("/classifiers/upload", files={"head": ("x", b"0" * 1_000_001)}))
    assert found.status == 413


def test_evaluate_with_a_zip_and_with_files(client: TestClient, pets: str) -> None:
    photos = archive(("cat/1.png", CAT), ("cup_of_coffee/1.png", CUP), ("rocket/1.png", CAT))
    answer = client.post(f"/classifiers/{pets}/evaluate", files=photos)
    assert answer.status_code == 200, answer.text
    found = EvaluationResponse.model_validate_json(answer.content)
    assert found.confusion == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert [(one.image, one.label, one.predicted) for one in found.mistakes] == [("rocket/1.png", "rocket", "cat")]
    labels = ["cat", "cup of coffee"]
    answer = client.post(f"/classifiers/{pets}/evaluate", files=files(CAT, CUP), data={"labels": labels})
    assert EvaluationResponse.model_validate_json(answer.content).accuracy == 1


def test_improve_says_by_how_much(client: TestClient, pets: str) -> None:
    photos = [(f"{label}/{n}.png", image) for label, image in (("rocket", CAT), ("cat", CUP)) for n in range(3)]
    client.delete("/classifiers/odd")
    answer = client.post(f"/classifiers/{pets}/improve", files=archive(*photos), params={"new_name": "odd"})
    assert answer.status_code == 200, answer.text
    improved = Classifier.model_validate_json(answer.content)
    assert improved.few_shot is not None
    assert (improved.kind, improved.few_shot.accuracy_after) == ("few-shot", 1.0)
    answer = client.post("/classifiers/odd/classify", files=files(CAT))
    assert ClassifyResponse.model_validate_json(answer.content).images[0].ranking[0].label == "rocket"
    assert client.get(f"/classifiers/{pets}").json()["kind"] == "words"


@pytest.mark.parametrize(
    ("photos", "slug"),
    [
        (archive(("lion/1.png", CAT)), "unknown-label"),
        (archive(("1.png", CAT)), "photo-without-label"),
        (archive(("../cat/1.png", CAT)), "unsafe-path"),
        (archive(("cat/1.txt", b"x")), "no-images"),
        (files(CAT), "photo-without-label"),
        (archive(("cat/1.png", CAT), ("rocket/1.png", CAT)), "too-few-photos"),
    ],
)
def test_labelled_photos_that_are_refused(
    client: TestClient, pets: str, photos: list[tuple[str, tuple[str, bytes, str]]], slug: str
) -> None:
    found = problem(client.post(f"/classifiers/{pets}/improve", files=photos))
    assert found.type == f"urn:framesense:problem:{slug}"


def test_a_zip_bomb(client: TestClient, pets: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("cat/1.png", b"\0" * 50_000_000)
    bomb = [("archive", ("photos.zip", stream.getvalue(), "application/zip"))]
    assert problem(client.post(f"/classifiers/{pets}/evaluate", files=bomb)).status == 413


def test_unknown_taken_and_too_many(client: TestClient, pets: str) -> None:
    assert problem(client.post("/classifiers/none/classify", files=files(CAT))).status == 404
    assert problem(client.post("/classifiers", json={"name": pets, "labels": LABELS})).status == 409
    made = 1 + sum(
        client.post("/classifiers", json={"name": f"more-{n}", "labels": LABELS}).status_code == 201 for n in range(4)
    )
    assert made <= 4 == len(client.get("/classifiers").json()["classifiers"])
    found = problem(client.post("/classifiers", json={"name": "last", "labels": LABELS}))
    assert found.type == "urn:framesense:problem:store-full"
    for n in range(4):
        client.delete(f"/classifiers/more-{n}")
