"""The schedulers by the names people know, each made from the model's own: betas, prediction type, spacing of steps.

What a model was trained with stays; only how its predictions are put together into steps changes. A model that was
distilled to take a few steps has learnt the steps of one scheduler, and is given no other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from editor.models.folders import Distillation
from framesense.schemas.edits import SchedulerName

TITLES: Mapping[SchedulerName, str] = {
    SchedulerName.EULER: "Euler",
    SchedulerName.EULER_A: "Euler a",
    SchedulerName.DDIM: "DDIM",
    SchedulerName.DPMPP_2M: "DPM++ 2M",
    SchedulerName.LCM: "LCM",
}
"""As people write them."""

_SUITABLE: Mapping[Distillation, tuple[SchedulerName, ...]] = {
    Distillation.NONE: (SchedulerName.DPMPP_2M, SchedulerName.EULER, SchedulerName.EULER_A, SchedulerName.DDIM),
    Distillation.TURBO: (SchedulerName.EULER_A, SchedulerName.EULER),
    Distillation.LCM: (SchedulerName.LCM,),
}
WHY_NO_OTHER: Mapping[Distillation, str] = {
    Distillation.NONE: "it is for models that were distilled for it, and this one was not",
    Distillation.TURBO: "this model was distilled to take a few steps of Euler",
    Distillation.LCM: "this model is a latent consistency model, distilled for the scheduler lcm alone",
}
_OF_CLASS: Mapping[str, SchedulerName] = {
    "EulerDiscreteScheduler": SchedulerName.EULER,
    "EulerAncestralDiscreteScheduler": SchedulerName.EULER_A,
    "DDIMScheduler": SchedulerName.DDIM,
    "DPMSolverMultistepScheduler": SchedulerName.DPMPP_2M,
    "LCMScheduler": SchedulerName.LCM,
}
_EXCHANGEABLE = frozenset(_OF_CLASS) | {
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
}
"""Schedulers over the same betas and predictions: one can be made from another's configuration."""


def suitable_schedulers(config: Mapping[str, Any], distillation: Distillation) -> tuple[SchedulerName, ...]:
    """Return the schedulers that suit a model, by its own scheduler's configuration; its own first, if it is among
    them.

    Raises ValueError for a model of another kind of noise, whose predictions none of ours could use.
    """
    own = str(config.get("_class_name"))
    prediction = config.get("prediction_type", "epsilon")
    if own not in _EXCHANGEABLE or config.get("use_flow_sigmas") or prediction not in ("epsilon", "v_prediction"):
        raise ValueError(
            f"the model's own scheduler, {own} with {prediction} prediction, is of a kind that the editor's "
            "schedulers (euler, euler_a, ddim, dpm++_2m, lcm) cannot take the place of"
        )
    suitable = _SUITABLE[distillation]
    first = _OF_CLASS.get(own)
    return suitable if first not in suitable else (first, *(name for name in suitable if name is not first))


def make_scheduler(name: SchedulerName, config: Mapping[str, Any]) -> Any:
    """Make a diffusers scheduler of that name with the settings of the model's own (``scheduler_config.json``)."""
    import diffusers

    classes: dict[SchedulerName, Any] = {
        SchedulerName.EULER: diffusers.EulerDiscreteScheduler,
        SchedulerName.EULER_A: diffusers.EulerAncestralDiscreteScheduler,
        SchedulerName.DDIM: diffusers.DDIMScheduler,
        SchedulerName.DPMPP_2M: diffusers.DPMSolverMultistepScheduler,
        SchedulerName.LCM: diffusers.LCMScheduler,
    }
    # Left to themselves, DDIM and LCM clip what they take for pixels between −1 and 1. Latents are not: diffusers' own
    # default is for pixels, and a configuration of another class does not say. The other two are Stable Diffusion's.
    settings = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, **config}
    if name is SchedulerName.DPMPP_2M:
        settings |= {"algorithm_type": "dpmsolver++", "solver_order": 2}
    scheduler_class = classes[name]
    known = inspect.signature(scheduler_class.__init__).parameters
    return scheduler_class(**{key: value for key, value in settings.items() if key in known})


def watch(scheduler: Any, after_step: Callable[[int, int, Tensor], None]) -> Any:
    """Have a scheduler call ``after_step(done, total, denoised)`` after each step, and return it.

    ``denoised``: the latents as they would be were all noise taken away now, which shows the picture long before the
    noisy latents do. Here rather than by a pipeline's callback: not every pipeline has one, and none tells this.
    """
    step, done, total = scheduler.step, 0, 0

    @functools.wraps(step)  # pipelines look at its parameters
    def watched(predicted: Tensor, time: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal done, total
        if done == 0:  # all from here on are taken
            times = scheduler.timesteps.tolist()
            total = len(times) - times.index(float(time))
        result = step(predicted, time, *args, **kwargs)
        done += 1
        outputs = getattr(scheduler, "model_outputs", None)  # DPM++ keeps its denoised latents there
        after_step(done, total, result[1] if outputs is None else outputs[-1])
        return result

    scheduler.step = watched
    return scheduler
