"""A series of edits becomes its pictures."""

from typing import Any

import pytest

from framesense.edits.series import plan_series
from framesense.http.problems import ProblemError
from framesense.schemas.edits import SeriesParameters

BASE = {"prompt": "a room at night", "seed": 4}


def _series(**axes: Any) -> SeriesParameters:
    return SeriesParameters.model_validate({"base": BASE, **axes})


def test_a_grid_changes_two_parameters_and_nothing_else() -> None:
    made = plan_series(
        _series(
            rows={"parameter": "strength", "values": [0.25, 1]},
            columns={"parameter": "guidance_scale", "values": [3, 7.5]},
        ),
        ["room.jpg"],
    )
    assert made.rows == ["strength 0.25", "strength 1"]
    assert made.columns == ["guidance 3", "guidance 7.5"]
    assert [(cell.row, cell.column) for cell in made.cells] == [(row, col) for row in made.rows for col in made.columns]
    found = [(cell.parameters.strength, cell.parameters.guidance_scale) for cell in made.cells]
    assert found == [(0.25, 3), (0.25, 7.5), (1, 3), (1, 7.5)]
    assert {(cell.photo, cell.parameters.seed, cell.parameters.prompt) for cell in made.cells} == {
        (0, 4, "a room at night")
    }


def test_one_change_over_many_photos() -> None:
    made = plan_series(
        _series(columns={"parameter": "scheduler", "values": ["euler_a", "dpm++_2m"]}), ["a.jpg", "b", "a.jpg"]
    )
    assert made.rows == ["a.jpg (1)", "b", "a.jpg (2)"]
    assert made.columns == ["Euler a", "DPM++ 2M"]
    assert [cell.photo for cell in made.cells] == [0, 0, 1, 1, 2, 2]
    assert [cell.photo for cell in plan_series(_series(), ["a", "b"]).cells] == [0, 1]
    assert plan_series(_series(), ["a", "b"]).columns == [None]


def test_words_alone_and_prompts() -> None:
    axis = {"parameter": "prompt", "values": ["a  red\nroom", "a green room"]}
    made = plan_series(SeriesParameters.model_validate({"base": {"task": "generate"}, "rows": axis}), [])
    assert made.rows == ["a red room", "a green room"]
    assert [cell.parameters.prompt for cell in made.cells] == ["a  red\nroom", "a green room"]
    assert made.cells[0].parameters.task == "generate"


@pytest.mark.parametrize(
    ("axes", "photos", "said"),
    [
        ({}, 1, "what differs"),
        ({}, 0, "what differs"),
        ({"rows": {"parameter": "seed", "values": [1]}}, 2, "row of its own"),
        ({"rows": {"parameter": "seed", "values": [1, 1]}}, 1, "'seed 1' twice"),
        ({"rows": {"parameter": "seed", "values": [1, -1]}}, 1, "seed cannot be -1"),
        ({"rows": {"parameter": "prompt", "values": ["a", " "]}}, 1, "prompt ' '"),
        ({"rows": {"parameter": "preserve", "values": ["none", "all"]}}, 1, "preserve cannot be 'all'"),
        ({"rows": {"parameter": "steps", "values": [None, {}]}}, 1, "steps cannot be {}"),
    ],
)
def test_what_does_not_go_together_is_named(axes: dict[str, Any], photos: int, said: str) -> None:
    with pytest.raises(ProblemError) as raised:
        plan_series(_series(**axes), [f"{n}.jpg" for n in range(photos)])
    assert raised.value.status == 422
    assert said in raised.value.detail
