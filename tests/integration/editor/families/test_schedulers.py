"""Schedulers that suit a model are made from its own; others are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from editor.models.base import LoadedModel
from editor.models.schedulers import make_scheduler
from framesense.schemas.edits import SchedulerName
from tests.support.tiny_edits import (
    edit,
    load,
)


def test_each_scheduler_has_its_own_way(models: Callable[[str], LoadedModel]) -> None:
    loaded = models("stable-diffusion")
    schedulers = loaded.model.abilities.schedulers
    assert set(schedulers) == set(SchedulerName) - {SchedulerName.LCM}
    pictures = {edit(loaded, scheduler=scheduler, steps=8).tobytes() for scheduler in schedulers}
    assert len(pictures) == len(schedulers)


@pytest.mark.parametrize(
    ("name", "scheduler", "reason"),
    [
        ("stable-diffusion", SchedulerName.LCM, "distilled for it"),
        ("stable-diffusion-xl-turbo", SchedulerName.DDIM, "a few steps of Euler"),
        ("stable-diffusion-lcm", SchedulerName.EULER, "It takes lcm"),
    ],
)
def test_a_scheduler_that_does_not_suit_is_refused(
    models: Callable[[str], LoadedModel], name: str, scheduler: SchedulerName, reason: str
) -> None:
    assert scheduler not in models(name).model.abilities.schedulers
    with pytest.raises(ValueError, match=reason):
        edit(models(name), scheduler=scheduler)


def test_lcm_takes_no_more_steps_than_it_was_distilled_from(models: Callable[[str], LoadedModel]) -> None:
    with pytest.raises(ValueError, match="at most 50 steps"):
        edit(models("stable-diffusion-lcm"), steps=51)


@pytest.mark.parametrize("name", SchedulerName)
def test_a_scheduler_is_made_from_the_models_own(name: SchedulerName) -> None:
    """What was trained stays; and nothing clips latents, which diffusers does by default."""
    own = {"beta_start": 0.001, "beta_end": 0.02, "beta_schedule": "linear", "prediction_type": "v_prediction"}
    made = make_scheduler(name, {"_class_name": "PNDMScheduler", **own, "skip_prk_steps": True})
    assert {key: made.config[key] for key in own} == own
    assert not made.config.get("clip_sample", False)
    assert made.config.steps_offset == 1


def test_a_model_of_another_kind_of_noise_is_refused(copy: Path) -> None:
    config = {"_class_name": "EDMEulerScheduler", "_diffusers_version": "0.42.1"}
    (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="EDMEulerScheduler"):
        load(copy)
