"""What is asked of the captioner is answered."""

import io

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from captioner.models.show_attend_tell import SPECIAL_WORDS
from framesense.media.images import NPY_MEDIA_TYPE, encode_npy
from framesense.models.encoders.efficientnet_lite2 import encode_pooled, encoder_name, load_encoder, squash
from framesense.schemas.arrays import to_numpy
from tests.support.captioner_api import CHELSEA, COFFEE, captions, post


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


def test_pooled_features_are_of_the_encoder_that_the_model_names(client: TestClient) -> None:
    (caption,) = captions(answer := post(client, CHELSEA, extras="pooled", encoding_format="base64"))
    assert caption.pooled is not None and caption.visual is None
    assert answer.json()["model"]["encoder"] == encoder_name()
    picture = np.asarray(Image.open(io.BytesIO(CHELSEA)).convert("RGB"))
    with torch.inference_mode():
        (expected,) = encode_pooled(load_encoder(), squash(picture)[None], torch.float32).numpy()
    np.testing.assert_allclose(to_numpy(caption.pooled), expected, rtol=1e-2, atol=1e-3)


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
