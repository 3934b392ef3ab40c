"""What may be asked of a photo set."""

import pytest

from framesense.schemas.photo_sets import PhotoSetParameters


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"labels": []},
        {"labels": ["a", " "]},
        {"labels": ["a", "a "]},
        {"labels": ["a"] * 1001},
        {"labels": ["a"], "label_set": "rooms"},
        {"labels": ["a"], "templates": ["no place"]},
        {"labels": ["a"], "threshold": float("nan")},
        {"labels": ["a"], "clusters": 1},
        {"labels": ["x" * 201]},
    ],
)
def test_parameters_that_make_no_sense(asked: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        PhotoSetParameters.model_validate(asked)
