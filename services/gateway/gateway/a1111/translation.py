"""Translate a request of A1111's API into an edit: its parameters, its photos, its mask, and where the result
belongs.
"""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import ValidationError

from framesense.edits.rules import LEAST_STRENGTH, empty_mask, mask_weights
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.images import RGB, ImageLimits, decode_image
from framesense.schemas.edits import (
    MAX_SEED,
    Axis,
    EditorCapabilities,
    EditParameters,
    Fit,
    Preserve,
    SeriesParameters,
    Task,
)
from gateway.a1111.inpainting import BLUR_MARGIN, LEAST_SIDE, Box, fill_from_surroundings, masked_box
from gateway.a1111.pictures import Mask, picture_bytes, png, read_mask, resized, unit
from gateway.a1111.refusals import refuse_unsupported, unsupported
from gateway.a1111.routing import invalid
from gateway.a1111.samplers import SamplerChoice, choose_sampler
from gateway.a1111.schemas import ImageRequest, Img2ImgRequest, Txt2ImgRequest
from gateway.edits.sources import DecodedSources, PhotoSize, Sources

STRETCH = 0
"""The resize_mode that keeps no proportions."""
FILL = 0
"""The inpainting_fill that begins with the mask's surroundings."""
RECOLOURING_FAMILIES = ("pixel-diffusion",)
"""Families of models that only change what is there."""
_A1111_NAMES = {
    "strength": "denoising_strength",
    "guidance_scale": "cfg_scale",
    "images": "batch_size × n_iter",
    "scheduler": "sampler_name",
}
_FITS = {1: Fit.CROP, 2: Fit.FILL}


@dataclass(frozen=True)
class Frame:
    """The photo around the part that is edited: what becomes of the part goes back into it."""

    photo: RGB
    box: Box


@dataclass(frozen=True)
class DecodedPhoto:
    """An image file that was decoded before, and its size in pixels: it is decoded once."""

    content: bytes
    width: int
    height: int

    @classmethod
    def encode(cls, pixels: RGB) -> Self:
        """Encode H × W × 3 pixels as PNG."""
        return cls(png(pixels), pixels.shape[1], pixels.shape[0])


@dataclass(frozen=True)
class TranslatedEdit:
    """An edit to submit, translated from a request of that API."""

    parameters: EditParameters
    photos: list[DecodedPhoto] = field(default_factory=list)
    """None where the picture is made from words alone."""
    mask: Mask | None = None
    frame: Frame | None = None
    """Where only a part of the photo is edited."""
    notes: tuple[str, ...] = ()
    """What whoever asked should know of the result."""

    @property
    def sources(self) -> Sources:
        """Return the files to submit."""
        photos = [Upload(photo.content, _photo_name(index), None) for index, photo in enumerate(self.photos)]
        return Sources(photos, None if self.mask is None else Upload(png(self.mask), "mask", None))

    @property
    def decoded(self) -> DecodedSources:
        """Return the facts about these files that the rules of an edit ask for."""
        photos = [PhotoSize(_photo_name(index), each.width, each.height) for index, each in enumerate(self.photos)]
        return DecodedSources(photos, None if self.mask is None else mask_weights(unit(self.mask)))

    @property
    def series(self) -> SeriesParameters | None:
        """Return the same edit of several photos, each with the same seeds; None for one photo or none."""
        if len(self.photos) < 2:
            return None
        pictures, seed = self.parameters.images, self.parameters.seed
        if pictures == 1:
            return SeriesParameters(base=self.parameters)
        first = secrets.randbelow(MAX_SEED + 2 - pictures) if seed is None else seed
        base = self.parameters.model_copy(update={"images": 1, "seed": first})
        return SeriesParameters(base=base, columns=Axis(parameter="seed", values=list(range(first, first + pictures))))


def _photo_name(index: int) -> str:
    return f"photo {index + 1}"


def from_words(request: Txt2ImgRequest, capabilities: EditorCapabilities) -> TranslatedEdit:
    """Translate a txt2img request. Raises ProblemError: 404 an unknown sampler or model, 422 what cannot be done."""
    refuse_unsupported(request, capabilities)
    if Task.GENERATE not in capabilities.tasks:
        detail = (
            f"The loaded model ({capabilities.model.name}) edits photos and makes none from words alone. Send a photo "
            "to /sdapi/v1/img2img."
        )
        raise ProblemError(422, "model-cannot", "Not with this model", detail)
    sampler = _sampler(request, capabilities)
    parameters = _parameters(request, sampler, task=Task.GENERATE, images=request.pictures)
    return TranslatedEdit(parameters, notes=sampler.notes)


def from_photos(
    request: Img2ImgRequest, capabilities: EditorCapabilities, limits: ImageLimits, *, max_photos: int
) -> TranslatedEdit:
    """Translate an img2img request. Decodes the pictures: not for an event loop.

    Raises ProblemError: 404 no init image, an unknown sampler or model; 413 and 415 for pictures; 422 else.
    """
    count = len(request.init_images)
    if not count:
        detail = "Init image not found: send at least one in init_images, in base64."
        raise ProblemError(404, "no-init-image", "Init image not found", detail)
    if count > max_photos:
        detail = f"init_images has {count} pictures; at most {max_photos} are taken in one request."
        raise ProblemError(413, "too-many-images", "Too many images", detail)
    refuse_unsupported(request, capabilities)
    # Before the pictures are decoded: a number out of its range is cheaper to find.
    sampler = _sampler(request, capabilities)
    parameters = _parameters(
        request,
        sampler,
        strength=_strength(request.denoising_strength),
        # Several photos are one batch, as that API has it: batch_size is their number then.
        images=request.pictures if count == 1 else request.n_iter,
        fit=_FITS.get(request.resize_mode, Fit.FIT),
        **({"preserve": Preserve.MASK, "mask_blur": _blur(request)} if request.mask else {}),
    )
    names = [f"init_images[{index}]" for index in range(count)]
    files = [picture_bytes(text, limits, name=name) for text, name in zip(request.init_images, names, strict=True)]
    pictures = [decode_image(file, limits, name=name) for file, name in zip(files, names, strict=True)]
    if request.mask:
        if count > 1:
            raise unsupported("A mask belongs to one photo, and init_images has several. Send them one by one.")
        mask = read_mask(request.mask, limits, invert=request.inverts)
        fills = request.inpainting_fill == FILL
        notes = sampler.notes
        if fills and capabilities.model.family in RECOLOURING_FAMILIES:
            # 0 is what clients send unasked: a hole in the photo would be all that comes of it.
            fills, notes = False, (*notes, "what is masked starts from the photo: the model cannot paint it anew")
        edit = _inpainting(request, parameters, pictures[0], mask, fills=fills)
        return replace(edit, notes=notes)
    photos = [_photo(file, picture, request) for file, picture in zip(files, pictures, strict=True)]
    return TranslatedEdit(parameters, photos, notes=sampler.notes)


def _inpainting(
    request: Img2ImgRequest, parameters: EditParameters, photo: RGB, mask: Mask, *, fills: bool
) -> TranslatedEdit:
    if not mask_weights(unit(mask)).any():
        raise empty_mask("The mask has no white, so nothing would change. inpainting_mask_invert=1 takes its black.")
    mask = resized(mask, photo.shape[1], photo.shape[0])
    start = fill_from_surroundings(photo, mask) if fills else photo
    if request.inpaint_full_res:
        margin = request.inpaint_full_res_padding + BLUR_MARGIN * parameters.mask_blur
        aspect = request.width / request.height
        box = masked_box(mask, margin=margin, aspect=aspect, least_side=LEAST_SIDE)
        if box is not None:  # else its few white pixels went when it was made smaller
            # The part keeps its own size, so that it goes back as it is; the editor brings it to its model's.
            own_size = {**parameters.model_dump(exclude_unset=True), "width": None, "height": None}
            part = DecodedPhoto.encode(box.cut(start))
            return TranslatedEdit(EditParameters.model_validate(own_size), [part], box.cut(mask), Frame(photo, box))
    if request.resize_mode == STRETCH:
        start, mask = resized(start, request.width, request.height), resized(mask, request.width, request.height)
    return TranslatedEdit(parameters, [DecodedPhoto.encode(start)], mask)


def _photo(file: bytes, picture: RGB, request: Img2ImgRequest) -> DecodedPhoto:
    """Stretch a photo to other proportions where those are asked for; else keep its file: the editor resizes it."""
    height, width = picture.shape[:2]
    if request.resize_mode == STRETCH and abs(width * request.height - height * request.width) >= max(width, height):
        return DecodedPhoto.encode(resized(picture, request.width, request.height))
    return DecodedPhoto(file, width, height)


def _strength(denoising_strength: float) -> float:
    """Return the strength of an edit. 0 is one step of the least noise, as that API has it."""
    return LEAST_STRENGTH if 0 <= denoising_strength < LEAST_STRENGTH else denoising_strength


def _blur(request: Img2ImgRequest) -> float:
    try:
        return request.blur
    except ValueError as error:
        raise unsupported(str(error)) from error


def _sampler(request: ImageRequest, capabilities: EditorCapabilities) -> SamplerChoice:
    return choose_sampler(request.sampler_name or request.sampler_index, request.scheduler, capabilities)


def _parameters(request: ImageRequest, sampler: SamplerChoice, **own: Any) -> EditParameters:
    given = {
        "prompt": request.prompt,
        "unconditional": None if request.prompt.strip() else True,
        "negative_prompt": request.negative_prompt,
        "steps": request.steps,
        "guidance_scale": request.cfg_scale,
        "seed": None if request.seed == -1 else request.seed,
        "scheduler": sampler.scheduler,
        "width": request.width,
        "height": request.height,
        **own,
    }
    try:
        return EditParameters.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = [
            {**fault, "loc": tuple(_A1111_NAMES.get(str(place), place) for place in fault["loc"])}
            for fault in error.errors()
        ]
        raise invalid(faults) from error
