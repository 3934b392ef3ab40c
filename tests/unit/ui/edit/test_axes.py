"""What somebody writes as the values of a series."""

import pytest
from pydantic import ValidationError

from framesense.schemas.edits import EditorCapabilities, EditParameters, Preserve, SeriesParameters, Task
from framesense.schemas.models import ModelInfo
from ui.edit.axes import axis, read_values, varied_parameters
from ui.edit.form import PRESERVE_NAMES

MODEL = ModelInfo(service="editor", name="m", family="f", revision="1", device="cpu", dtype="float32", parameters=0)


def _capabilities(
    *, steps: int = 25, guidance: float = 7.5, preserve: list[Preserve] | None = None
) -> EditorCapabilities:
    return EditorCapabilities.model_validate(
        {
            "tasks": [Task.EDIT],
            "preserve": preserve or [Preserve.NONE, Preserve.MASK],
            "schedulers": [{"name": "ddim", "title": "DDIM"}],
            "default_scheduler": "ddim",
            "default_steps": steps,
            "default_guidance_scale": guidance,
            "size": 64,
            "multiple_of": 8,
            "model": MODEL,
        }
    )


@pytest.mark.parametrize(("steps", "guidance"), [(25, 7.5), (1, 0.0), (150, 30.0), (4, 1.0)])
def test_values_to_begin_with_can_be_asked_for_whatever_the_model(steps: int, guidance: float) -> None:
    offered = varied_parameters(_capabilities(steps=steps, guidance=guidance), PRESERVE_NAMES)
    for name in ("strength", "steps", "guidance_scale", "seed", "prompt"):
        for value in read_values(name, offered[name], offered[name].values):
            EditParameters.model_validate({"prompt": "a room", name: value})


def test_only_what_there_is_a_choice_of_is_offered() -> None:
    assert "scheduler" not in varied_parameters(_capabilities(), PRESERVE_NAMES)
    assert "preserve" in varied_parameters(_capabilities(), PRESERVE_NAMES)
    assert "preserve" not in varied_parameters(_capabilities(preserve=[Preserve.NONE]), PRESERVE_NAMES)


def test_values_are_read_as_they_are_written() -> None:
    offered = varied_parameters(_capabilities(), PRESERVE_NAMES)
    assert read_values("strength", offered["strength"], " 0.3,0.5, .7 ,") == [0.3, 0.5, 0.7]
    assert read_values("seed", offered["seed"], "7") == [7]
    assert read_values("prompt", offered["prompt"], "at night, with snow\n\nby day") == [
        "at night, with snow",
        "by day",
    ]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("strength", "0.3; 0.5", "“0.3; 0.5” is no number"), ("steps", "2.5", "no whole number")],
)
def test_what_is_no_number_is_told_in_words(name: str, text: str, words: str) -> None:
    offered = varied_parameters(_capabilities(), PRESERVE_NAMES)
    with pytest.raises(ValueError, match=words):
        read_values(name, offered[name], text)


def test_an_axis_has_values() -> None:
    assert axis(None, []) is None
    series = SeriesParameters(base=EditParameters(prompt="a room"), rows=axis("strength", [0.3, 0.5]))
    assert series.rows is not None
    assert series.rows.values == [0.3, 0.5]
    with pytest.raises(ValidationError):
        axis("strength", [])
