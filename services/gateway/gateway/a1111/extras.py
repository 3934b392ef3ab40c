"""Enlarge pictures: by the editor, as a job, or by the two classical methods that every such server has."""

import asyncio
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from fastapi import Request
from PIL import Image

from framesense.edits.rules import SizeLimits, check_result_size
from framesense.http.problems import ProblemError
from framesense.media.images import RGB, ImageLimits, decode_image
from framesense.schemas.edits import EditorCapabilities, EditParameters, Task
from framesense.schemas.jobs import Job
from gateway.a1111.answers import ResultPicture
from gateway.a1111.options import upscalers
from gateway.a1111.pictures import picture_bytes, png
from gateway.a1111.refusals import refuse_unsupported_extras, unsupported
from gateway.a1111.running import run
from gateway.a1111.schemas import ExtrasRequest
from gateway.a1111.translation import DecodedPhoto, TranslatedEdit
from gateway.dependencies import Dependencies

MOST = 4.0
"""How many times larger a side may become."""
_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}


@dataclass(frozen=True)
class Enlargement:
    """How many times larger a picture becomes, its size in pixels, and what is kept of that."""

    factor: float
    width: int
    height: int
    kept_width: int
    kept_height: int

    def resampled(self, pixels: RGB, method: Image.Resampling = Image.Resampling.LANCZOS) -> RGB:
        """Resample a picture to that size, and cut what stands out alike on both sides."""
        whole = Image.fromarray(pixels)
        if whole.size != (self.width, self.height):
            whole = whole.resize((self.width, self.height), method)
        left, top = (self.width - self.kept_width) // 2, (self.height - self.kept_height) // 2
        return np.asarray(whole.crop((left, top, left + self.kept_width, top + self.kept_height)))


def is_classical(upscaler: str) -> bool:
    """Return whether an upscaler needs no model."""
    return upscaler.lower() in ("none", *_FILTERS)


def check_upscaler(request: ExtrasRequest, capabilities: EditorCapabilities | None) -> None:
    """Check that the upscaler is there.

    ``capabilities``: None where it needs no model. Raises ProblemError: 404 for an unknown upscaler, 422 for what is
    not there.
    """
    refuse_unsupported_extras(request)
    if capabilities is None:
        return
    offered = [upscaler.name for upscaler in upscalers(capabilities)]
    if request.upscaler_1.lower() not in {name.lower() for name in offered}:
        detail = f"Upscaler not found: {request.upscaler_1[:100]!r}. There are {', '.join(offered)}."
        raise ProblemError(404, "unknown-upscaler", "Upscaler not found", detail)


def enlargement(request: ExtrasRequest, width: int, height: int, *, max_pixels: int) -> Enlargement:
    """Return what becomes of a picture of that width and height.

    Raises ProblemError: 422 for more than :data:`MOST` times, 413 for a result of more than ``max_pixels``.
    """
    if request.upscaler_1.lower() == "none":
        return Enlargement(1, width, height, width, height)
    wanted = request.upscaling_resize_w, request.upscaling_resize_h
    factor = max(wanted[0] / width, wanted[1] / height) if request.resize_mode else request.upscaling_resize
    if factor > MOST:
        raise unsupported(f"The picture would become {factor:g} times as large; {MOST:g} times is the most.")
    size = max(1, round(width * factor)), max(1, round(height * factor))
    check_result_size(*size, SizeLimits(min_side=1, max_side=max(size), max_result_pixels=max_pixels))
    crops = request.resize_mode == 1 and request.upscaling_crop
    kept = (min(size[0], wanted[0]), min(size[1], wanted[1])) if crops else size
    return Enlargement(factor, *size, *kept)


@dataclass(frozen=True)
class Enlarged:
    """The pictures as PNG, in the order sent, and the job that made them where there was one."""

    pngs: list[bytes]
    targets: list[Enlargement]
    upscaler: str
    job: Job | None = None

    @property
    def html_info(self) -> str:
        sizes = ", ".join(f"{target.kept_width}x{target.kept_height}" for target in self.targets)
        return f"<p>Upscaler: {self.upscaler}, size: {sizes}</p>"


async def enlarge(
    request: Request, dependencies: Dependencies, body: ExtrasRequest, pictures: Mapping[str, str]
) -> Enlarged:
    """Enlarge pictures.

    ``pictures``: in base64, by what to call them in an error.

    Raises ProblemError: 404 an unknown upscaler, 413, 415 and 422 for pictures, and as :func:`run` does.
    """
    capabilities = None if is_classical(body.upscaler_1) else await dependencies.editor.capabilities()
    check_upscaler(body, capabilities)
    settings = dependencies.settings
    if not pictures or len(pictures) > settings.edit_max_photos:
        detail = f"Send 1 to {settings.edit_max_photos} pictures; {len(pictures)} came."
        raise ProblemError(422, "wrong-number-of-images", "Wrong number of images", detail)
    if capabilities is None:
        return await asyncio.to_thread(_enlarge_classically, body, pictures, dependencies)
    photos, targets = await asyncio.to_thread(_read, body, pictures, dependencies)
    task = Task.UPSCALE_X2 if all(target.factor <= 2 for target in targets) else Task.UPSCALE_X4
    edit = TranslatedEdit(EditParameters(task=task), photos)
    finished = await run(request, dependencies, edit, capabilities, task=body.force_task_id)
    if len(finished.pictures) < len(photos):
        detail = f"Job {finished.job.id} was interrupted after {len(finished.pictures)} of {len(photos)} pictures."
        raise ProblemError(410, "job-cancelled", "Job cancelled", detail)
    name = next(
        upscaler.name for upscaler in upscalers(capabilities) if upscaler.name.lower() == body.upscaler_1.lower()
    )
    pngs = await asyncio.to_thread(_to_size, finished.pictures, targets)
    return Enlarged(pngs, targets, name, finished.job)


def _read(
    request: ExtrasRequest, pictures: Mapping[str, str], dependencies: Dependencies
) -> tuple[list[DecodedPhoto], list[Enlargement]]:
    photos, targets = [], []
    for file, pixels in _decode(pictures, dependencies.image_limits):
        height, width = pixels.shape[:2]
        photos.append(DecodedPhoto(file, width, height))
        targets.append(enlargement(request, width, height, max_pixels=dependencies.settings.editor_max_result_pixels))
    return photos, targets


def _enlarge_classically(request: ExtrasRequest, pictures: Mapping[str, str], dependencies: Dependencies) -> Enlarged:
    method = _FILTERS.get(request.upscaler_1.lower(), Image.Resampling.NEAREST)
    pngs, targets = [], []
    for _, pixels in _decode(pictures, dependencies.image_limits):
        height, width = pixels.shape[:2]
        target = enlargement(request, width, height, max_pixels=dependencies.settings.editor_max_result_pixels)
        pngs.append(png(target.resampled(pixels, method)))
        targets.append(target)
    return Enlarged(pngs, targets, request.upscaler_1.capitalize())


def _decode(pictures: Mapping[str, str], limits: ImageLimits) -> Iterator[tuple[bytes, RGB]]:
    """Decode pictures one after another, each once; yield each file with its pixels."""
    for name, text in pictures.items():
        file = picture_bytes(text, limits, name=name)
        yield file, decode_image(file, limits, name=name)


def _to_size(pictures: list[ResultPicture], targets: list[Enlargement]) -> list[bytes]:
    """Bring the editor's pictures, which are two or four times as large as the photos, to the size asked for."""
    return [
        picture.png
        if (picture.image.width, picture.image.height) == (target.kept_width, target.kept_height)
        else _resampled(picture.png, target)
        for picture, target in zip(pictures, targets, strict=True)
    ]


def _resampled(content: bytes, target: Enlargement) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return png(target.resampled(np.asarray(image.convert("RGB"))))
