"""Settings and figures of an edit in words."""

from datetime import UTC, datetime

import pytest

from framesense.schemas.edits import Change, EditParameters, Preserve, PromptSimilarity, SchedulerName, Task
from framesense.schemas.jobs import Job, JobKind, JobState
from ui.edit.words import agreement_text, change_text, settings_text, short_figures, what_text
from ui.jobs.progress import progress_text


def _agreement(gain: float) -> PromptSimilarity:
    return PromptSimilarity(before=0.2, after=0.2 + gain, gain=gain, photo_similarity=0.9)


def test_settings_are_told_as_far_as_they_are_known() -> None:
    assert settings_text(EditParameters(prompt="at night")) == "strength 0.5"
    known = EditParameters(
        prompt="at night",
        strength=0.35,
        steps=25,
        guidance_scale=7.5,
        seed=7,
        scheduler=SchedulerName.DPMPP_2M,
        preserve=Preserve.AUTO,
        negative_prompt="people",
    )
    assert settings_text(known) == (
        "strength 0.35 · 25 steps · guidance 7.5 · seed 7 · DPM++ 2M · only what the words name · not: people"
    )
    assert what_text(known) == "“at night”"
    restored = EditParameters(task=Task.UPSCALE_X2)
    assert (settings_text(restored), what_text(restored)) == ("Twice as large", "Twice as large")


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.1, "better than the photo did: 0.20 → 0.30"), (-0.1, "less well than"), (0.001, "no better and no worse")],
)
def test_agreement_is_told_against_the_photo(gain: float, words: str) -> None:
    fits, likeness = agreement_text(_agreement(gain))
    assert words in fits
    assert "0.90" in likeness


def test_change_is_told_inside_and_outside() -> None:
    assert change_text(Change(inside=0.2, outside=0, region=1)) == [
        "The whole picture was to change; it did by 20 % on average."
    ]
    inside, outside = change_text(Change(inside=0.2, outside=0.03, region=0.25, ssim_outside=0.98))
    assert inside == "25 % of the picture was to change; it did by 20 % on average."
    assert outside == "Outside it changed by 3 % (structural similarity 0.980)."
    assert change_text(Change(inside=0.2, outside=0.001, region=0.25))[1] == "Outside nothing changed."


def test_small_pictures_tell_one_figure() -> None:
    change = Change(inside=0.2, outside=0, region=1)
    assert short_figures(change, _agreement(0.07)) == "+0.07"
    assert short_figures(change, _agreement(-0.07)) == "−0.07"
    assert short_figures(change, _agreement(-0.001)) == "0.00"
    assert short_figures(change, None) == "20 %"
    assert short_figures(None, None) == ""


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (None, "Waiting for a free worker"),
        (0, "Waiting for a free worker"),
        (1, "Waiting: 1 job comes first"),
        (12, "Waiting: 12 jobs come first"),
    ],
)
def test_the_place_in_the_queue_is_told(before: int | None, text: str) -> None:
    now = datetime.now(UTC)
    job = Job(id="1", kind=JobKind.EDIT, state=JobState.QUEUED, created_at=now, queue_position=before)
    assert progress_text(job, now) == text
