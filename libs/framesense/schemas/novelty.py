"""Video novelty: parameters, frames, moments, results."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    GetPydanticSchema,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from framesense.schemas.models import ModelInfo
from framesense.schemas.names import KeptName
from framesense.schemas.references import TimeRange
from framesense.schemas.videos import VideoStreamInfo, VideoStreamNumber

EveryNSecond = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
"""Seconds between sampled frames."""


def _auto_or_seconds(value: Any, as_seconds: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    try:
        return as_seconds(value)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise PydanticCustomError("interval", "Input should be {said}, in seconds, or 'auto'", {"said": said}) from None


Interval = Annotated[
    float | Literal["auto"],
    # Not pydantic's own union: what is neither would be told as two faults, one of each member.
    GetPydanticSchema(
        lambda _, handler: core_schema.no_info_wrap_validator_function(
            _auto_or_seconds,
            handler(EveryNSecond),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda interval: interval),
        )
    ),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 3600}, {"type": "string", "const": "auto"}]}
    ),
]
"""The same, or `auto`: it follows from the video's length, by :func:`framesense.novelty.sampling.default_interval`."""
RollingWindowSize = Annotated[int, Field(ge=1, le=1000)]
"""How many frames before a frame make the mean it is compared with."""


Sensitivity = Annotated[
    float,
    Field(ge=0, le=1, allow_inf_nan=False, description="0 lists the strongest moments only, 1 lists faint ones too"),
]
MaxMoments = Annotated[int, Field(ge=1, le=200, description="most moments that are listed, the strongest first")]


class Metric(StrEnum):
    EUCLIDEAN = "euclidean"
    COSINE = "cosine"


class Signal(StrEnum):
    """What of a frame is compared."""

    AUTO = "auto"
    """Cuts, pictures unlike all before them, and places unlike their background where the camera stands still; words,
    sentence and visual mixed where a captioner gives no pictures to compare. 1 stands out."""
    WORDS = "words"
    """The mean of the caption's word embeddings."""
    SENTENCE = "sentence"
    """The caption's sentence embedding."""
    VISUAL = "visual"
    """The picture as a whole."""
    PATCH = "patch"
    """The picture place by place, for cameras that stand still."""


class NoveltyParameters(BaseModel):
    """What can change after a video is analysed, at no model call."""

    metric: Metric = Metric.EUCLIDEAN
    rolling_window_size: RollingWindowSize = 3
    signal: Signal = Signal.AUTO
    reference: KeptName | None = Field(
        default=None, description="for the signal patch: compare with this footage instead of the frames before"
    )

    sensitivity: Sensitivity = 0.5
    max_moments: MaxMoments = 20

    @model_validator(mode="after")
    def _reference_goes_with_patch(self) -> Self:
        if self.reference is not None and self.signal is not Signal.PATCH:
            raise ValueError("a reference is for the signal 'patch' only: choose it, or leave the reference out")
        return self


class VideoParameters(NoveltyParameters):
    """Everything that one analysis of a video was asked for."""

    every_n_second: Interval = Field(
        default="auto",
        description="seconds between two frames; `auto` follows the video's length: a frame every 0.2 s of a clip of "
        "seconds, every 10 s of one of five hours",
    )
    video_stream: VideoStreamNumber | None = Field(
        default=None,
        description="of a file with several videos the one to look at: its stream's number, as ffprobe counts streams; "
        "without it the one that players show",
    )


class AnalysedParameters(VideoParameters):
    """The same once a video is analysed: the interval is known."""

    every_n_second: EveryNSecond


class VideoPlan(BaseModel):
    """Tell what an analysis will look at, before it starts."""

    duration: float | None = Field(default=None, ge=0, description="seconds; absent where the file does not say")
    every_n_second: EveryNSecond | None = Field(default=None, description="seconds between two frames")
    frames: int | None = Field(default=None, ge=1, description="how many frames will be looked at")
    seconds: float | None = Field(
        default=None, ge=0, description="how long it takes, going by recent jobs; absent where there were none"
    )
    refused: str | None = Field(default=None, description="why the start would be refused; absent where it would not")
    video_stream: VideoStreamNumber | None = Field(default=None, description="the stream that will be looked at")
    video_streams: list[VideoStreamInfo] = Field(
        default_factory=list, description="the videos in the file; choose one by `video_stream`"
    )


class VideoInfo(BaseModel):
    name: str
    sha256: str
    bytes: int = Field(ge=1)
    duration: float = Field(ge=0, description="seconds, as a player shows: to the end of the last frame")
    width: int = Field(ge=1, description="pixels, as shown: after rotation")
    height: int = Field(ge=1, description="pixels, as shown: after rotation")
    fps: float = Field(ge=0, description="mean frames a second; 0 for a single frame")
    codec: str
    rotation: int = Field(
        default=0, description="degrees clockwise that the metadata asks a player to turn the picture"
    )
    video_stream: VideoStreamNumber | None = Field(
        default=None, description="the stream that was looked at; null in analyses of earlier releases"
    )
    video_streams: list[VideoStreamInfo] = Field(default_factory=list, description="the videos in the file")
    holes: list[TimeRange] = Field(
        default_factory=list, description="where there are no frames for more than a minute, seconds as a player shows"
    )
    warnings: list[str] = Field(default_factory=list, description="what was lost, in words")


Confidence = Annotated[
    float | None,
    Field(ge=0, le=1, description="the chance that the caption is right; null where its captioner was not calibrated"),
]


Words = Annotated[
    list[str],
    Field(description="words that fit the picture, the best first; empty where no tagger ran, or none fits well"),
]


class Frame(BaseModel):
    index: int = Field(ge=0)
    time: float = Field(description="seconds, as a player shows: the frame's own presentation time")
    caption: str
    confidence: Confidence = None
    words: Words = []
    novelty: float
    thumbnail: str = Field(description="URL of a JPEG")


class Strength(StrEnum):
    """How far a moment stands out."""

    STRONG = "strong"
    """It stands out."""
    WEAK = "weak"
    """It is among the most unusual frames, no more."""


class WordChange(BaseModel):
    """A word that fits the picture better, or worse, than it fitted the frames before."""

    word: str
    change: float = Field(description="standard deviations; above 0 where the word began to fit, below where it ceased")


class Box(BaseModel):
    """A part of the picture, in shares of its width and height from the upper left corner."""

    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)
    width: float = Field(gt=0, le=1)
    height: float = Field(gt=0, le=1)


class Moment(BaseModel):
    """A stretch of frames that is unlike the rest of the video."""

    start: float = Field(description="seconds")
    peak: float = Field(description="seconds")
    end: float = Field(description="seconds")
    peak_index: int = Field(ge=0, description="index of the peak's frame")
    caption: str
    confidence: Confidence = None
    words: Words = []
    novelty: float
    score: float = Field(description="how far the peak stands out; 1 is where a strong moment begins")
    strength: Strength = Field(description="whether it stands out; where no moment is strong, nothing does")
    best: float = Field(description="seconds: the sharpest frame near the peak")
    best_index: int = Field(ge=0, description="index of that frame")
    thumbnail: str = Field(description="URL of that frame as a JPEG")
    clip: str = Field(description="URL of the moment as an MP4")
    colours: str = Field(
        default="",
        description="the best frame's colours in plain words, such as `mostly grey`: they are sure where the caption "
        "is a guess; empty where the picture cannot be read",
    )
    changes: list[WordChange] = Field(
        default_factory=list, description="what changed against the frames before, in words; empty where no tagger ran"
    )
    box: Box | None = Field(default=None, description="where in the picture it is; absent where it is all of it")


class NoveltyCurve(BaseModel):
    parameters: NoveltyParameters
    novelty: list[float] = Field(description="one value a frame")
    moments: list[Moment] = Field(description="the strongest first")
    stands_out: bool = Field(description="whether any moment is strong")


class FoundMoment(BaseModel):
    """A stretch of frames that fits what was searched for."""

    start: float = Field(description="seconds")
    peak: float = Field(description="seconds")
    end: float = Field(description="seconds")
    peak_index: int = Field(ge=0, description="index of the peak's frame")
    caption: str
    confidence: Confidence = None
    similarity: float = Field(description="of the peak")
    score: float = Field(description="robust z-score of the peak among the video's frames")
    thumbnail: str


class SearchResult(BaseModel):
    q: str
    similarity: list[float] = Field(description="one a frame: the cosine of its picture and the words, in [-1, 1]")
    moments: list[FoundMoment] = Field(description="the best first")
    warnings: list[str] = Field(default_factory=list, description="what to know before trusting the answer, in words")
    model: ModelInfo


class VideoResult(BaseModel):
    video: VideoInfo
    frames: list[Frame]
    moments: list[Moment] = Field(description="the strongest first")
    stands_out: bool = Field(description="whether any moment is strong")
    diversity: float | None = Field(
        default=None,
        ge=0,
        description="Vendi score: how many different pictures the frames amount to, from 1 to the number of frames",
    )
    parameters: AnalysedParameters
    models: list[ModelInfo]
