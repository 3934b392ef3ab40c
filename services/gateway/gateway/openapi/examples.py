"""Examples for the API's documentation, made from the contracts themselves so that they cannot disagree with them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from framesense.schemas.captions import Caption, CaptionResponse, CaptionToken
from framesense.schemas.jobs import Job, JobKind, JobList, JobState, Progress
from framesense.schemas.models import ModelInfo, ModelPhase, ModelServers, ModelState
from framesense.schemas.novelty import (
    AnalysedParameters,
    Box,
    FoundMoment,
    Frame,
    Moment,
    NoveltyCurve,
    NoveltyParameters,
    SearchResult,
    Strength,
    VideoInfo,
    VideoParameters,
    VideoPlan,
    VideoResult,
    WordChange,
)
from framesense.schemas.photo_sets import (
    ClassBalance,
    Clustering,
    ClusterMethod,
    LabelCount,
    Photo,
    PhotoSetParameters,
    PhotoSetReport,
    PhotoSetResult,
    Spread,
    TagStatistics,
)
from framesense.schemas.problems import problem_responses
from framesense.schemas.references import Reference, ReferenceList, TimeRange
from framesense.schemas.tags import DEFAULT_TEMPLATE, Tag, ThresholdOn
from framesense.schemas.videos import VideoStreamInfo
from gateway.openapi import tagging_examples

JOB_ID = "0b9f6d1c5b7e4a0f9d1e2c3b4a5f6071"
_THUMBNAIL = f"/jobs/{JOB_ID}/frames/3.jpg"
_CAPTIONS = ("a man walks down a street",) * 3 + ("a dog runs through the grass",)
_CONFIDENCES = (0.61, 0.58, 0.63, 0.82)
_NOVELTY = (0.0, 0.04, 0.03, 1.37)

MODEL = ModelInfo(
    service="captioner",
    name="embedded",
    family="show-attend-tell",
    revision="3f1c9a2b7d10",
    device="cpu",
    dtype="bfloat16",
    parameters=14_000_000,
)
MODEL_STATE = ModelState(
    service="captioner",
    model="embedded",
    state=ModelPhase.READY,
    device="cpu",
    memory_bytes=96_000_000,
    process_bytes=710_000_000,
    loaded_at=datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
    idle_since=datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
)
SWITCHING_STATE = MODEL_STATE.model_copy(update={"switching_to": "hf:Salesforce/blip-image-captioning-base"})
MODELS = ModelServers(
    models=[MODEL, tagging_examples.MODEL],
    states=[MODEL_STATE, MODEL_STATE.model_copy(update={"service": "tagger"})],
)
CAPTIONS = CaptionResponse(
    captions=[
        Caption(
            caption="a brown dog",
            tokens=[
                CaptionToken(text="a", log_probability=-0.21),
                CaptionToken(text="brown", log_probability=-0.63),
                CaptionToken(text="dog", log_probability=-0.12),
            ],
            log_probability=-0.32,
            confidence=0.74,
        )
    ],
    model=MODEL,
)
JOB = Job(
    id=JOB_ID,
    kind=JobKind.VIDEO,
    name="street.mp4",
    state=JobState.RUNNING,
    progress=Progress(done=120, total=360, message="captioning"),
    parameters=VideoParameters().model_dump(mode="json"),
    created_at=datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
    started_at=datetime(2026, 1, 5, 9, 30, 1, tzinfo=UTC),
)
CANCELLED_JOB = JOB.model_copy(
    update={"state": JobState.CANCELLED, "finished_at": datetime(2026, 1, 5, 9, 31, tzinfo=UTC)}
)
JOBS = JobList(jobs=[JOB], total=1)
_MOMENT = Moment(
    start=30.0,
    peak=30.0,
    end=30.0,
    peak_index=3,
    caption=_CAPTIONS[3],
    confidence=_CONFIDENCES[3],
    novelty=_NOVELTY[3],
    score=2.4,
    strength=Strength.STRONG,
    best=30.0,
    best_index=3,
    thumbnail=_THUMBNAIL,
    clip=f"/jobs/{JOB_ID}/moments/0.mp4",
    changes=[WordChange(word="car", change=2.6)],
    box=Box(x=0.1, y=0.4, width=0.3, height=0.2),
)
CURVE = NoveltyCurve(parameters=NoveltyParameters(), novelty=list(_NOVELTY), moments=[_MOMENT], stands_out=True)
_STREAM = VideoStreamInfo(number=0, width=1920, height=1080, codec="h264", shown_first=True)
VIDEO_RESULT = VideoResult(
    video=VideoInfo(
        name="street.mp4",
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        bytes=18_204_511,
        duration=40.0,
        width=1920,
        height=1080,
        fps=29.97,
        codec="h264",
        video_stream=0,
        video_streams=[_STREAM],
    ),
    frames=[
        Frame(
            index=index,
            time=10.0 * index,
            caption=caption,
            confidence=confidence,
            novelty=novelty,
            thumbnail=f"/jobs/{JOB_ID}/frames/{index}.jpg",
        )
        for index, (caption, confidence, novelty) in enumerate(zip(_CAPTIONS, _CONFIDENCES, _NOVELTY, strict=True))
    ],
    moments=[_MOMENT],
    stands_out=True,
    diversity=2.4,
    parameters=AnalysedParameters(every_n_second=10),
    models=[MODEL],
)
VIDEO_PLAN = VideoPlan(
    duration=40.0, every_n_second=0.25, frames=160, seconds=14.2, video_stream=0, video_streams=[_STREAM]
)
SEARCH_RESULT = SearchResult(
    q="a dog",
    similarity=[0.05, 0.04, 0.06, 0.31],
    moments=[
        FoundMoment(
            start=30.0,
            peak=30.0,
            end=30.0,
            peak_index=3,
            caption=_CAPTIONS[3],
            confidence=_CONFIDENCES[3],
            similarity=0.31,
            score=17.2,
            thumbnail=_THUMBNAIL,
        )
    ],
    model=MODEL.model_copy(update={"service": "tagger", "family": "dual-encoder"}),
)
REFERENCE = Reference(
    name="quiet-street",
    job=JOB_ID,
    ranges=[TimeRange(start=0, end=60)],
    created_at=datetime(2026, 1, 5, 9, 40, tzinfo=UTC),
    revision="5f0c2d9e81ab",
    frames=7,
    video="street.mp4",
)
REFERENCES = ReferenceList(references=[REFERENCE])
_LABELS = ["kitchen", "bathroom"]
_SPREADS = [Spread(min=low, mean=mean, median=mean, max=high) for low, mean, high in ((1, 1, 1), (0.28, 0.31, 0.34))]
PHOTO_SET_RESULT = PhotoSetResult(
    report=PhotoSetReport(
        name="hotels.zip",
        photos=2,
        skipped=[],
        bytes=Spread(min=81_020, mean=90_510, median=90_510, max=100_000),
        width=Spread(min=640, mean=640, median=640, max=640),
        height=Spread(min=480, mean=480, median=480, max=480),
        labels=_LABELS,
        templates=[DEFAULT_TEMPLATE],
        threshold=0.25,
        threshold_on=ThresholdOn.COSINE,
        tags=TagStatistics(
            per_photo=_SPREADS[0],
            best_cosine=_SPREADS[1],
            gap=Spread(min=0.1, mean=0.12, median=0.12, max=0.14),
            gap_rank=2,
            labels=[LabelCount(label=label, photos=1, share=0.5, mean_cosine=0.25) for label in _LABELS],
        ),
        class_balance=ClassBalance(
            entropy=1, imbalance=1, fits=[], note="Only 2 labels have photos: 8 at least are needed for a test."
        ),
        clusterings=[
            Clustering(method=ClusterMethod.KMEANS, on="embeddings", clusters=2, sizes=[1, 1], chosen_by="the request")
        ],
        exact_duplicates=0,
        near_duplicates=0,
        vendi_score=1.9,
        models=[MODEL.model_copy(update={"service": "tagger", "family": "dual-encoder"})],
    ),
    photos=[
        Photo(
            index=index,
            path=f"{hotel}/{label}.jpg",
            group=hotel,
            width=640,
            height=480,
            bytes=90_510,
            sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            tags=[Tag(label=label, cosine=0.31, probability=0.88)],
            clusters={ClusterMethod.KMEANS: index},
            x=1.5 * index,
            y=-0.5,
            thumbnail=f"/jobs/{JOB_ID}/photos/{index}.jpg",
        )
        for index, (hotel, label) in enumerate(zip(("hotel 1", "hotel 2"), _LABELS, strict=True))
    ],
    parameters=PhotoSetParameters(labels=_LABELS),
)
PHOTO_SET_JOB = JOB.model_copy(
    update={
        "kind": JobKind.PHOTO_SET,
        "name": "hotels.zip",
        "progress": Progress(done=120, total=360, message="tagging photos"),
        "parameters": PhotoSetParameters(labels=_LABELS).model_dump(mode="json"),
    }
)
EVENT = f"id: 1767605401000-0\r\nevent: job\r\ndata: {JOB.model_dump_json()}\r\n\r\n"
OLDER_IMAGE = {"captions": "a brown dog", "encoders_out": [[[[0.0, 0.31]]]], "embedded_words": [[0.12, -0.4]]}
OLDER_VIDEO = {"captions": list(_CAPTIONS), "distance_from_previous": [0.0, 0.0, 0.0, 1.37]}


OF_JOB_RESULTS = (404, 409, 410, 413, 415, 500, 503)
"""Statuses of what reads a job's result: it is not there, or not yet, or no longer, or a failed job's own problem."""


def responses(answers: Mapping[int, Mapping[str, Any]], *problems: int) -> dict[int | str, dict[str, Any]]:
    """Build a route's ``responses=``: what it answers, and the statuses of its problem documents.

    422 is every route's.
    """
    return {**{status: dict(answer) for status, answer in answers.items()}, **problem_responses(*problems, 422)}


def json_example(description: str, example: BaseModel | dict[str, Any]) -> dict[str, Any]:
    """Build an entry of a route's ``responses=``."""
    value = example.model_dump(mode="json", exclude_none=True) if isinstance(example, BaseModel) else example
    return {"description": description, "content": {"application/json": {"example": value}}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its definitions in the places that refer to them: it stands alone within the document."""
    definitions = schema.get("$defs", {})

    def put_in(part: Any) -> Any:
        if isinstance(part, list):
            return [put_in(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return put_in(
                {**definitions[part["$ref"].rsplit("/", 1)[-1]], **{k: v for k, v in part.items() if k != "$ref"}}
            )
        return {name: put_in(one) for name, one in part.items() if name != "$defs"}

    inlined: dict[str, Any] = put_in(schema)
    return inlined


def text_example(description: str, media_type: str, example: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    return {"description": description, "content": content}


def binary_response(description: str, *media_types: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    return {"description": description, "content": content}


def event_stream(description: str) -> dict[str, Any]:
    """Build the entry of a route that answers a job's events; the schema is of one event."""
    schema = {
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "description": "what to go on after, as Last-Event-ID"},
            "event": {"type": "string", "const": "job"},
            "data": {
                "description": "the job as JSON",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": "#/components/schemas/Job"},
            },
        },
    }
    return {"description": description, "content": {"text/event-stream": {"schema": schema, "example": EVENT}}}


def form_body(properties: dict[str, Any], *, required: list[str] | None = None, closed: bool = True) -> dict[str, Any]:
    """Build the ``openapi_extra=`` of a route that reads a multipart form by itself.

    ``closed``: other fields are refused.
    """
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required or []}
    if closed:
        schema["additionalProperties"] = False
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def json_body(contract: type[BaseModel], example: BaseModel) -> dict[str, Any]:
    """Build the ``openapi_extra=`` of a route that passes a JSON document on without reading it."""
    content = {"schema": _inlined(contract.model_json_schema()), "example": example.model_dump(mode="json")}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
