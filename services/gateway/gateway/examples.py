"""Examples for the API's documentation, made from the contracts themselves so that they cannot disagree with them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from framesense.schemas.captions import Caption, CaptionResponse, CaptionToken
from framesense.schemas.jobs import Job, JobKind, JobList, JobState, Progress
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.novelty import (
    Frame,
    Moment,
    NoveltyCurve,
    NoveltyParameters,
    VideoInfo,
    VideoParameters,
    VideoResult,
)
from framesense.schemas.problems import problem_responses
from framesense.schemas.references import Reference, ReferenceList, TimeRange

JOB_ID = "0b9f6d1c5b7e4a0f9d1e2c3b4a5f6071"
_THUMBNAIL = f"/jobs/{JOB_ID}/frames/3.jpg"
_CAPTIONS = ("a man walks down a street",) * 3 + ("a dog runs through the grass",)
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
MODELS = ModelsResponse(models=[MODEL])
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
    novelty=_NOVELTY[3],
    score=90.4,
    thumbnail=_THUMBNAIL,
)
CURVE = NoveltyCurve(parameters=NoveltyParameters(), novelty=list(_NOVELTY), moments=[_MOMENT])
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
    ),
    frames=[
        Frame(
            index=index,
            time=10.0 * index,
            caption=caption,
            novelty=novelty,
            thumbnail=f"/jobs/{JOB_ID}/frames/{index}.jpg",
        )
        for index, (caption, novelty) in enumerate(zip(_CAPTIONS, _NOVELTY, strict=True))
    ],
    moments=[_MOMENT],
    diversity=2.4,
    parameters=VideoParameters(),
    models=[MODEL],
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
EVENT = f"id: 1767605401000-0\r\nevent: job\r\ndata: {JOB.model_dump_json()}\r\n\r\n"
OLDER_IMAGE = {"captions": "a brown dog", "encoders_out": [[[[0.0, 0.31]]]], "embedded_words": [[0.12, -0.4]]}
OLDER_VIDEO = {"captions": list(_CAPTIONS), "distance_from_previous": [0.0, 0.0, 0.0, 1.37]}


def responses(answers: Mapping[int, Mapping[str, Any]], *problems: int) -> dict[int | str, dict[str, Any]]:
    """A route's ``responses=``: what it answers, and the statuses of its problem documents (422 is every route's)."""
    return {**{status: dict(answer) for status, answer in answers.items()}, **problem_responses(*problems, 422)}


def json_example(description: str, example: BaseModel | dict[str, Any]) -> dict[str, Any]:
    """One entry of a route's ``responses=``."""
    value = example.model_dump(mode="json", exclude_none=True) if isinstance(example, BaseModel) else example
    return {"description": description, "content": {"application/json": {"example": value}}}


def text_example(description: str, media_type: str, example: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    return {"description": description, "content": content}


def binary_response(description: str, media_type: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}


def form_body(properties: dict[str, Any], *, required: list[str] | None = None) -> dict[str, Any]:
    """The ``openapi_extra=`` of a route that reads a multipart form by itself."""
    schema = {"type": "object", "properties": properties, "required": required or []}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
