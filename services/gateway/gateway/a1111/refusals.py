"""Refuse what that API can be asked for and an edit cannot do, with the reason: ignoring it would give another picture
than the one asked for. What changes nothing, such as a default that a client sends unasked, passes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from framesense.http.problems import ProblemError
from framesense.schemas.edits import MAX_IMAGES, EditorCapabilities
from gateway.a1111.options import refuse_changes
from gateway.a1111.schemas import ExtrasRequest, ImageRequest, Img2ImgRequest, Txt2ImgRequest

PIX2PIX = "pix2pix"
_EXTRA_NETWORK = re.compile(r"<\s*(lora|lyco|hypernet)\s*:", re.IGNORECASE)


def refuse_unsupported(request: ImageRequest, capabilities: EditorCapabilities) -> None:
    """Raise ProblemError 422 for the first thing that has no counterpart here; 404 for another model."""
    for is_asked_for, reason in (*_of_any(request), *_of_one_kind(request, capabilities)):
        if is_asked_for:
            raise unsupported(reason)
    for script, settings in request.alwayson_scripts.items():
        if _is_active(settings):
            raise unsupported(f"always on script {script!r} not found: there are no scripts or extensions here.")
    refuse_changes(request.override_settings, capabilities, where="override_settings")


def refuse_unsupported_extras(request: ExtrasRequest) -> None:
    """Raise ProblemError 422 for an option of upscaling that is not there."""
    if request.gfpgan_visibility or request.codeformer_visibility:
        raise unsupported("There is no face restoration here: leave gfpgan_visibility and codeformer_visibility at 0.")
    if request.extras_upscaler_2_visibility and request.upscaler_2 != "None":
        raise unsupported("Two upscalers are not mixed here: leave extras_upscaler_2_visibility at 0.")


def unsupported(detail: str) -> ProblemError:
    return ProblemError(422, "unsupported-option", "Unsupported option", detail)


def _of_any(request: ImageRequest) -> Iterator[tuple[Any, str]]:
    words = f"{request.prompt}\n{request.negative_prompt}"
    yield _EXTRA_NETWORK.search(words), "The prompt names a LoRA or hypernetwork (<lora:…>); there are none here."
    yield any(request.styles), "Styles are not kept here: write their words into the prompt."
    yield request.subseed_strength, "Seeds are not mixed here: leave subseed_strength at 0."
    yield (
        request.seed_resize_from_w > 0 or request.seed_resize_from_h > 0,
        "Seeds are not resized here: leave seed_resize_from_w and seed_resize_from_h out.",
    )
    yield request.restore_faces, "There is no face restoration here: leave restore_faces false."
    yield request.tiling, "There are no tiling pictures here: leave tiling false."
    yield request.refiner_checkpoint not in ("", "None"), "There is no refiner here: leave refiner_checkpoint out."
    yield (
        request.script_name not in ("", "None"),
        f"Script {request.script_name[:100]!r} not found: there are none here.",
    )
    yield request.infotext, "infotext is not read here: POST /sdapi/v1/png-info reads it into fields to send."
    yield request.eta not in (None, 0, 1), "eta is the sampler's own here: leave it out."
    changed = request.s_churn or request.s_tmin or request.s_min_uncond or request.s_noise != 1 or request.s_tmax
    yield changed, "s_churn, s_tmin, s_tmax, s_noise and s_min_uncond are not there: leave them out."
    yield (
        request.pictures > MAX_IMAGES,
        f"batch_size × n_iter is {request.pictures}; at most {MAX_IMAGES} pictures are made by one request.",
    )


def _of_one_kind(request: ImageRequest, capabilities: EditorCapabilities) -> Iterator[tuple[Any, str]]:
    if isinstance(request, Txt2ImgRequest):
        yield request.enable_hr, "There is no second pass here (enable_hr). POST /sdapi/v1/extra-single-image enlarges."
        yield request.firstphase_width or request.firstphase_height, "There is no first phase: leave firstphase_* at 0."
    if isinstance(request, Img2ImgRequest):
        yield request.resize_mode == 3, "resize_mode 3 (of the latents) is not there: take 0 (stretch), 1 or 2."
        yield request.initial_noise_multiplier != 1, "Noise is not scaled here: leave initial_noise_multiplier at 1."
        guided = PIX2PIX in capabilities.model.family and request.image_cfg_scale not in (None, 1.5)
        yield guided, "How closely the photo is followed is fixed here: leave image_cfg_scale at 1.5."
        if request.mask:
            yield (
                request.inpainting_fill > 1,
                "inpainting_fill takes 0 (its surroundings) or 1 (the photo itself) here.",
            )


def _is_active(settings: Any) -> bool:
    """Return whether a script's entry asks for anything: clients send ``{"args": []}`` or ``{"args": [false]}`` to say
    no.
    """
    arguments = settings.get("args") if isinstance(settings, Mapping) else settings
    return any(arguments) if isinstance(arguments, list) else bool(arguments)
