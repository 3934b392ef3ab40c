"""The rules of an edit: one status and one slug for each thing that is refused, whoever asks."""

from collections.abc import Callable
from typing import Any

import pytest

from framesense.edits.rules import (
    SizeLimits,
    check_capabilities,
    check_photo_size,
    check_request,
    check_result_size,
    fitted_size,
    generated_size,
    resolve_preserve,
    result_size,
    schedule_steps,
    steps_taken,
)
from framesense.http.problems import ProblemError
from framesense.schemas.edits import (
    EditorCapabilities,
    EditParameters,
    Fit,
    Preserve,
    SamplerInfo,
    SchedulerName,
    Task,
)
from framesense.schemas.models import ModelInfo

LIMITS = SizeLimits(min_side=8, max_side=100, max_result_pixels=5000)
CAPABILITIES = EditorCapabilities(
    tasks=[Task.EDIT, Task.DENOISE],
    preserve=[Preserve.NONE, Preserve.MASK],
    schedulers=[SamplerInfo(name=SchedulerName.DDIM, title="DDIM")],
    default_scheduler=SchedulerName.DDIM,
    default_steps=20,
    default_guidance_scale=5,
    size=64,
    multiple_of=8,
    model=ModelInfo(
        service="editor", name="tiny", family="none", revision="1", device="cpu", dtype="float32", parameters=1
    ),
)


def edit(**parameters: Any) -> EditParameters:
    return EditParameters.model_validate({"prompt": "a cat"} | parameters)


def refusal(check: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ProblemError) as refused:
        check()
    return refused.value.status, refused.value.slug


@pytest.mark.parametrize(
    ("parameters", "has_image", "has_mask", "slug"),
    [
        ({}, False, False, "no-image"),
        ({"task": "generate"}, True, False, "unwanted-image"),
        ({"task": "generate"}, False, True, "unwanted-mask"),
        ({"preserve": "mask"}, True, False, "no-mask"),
        ({"task": "denoise", "preserve": "auto"}, True, False, "invalid-request"),
        ({"task": "upscale_x2"}, True, True, "unwanted-mask"),
        ({"task": "upscale_x2", "preserve": "auto"}, True, False, "invalid-request"),
        ({"task": "upscale_x4", "width": 64}, True, False, "invalid-request"),
        ({"strength": 1e-9}, True, False, "invalid-request"),
        ({"strength": 0.0009}, True, False, "invalid-request"),
    ],
)
def test_what_does_not_go_together(parameters: dict[str, Any], has_image: bool, has_mask: bool, slug: str) -> None:
    asked = edit(**parameters)
    assert refusal(lambda: check_request(asked, has_image=has_image, has_mask=has_mask)) == (422, slug)


@pytest.mark.parametrize(
    ("parameters", "has_image", "has_mask"),
    [
        ({}, True, False),
        ({}, True, True),
        ({"preserve": "none"}, True, True),
        ({"strength": 0.001}, True, False),
        ({"task": "generate", "strength": 1e-9}, False, False),
        ({"task": "denoise"}, True, True),
        ({"task": "upscale_x2"}, True, False),
    ],
)
def test_what_goes_together(parameters: dict[str, Any], has_image: bool, has_mask: bool) -> None:
    check_request(edit(**parameters), has_image=has_image, has_mask=has_mask)


def test_a_mask_that_is_sent_is_meant() -> None:
    assert resolve_preserve(edit(), has_mask=True) is Preserve.MASK
    assert resolve_preserve(edit(), has_mask=False) is Preserve.NONE
    assert resolve_preserve(edit(preserve="auto"), has_mask=True) is Preserve.AUTO


@pytest.mark.parametrize("parameters", [{"task": "upscale_x2"}, {"preserve": "auto"}, {"scheduler": "lcm"}])
def test_what_a_model_lacks(parameters: dict[str, Any]) -> None:
    assert refusal(lambda: check_capabilities(edit(**parameters), CAPABILITIES)) == (422, "model-cannot")
    check_capabilities(edit(scheduler="ddim", preserve="mask"), CAPABILITIES)


def test_the_reason_why_a_scheduler_does_not_suit() -> None:
    with pytest.raises(ProblemError, match=r"no scheduler lcm; it has: ddim\. It was not made for it\."):
        check_capabilities(edit(scheduler="lcm"), CAPABILITIES, scheduler_reason="it was not made for it")


@pytest.mark.parametrize(
    ("width", "height", "refused"),
    [
        (7, 50, (422, "image-too-small")),
        (50, 101, (413, "image-too-large")),
        (8, 100, None),
    ],
)
def test_photo_sizes(width: int, height: int, refused: tuple[int, str] | None) -> None:
    if refused is None:
        check_photo_size("room.png", width, height, LIMITS)
    else:
        assert refusal(lambda: check_photo_size("room.png", width, height, LIMITS)) == refused


@pytest.mark.parametrize(
    ("width", "height", "refused"),
    [
        (7, 50, (422, "result-too-small")),
        (50, 101, (413, "result-too-large")),
        (50, 100, None),
        (8, 500, None),
    ],
)
def test_result_sizes(width: int, height: int, refused: tuple[int, str] | None) -> None:
    if refused is None:
        check_result_size(width, height, LIMITS)
    else:
        assert refusal(lambda: check_result_size(width, height, LIMITS)) == refused


@pytest.mark.parametrize(
    ("width", "height", "fit", "size"),
    [
        (None, None, Fit.CROP, (300, 200)),
        (150, None, Fit.CROP, (150, 100)),
        (None, 50, Fit.FIT, (75, 50)),
        (100, 100, Fit.FIT, (100, 67)),
        (100, 100, Fit.CROP, (100, 100)),
        (100, 100, Fit.FILL, (100, 100)),
        (1000, 8, Fit.FIT, (12, 8)),
    ],
)
def test_a_photo_brought_to_a_size(width: int | None, height: int | None, fit: Fit, size: tuple[int, int]) -> None:
    assert fitted_size((300, 200), width, height, fit) == size
    assert result_size((300, 200), edit(width=width, height=height, fit=fit)) == size


def test_results_without_a_size_of_their_own() -> None:
    assert result_size((30, 20), edit(task="upscale_x4")) == (120, 80)
    assert generated_size(edit(task="generate"), 64) == (64, 64)
    assert generated_size(edit(task="generate", height=32), 64) == (32, 32)
    assert generated_size(edit(task="generate", width=48, height=32), 64) == (48, 32)


@pytest.mark.parametrize("steps", [1, 4, 20, 150])
@pytest.mark.parametrize("strength", [0.001, 0.01, 0.05, 1 / 3, 0.5, 0.99, 1.0])
def test_at_least_one_step_is_taken_and_strength_stays(steps: int, strength: float) -> None:
    schedule = schedule_steps(steps, strength)
    taken = steps_taken(schedule, strength)
    assert taken >= 1
    assert steps <= schedule <= 1000
    assert schedule == steps or taken == 1
