"""Russian labels, texts and templates: a tagger of its own, the embedded weights, the real E5, no network."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import skimage

from framesense.schemas.arrays import to_numpy
from framesense.schemas.classifiers import Classifier, ClassifyResponse
from framesense.schemas.tags import DEFAULT_TEMPLATE, SimilarityResponse, TagsResponse, TextEmbeddings
from tests.support.processes import running_server

PHOTOS = Path(skimage.__file__).parent / "data"
ENGLISH, RUSSIAN = ["cat", "cup of coffee", "rocket"], ["кошка", "чашка кофе", "ракета"]
NAMES = ("chelsea.png", "coffee.png", "rocket.jpg")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tagger")
    with running_server("tagger", folder, guarded=True, storage_url=folder / "blobs") as running:
        yield running.url


def photos() -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("images", (name, (PHOTOS / name).read_bytes(), "image/png")) for name in NAMES]


def tag(url: str, **form: object) -> TagsResponse:
    answer = httpx.post(f"{url}/tags", files=photos(), data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return TagsResponse.model_validate_json(answer.content)


@pytest.mark.parametrize("template", [None, "фотография: {label}", "на фото {label}", "{label}"])
def test_russian_labels_find_their_photos(url: str, template: str | None) -> None:
    answer = tag(url, labels=RUSSIAN, **({"template": template} if template else {}))
    assert [image.tags[0].label for image in answer.images] == RUSSIAN
    assert answer.templates == [template or DEFAULT_TEMPLATE]
    assert answer.warnings == []


def test_languages_can_be_mixed(url: str) -> None:
    labels = ["cat", "чашка кофе", "rocket"]
    assert [image.tags[0].label for image in tag(url, labels=labels).images] == labels


def test_what_neither_side_knows_is_told(url: str) -> None:
    (note,) = tag(url, labels=["кошка", "Küche"]).warnings
    assert "Küche" in note and "кошка" not in note and "English or Russian" in note


def test_a_translation_lies_near_and_english_where_it_was(url: str) -> None:
    def embed(texts: list[str]) -> np.ndarray:
        answer = httpx.post(f"{url}/embed/texts", json={"texts": texts}, timeout=60)
        return to_numpy(TextEmbeddings.model_validate_json(answer.content).embeddings)

    english, russian, both = embed(ENGLISH), embed(RUSSIAN), embed([*RUSSIAN, *ENGLISH])
    np.testing.assert_allclose(both, np.concatenate([russian, english]), atol=1e-4)
    assert (russian @ english.T).argmax(axis=1).tolist() == [0, 1, 2]
    spelt = embed(["Ёлка", "ЕЛКА"])
    np.testing.assert_allclose(spelt[0], spelt[1], atol=1e-5)


def test_similarities(url: str) -> None:
    texts = ["Кошка смотрит в камеру.", "Чашка кофе стоит на деревянном столе.", "Ракета на стартовой площадке."]
    answer = httpx.post(f"{url}/similarity", files=photos(), data={"texts": texts}, timeout=60)
    cosine = to_numpy(SimilarityResponse.model_validate_json(answer.content).cosine)
    assert cosine.argmax(axis=1).tolist() == [0, 1, 2]


def test_a_classifier_and_a_label_set_in_russian(url: str) -> None:
    made = httpx.post(f"{url}/classifiers", json={"name": "things", "labels": RUSSIAN}, timeout=60)
    assert Classifier.model_validate_json(made.content).warnings == []
    answer = httpx.post(f"{url}/classifiers/things/classify", files=photos(), timeout=60)
    found = ClassifyResponse.model_validate_json(answer.content).images
    assert [image.ranking[0].label for image in found] == RUSSIAN
    assert httpx.post(f"{url}/label-sets", json={"name": "things", "labels": RUSSIAN}).status_code == 201
    assert [image.tags[0].label for image in tag(url, label_set="things").images] == RUSSIAN
