"""Answer with the pictures of an edit as A1111 does: PNGs in base64, and ``info``, a JSON document in a string."""

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
class ResultPicture:
    """One finished picture: its description, and its PNG."""

    image: EditedImage
    png: bytes


@dataclass(frozen=True)
class FinishedEdit:
    """A job that has ended with at least one picture."""

    job: Job
    pictures: list[ResultPicture]
    model: ModelInfo
    waited_behind: int | None
    """How many jobs were before it when it was submitted."""


def images_response(request: ImageRequest, edit: TranslatedEdit, finished: FinishedEdit) -> ImagesResponse:
    """Answer a request. Decodes and encodes pictures: not for an event loop."""
    pictures = batches(finished.pictures, len(edit.photos))
    if edit.frame:
        pictures = [paste_back(picture, edit.frame) for picture in pictures]
    return ImagesResponse(
        images=[base64_text(picture.png) for picture in pictures] if request.send_images else [],
        parameters=_echo(request),
        info=json.dumps(_info(request, finished, pictures, edit.notes)),
    )


def paste_back(picture: ResultPicture, frame: Frame) -> ResultPicture:
    """Paste the edited part into its photo, with the texts that the part's PNG carried."""
    with Image.open(io.BytesIO(picture.png)) as part:
        texts = _texts(part)
        whole = frame.box.paste(np.asarray(part.convert("RGB")), frame.photo)
    size = {"width": whole.shape[1], "height": whole.shape[0]}
    return ResultPicture(picture.image.model_copy(update=size), with_texts(png(whole), texts))


def batches(pictures: Sequence[ResultPicture], photos: int) -> list[ResultPicture]:
    """Reorder pictures from photo by photo, as a series goes, to one batch of all photos after the other; leave those
    of an interrupted job as they are.
    """
    if photos < 2 or len(pictures) % photos:
        return list(pictures)
    each = len(pictures) // photos
    return [pictures[start] for turn in range(each) for start in range(turn, len(pictures), each)]


def _echo(request: ImageRequest) -> dict[str, Any]:
    """Repeat the request; its pictures only where it asks for them."""
    repeats = isinstance(request, Img2ImgRequest) and request.include_init_images
    dropped = {} if repeats else dict.fromkeys(("init_images", "mask") if isinstance(request, Img2ImgRequest) else ())
    return {**request.model_dump(mode="json"), **dropped}


def _info(
    request: ImageRequest, finished: FinishedEdit, pictures: Sequence[ResultPicture], notes: Sequence[str]
) -> dict[str, Any]:
    first = pictures[0].image
    done, loaded = first.parameters, checkpoint(finished.model)
    seeds = [picture.image.seed for picture in pictures]
    edited, masked = done.task is Task.EDIT, isinstance(request, Img2ImgRequest) and request.mask != ""
    return {
        "prompt": done.prompt,
        "all_prompts": [done.prompt] * len(pictures),
        "negative_prompt": done.negative_prompt,
        "all_negative_prompts": [done.negative_prompt] * len(pictures),
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
        "infotexts": [_infotext(picture) for picture in pictures],
        "styles": [],
        "job_timestamp": timestamp(finished.job),
        "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
        "job_id": finished.job.id,
        "task_id": request.force_task_id or None,
        "queue_position": finished.waited_behind,
        "notes": list(dict.fromkeys([*notes, *(note for picture in pictures for note in picture.image.notes)])),
        "changes": [picture.image.change.model_dump() if picture.image.change else None for picture in pictures],
        "agreements": [
            picture.image.agreement.model_dump() if picture.image.agreement else None for picture in pictures
        ],
    }


def timestamp(job: Job) -> str:
    return (job.started_at or job.created_at).strftime("%Y%m%d%H%M%S")


def _sampler(scheduler: SchedulerName | None) -> str | None:
    return SAMPLERS[scheduler].name if scheduler else None


def _infotext(picture: ResultPicture) -> str:
    with Image.open(io.BytesIO(picture.png)) as image:
        return _texts(image).get(PARAMETERS, "")


def _texts(image: Image.Image) -> dict[str, str]:
    return {str(name): str(text) for name, text in image.info.items() if isinstance(text, str)}
