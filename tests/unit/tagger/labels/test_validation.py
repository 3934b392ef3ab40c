"""Labels, templates and their embeddings."""

import unicodedata
from collections.abc import Sequence

import numpy as np
import pytest

from framesense.http.problems import ProblemError
from tagger.labels.prompts import TextCache, ensemble
from tagger.labels.validation import (
    LabelLimits,
    check_labels,
    check_name,
    check_new_labels,
    check_templates,
    read_texts,
)

LIMITS = LabelLimits(max_labels=3, max_length=20, max_templates=2)


class Encoder:
    """A vector of its own for each text, and a record of what was encoded."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded.extend(texts)
        vectors = np.stack([np.random.default_rng(sum(map(ord, text))).normal(size=5) for text in texts])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("labels", "slug"),
    [
        ([], "no-labels"),
        (["a", "b", "c", "d"], "too-many-labels"),
        (["a", "  "], "empty-label"),
        (["a" * 21], "long-label"),
        (["a b", "a  b "], "repeated-label"),
    ],
)
def test_labels_that_are_refused(labels: list[str], slug: str) -> None:
    with pytest.raises(ProblemError) as refused:
        check_labels(labels, LIMITS)
    assert (refused.value.status, refused.value.slug) == (422, slug)


def test_what_is_no_list_of_texts_is_refused() -> None:
    with pytest.raises(ProblemError) as refused:
        read_texts(['["a", 1]'])
    assert (refused.value.status, refused.value.slug) == (422, "invalid-labels")


@pytest.mark.parametrize(
    ("templates", "slug"),
    [
        (["a photo"], "template-without-label"),
        (["{label}", "a {label}", "the {label}"], "too-many-templates"),
        (["{label}" + "x" * 20], "long-template"),
    ],
)
def test_templates_that_are_refused(templates: list[str], slug: str) -> None:
    with pytest.raises(ProblemError) as refused:
        check_templates(templates, LIMITS)
    assert refused.value.slug == slug


NO_NAMES = ["", "../x", "a/b", ".hidden", "a" * 65, "𝕬" * 51, "a b", "a%2Fb", "а?б", "имя\u202e", "\u0301a", "🐱"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ProblemError):
        check_name(name)


@pytest.mark.parametrize("name", ["rooms", "комнаты", "Zimmer_für.2", "部屋", "कमरे", "می‌خواهم", "٣"])
def test_names_of_any_script_are_taken(name: str) -> None:
    assert check_name(name) == name
    assert check_name(unicodedata.normalize("NFD", name)) == unicodedata.normalize("NFC", name)


SPELLINGS = [["cat", "Cat"], ["living room", "living_room"], ["café", "cafe\u0301"], ["ёж", "Ёж"]]


@pytest.mark.parametrize("labels", SPELLINGS)
def test_one_label_in_two_spellings_is_refused(labels: list[str]) -> None:
    with pytest.raises(ProblemError) as refused:
        check_new_labels(labels, LIMITS)
    assert refused.value.slug == "repeated-label"
    assert f"{labels[0]!r} and {labels[1]!r}" in refused.value.detail


def test_a_text_is_encoded_once() -> None:
    encoder = Encoder()
    cache = TextCache(encoder, 10)
    first = cache.encode(["a", "bb", "a"])
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(cache.encode(["bb"])[0], first[1])
    assert sorted(encoder.encoded) == ["a", "bb"]


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    encoder = Encoder()
    cache = TextCache(encoder, 2)
    cache.encode(["a", "b"])
    cache.encode(["a"])
    cache.encode(["c"])
    assert len(cache) == 2
    cache.encode(["a"])
    assert encoder.encoded.count("a") == 1
    cache.encode(["b"])
    assert encoder.encoded.count("b") == 2


def test_more_texts_than_the_cache_holds() -> None:
    assert TextCache(Encoder(), 2).encode([f"text {n}" for n in range(200)]).shape == (200, 5)


def test_templates_are_averaged_each_normalised_first() -> None:
    encoder = Encoder()
    vectors = encoder(["a cat", "the cat"])
    mean = vectors.mean(0)
    (made,) = ensemble(TextCache(encoder, 10), ["cat"], ["a {label}", "the {label}"])
    np.testing.assert_allclose(made, mean / np.linalg.norm(mean), rtol=1e-5)
