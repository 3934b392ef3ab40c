"""Examples of edits for the API's documentation, made from the contracts themselves."""

from datetime import UTC, datetime

from framesense.schemas.edits import (
    Axis,
    Change,
    EditedImage,
    EditorCapabilities,
    EditParameters,
    EditResult,
    Preserve,
    PromptSimilarity,
    SamplerInfo,
    SchedulerName,
    SeriesParameters,
    Task,
)
from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.schemas.models import ModelInfo

_JOB_ID = "5c1e0f7a9b3d4e6f8a7b6c5d4e3f2a1b"
_AT = f"/jobs/{_JOB_ID}"

MODEL = ModelInfo(
    service="editor",
    name="embedded",
    family="pixel-diffusion",
    revision="e41c07d2b9aa",
    device="cpu",
    dtype="float32",
    parameters=38_000_000,
)
PARAMETERS = EditParameters(
    prompt="a bedroom at night",
    strength=0.6,
    steps=20,
    guidance_scale=5,
    seed=7,
    scheduler=SchedulerName.DDIM,
    width=1024,
    height=768,
    preserve=Preserve.NONE,
)
SERIES = SeriesParameters(
    base=EditParameters(prompt="a bedroom at night", seed=7),
    rows=Axis(parameter="strength", values=[0.3, 0.5, 0.7]),
    columns=Axis(parameter="guidance_scale", values=[3, 7]),
)
CAPABILITIES = EditorCapabilities(
    tasks=[Task.EDIT, Task.DENOISE, Task.UPSCALE_X2],
    preserve=list(Preserve),
    schedulers=[SamplerInfo(name=name, title=name.label) for name in (SchedulerName.DDIM, SchedulerName.DPMPP_2M)],
    default_scheduler=SchedulerName.DDIM,
    default_steps=20,
    default_guidance_scale=5,
    size=64,
    multiple_of=8,
    note="A small model: it changes light, colour and weather, and draws no objects.",
    model=MODEL,
)
EDIT_JOB = Job(
    id=_JOB_ID,
    kind=JobKind.EDIT,
    name="bedroom.jpg",
    state=JobState.QUEUED,
    parameters=EditParameters(prompt="a bedroom at night", strength=0.6, seed=7).model_dump(
        mode="json", exclude_none=True
    ),
    created_at=datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
    queue_position=0,
)
EDIT_RESULT = EditResult(
    job_id=_JOB_ID,
    name="bedroom.jpg",
    parameters=PARAMETERS,
    images=[
        EditedImage(
            index=0,
            seed=7,
            width=1024,
            height=768,
            parameters=PARAMETERS,
            change=Change(inside=0.14, outside=0.0, region=1.0),
            agreement=PromptSimilarity(before=0.12, after=0.17, gain=0.05, photo_similarity=0.81),
            seconds=2.4,
            method="SDEdit, guided upsampling",
            notes=["A small model: it changes light, colour and weather, and draws no objects."],
            image_url=f"{_AT}/images/0.png",
            change_map_url=f"{_AT}/changes/0.png",
            photo="bedroom.jpg",
            photo_index=0,
            photo_url=f"{_AT}/sources/0",
        )
    ],
    model=MODEL,
)
