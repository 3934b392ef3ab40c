"""What an edit gave, as A1111 answers it: PNGs in base64, and ``info``, a JSON document in a string."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from framesense.edits.png_metadata import PARAMETERS, with_texts
from framesense.schemas.edits import EditedImage, SchedulerName, Task
from framesense.schemas.jobs import Job
from framesense.schemas.models import ModelInfo
from gateway.a1111.options import checkpoint
from gateway.a1111.pictures import base64_text, png
from gateway.a1111.samplers import SAMPLERS
from gateway.a1111.schemas import ImageRequest, ImagesResponse, Img2ImgRequest
from gateway.a1111.translation import Frame, TranslatedEdit


@dataclass(frozen=True)
class Made:
    """One finished picture: its description, and its PNG."""

    image: EditedImage
    png: bytes


@dataclass(frozen=True)
class Ended:
    """A job that has ended with at least one picture."""

    job: Job
    made: list[Made]
    model: ModelInfo
    waited_behind: int | None
    """How many jobs were before it when it was submitted."""


def images_response(request: ImageRequest, edit: TranslatedEdit, ended: Ended) -> ImagesResponse:
    """Decodes and encodes pictures: not for an event loop."""
    made = batches(ended.made, len(edit.photos))
    if edit.frame:
        made = [put_back(one, edit.frame) for one in made]
    return ImagesResponse(
        images=[base64_text(one.png) for one in made] if request.send_images else [],
        parameters=_echo(request),
        info=json.dumps(_info(request, ended, made, edit.notes)),
    )


def put_back(one: Made, frame: Frame) -> Made:
    """The edited part in its photo, with the texts that the part's PNG carried."""
    with Image.open(io.BytesIO(one.png)) as part:
        texts = _texts(part)
        whole = frame.box.paste(np.asarray(part.convert("RGB")), frame.photo)
    size = {"width": whole.shape[1], "height": whole.shape[0]}
    return Made(one.image.model_copy(update=size), with_texts(png(whole), texts))


def batches(made: Sequence[Made], photos: int) -> list[Made]:
    """From photo by photo, as a series goes, to one batch of all photos after the other; an interrupted one stays as
    it is."""
    if photos < 2 or len(made) % photos:
        return list(made)
    each = len(made) // photos
    return [made[start] for turn in range(each) for start in range(turn, len(made), each)]


def _echo(request: ImageRequest) -> dict[str, Any]:
    """The request; its pictures only where it asks for them."""
    repeats = isinstance(request, Img2ImgRequest) and request.include_init_images
    dropped = {} if repeats else dict.fromkeys(("init_images", "mask") if isinstance(request, Img2ImgRequest) else ())
    return {**request.model_dump(mode="json"), **dropped}


def _info(request: ImageRequest, ended: Ended, made: Sequence[Made], notes: Sequence[str]) -> dict[str, Any]:
    first = made[0].image
    done, loaded = first.parameters, checkpoint(ended.model)
    seeds = [one.image.seed for one in made]
    edited, masked = done.task is Task.EDIT, isinstance(request, Img2ImgRequest) and request.mask != ""
    return {
        "prompt": done.prompt,
        "all_prompts": [done.prompt] * len(made),
        "negative_prompt": done.negative_prompt,
        "all_negative_prompts": [done.negative_prompt] * len(made),
        "seed": first.seed,
        "all_seeds": seeds,
        "subseed": first.seed,
        "all_subseeds": seeds,
        "subseed_strength": 0,
        "width": first.width,
        "height": first.height,
        "sampler_name": _sampler(done.scheduler),
        "cfg_scale": done.guidance_scale,
        "steps": done.steps,
        "batch_size": request.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": loaded.model_name,
        "sd_model_hash": loaded.hash,
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": done.strength if edited else None,
        "extra_generation_params": {"Mask blur": done.mask_blur} if masked else {},
        "index_of_first_image": 0,
        "infotexts": [_infotext(one) for one in made],
        "styles": [],
        "job_timestamp": timestamp(ended.job),
        "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
        "job_id": ended.job.id,
        "task_id": request.force_task_id or None,
        "queue_position": ended.waited_behind,
        "notes": list(dict.fromkeys([*notes, *(note for one in made for note in one.image.notes)])),
        "changes": [one.image.change.model_dump() if one.image.change else None for one in made],
        "agreements": [one.image.agreement.model_dump() if one.image.agreement else None for one in made],
    }


def timestamp(job: Job) -> str:
    return (job.started_at or job.created_at).strftime("%Y%m%d%H%M%S")


def _sampler(scheduler: SchedulerName | None) -> str | None:
    return SAMPLERS[scheduler].name if scheduler else None


def _infotext(one: Made) -> str:
    with Image.open(io.BytesIO(one.png)) as image:
        return _texts(image).get(PARAMETERS, "")


def _texts(image: Image.Image) -> dict[str, str]:
    return {str(name): str(text) for name, text in image.info.items() if isinstance(text, str)}
