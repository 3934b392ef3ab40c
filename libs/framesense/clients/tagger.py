"""The tagger's clients: a blocking one for the worker, which sends pictures and labels and wants numbers, and an async
one for the gateway.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from framesense.clients.base import AsyncServiceClient, ServiceClient, ServiceUnavailable
from framesense.http.uploads import Upload
from framesense.media.images import NPY_MEDIA_TYPE, RGB, encode_npy
from framesense.schemas.arrays import EncodingFormat, encode_base64, to_numpy
from framesense.schemas.models import ModelInfo
from framesense.schemas.tags import (
    FeatureEmbeddings,
    FeaturesRequest,
    ImageEmbeddings,
    LabelSet,
    TagExtra,
    TagsResponse,
    TextEmbeddings,
    TextsRequest,
    ThresholdOn,
)

Floats = NDArray[np.float32]


class TaggerUnavailable(ServiceUnavailable):
    """The tagger gave no answer, however often it was asked; the text says what it said last."""


@dataclass(frozen=True)
class TagQuestion:
    """What is asked of every picture. ``threshold``, ``threshold_on``: None for the model's own."""

    labels: Sequence[str]
    templates: Sequence[str]
    threshold: float | None = None
    threshold_on: ThresholdOn | None = None
    top_k: int | None = None


@dataclass(frozen=True)
class TagBatch:
    """The answer for n pictures and m labels."""

    embeddings: Floats
    """n × dimensions, L2-normalised."""
    cosine: Floats
    """n × m."""
    probability: Floats
    """n × m, calibrated."""
    tagged: NDArray[np.bool_]
    """n × m: the tags that were given, at least one a picture."""
    threshold: float
    threshold_on: ThresholdOn
    warnings: list[str]
    model: ModelInfo


@dataclass(frozen=True)
class EmbeddingBatch:
    """Embeddings of n pictures or texts: n × dimensions, L2-normalised; and whose they are."""

    embeddings: Floats
    model: ModelInfo


class TaggerClient(ServiceClient):
    """See :class:`framesense.clients.base.ServiceClient` for its arguments."""

    service = "tagger"
    unavailable = TaggerUnavailable

    def tag(self, pictures: Sequence[RGB], question: TagQuestion) -> TagBatch:
        """Tag H × W × 3 uint8 RGB pictures, any sizes, at most as many as the tagger takes in one request.

        Raises TaggerUnavailable after the last attempt, and ProblemError for what the tagger refuses, with its own
        words.
        """
        form: dict[str, str | list[str]] = {
            # JSON: the form's limit on the number of fields has no say, and a single label keeps its commas.
            "labels": json.dumps(list(question.labels)),
            "template": json.dumps(list(question.templates)),
            "return": [TagExtra.EMBEDDINGS.value, TagExtra.ALL.value],
        }
        for name in ("threshold", "threshold_on", "top_k"):
            if (value := getattr(question, name)) is not None:
                form[name] = str(value)
        query = {"encoding_format": EncodingFormat.BASE64.value}
        body = self._request("POST", "/tags", params=query, data=form, files=_parts(pictures))
        return _read(TagsResponse.model_validate_json(body))

    def embed(self, pictures: Sequence[RGB]) -> EmbeddingBatch:
        """Embed pictures; raises like :meth:`tag`."""
        query = {"encoding_format": EncodingFormat.BASE64.value}
        body = self._request("POST", "/embed/images", params=query, files=_parts(pictures))
        answer = ImageEmbeddings.model_validate_json(body)
        return EmbeddingBatch(to_numpy(answer.embeddings), answer.model)

    def embed_features(self, features: Floats, encoder: str) -> EmbeddingBatch:
        """Embed n pictures by n × dimensions features that ``encoder``, which the tagger has too, gave elsewhere.

        Raises like :meth:`tag`, 409 where the tagger's encoder is another.
        """
        asked = FeaturesRequest(
            encoder=encoder,
            features=encode_base64(features),
            encoding_format=EncodingFormat.BASE64,
        )
        body = self._request("POST", "/embed/features", json=asked.model_dump(mode="json"))
        answer = FeatureEmbeddings.model_validate_json(body)
        return EmbeddingBatch(to_numpy(answer.embeddings), answer.model)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingBatch:
        """Embed n different texts, in the pictures' space; raises like :meth:`tag`."""
        asked = TextsRequest(texts=list(texts), encoding_format=EncodingFormat.BASE64)
        body = self._request("POST", "/embed/texts", json=asked.model_dump(mode="json"))
        answer = TextEmbeddings.model_validate_json(body)
        return EmbeddingBatch(to_numpy(answer.embeddings), answer.model)

    def embed_words(self, words: Sequence[str], templates: Sequence[str]) -> TextEmbeddings:
        """Embed each word in each template, averaged, with its level on ordinary photos. Raises like :meth:`tag`."""
        asked = TextsRequest(texts=list(words), templates=list(templates), encoding_format=EncodingFormat.BASE64)
        return TextEmbeddings.model_validate_json(
            self._request("POST", "/embed/texts", json=asked.model_dump(mode="json"))
        )

    def label_set(self, name: str) -> LabelSet:
        """Read a stored label set; raises like :meth:`tag`, 404 where there is none."""
        return LabelSet.model_validate_json(self._request("GET", f"/label-sets/{quote(name, safe='')}"))


class AsyncTaggerClient(AsyncServiceClient):
    """See :class:`framesense.clients.base.AsyncServiceClient`."""

    service = "tagger"

    async def tag(self, picture: Upload, fields: Mapping[str, Sequence[str]], *, request_id: str) -> TagsResponse:
        """Tag one picture, with the form's fields as they are.

        Raises ProblemError: what the tagger refuses, with its own words, and 503 without an answer.
        """
        files = [("images", (picture.filename, picture.content, picture.media_type))]
        form = {name: list(values) for name, values in fields.items()}
        answer = await self._request("POST", "/tags", request_id, data=form, files=files)
        return TagsResponse.model_validate_json(answer.content())

    async def embed_texts(self, texts: Sequence[str]) -> TextEmbeddings:
        """Embed texts as they are, in the pictures' space. Raises like :meth:`tag`."""
        asked = TextsRequest(texts=list(texts), encoding_format=EncodingFormat.BASE64)
        answer = await self._request("POST", "/embed/texts", None, json=asked.model_dump(mode="json"))
        return TextEmbeddings.model_validate_json(answer.content())


def _parts(pictures: Sequence[RGB]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [
        ("images", (f"picture-{index}.npy", encode_npy(picture), NPY_MEDIA_TYPE))
        for index, picture in enumerate(pictures)
    ]


def _read(answer: TagsResponse) -> TagBatch:
    if answer.embeddings is None or any(image.scores is None for image in answer.images):
        raise ValueError("the tagger returned no embeddings or no scores")
    column = {label: index for index, label in enumerate(answer.labels)}
    tagged = np.zeros((len(answer.images), len(answer.labels)), dtype=np.bool_)
    for row, image in enumerate(answer.images):
        tagged[row, [column[tag.label] for tag in image.tags]] = True
    scores = [image.scores or [] for image in answer.images]
    return TagBatch(
        embeddings=to_numpy(answer.embeddings),
        cosine=np.array([[tag.cosine for tag in row] for row in scores], np.float32),
        probability=np.array([[tag.probability for tag in row] for row in scores], np.float32),
        tagged=tagged,
        threshold=answer.threshold,
        threshold_on=answer.threshold_on,
        warnings=answer.warnings,
        model=answer.model,
    )
