"""Photos edited by img2img: from the request to the answer."""

import json
import re

import numpy as np
import pytest

from framesense.schemas.edits import (
    EditParameters,
    SchedulerName,
    SeriesParameters,
)
from framesense.schemas.jobs import JobKind
from tests.support.a1111_studio import CAT, PHOTO, SQUARE, Studio, decoded


def test_a_photo_from_the_request_to_the_answer(studio: Studio) -> None:
    body = {
        "init_images": [SQUARE],
        "prompt": "a cat at night",
        "negative_prompt": "people",
        "denoising_strength": 0.6,
        "seed": 41,
        "steps": 7,
        "cfg_scale": 6.5,
        "sampler_name": "DPM++ 2M",
        "width": 256,
        "height": 256,
        "n_iter": 2,
        "an unknown field": [1],
        "force_task_id": "task(me)",
    }
    sent = studio.sent("img2img", body)
    assert sent.job.kind is JobKind.EDIT
    assert sent.parameters == EditParameters(
        prompt="a cat at night",
        negative_prompt="people",
        strength=0.6,
        seed=41,
        steps=7,
        guidance_scale=6.5,
        scheduler=SchedulerName.DPMPP_2M,
        width=256,
        height=256,
        images=2,
    )
    assert np.array_equal(sent.photo(), PHOTO[:256, :256])
    sent.started()
    pictures = [np.full((256, 256, 3), shade, np.uint8) for shade in (50, 90)]
    for index, picture in enumerate(pictures):
        sent.paint(index, picture)
    answer = sent.finished()
    assert [decoded(image).tolist() for image in answer["images"]] == [picture.tolist() for picture in pictures]
    assert answer["parameters"]["prompt"] == "a cat at night"
    assert answer["parameters"]["init_images"] is None
    assert "an unknown field" not in answer["parameters"]
    info = json.loads(answer["info"])
    assert info["all_seeds"] == [41, 42]
    assert info["all_prompts"] == ["a cat at night"] * 2
    expected = {
        "seed": 41,
        "prompt": "a cat at night",
        "negative_prompt": "people",
        "width": 256,
        "height": 256,
        "sampler_name": "DPM++ 2M",
        "cfg_scale": 6.5,
        "steps": 7,
        "batch_size": 1,
        "denoising_strength": 0.6,
        "sd_model_name": "paint",
        "sd_model_hash": "0123456789",
        "job_id": sent.job.id,
        "task_id": "task(me)",
        "notes": ["painted by hand"],
    }
    assert {name: info[name] for name in expected} == expected
    assert re.fullmatch(r"\d{14}", info["job_timestamp"])
    assert info["changes"][1]["outside"] == 0.25
    assert info["agreements"][0]["gain"] == 0.2
    for text, seed in zip(info["infotexts"], (41, 42), strict=True):
        assert text.startswith("a cat at night\nNegative prompt: people\nSteps: 7, Sampler: DPM++ 2M, CFG scale: 6.5")
        assert f"Seed: {seed}, " in text
    said = studio.post("png-info", {"image": answer["images"][1]}).json()
    assert said["info"] == info["infotexts"][1]
    assert said["parameters"]["Seed"] == "42"
    assert said["parameters"]["Negative prompt"] == "people"
    assert "framesense" in said["items"]


def test_that_apis_defaults(studio: Studio) -> None:
    sent = studio.sent("img2img", {"init_images": [SQUARE], "prompt": "night"})
    asked = sent.parameters
    assert (asked.strength, asked.width, asked.height, asked.images) == (0.75, 512, 512, 1)
    assert (asked.steps, asked.guidance_scale, asked.scheduler) == (None, None, None)
    assert asked.seed is not None, "drawn"
    sent.started().paint(0, PHOTO)
    assert json.loads(sent.finished()["info"])["seed"] == asked.seed


@pytest.mark.parametrize("prompt", ["", "  ", None])
def test_no_words_and_no_strength_are_taken_as_there(studio: Studio, prompt: str | None) -> None:
    """There, the prompt is empty unless one is sent, and a strength of 0 is a step of the least noise."""
    sent = studio.sent("img2img", {"init_images": [SQUARE], "prompt": prompt, "denoising_strength": 0})
    assert (sent.parameters.prompt, sent.parameters.unconditional, sent.parameters.strength) == ("", True, 0.001)
    sent.started().paint(0, PHOTO)
    info = json.loads(sent.finished()["info"])
    assert (info["prompt"], info["denoising_strength"]) == ("", 0.001)
    assert info["infotexts"][0].startswith("\n") or info["infotexts"][0].startswith("Steps: ")


def test_a_data_uri_and_null_fields(studio: Studio) -> None:
    body = {"init_images": [f"data:image/png;base64,{SQUARE}"], "prompt": "night", "steps": None, "mask": None}
    sent = studio.sent("img2img", {**body, "include_init_images": True, "send_images": False}).started()
    sent.paint(0, PHOTO)
    answer = sent.finished()
    assert answer["images"] == []
    assert answer["parameters"]["init_images"] == body["init_images"]


@pytest.mark.parametrize(
    ("mode", "shape", "fit"), [(0, (128, 128, 3), "fit"), (1, PHOTO.shape, "crop"), (2, PHOTO.shape, "fill")]
)
def test_resize_modes(studio: Studio, mode: int, shape: tuple[int, ...], fit: str) -> None:
    body = {"init_images": [CAT], "prompt": "night", "width": 128, "height": 128, "resize_mode": mode}
    sent = studio.sent("img2img", body)
    assert sent.photo().shape == shape, "stretched here, or left for the editor"
    assert (sent.parameters.fit, sent.parameters.width, sent.parameters.height) == (fit, 128, 128)
    sent.started().paint(0, PHOTO)
    sent.finished()


def test_several_photos_are_a_batch_in_that_apis_order(studio: Studio) -> None:
    body = {"init_images": [SQUARE, CAT], "prompt": "night", "n_iter": 2, "batch_size": 7, "seed": 5}
    sent = studio.sent("img2img", body)
    assert sent.job.kind is JobKind.EDIT_SERIES
    series = SeriesParameters.model_validate(sent.job.parameters)
    assert series.columns is not None
    assert (series.base.seed, series.columns.parameter, series.columns.values) == (5, "seed", [5, 6])
    sent.started()
    assert studio.get("progress")["state"]["job_count"] == 4
    for index, (photo, seed) in enumerate([(0, 5), (0, 6), (1, 5), (1, 6)]):
        sent.paint(index, np.full((8, 8, 3), 10 * photo + seed), seed=seed)
    answer = sent.finished()
    assert json.loads(answer["info"])["all_seeds"] == [5, 5, 6, 6]
    assert [int(decoded(image)[0, 0, 0]) for image in answer["images"]] == [5, 15, 6, 16]
