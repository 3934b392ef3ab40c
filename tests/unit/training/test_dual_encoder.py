"""The embedded dual encoder's heads on random weights, its training's arithmetic, and the real towers once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from framesense.models.encoders.efficientnet_lite2 import FEATURE_SIZE, POOLED_SIZE, encode, encode_pooled, load_encoder
from framesense.models.encoders.minilm import SentenceEncoder
from tagger.labels.english import EnglishWords
from tagger.models.embedded import (
    EmbeddedDualEncoder,
    HeadSizes,
    ImageHead,
    TextHead,
    load_heads,
    revision_of,
    save_heads,
)
from tagger.tags.calibration import BackgroundCalibration
from training.dual_encoder import (
    calibrate,
    contrastive_loss,
    draw,
    epoch_batches,
    fit_logistic,
    ranks,
    recall,
    train_heads,
)
from training.dual_encoder_data import Pairs

SIZES = HeadSizes(members=3, hidden=16)


def heads() -> tuple[ImageHead, TextHead]:
    torch.manual_seed(0)
    image_head, text_head = ImageHead(SIZES).eval(), TextHead().eval()
    image_head.class_texts.data.normal_()
    return image_head, text_head


def write(folder: Path) -> Path:
    save_heads(folder, *heads(), logit_scale=15.0)
    BackgroundCalibration.measure(np.random.default_rng(0).normal(size=(20, 384)).astype(np.float32)).save(folder)
    return folder


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    return load_encoder()


@pytest.fixture(scope="module")
def sentences() -> SentenceEncoder:
    return SentenceEncoder(torch.device("cpu"))


# -------------------------------------------------------------------------------------------------------- towers


def test_pooled_features_begin_with_the_mean_of_the_grid(encoder: torch.nn.Module) -> None:
    pixels = torch.randint(0, 256, (2, 3, 260, 260), dtype=torch.uint8)
    with torch.inference_mode():
        pooled = encode_pooled(encoder, pixels, torch.float32)
        grid = encode(encoder, pixels, torch.float32)
    assert pooled.shape == (2, POOLED_SIZE)
    torch.testing.assert_close(pooled[:, :FEATURE_SIZE], grid.mean(1), atol=1e-4, rtol=1e-4)
    assert (pooled[:, FEATURE_SIZE + 16 : FEATURE_SIZE + 32] > 0).all(), "standard deviations of the first stage"


def test_sentences_that_mean_the_same_are_near(sentences: SentenceEncoder) -> None:
    near, same, far = sentences.encode(["a dog runs", "a puppy is running", "the stock market fell"])
    assert near @ same > near @ far + 0.3


def test_words_that_are_not_english(sentences: SentenceEncoder) -> None:
    words = EnglishWords(sentences.word_pieces)
    assert words.unknown("a photo of the dishwashers' four-poster T-shirt") == []
    assert words.unknown("Katze, perro, 猫 and dog") == ["Katze", "perro", "猫"]


# --------------------------------------------------------------------------------------------------------- heads


def test_named_vectors_are_those_of_the_likeliest_class() -> None:
    image_head, _ = heads()
    logits = torch.full((1, 1000), -50.0)
    logits[0, 7] = 50.0
    torch.testing.assert_close(
        image_head.named(logits)[0], torch.nn.functional.normalize(image_head.class_texts[7], dim=0)
    )


def test_members_that_disagree_leave_the_word_to_the_named_vector() -> None:
    image_head, _ = heads()
    learnt, named = torch.eye(384)[:2]
    agreed = image_head.mix(0.98 * learnt[None], named[None])
    parted = image_head.mix(0.80 * learnt[None], named[None])
    assert agreed[0, 0] > parted[0, 0]
    assert agreed[0, 1] < parted[0, 1]
    torch.testing.assert_close(parted.norm(dim=1), torch.ones(1))


def test_heads_survive_their_folder(tmp_path: Path) -> None:
    image_head, text_head, config = load_heads(write(tmp_path))
    pooled, logits = torch.rand(4, POOLED_SIZE), torch.randn(4, 1000)
    with torch.inference_mode():
        expected, found = heads()[0](pooled, logits), image_head(pooled, logits)
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    assert text_head(torch.randn(2, 384)).norm(dim=1).tolist() == pytest.approx([1, 1])
    assert config["logit_scale"] == 15.0


def test_the_revision_follows_the_weights(tmp_path: Path) -> None:
    first = revision_of(write(tmp_path / "a"))
    assert revision_of(write(tmp_path / "b")) == first
    image_head, text_head = heads()
    text_head.mean.data += 1
    save_heads(tmp_path / "b", image_head, text_head, logit_scale=15.0)
    assert revision_of(tmp_path / "b") != first


def test_folders_that_hold_no_heads(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_heads(tmp_path)
    write(tmp_path)
    (tmp_path / "config.json").write_text('{"head": {"members": 2}, "logit_scale": 1}')
    with pytest.raises(ValueError, match="does not hold"):
        load_heads(tmp_path)


def test_pictures_and_texts_meet(tmp_path: Path, encoder: torch.nn.Module, sentences: SentenceEncoder) -> None:
    model = EmbeddedDualEncoder(encoder, sentences, *heads(), logit_scale=15.0)
    photo = np.asarray(Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png").convert("RGB"))
    pixels = torch.stack([model.preprocess(photo), model.preprocess(photo[:, ::-1])])
    images, texts = model.encode_images(pixels), model.encode_texts(["a cat", "a dog", "a car"])
    assert (images.shape, images.dtype, texts.shape) == ((2, 384), np.float32, (3, 384))
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, rtol=1e-4)
    assert images[0] @ images[1] > 0.9
    for wrong in (pixels.float(), pixels[:, :, :100], pixels[0]):
        with pytest.raises(ValueError, match="expected"):
            model.encode_images(wrong)


# ------------------------------------------------------------------------------------------------------ training


def test_ranks_and_recall() -> None:
    queries, items = torch.eye(3), torch.tensor([[0.9, 0.1, 0.0], [1.0, 0.5, 0.2], [0.0, 0.6, 0.1]])
    ranked = ranks(queries, items)
    assert ranked.tolist() == [1, 1, 1]
    assert (recall(ranked, 1), recall(ranked, 2)) == (0, 100)


def test_contrastive_loss_is_least_where_pairs_belong_together() -> None:
    texts, scale = torch.eye(4, 8), torch.tensor(10.0)
    right, wrong = texts.expand(2, -1, -1), texts.roll(1, 0).expand(2, -1, -1)
    assert contrastive_loss(right, texts, scale) < 0.01 < 5 < contrastive_loss(wrong, texts, scale)


def test_logistic_fit_is_scikit_learns() -> None:
    chance = np.random.default_rng(0)
    right = chance.random(400) < 0.1
    scores = (chance.normal(size=400) + 1.5 * right).astype(np.float32)
    slope, intercept = fit_logistic(scores, right)
    reference = LogisticRegression(C=1e9, class_weight="balanced", tol=1e-8).fit(scores[:, None], right)
    assert (slope, intercept) == pytest.approx((reference.coef_[0, 0], reference.intercept_[0]), rel=1e-3)


def test_calibrated_probabilities_of_right_captions_are_higher() -> None:
    chance = np.random.default_rng(0)
    vectors = chance.normal(size=(60, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    odds = calibrate(vectors, vectors, vectors).log_odds(vectors, vectors)
    assert np.diag(odds).min() > 0 > np.median(odds)


def test_a_batch_holds_photos_of_all_sources_with_their_own_captions() -> None:
    sources = [
        Pairs(torch.full((views, photos, POOLED_SIZE), value), torch.zeros(views, photos, 1000), captions)
        for value, views, photos, captions in (
            (1.0, 3, 4, torch.full((4, 5, 384), 1.0)),
            (2.0, 1, 6, torch.full((6, 2, 384), 2.0)),
        )
    ]
    pooled, captions = draw(sources, torch.tensor([0, 3, 4, 9]))
    assert pooled[:, 0].tolist() == captions[:, 0].tolist() == [1, 1, 2, 2]


def test_an_epoch_shows_each_photo_as_often_as_was_said_but_once_a_batch() -> None:
    sources = [Pairs(torch.zeros(1, n, 1), torch.zeros(1, n, 1), torch.zeros(n, 1, 1)) for n in (10, 4)]
    batches = epoch_batches(sources, (1, 3), 6)
    assert all(len(batch.unique()) == len(batch) <= 6 for batch in batches)
    shown = torch.cat(batches).bincount(minlength=14)
    assert (shown[:10] == 1).all()
    assert ((shown[10:] >= 1) & (shown[10:] <= 3)).all()


def test_training_learns_a_toy_task_and_goes_on_from_a_folder(tmp_path: Path) -> None:
    """Pooled features that hold a caption's vector in plain sight: unseen ones are found again."""
    from training.dual_encoder import DualEncoderRecipe

    torch.manual_seed(0)
    captions = torch.nn.functional.normalize(torch.randn(160, 6) @ torch.randn(6, 384), dim=1)
    pooled = torch.rand(160, POOLED_SIZE) * 0.01
    pooled[:, FEATURE_SIZE : FEATURE_SIZE + 384] += captions
    halves = [
        Pairs(pooled[None, part], torch.zeros(1, 64, 1000), captions[part, None].expand(-1, width, -1))
        for part, width in ((slice(0, 64), 5), (slice(64, 128), 2))
    ]
    recipe = DualEncoderRecipe(
        data=(Path("x"),), out=Path("x"), repeats=(1, 2), epochs=15, batch_size=64, dropout=0.0, feature_dropout=0.0
    )
    image_head, text_head, scale = train_heads(halves, SIZES, recipe)
    with torch.inference_mode():
        found = torch.nn.functional.normalize(image_head.learnt(pooled[128:]).mean(0), dim=1)
        assert recall(ranks(text_head(captions[128:]), found), 5) > 60
    assert 1 < scale < 100

    save_heads(tmp_path, image_head, text_head, logit_scale=scale)
    BackgroundCalibration.measure(captions.numpy()).save(tmp_path)
    going_on = replace(recipe, init=tmp_path, epochs=0)
    again, _, same_scale = train_heads(halves, SIZES, going_on)
    torch.testing.assert_close(again.learnt.enter, image_head.learnt.enter, atol=1e-3, rtol=1e-2)
    assert same_scale == pytest.approx(scale, rel=1e-4)
