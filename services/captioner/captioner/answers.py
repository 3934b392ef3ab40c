"""Captions as the wire has them."""

from collections.abc import Sequence

import numpy as np
from fastapi import Response

from captioner.captioning import Described
from framesense.schemas.arrays import Array, EncodingFormat, encode
from framesense.schemas.captions import Caption, CaptionEmbeddings, CaptionExtra, CaptionResponse, CaptionToken
from framesense.schemas.models import ModelInfo

DECIMALS = 5
"""Of log-probabilities: more would say nothing."""
CONFIDENCE_DECIMALS = 3


def caption_response(
    described: Sequence[Described], extras: frozenset[CaptionExtra], model: ModelInfo, encoding: EncodingFormat
) -> Response:
    """Return the JSON answer, written once: FastAPI would validate and convert every number again."""
    document = CaptionResponse(captions=[_caption(one, extras, encoding) for one in described], model=model)
    return Response(document.model_dump_json(exclude_none=True), media_type="application/json")


def _caption(described: Described, extras: frozenset[CaptionExtra], encoding: EncodingFormat) -> Caption:
    caption, words, sentence = described.caption, described.words, described.sentence
    # Rounding errors of low precision must not make a probability larger than 1.
    logs = [min(0.0, round(value, DECIMALS)) for value in caption.log_probabilities]
    embeddings = None
    if words is not None and sentence is not None:
        embeddings = CaptionEmbeddings(words=encode(words, encoding), sentence=encode(sentence, encoding))
    return Caption(
        caption=caption.text,
        tokens=[
            CaptionToken(text=text, log_probability=value) for text, value in zip(caption.tokens, logs, strict=True)
        ],
        log_probability=round(sum(logs) / max(1, len(logs)), DECIMALS),
        confidence=None if caption.confidence is None else round(caption.confidence, CONFIDENCE_DECIMALS),
        embeddings=embeddings,
        attention=_optional(caption.attention, encoding),
        features=_optional(caption.features, encoding),
        visual=_optional(caption.visual, encoding) if CaptionExtra.VISUAL in extras else None,
        patches=_optional(caption.patches, encoding) if CaptionExtra.PATCHES in extras else None,
        pooled=_optional(caption.pooled, encoding),
    )


def _optional(array: np.ndarray | None, encoding: EncodingFormat) -> Array | None:
    return None if array is None else encode(array, encoding)
