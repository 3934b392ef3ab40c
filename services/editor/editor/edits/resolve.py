"""What was asked for → what will be done: the model's defaults filled in, and refusals in words a person can act on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from editor.imaging.restoration import DENOISING, UPSCALING
from editor.models.base import Abilities
from editor.models.schedulers import TITLES
from framesense.http.problems import ProblemError
from framesense.schemas.edits import (
    MAX_SEED,
    EditorCapabilities,
    EditParameters,
    Preserve,
    SamplerInfo,
    Task,
)
from framesense.schemas.models import ModelInfo

FACTORS = {Task.UPSCALE_X2: 2, Task.UPSCALE_X4: 4}
CLASSICAL = {Task.DENOISE: DENOISING, Task.UPSCALE_X2: UPSCALING, Task.UPSCALE_X4: UPSCALING}
"""Restorations that need no model, and how they are done then."""
MAX_SCHEDULE = 1000
"""Steps of the noise's schedule that models are trained with: none can be finer."""


@dataclass(frozen=True)
class Asked:
    """A checked request, but for its pictures."""

    parameters: EditParameters
    """With every default filled in that has a meaning for the task."""
    by_model: bool
    """False: a classical restoration."""
    notes: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        """One a picture: the first, the one after it, …; after the greatest comes 0."""
        assert self.parameters.seed is not None
        return [(self.parameters.seed + index) % (MAX_SEED + 1) for index in range(self.parameters.images)]

    def with_note(self, note: str | None) -> Asked:
        return self if note is None else replace(self, notes=[*self.notes, note])


def settle(
    parameters: EditParameters, abilities: Abilities, info: ModelInfo, *, has_image: bool, has_mask: bool
) -> Asked:
    """Raises ProblemError 422 for what is missing, for what contradicts itself and for what the model lacks."""
    task = parameters.task
    by_model = task in abilities.tasks
    if not by_model and task not in CLASSICAL:
        able = ", ".join(sorted(abilities.tasks | CLASSICAL.keys()))
        raise _unsupported(f"{info.name} cannot do {task.value!r}. It can do: {able}.")
    _check_pictures(task, has_image, has_mask)
    preserve = parameters.preserve or (Preserve.MASK if has_mask else Preserve.NONE)
    _check_preserve(task, preserve, abilities, info, has_mask)
    if task in FACTORS and (parameters.width or parameters.height):
        raise _invalid("An upscale's size follows from the photo's. Leave width and height out.")
    filled: dict[str, object] = {"preserve": preserve}
    notes: list[str] = []
    if parameters.seed is None:
        filled["seed"] = secrets.randbelow(MAX_SEED + 1)
    if by_model:
        filled |= _of_model(parameters, abilities, info)
    elif parameters.images > 1:
        raise _invalid(f"{CLASSICAL[task]} gives the same picture each time. Ask for one image.")
    if has_mask and preserve is Preserve.NONE:
        notes.append("with preserve=none the whole photo may change; the mask only says where change is counted")
    return Asked(parameters.model_copy(update=filled), by_model, notes)


def capabilities(abilities: Abilities, info: ModelInfo) -> EditorCapabilities:
    preserve = [Preserve.NONE, *([Preserve.AUTO] if abilities.relevance else []), Preserve.MASK]
    return EditorCapabilities(
        tasks=[task for task in Task if task in abilities.tasks or task in CLASSICAL],
        preserve=preserve,
        schedulers=[SamplerInfo(name=name, title=TITLES[name]) for name in abilities.schedulers],
        default_scheduler=abilities.default_scheduler,
        default_steps=abilities.default_steps,
        default_guidance_scale=abilities.default_guidance_scale,
        size=abilities.size,
        multiple_of=abilities.multiple_of,
        note=abilities.note or info.note,
        model=info,
    )


def _check_pictures(task: Task, has_image: bool, has_mask: bool) -> None:
    if task is Task.GENERATE:
        if has_image or has_mask:
            raise _invalid("A picture made from words alone takes no photo and no mask; task=edit changes a photo.")
    elif not has_image:
        detail = f"There is no photo to {_verb(task)}. Send one in the field 'image': curl -F image=@photo.jpg"
        raise ProblemError(422, "no-image", "No image", detail)


def _check_preserve(task: Task, preserve: Preserve, abilities: Abilities, info: ModelInfo, has_mask: bool) -> None:
    if preserve is Preserve.MASK and not has_mask:
        raise _invalid("preserve=mask needs a mask: a picture in the field 'mask', white where the photo may change.")
    if preserve is Preserve.AUTO and task.restores:
        raise _invalid(
            "preserve=auto goes by the words, and a restoration has none. Leave preserve out or send a mask."
        )
    if preserve is Preserve.AUTO and not abilities.relevance:
        raise _unsupported(f"{info.name} cannot tell where words apply. Send a mask instead of preserve=auto.")
    if task in FACTORS and (has_mask or preserve is not Preserve.NONE):
        raise _invalid("An upscale is of the whole photo. Leave preserve and the mask out.")


def _of_model(parameters: EditParameters, abilities: Abilities, info: ModelInfo) -> dict[str, object]:
    scheduler = parameters.scheduler or abilities.default_scheduler
    if scheduler not in abilities.schedulers:
        known = ", ".join(abilities.schedulers)
        reason = f" It does not suit this model: {why}." if (why := abilities.no_other_scheduler) else ""
        raise _unsupported(f"{info.name} has no scheduler {scheduler.value!r}.{reason} It has: {known}.")
    guidance = parameters.guidance_scale
    filled: dict[str, object] = {
        "steps": parameters.steps or abilities.default_steps,
        "scheduler": scheduler,
        "guidance_scale": abilities.default_guidance_scale if guidance is None else guidance,
    }
    if parameters.task is Task.GENERATE:
        filled["strength"] = 1.0
    elif int(MAX_SCHEDULE * parameters.strength) < 1:
        raise _invalid(f"A strength of {parameters.strength:g} changes nothing. The least that does is 0.001.")
    return filled


def _verb(task: Task) -> str:
    return {Task.EDIT: "edit", Task.DENOISE: "take the noise from"}.get(task, "enlarge")


def _invalid(detail: str) -> ProblemError:
    return ProblemError(422, "invalid-request", "Invalid request", detail)


def _unsupported(detail: str) -> ProblemError:
    return ProblemError(422, "unsupported-option", "Unsupported option", detail)
