"""Decide what an edit may be: its pictures, sizes, strength, steps, mask and scheduler.

The gateway asks before there is a job, the editor before it begins, so that a request gets the same answer (status,
slug and words) from both. Everything here is pure: it works on parameters, sizes and arrays, and opens no file.

Ranges of single parameters (steps from 1 to 150, ...) are in :class:`framesense.schemas.edits.EditParameters`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framesense.http.problems import ProblemError
from framesense.schemas.edits import EditorCapabilities, EditParameters, Fit, Preserve, Task

Floats = NDArray[np.float32]

ENLARGEMENTS: Mapping[Task, int] = {Task.UPSCALE_X2: 2, Task.UPSCALE_X4: 4}
"""How many times longer each side becomes."""
TRAINING_STEPS = 1000
LEAST_STRENGTH = 1 / TRAINING_STEPS
"""Steps of the noise schedule that diffusion models are trained with: no schedule can be finer."""
MASK_NOISE = 0.03
"""Brightness, from 0 to 1, up to which a mask counts as black, and as far below 1 as white: a JPEG's black is not quite
black."""

_IN_WORDS: Mapping[Task, str] = {
    Task.EDIT: "edit a photo by words",
    Task.GENERATE: "make a picture from words alone",
    Task.DENOISE: "take the noise out of a photo",
    Task.UPSCALE_X2: "enlarge a photo",
    Task.UPSCALE_X4: "enlarge a photo",
}


@dataclass(frozen=True)
class SizeLimits:
    """Limits on photos and results, in pixels: each side's least and most, and the most width × height of a result."""

    min_side: int
    max_side: int
    max_result_pixels: int


# ----------------------------------------------------------------------------------------------- pictures and words


def resolve_preserve(parameters: EditParameters, *, has_mask: bool) -> Preserve:
    """Return what is kept: as asked, else the mask's black where a mask was sent, else nothing."""
    return parameters.preserve or (Preserve.MASK if has_mask else Preserve.NONE)


def check_request(parameters: EditParameters, *, has_image: bool, has_mask: bool) -> None:
    """Check that the pictures sent and the parameters go together.

    Raises ProblemError 422 for the first thing that is missing or contradicts another.
    """
    task, preserve = parameters.task, resolve_preserve(parameters, has_mask=has_mask)
    if task is Task.GENERATE and has_image:
        detail = "A picture made from words alone takes no photo. Leave the image out, or let the task be 'edit'."
        raise ProblemError(422, "unwanted-image", "Unwanted image", detail)
    if task is Task.GENERATE and has_mask:
        detail = "A picture made from words alone takes no mask. Leave the mask out, or let the task be 'edit'."
        raise ProblemError(422, "unwanted-mask", "Unwanted mask", detail)
    if task is not Task.GENERATE and not has_image:
        detail = "There is no photo to work on. Send it as the form field 'image': curl -F image=@room.jpg"
        raise ProblemError(422, "no-image", "No image", detail)
    if preserve is Preserve.MASK and not has_mask:
        detail = "preserve=mask needs a mask: send it as the form field 'mask', white where the photo may change."
        raise ProblemError(422, "no-mask", "No mask", detail)
    if preserve is Preserve.AUTO and (task.restores or parameters.unconditional):
        none = "a restoration has none" if task.restores else "there are none"
        raise _invalid(f"preserve=auto goes by the words, and {none}. Leave it out, or send a mask.")
    if task in ENLARGEMENTS and (has_mask or preserve is not Preserve.NONE):
        detail = "An upscale enlarges the whole photo. Leave preserve and the mask out."
        raise ProblemError(422, "unwanted-mask", "Unwanted mask", detail)
    if task in ENLARGEMENTS and (parameters.width or parameters.height):
        raise _invalid("The size of an upscale follows from the photo's. Leave width and height out.")
    if task is not Task.GENERATE and int(TRAINING_STEPS * parameters.strength) < 1:
        least = f"The least that does is {LEAST_STRENGTH:g}."
        raise _invalid(f"A strength of {parameters.strength:g} changes nothing. {least}")


def check_capabilities(
    parameters: EditParameters, capabilities: EditorCapabilities, *, scheduler_reason: str | None = None
) -> None:
    """Check that the editor's model has the task, the scheduler and the way to preserve that are asked for.

    Args:
        scheduler_reason: why the model takes no other schedulers, a clause to end a sentence with, where it is known.

    Raises ProblemError 422 ``model-cannot`` for the first that it lacks.
    """
    model = f"The editor's model ({capabilities.model.name})"
    if parameters.task not in capabilities.tasks:
        able = ", ".join(capabilities.tasks)
        raise _unable(f"{model} cannot {_IN_WORDS[parameters.task]}; it can do: {able}.")
    if parameters.preserve is not None and parameters.preserve not in capabilities.preserve:
        raise _unable(f"{model} cannot tell where words apply. Send a mask instead of preserve={parameters.preserve}.")
    known = [sampler.name for sampler in capabilities.schedulers]
    if parameters.scheduler is not None and parameters.scheduler not in known:
        reason = f" {scheduler_reason[0].upper()}{scheduler_reason[1:]}." if scheduler_reason else ""
        raise _unable(f"{model} has no scheduler {parameters.scheduler}; it has: {', '.join(known)}.{reason}")


# ------------------------------------------------------------------------------------------------------------ steps


def schedule_steps(steps: int, strength: float) -> int:
    """Return the steps of the schedule, raised where ``int(steps × strength)`` would be none: at least one is taken.

    The schedule becomes finer and the strength stays, so that the photo is changed no more than was asked for.
    """
    if int(steps * strength) >= 1:
        return steps
    finer = math.ceil(1 / strength)
    return finer if int(finer * strength) >= 1 else finer + 1


def steps_taken(steps: int, strength: float) -> int:
    """Return how many steps of a schedule are taken: its last ``int(steps × strength)``, as diffusers counts them."""
    return min(int(steps * strength), steps)


# ------------------------------------------------------------------------------------------------------------ sizes


def result_size(photo: tuple[int, int], parameters: EditParameters) -> tuple[int, int]:
    """Return the width and height of what is made of a photo of that width and height, in pixels."""
    if (factor := ENLARGEMENTS.get(parameters.task)) is not None:
        return factor * photo[0], factor * photo[1]
    return fitted_size(photo, parameters.width, parameters.height, parameters.fit)


def fitted_size(photo: tuple[int, int], width: int | None, height: int | None, fit: Fit) -> tuple[int, int]:
    """Return the size of a photo brought to a width and height.

    Where one of the two is None it follows from the photo's proportions; where both are, the photo keeps its size. With
    Fit.FIT the result keeps the photo's proportions within both.
    """
    w, h = photo
    if width is None and height is None:
        return w, h
    if width is None:
        assert height is not None
        return max(1, round(w * height / h)), height
    if height is None:
        return width, max(1, round(h * width / w))
    if fit is not Fit.FIT:
        return width, height
    scale = min(width / w, height / h)
    return min(width, max(1, round(w * scale))), min(height, max(1, round(h * scale)))


def generated_size(parameters: EditParameters, side: int) -> tuple[int, int]:
    """Return the size of a picture made from words alone: a square where one side is asked for, or none (``side``)."""
    return parameters.width or parameters.height or side, parameters.height or parameters.width or side


def check_photo_size(name: str, width: int, height: int, limits: SizeLimits) -> None:
    """Raise ProblemError for a photo of no size to edit: 422 ``image-too-small``, 413 ``image-too-large``."""
    if min(width, height) < limits.min_side:
        detail = (
            f"{name} has {width} × {height} pixels; each side needs at least {limits.min_side}. Send a larger photo."
        )
        raise ProblemError(422, "image-too-small", "Image too small", detail)
    if max(width, height) > limits.max_side:
        most = limits.max_side
        detail = f"{name} has {width} × {height} pixels; no side may have more than {most:,}. Send a smaller copy."
        raise ProblemError(413, "image-too-large", "Image too large", detail)


def check_result_size(width: int, height: int, limits: SizeLimits) -> None:
    """Raise ProblemError for a result that is not made: 422 ``result-too-small``, 413 ``result-too-large``."""
    if min(width, height) < limits.min_side:
        detail = f"The result would have {width} × {height} pixels; each side needs at least {limits.min_side}."
        raise ProblemError(422, "result-too-small", "Result too small", detail)
    if width * height > limits.max_result_pixels:
        detail = (
            f"The result would have {width} × {height} = {width * height:,} pixels; at most "
            f"{limits.max_result_pixels:,} are made. Send a smaller photo, or ask for a smaller width and height."
        )
        raise ProblemError(413, "result-too-large", "Result too large", detail)


# ------------------------------------------------------------------------------------------------------------ masks


def mask_weights(brightness: Floats, alpha: Floats | None = None) -> Floats:
    """Return how far each pixel of a mask lets the photo change, from 0 to 1, without the noise of a JPEG.

    Args:
        brightness: H × W, from 0 to 1.
        alpha: H × W, from 0 to 1, of a picture with transparency. What is drawn on it counts: its brightness where it
            is opaque; where all of that is black (a black pen on a transparent ground), the drawing itself. Ignored
            where it is 1 throughout.
    """
    if alpha is not None and alpha.min(initial=1) < 1:  # else it tells nothing: many programs always write one
        drawn = brightness * alpha
        brightness = drawn if drawn.max(initial=0) > MASK_NOISE else alpha
    weights: Floats = np.clip((brightness - MASK_NOISE) / (1 - 2 * MASK_NOISE), 0, 1).astype(np.float32)
    return weights


def check_mask(weights: NDArray[np.float32], name: str = "mask") -> None:
    """Raise ProblemError 422 ``empty-mask`` where nothing may change."""
    if not weights.any():
        raise empty_mask(
            f"The mask {name} is black all over, so nothing would change. Make white what is to change, or send no "
            "mask to let the whole photo change."
        )


def empty_mask(detail: str) -> ProblemError:
    """Return the problem of a mask that lets nothing change."""
    return ProblemError(422, "empty-mask", "Empty mask", detail)


def _invalid(detail: str) -> ProblemError:
    return ProblemError(422, "invalid-request", "Invalid request", detail)


def _unable(detail: str) -> ProblemError:
    return ProblemError(422, "model-cannot", "Not with this model", detail)
