"""What the page of a video says where captions are guesses."""

import pytest

from framesense.schemas.novelty import Moment, NoveltyCurve, NoveltyParameters, Strength
from ui.video.guesses import doubts_text, hedge_moments

GUESS_BELOW = 0.5


def moment(confidence: float | None, words: list[str], colours: str = "") -> Moment:
    return Moment(
        start=1,
        peak=2,
        end=3,
        peak_index=2,
        caption="a dog runs",
        confidence=confidence,
        words=words,
        colours=colours,
        novelty=1,
        score=1,
        strength=Strength.STRONG,
        best=2,
        best_index=2,
        thumbnail="/2.jpg",
        clip="/0.mp4",
    )


@pytest.mark.parametrize(
    ("confidence", "words", "colours", "said"),
    [
        (0.9, ["road", "car"], "mostly grey", "a dog runs"),
        (None, ["road", "car"], "mostly grey", "a dog runs"),
        (0.1, ["road", "car"], "mostly grey", "mostly grey, road, car; the caption is a guess"),
        (0.1, ["road"], "", "road; the caption is a guess"),
        (0.1, [], "mostly grey", "mostly grey; the caption is a guess"),
        (0.1, [], "", "perhaps: a dog runs"),
    ],
)
def test_a_moment_is_told_by_what_is_known(confidence: float | None, words: list[str], colours: str, said: str) -> None:
    curve = NoveltyCurve(
        parameters=NoveltyParameters(), novelty=[0, 1], moments=[moment(confidence, words, colours)], stands_out=True
    )
    assert [one.caption for one in hedge_moments(curve, GUESS_BELOW).moments] == [said]


@pytest.mark.parametrize(
    ("guesses", "captions", "text"),
    [
        (1, 1, "The caption is a guess"),
        (121, 121, "All 121 captions are guesses"),
        (1, 121, "Of 121 captions, 1 is a guess"),
        (3, 121, "Of 121 captions, 3 are guesses"),
    ],
)
def test_how_many_are_guesses(guesses: int, captions: int, text: str) -> None:
    assert doubts_text(guesses, captions) == text
