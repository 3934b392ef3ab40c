"""Examples of the A1111 API for the documentation, made from its contracts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from framesense.schemas.jobs import JobState, Progress
from gateway.a1111 import options, progress, schemas
from gateway.a1111.infotext import read_infotext
from gateway.a1111.samplers import offered_samplers
from gateway.openapi import editing_examples


def listed(description: str, items: Sequence[BaseModel]) -> dict[str, Any]:
    """Build an entry of a route's ``responses=``, for a list."""
    value = [item.model_dump(mode="json") for item in items]
    return {"description": description, "content": {"application/json": {"example": value}}}


PICTURE = "iVBORw0KGgo…"
_CAPABILITIES = editing_examples.CAPABILITIES
IMG2IMG = schemas.Img2ImgRequest(
    init_images=[PICTURE], prompt="a bedroom at night", denoising_strength=0.6, seed=7, force_task_id="task(1)"
)
TXT2IMG = schemas.Txt2ImgRequest(prompt="a bedroom at night", seed=7)
IMAGES = schemas.ImagesResponse(images=[PICTURE], parameters={"prompt": "a bedroom at night"}, info='{"seed": 7, …}')
EXTRA_SINGLE = schemas.ExtraSingleRequest(image=PICTURE, upscaler_1=options.EDITOR_UPSCALER)
EXTRA_BATCH = schemas.ExtraBatchRequest(
    imageList=[schemas.NamedPicture(data=PICTURE, name="a.png")], upscaler_1=options.EDITOR_UPSCALER
)
_UPSCALED = f"<p>Upscaler: {options.EDITOR_UPSCALER}, size: 1024x768</p>"
EXTRA = schemas.ExtraSingleResponse(html_info=_UPSCALED, image=PICTURE)
EXTRAS = schemas.ExtraBatchResponse(html_info=_UPSCALED, images=[PICTURE])
INTERROGATE = schemas.InterrogateRequest(image=PICTURE)
CAPTION = schemas.InterrogateResponse(caption="a bedroom with a large bed")
PNG_INFO_REQUEST = schemas.PngInfoRequest(image=PICTURE)
_INFOTEXT = "a bedroom at night\nSteps: 20, Sampler: DDIM, CFG scale: 5, Seed: 7, Size: 1024x768, Model: embedded"
PNG_INFO = schemas.PngInfoResponse(info=_INFOTEXT, items={}, parameters=read_infotext(_INFOTEXT))
_JOB = editing_examples.EDIT_JOB.model_copy(
    update={
        "state": JobState.RUNNING,
        "progress": Progress(done=6, total=12, message="step 6 of 12"),
        "started_at": datetime(2026, 1, 5, 9, 30, 1, tzinfo=UTC),
        "queue_position": None,
    }
)
PROGRESS = progress.progress_response(_JOB, 1, None).model_copy(
    update={"eta_relative": 1.2, "current_image": "/9j/4AAQSkZJRg…"}
)
TASK_PROGRESS_REQUEST = schemas.TaskProgressRequest(id_task="task(1)")
TASK_PROGRESS = progress.task_progress_response(editing_examples.EDIT_JOB, None)
OPTIONS = options.options(_CAPABILITIES)
CHECKPOINT = options.checkpoint(_CAPABILITIES.model)
SAMPLERS = offered_samplers(_CAPABILITIES)
UPSCALERS = options.upscalers(_CAPABILITIES)
MEMORY = schemas.MemoryResponse(
    ram={"free": 6 * 1024**3, "used": 2 * 1024**3, "total": 8 * 1024**3}, cuda={"error": "unavailable"}
)
