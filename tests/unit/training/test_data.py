"""Captioned photos as the captioner's training reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.models.show_attend_tell import (
    UNKNOWN,
)
from tests.support.tiny_decoder import save_captioned_photos
from training import data


def test_words_and_mirror() -> None:
    tokens = data.tokenise("The man's dog (left) doesn't run -- on a T-shirt .")
    assert tokens == ["the", "man", "'s", "dog", "left", "does", "n't", "run", "on", "a", "t", "shirt"]
    assert data.mirror(["the", "left", "right", "dog"]) == ["the", "right", "left", "dog"]


def test_vocabulary_holds_what_occurs_often(tmp_path: Path) -> None:
    photos = data.read_photos(save_captioned_photos(tmp_path), "train")
    assert [photo.path.name for photo in photos] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert photos[0].captions == [["a", "red", "dog", "runs"], ["a", "dog"]]
    vocabulary = data.build_vocabulary(photos, 4)
    assert vocabulary == ["<pad>", "<start>", "<end>", "<unk>", "a", "dog", "runs"]
    index = {word: place for place, word in enumerate(vocabulary)}
    assert data.to_ids(["a", "red", "dog"], index) == [4, UNKNOWN, 5]


@pytest.mark.parametrize("view", list(data.VIEWS))
def test_views_keep_the_size_class_and_are_the_same_each_time(view: str) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8))
    once, twice = (np.array(data.VIEWS[view](image.copy(), "name.jpg")) for _ in range(2))
    assert np.array_equal(once, twice) and once.dtype == np.uint8 and once.shape[2] == 3
    if view != "plain":
        assert once.shape != (64, 48, 3) or not np.array_equal(once, np.array(image))
