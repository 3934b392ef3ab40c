"""Captions: what ``POST /caption`` answers, on the gateway and on the captioner alike."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, Field

from framesense.schemas.arrays import Array
from framesense.schemas.models import ModelInfo


class CaptionExtra(StrEnum):
    """What ``return=`` may ask for on top of the caption."""

    EMBEDDINGS = "embeddings"
    ATTENTION = "attention"
    FEATURES = "features"
    VISUAL = "visual"
    PATCHES = "patches"
    POOLED = "pooled"


DEFAULT_GUESS_BELOW = 0.5
GUESS_BELOW = "captions less likely right than this, from 0 to 1, are shown as guesses; 0: none"
"""What the setting of that name is, in the gateway and the ui alike."""


def is_guess(confidence: float | None, guess_below: float) -> bool:
    """Return whether a caption is to be shown as a guess; never where its confidence is unknown."""
    return confidence is not None and confidence < guess_below


def hedged(caption: str, confidence: float | None, guess_below: float, words: Sequence[str] = ()) -> str:
    """Return a caption as people should read it: ``grass, tree; perhaps: a dog runs`` where it is a guess.

    ``words``: those that fit the picture, said before a guess; they need no captioner.
    """
    if not is_guess(confidence, guess_below):
        return caption
    return f"{', '.join(words)}; perhaps: {caption}" if words else f"perhaps: {caption}"


def words_or_caption(
    caption: str, confidence: float | None, guess_below: float, words: Sequence[str], colours: str = ""
) -> str:
    """Return plain words in place of a caption that is a guess: ``mostly grey, road; the caption is a guess``.

    ``words``: those that fit the picture; ``colours``: its own, in words. Where there are neither, the caption is
    marked as a guess.
    """
    known = [*([colours] if colours else []), *words]
    if known and is_guess(confidence, guess_below):
        return f"{', '.join(known)}; the caption is a guess"
    return hedged(caption, confidence, guess_below)


class CaptionToken(BaseModel):
    text: str
    log_probability: float = Field(le=0, description="natural logarithm of the token's probability given those before")


class CaptionEmbeddings(BaseModel):
    words: Array = Field(description="tokens × dimensions: the decoder's own embedding of every token")
    sentence: Array = Field(description="dimensions: the sentence encoder's embedding of the caption, L2-normalised")


class Caption(BaseModel):
    caption: str = Field(examples=["a brown dog runs through the grass"])
    tokens: list[CaptionToken]
    log_probability: float = Field(description="mean natural-log probability per token")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the chance that the caption is right: that it agrees with people's captions as well as theirs "
        "agree with one another; absent where the model's `no_confidence` says why",
    )
    embeddings: CaptionEmbeddings | None = None
    attention: Array | None = Field(
        default=None, description="tokens × rows × columns; each token's map sums to 1 over the picture"
    )
    features: Array | None = Field(default=None, description="rows × columns × channels of the image encoder")
    visual: Array | None = Field(default=None, description="dimensions: what the picture as a whole looks like")
    patches: Array | None = Field(
        default=None, description="rows × columns × dimensions: what it looks like at each place of a grid"
    )
    pooled: Array | None = Field(
        default=None,
        description="dimensions: what the model's `encoder` tells of the picture, for `POST /embed/features` of a "
        "tagger with the same encoder",
    )


class CaptionResponse(BaseModel):
    captions: list[Caption] = Field(description="one an image, in the order sent")
    model: ModelInfo
