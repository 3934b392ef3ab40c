"""Classifiers in words: heads over a dual encoder, what they answer, how good they are."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from framesense.schemas.models import ModelInfo
from framesense.schemas.tags import DEFAULT_TEMPLATE


class NewClassifier(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(examples=["cartoons"])
    labels: list[str] = Field(examples=[["mickey mouse", "bugs bunny"]])
    templates: list[str] = Field(
        default_factory=lambda: [DEFAULT_TEMPLATE], examples=[["this is a painting of cartoon {label}"]]
    )


class FewShotGain(BaseModel):
    """What labelled photos brought, measured on photos that the measured head had not seen."""

    photos: int = Field(ge=1)
    photos_by_label: dict[str, int]
    folds: int = Field(ge=2, description="each photo was held out once, in one of so many parts")
    accuracy_before: float = Field(ge=0, le=1, description="of the words alone")
    accuracy_after: float = Field(ge=0, le=1, description="with the other folds' photos")
    gain: float = Field(ge=-1, le=1, description="after − before")
    margin: float = Field(ge=0, description="half the width of the gain's 95 % interval, from the paired differences")
    strength: float = Field(gt=0, description="ridge penalty chosen: large keeps the words, small follows the photos")
    kept: bool = Field(description="whether the photos are used: not where they make the head worse")


class Classifier(BaseModel):
    name: str
    labels: list[str]
    templates: list[str]
    kind: Literal["words", "few-shot"] = Field(description="of words alone, or improved by labelled photos")
    dimensions: int
    model_name: str = Field(description="the model that made it; no other can use it")
    model_revision: str
    created_at: datetime
    few_shot: FewShotGain | None = None
    usable: bool = Field(description="whether it fits the model that is loaded")
    warnings: list[str] = Field(default_factory=list, description="what to know before trusting it, in words")


class ClassifierList(BaseModel):
    classifiers: list[Classifier] = Field(description="by name")


class RankedLabel(BaseModel):
    label: str
    probability: float = Field(ge=0, le=1, description="given that one of the labels is right: they sum to 1")
    cosine: float = Field(ge=-1.001, le=1.001)


class Classification(BaseModel):
    image: str = Field(description="file name")
    ranking: list[RankedLabel] = Field(description="the most probable first")


class ClassifyResponse(BaseModel):
    classifier: str
    images: list[Classification] = Field(description="one an image, in the order sent")
    warnings: list[str] = Field(default_factory=list)
    model: ModelInfo


class Mistake(BaseModel):
    image: str = Field(description="path in the archive, or file name")
    label: str = Field(description="what it was labelled")
    predicted: str
    probability: float = Field(ge=0, le=1, description="of what was predicted")


class ClassAccuracy(BaseModel):
    label: str
    photos: int
    accuracy: float | None = Field(description="recall: share of its photos that were recognised; null without photos")
    precision: float | None = Field(description="share of right ones among those given this label; null where none was")


class EvaluationResponse(BaseModel):
    classifier: str
    photos: int
    accuracy: float = Field(ge=0, le=1)
    labels: list[str] = Field(description="rows and columns of the confusion matrix")
    confusion: list[list[int]] = Field(description="photos by label (row) and by prediction (column)")
    per_class: list[ClassAccuracy]
    mistakes: list[Mistake] = Field(description="the most confident first")
    warnings: list[str] = Field(default_factory=list)
    model: ModelInfo
