"""Captions: what ``POST /caption`` answers, on the gateway and on the captioner alike."""

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
    embeddings: CaptionEmbeddings | None = None
    attention: Array | None = Field(
        default=None, description="tokens × rows × columns; each token's map sums to 1 over the picture"
    )
    features: Array | None = Field(default=None, description="rows × columns × channels of the image encoder")
    visual: Array | None = Field(default=None, description="dimensions: what the picture as a whole looks like")
    patches: Array | None = Field(
        default=None, description="rows × columns × dimensions: what it looks like at each place of a grid"
    )


class CaptionResponse(BaseModel):
    captions: list[Caption] = Field(description="one an image, in the order sent")
    model: ModelInfo
