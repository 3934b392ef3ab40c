"""The two parameters that a series varies, and what somebody wrote as their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framesense.schemas.edits import MAX_GUIDANCE, MAX_STEPS, Axis, EditorCapabilities
from ui.wording import lines_in, words_in


@dataclass(frozen=True)
class Varied:
    """A parameter that can be varied.

    ``values``: to begin with, as they are written; ``whole``: whole numbers only; ``choices``: what there is to choose
    from, by what it is called, for parameters that are no numbers.
    """

    name: str
    values: str = ""
    whole: bool = False
    choices: Mapping[str, str] | None = None


def varied_parameters(capabilities: EditorCapabilities, preserve_names: Mapping[Any, str]) -> dict[str, Varied]:
    """Return what a series can vary, by the parameter's name."""
    steps, guidance = capabilities.default_steps, capabilities.default_guidance_scale
    guidances = sorted({min(MAX_GUIDANCE, round(2 * factor * guidance) / 2) for factor in (0.5, 1, 1.5)})
    halved_and_doubled = sorted({max(1, steps // 2), steps, min(MAX_STEPS, 2 * steps)})
    schedulers = {scheduler.name.value: scheduler.title for scheduler in capabilities.schedulers}
    preserve = {way.value: preserve_names[way] for way in capabilities.preserve}
    found = {
        "strength": Varied("Strength", "0.3, 0.5, 0.7"),
        "guidance_scale": Varied("Guidance", _numbers(guidances)),
        "steps": Varied("Steps", _numbers(halved_and_doubled), whole=True),
        "seed": Varied("Seed", "1, 2, 3", whole=True),
        "prompt": Varied("Words", "at night\nin bright daylight\nin warm light"),
        "scheduler": Varied("Scheduler", choices=schedulers),
        "preserve": Varied("What may change", choices=preserve),
    }
    return {name: one for name, one in found.items() if one.choices is None or len(one.choices) > 1}


def read_values(parameter: str, varied: Varied, text: str) -> list[Any]:
    """Read values: ``0.3, 0.5`` as [0.3, 0.5], words one a line. Raises ValueError in words for what is no number."""
    if parameter == "prompt":
        return list(lines_in(text))
    return [_number(part, varied) for part in words_in(text)]


def axis(parameter: str | None, values: Sequence[Any]) -> Axis | None:
    """Make an axis of values. Raises pydantic's ValidationError for no values, or too many."""
    return Axis.model_validate({"parameter": parameter, "values": list(values)}) if parameter else None


def _number(text: str, varied: Varied) -> float | int:
    try:
        return int(text) if varied.whole else float(text)
    except ValueError:
        kind = "whole number" if varied.whole else "number"
        raise ValueError(f"{varied.name}: “{text}” is no {kind}. Write numbers with commas between.") from None


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
