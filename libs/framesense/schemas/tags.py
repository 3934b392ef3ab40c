"""Embeddings, tags and similarities: what the tagger answers, and the gateway after it."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from framesense.schemas.arrays import Array, EncodedArray, EncodingFormat
from framesense.schemas.models import ModelInfo

LABEL_PLACE = "{label}"
"""Where a template takes its label."""
DEFAULT_TEMPLATE = f"a photo of a {LABEL_PLACE}"
EVERYDAY_WORDS = (
    *("person", "man", "woman", "child", "baby", "crowd of people", "face", "hands"),
    *("car", "truck", "bus", "van", "motorcycle", "bicycle", "train", "boat", "airplane", "traffic light", "sign"),
    *("dog", "cat", "horse", "cow", "sheep", "bird", "elephant", "fish"),
    *("flower", "tree", "grass", "forest", "field", "mountain", "snow", "beach", "sea", "river", "waterfall"),
    *("sky", "clouds", "sunset", "night", "fire", "smoke", "rain"),
    *("road", "street", "sidewalk", "bridge", "building", "house", "tower"),
    *("door", "window", "stairs", "wall", "fence"),
    *("kitchen", "bathroom", "bedroom", "living room", "office", "shop"),
    *("table", "chair", "sofa", "bed", "television", "clock", "statue", "toy", "guitar"),
    *("food", "cake", "pizza", "fruit", "cup", "bottle", "book", "bag", "umbrella", "hat", "ball"),
    *("skateboard", "surfboard", "skis", "swimming pool", "playground"),
    *("football game", "tennis", "basketball game", "text", "drawing", "cartoon"),
)
"""What ordinary pictures show."""


class ThresholdOn(StrEnum):
    """What of a tag a threshold is compared with."""

    COSINE = "cosine"
    PROBABILITY = "probability"


class TagExtra(StrEnum):
    """What ``return=`` may ask for on top of the tags."""

    EMBEDDINGS = "embeddings"
    ALL = "all"


class ImageEmbeddings(BaseModel):
    images: list[str] = Field(description="file names, in the order sent")
    embeddings: Array = Field(description="images × dimensions, L2-normalised")
    model: ModelInfo


class FeaturesRequest(BaseModel):
    """Pictures, as an image encoder that the model shares with another model server has seen them."""

    encoder: str = Field(
        description="whose features they are, as `GET /models` names it", examples=["efficientnet-lite2@3f1c9a2b7d10"]
    )
    features: EncodedArray | list[list[float]] = Field(description="pictures × dimensions: `pooled` of `POST /caption`")
    encoding_format: EncodingFormat = EncodingFormat.FLOAT


class FeatureEmbeddings(BaseModel):
    embeddings: Array = Field(description="pictures × dimensions, L2-normalised")
    model: ModelInfo


class TextsRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    texts: list[str] = Field(examples=[["a red car", "people at a table"]])
    templates: list[str] | None = Field(
        default=None,
        description="each text takes the place of {label} in each template, whose embeddings are averaged; the texts "
        "as they are when absent",
        examples=[[DEFAULT_TEMPLATE]],
    )
    encoding_format: EncodingFormat = EncodingFormat.FLOAT


class TextEmbeddings(BaseModel):
    texts: list[str]
    embeddings: Array = Field(description="texts × dimensions, L2-normalised")
    background_mean: list[float] | None = Field(
        default=None,
        description="mean cosine of each text with the model's reference photos; absent for a model without them",
    )
    background_deviation: list[float] | None = Field(default=None, description="standard deviation of those cosines")
    warnings: list[str] = Field(default_factory=list, description="what to know before trusting the answer, in words")
    model: ModelInfo


class Tag(BaseModel):
    label: str
    cosine: float = Field(ge=-1.001, le=1.001, description="of the picture's and the label's embeddings")
    probability: float = Field(ge=0, le=1, description="calibrated: that this label fits, whatever the others do")


class ImageTags(BaseModel):
    image: str = Field(description="file name")
    tags: list[Tag] = Field(description="the most probable first; never empty: the single best where none is over")
    over_threshold: int = Field(ge=0, description="how many of all labels are over the threshold")
    scores: list[Tag] | None = Field(default=None, description="every label in the order asked (return=all)")


class TagsResponse(BaseModel):
    images: list[ImageTags] = Field(description="one an image, in the order sent")
    labels: list[str]
    templates: list[str]
    threshold: float
    threshold_on: ThresholdOn
    embeddings: Array | None = Field(default=None, description="images × dimensions (return=embeddings)")
    warnings: list[str] = Field(default_factory=list, description="what to know before trusting the answer, in words")
    model: ModelInfo


class SimilarityResponse(BaseModel):
    images: list[str] = Field(description="file names: the rows")
    texts: list[str] = Field(description="the columns")
    cosine: Array = Field(description="images × texts")
    probability: Array = Field(description="images × texts, calibrated, each on its own")
    warnings: list[str] = Field(default_factory=list, description="what to know before trusting the answer, in words")
    model: ModelInfo


class LabelSetContent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: list[str] = Field(examples=[["kitchen", "bathroom", "bedroom"]])
    templates: list[str] = Field(default_factory=lambda: [DEFAULT_TEMPLATE])


class NewLabelSet(LabelSetContent):
    name: str = Field(examples=["rooms"])


class LabelSet(NewLabelSet):
    model_config = ConfigDict(extra="ignore")

    created_at: datetime


class LabelSetSummary(BaseModel):
    name: str
    labels: int = Field(description="how many")
    created_at: datetime


class LabelSetList(BaseModel):
    label_sets: list[LabelSetSummary] = Field(description="by name")
