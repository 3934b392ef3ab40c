"""Find samplers and noise schedules by the names that A1111's clients call them."""

from dataclasses import dataclass

from framesense.http.problems import ProblemError
from framesense.schemas.edits import EditorCapabilities, SchedulerName
from gateway.a1111.schemas import NoiseSchedule, Sampler

SAMPLERS = {
    SchedulerName.EULER_A: Sampler(name="Euler a", aliases=["k_euler_a", "k_euler_ancestral"]),
    SchedulerName.EULER: Sampler(name="Euler", aliases=["k_euler"]),
    SchedulerName.DDIM: Sampler(name="DDIM", aliases=["ddim"]),
    SchedulerName.DPMPP_2M: Sampler(name="DPM++ 2M", aliases=["k_dpmpp_2m", "DPM++ 2M Karras", "k_dpmpp_2m_ka"]),
    SchedulerName.LCM: Sampler(name="LCM", aliases=["lcm"]),
}
SCHEDULES = [NoiseSchedule(name="automatic", label="Automatic")]
"""Each sampler's own: there is no choice of another."""


def offered_samplers(capabilities: EditorCapabilities) -> list[Sampler]:
    """List the samplers that the loaded model takes."""
    return [SAMPLERS[offered.name] for offered in capabilities.schedulers]


@dataclass(frozen=True)
class SamplerChoice:
    """A sampler to use, or None for the model's own; and what its asker should know."""

    scheduler: SchedulerName | None
    notes: tuple[str, ...] = ()


def choose_sampler(name: str, schedule: str, capabilities: EditorCapabilities) -> SamplerChoice:
    """Choose the scheduler for a sampler and a noise schedule.

    ``name``, ``schedule``: as sent; empty where they were not.

    Clients send "Euler a" unasked. A model that was distilled for another sampler therefore takes its own in place of
    one that it cannot use, and the answer says so. Raises ProblemError 404, as that API does, for an unknown one.
    """
    sampler = _find(name, capabilities) if name else None
    karras = "karras" in (schedule.lower(), *name.lower().split()[-1:])
    if schedule.lower() not in ("", "automatic") and not (karras and sampler is SchedulerName.DPMPP_2M):
        detail = (
            f"Scheduler not found: {schedule[:100]!r}. Every sampler has its own: leave it out, or say 'Automatic'."
        )
        raise ProblemError(404, "unknown-scheduler", "Scheduler not found", detail)
    if sampler is None or any(sampler is offered.name for offered in capabilities.schedulers):
        return SamplerChoice(sampler, ("DPM++ 2M with the model's own noise schedule, not Karras's",) if karras else ())
    own = SAMPLERS[capabilities.default_scheduler].name
    return SamplerChoice(None, (f"{own} in place of {SAMPLERS[sampler].name}, which the model was not made for",))


def _find(name: str, capabilities: EditorCapabilities) -> SchedulerName:
    for scheduler, sampler in SAMPLERS.items():
        if name.lower() in {known.lower() for known in (sampler.name, *sampler.aliases)}:
            return scheduler
    names = ", ".join(sampler.name for sampler in offered_samplers(capabilities))
    detail = f"Sampler not found: {name[:100]!r}. The model takes {names}."
    raise ProblemError(404, "unknown-sampler", "Sampler not found", detail)
