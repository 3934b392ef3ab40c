"""Resolve an edit: fill in the model's defaults, and refuse what cannot be done in words a person can act on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from editor.imaging.restoration import DENOISING, UPSCALING
from editor.models.base import Abilities
from editor.models.schedulers import TITLES
from framesense.edits.rules import check_capabilities, check_request, resolve_preserve
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

CLASSICAL = {Task.DENOISE: DENOISING, Task.UPSCALE_X2: UPSCALING, Task.UPSCALE_X4: UPSCALING}
"""Restorations that need no model, and the method by which they are done without one."""


@dataclass(frozen=True)
class ResolvedEdit:
    """A checked request, but for its pictures."""

    parameters: EditParameters
    """With every default filled in that has a meaning for the task."""
    by_model: bool
    """False: a classical restoration."""
    notes: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        """Return one seed a picture: the first, the one after it, …; after the greatest comes 0."""
        assert self.parameters.seed is not None
        return [(self.parameters.seed + index) % (MAX_SEED + 1) for index in range(self.parameters.images)]

    def with_note(self, note: str | None) -> ResolvedEdit:
        return self if note is None else replace(self, notes=[*self.notes, note])


def resolve(
    parameters: EditParameters, abilities: Abilities, info: ModelInfo, *, has_image: bool, has_mask: bool
) -> ResolvedEdit:
    """Check parameters against the rules and the model, and fill in the model's defaults.

    Raises ProblemError 422 for what is missing, for what contradicts itself and for what the model lacks.
    """
    check_request(parameters, has_image=has_image, has_mask=has_mask)
    check_capabilities(parameters, capabilities(abilities, info), scheduler_reason=abilities.no_other_scheduler)
    by_model = parameters.task in abilities.tasks
    preserve = resolve_preserve(parameters, has_mask=has_mask)
    filled: dict[str, object] = {"preserve": preserve}
    notes: list[str] = []
    if parameters.seed is None:
        filled["seed"] = secrets.randbelow(MAX_SEED + 1)
    if by_model:
        filled |= _model_defaults(parameters, abilities)
    elif parameters.images > 1:
        detail = f"{CLASSICAL[parameters.task]} gives the same picture each time. Ask for one image."
        raise ProblemError(422, "invalid-request", "Invalid request", detail)
    if has_mask and preserve is Preserve.NONE:
        notes.append("with preserve=none the whole photo may change; the mask only says where change is counted")
    return ResolvedEdit(parameters.model_copy(update=filled), by_model, notes)


def capabilities(abilities: Abilities, info: ModelInfo) -> EditorCapabilities:
    """Describe to clients what the editor does with a model, classical restorations included."""
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


def _model_defaults(parameters: EditParameters, abilities: Abilities) -> dict[str, object]:
    guidance = parameters.guidance_scale
    filled: dict[str, object] = {
        "steps": parameters.steps or abilities.default_steps,
        "scheduler": parameters.scheduler or abilities.default_scheduler,
        "guidance_scale": abilities.default_guidance_scale if guidance is None else guidance,
    }
    return filled | {"strength": 1.0} if parameters.task is Task.GENERATE else filled
