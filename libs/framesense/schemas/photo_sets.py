"""Photo sets: what one is asked, what is found out of each photo, and the report of the whole."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from framesense.schemas.labels import repeated_labels
from framesense.schemas.models import ModelInfo
from framesense.schemas.names import KeptName
from framesense.schemas.tags import DEFAULT_TEMPLATE, LABEL_PLACE, Tag, ThresholdOn

MAX_LABELS, MAX_TEMPLATES, MAX_TEXT = 1000, 20, 200
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]


class PhotoSetParameters(BaseModel):
    """Everything that the tagging of a photo set was asked for: labels, or a stored label set."""

    labels: list[Text] = Field(
        default_factory=list,
        max_length=MAX_LABELS,
        description="what to look for, each once; or name a label set",
        examples=[["kitchen", "bathroom", "bedroom"]],
    )
    label_set: KeptName | None = Field(default=None, description="the name of a stored label set, instead of labels")
    templates: list[Text] = Field(
        default_factory=list,
        max_length=MAX_TEMPLATES,
        description=f"each holds {{label}}; several are averaged; {DEFAULT_TEMPLATE!r} by default",
        examples=[[DEFAULT_TEMPLATE]],
    )
    threshold: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        allow_inf_nan=False,
        description="least cosine or probability; the model's by default",
    )
    threshold_on: ThresholdOn | None = Field(
        default=None, description="what the threshold is compared with; the model's own by default"
    )
    top_k: int | None = Field(default=None, ge=1, le=MAX_LABELS, description="the most tags a photo")
    group_column: str | None = Field(
        default=None,
        max_length=MAX_TEXT,
        description="the column of the zip's groups.csv that holds the group of each photo; without a groups.csv the "
        "sub-folders are the groups",
    )
    near_duplicate: float = Field(
        default=0.97, gt=0, le=1, description="least cosine of two photos' embeddings to call one a duplicate"
    )
    clusters: int | None = Field(
        default=None, ge=2, le=100, description="how many clusters; chosen by silhouette by default"
    )

    @field_validator("labels")
    @classmethod
    def _once_each(cls, labels: list[str]) -> list[str]:
        if repeated := repeated_labels(labels):
            raise ValueError(f"each label may be there once; repeated: {repeated}")
        return labels

    @field_validator("templates")
    @classmethod
    def _with_their_place(cls, templates: list[str]) -> list[str]:
        if bare := [template for template in templates if LABEL_PLACE not in template]:
            raise ValueError(f"{bare[0]!r} has no {LABEL_PLACE} in it: write for instance {DEFAULT_TEMPLATE!r}")
        return templates

    @model_validator(mode="after")
    def _labels_or_a_set(self) -> Self:
        if bool(self.labels) == (self.label_set is not None):
            raise ValueError("send either labels or a label_set, one of the two")
        return self


class Spread(BaseModel):
    """How some numbers lie."""

    min: float
    mean: float
    median: float
    max: float


class SkippedFile(BaseModel):
    path: str
    reason: str = Field(description="in words")


class LabelCount(BaseModel):
    label: str
    photos: int = Field(ge=0, description="how many have this tag")
    share: float = Field(ge=0, le=1, description="of all photos")
    mean_cosine: float = Field(description="with all photos")


class TagStatistics(BaseModel):
    """Of the tags given, and of all labels ranked by cosine."""

    per_photo: Spread
    best_cosine: Spread = Field(description="cosine of each photo's best label")
    gap: Spread = Field(description="cosine of the best minus that of the ``gap_rank``-th best label")
    gap_rank: int = Field(ge=1, description="10, or the number of labels where there are fewer")
    labels: list[LabelCount] = Field(description="the most frequent first: the class balance")


class DistributionName(StrEnum):
    EXPONENTIAL = "exponential"
    LOG_NORMAL = "log_normal"


class GoodnessOfFit(BaseModel):
    """Whether the labels' photo counts could come from a distribution of this kind."""

    distribution: DistributionName
    parameters: dict[str, float] = Field(description="fitted by maximum likelihood")
    statistic: float = Field(ge=0, le=1, description="Kolmogorov-Smirnov: the largest gap between the two CDFs")
    p_value: float = Field(
        ge=0, le=1, description="by parametric bootstrap, parameters fitted anew each time (Lilliefors' correction)"
    )
    rejected: bool = Field(description="p_value < 0.05")


class ClassBalance(BaseModel):
    entropy: float = Field(ge=0, le=1, description="of the tags' shares, 1 when all are equally frequent")
    imbalance: float | None = Field(default=None, description="photos of the most by those of the least frequent label")
    fits: list[GoodnessOfFit] = Field(description="over labels that at least one photo has")
    note: str | None = Field(default=None, description="why there is no test, or how far to trust it")


class GroupSummary(BaseModel):
    name: str
    photos: int = Field(ge=1)
    distinct_tags: int = Field(ge=1)
    top_tags: list[str] = Field(description="up to five, the most frequent first")


class GroupStatistics(BaseModel):
    source: str = Field(description="where groups come from: sub-folders, or a column of groups.csv")
    photos: Spread = Field(description="photos a group")
    distinct_tags: Spread = Field(description="distinct tags a group")
    groups: list[GroupSummary] = Field(description="by name")
    ungrouped: int = Field(ge=0, description="photos in no group")


class ClusterMethod(StrEnum):
    KMODES = "kmodes"
    KMEANS = "kmeans"
    HDBSCAN = "hdbscan"


class ClusterCandidate(BaseModel):
    """One number of clusters that was tried."""

    clusters: int = Field(ge=1)
    cost: float = Field(ge=0, description="within-cluster distance: k-means inertia, or k-modes mismatches")
    silhouette: float | None = Field(default=None, ge=-1, le=1)


class Clustering(BaseModel):
    method: ClusterMethod
    on: str = Field(description="what was clustered")
    clusters: int = Field(ge=0)
    sizes: list[int] = Field(description="photos of cluster 0, 1, …")
    noise: int = Field(default=0, ge=0, description="photos in no cluster (HDBSCAN): marked −1")
    chosen_by: str = Field(description="how the number of clusters came about")
    elbow: int | None = Field(default=None, description="where the cost curve bends most, for comparison")
    candidates: list[ClusterCandidate] = Field(default_factory=list)
    silhouette: float | None = Field(default=None, ge=-1, le=1)
    adjusted_rand: float | None = Field(
        default=None, description="agreement with the groups, 1 is perfect, 0 is chance"
    )
    mutual_information: float | None = Field(default=None, ge=0, le=1, description="normalised, with the groups")


class PhotoSetReport(BaseModel):
    name: str = Field(description="what the user called it, a file name for instance")
    photos: int = Field(ge=1)
    skipped: list[SkippedFile] = Field(description="files that were passed over")
    bytes: Spread = Field(description="of a photo's file")
    width: Spread = Field(description="pixels, upright")
    height: Spread = Field(description="pixels, upright")
    labels: list[str]
    templates: list[str]
    threshold: float
    threshold_on: ThresholdOn
    tags: TagStatistics
    class_balance: ClassBalance
    groups: GroupStatistics | None = Field(default=None, description="absent where photos have no groups")
    clusterings: list[Clustering]
    map_method: str | None = Field(default=None, description="how the 2-D map was made; absent for fewer than 4 photos")
    exact_duplicates: int = Field(ge=0, description="photos whose file was there before, byte by byte")
    near_duplicates: int = Field(ge=0, description="other photos that are close to one before them")
    vendi_score: float | None = Field(
        default=None, ge=0, description="the effective number of different photos (Friedman & Dieng, 2023)"
    )
    warnings: list[str] = Field(default_factory=list, description="what to know before trusting this, in words")
    models: list[ModelInfo]


class Photo(BaseModel):
    """One photo of the set and what was found."""

    index: int = Field(ge=0)
    path: str = Field(description="inside the zip")
    group: str | None = None
    width: int = Field(ge=1, description="pixels, upright")
    height: int = Field(ge=1, description="pixels, upright")
    bytes: int = Field(ge=1)
    sha256: str
    tags: list[Tag] = Field(description="the most probable first")
    clusters: dict[ClusterMethod, int] = Field(default_factory=dict, description="−1: in no cluster")
    x: float | None = Field(default=None, description="place on the 2-D map")
    y: float | None = None
    duplicate_of: int | None = Field(default=None, description="index of the first photo that shows the same")
    duplicate_cosine: float | None = Field(default=None, description="how alike the two are")
    thumbnail: str = Field(default="", description="URL of a JPEG")


class PhotoSetResult(BaseModel):
    report: PhotoSetReport
    photos: list[Photo]
    parameters: PhotoSetParameters
