"""One bad photo among several."""

from collections.abc import Sequence

import pytest

from framesense.schemas.problems import Problem
from ui.api import GatewayError, Photo
from ui.photos import ask_about


def refusal(status: int, name: str) -> GatewayError:
    return GatewayError(Problem(type="urn:x", title="No", status=status, detail=name))


def photos(*names: str) -> list[Photo]:
    return [Photo(name, "image/jpeg", name.encode()) for name in names]


def names_unless_bad(some: Sequence[Photo]) -> list[str]:
    for photo in some:
        if photo.name.startswith("bad"):
            raise refusal(415, photo.name)
    return [photo.name for photo in some]


def test_the_others_get_their_answer_and_each_refusal_is_kept() -> None:
    answered = ask_about(photos("a", "bad-1", "b", "bad-2"), names_unless_bad)
    assert answered.answer == ["a", "b"]
    assert [photo.name for photo in answered.photos] == ["a", "b"]
    assert [str(error) for error in answered.refusals] == ["bad-1", "bad-2"]


def test_where_all_are_bad_there_is_no_answer() -> None:
    answered = ask_about(photos("bad"), names_unless_bad)
    assert answered.answer is None and len(answered.refusals) == 1


def test_a_service_that_is_away_is_no_photo_s_fault() -> None:
    calls = []

    def away(some: Sequence[Photo]) -> None:
        calls.append(len(some))
        raise refusal(503, "away")

    with pytest.raises(GatewayError):
        ask_about(photos("a", "b"), away)
    assert calls == [2]
