"""Requests of A1111's clients that are refused, and defaults that pass; txt2img."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framesense.schemas.edits import (
    SchedulerName,
    Task,
)
from tests.support.a1111_studio import (
    CAPABILITIES,
    CAT,
    PHOTO,
    SQUARE,
    TOO_LARGE,
    VALID,
    WITH_MASK,
    Studio,
    encoded,
    file,
    refused,
    running_studio,
)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"prompt": "night"}, 404, "Init image not found"),
        ({**VALID, "init_images": []}, 404, "Init image not found"),
        ({**VALID, "init_images": [SQUARE] * 5}, 413, "at most 4"),
        ({**VALID, "init_images": ["not base64 !"]}, 422, "init_images[0] is no base64"),
        ({**VALID, "init_images": [encoded(b"%PDF-1.4")]}, 415, "init_images[0] looks like a PDF"),
        ({**VALID, "init_images": [CAT[: len(CAT) // 8 * 4]]}, 422, "damaged"),
        ({**VALID, "init_images": ["http://127.0.0.1/a.png"]}, 422, "Nothing is fetched"),
        ({**VALID, "init_images": [encoded(bytes(2_100_000))]}, 413, "2,000,000"),
        ({**VALID, "init_images": [TOO_LARGE]}, 413, "1,001,000"),
        ({**VALID, "init_images": [encoded(file(np.zeros((1, 1, 3))))], "resize_mode": 1}, 422, "1 × 1"),
        ({**VALID, "init_images": "x"}, 422, "init_images"),
        ({**VALID, "prompt": "x" * 10_000}, 422, "prompt"),
        ({**VALID, "prompt": "a <lora:x:1> cat"}, 422, "LoRA"),
        ({**VALID, "denoising_strength": -0.1}, 422, "denoising_strength"),
        ({**VALID, "denoising_strength": 1.2}, 422, "denoising_strength"),
        ({**VALID, "steps": 0}, 422, "steps"),
        ({**VALID, "steps": 10_000}, 422, "steps"),
        ({**VALID, "steps": "many"}, 422, "steps"),
        ({**VALID, "cfg_scale": 1e9}, 422, "cfg_scale"),
        ({**VALID, "width": 0}, 422, "width"),
        ({**VALID, "height": 20_000}, 422, "height"),
        ({**VALID, "seed": -2}, 422, "seed"),
        ({**VALID, "seed": 2**40}, 422, "seed"),
        ({**VALID, "batch_size": 0}, 422, "batch_size"),
        ({**VALID, "batch_size": 5, "n_iter": 5}, 422, "at most 16"),
        ({**VALID, "sampler_name": "UniPC"}, 404, "Sampler not found: 'UniPC'. The model takes Euler a, DPM++ 2M"),
        ({**VALID, "scheduler": "Exponential"}, 404, "Scheduler not found"),
        ({**VALID, "scheduler": "karras", "sampler_name": "Euler a"}, 404, "Scheduler not found"),
        ({**VALID, "resize_mode": 3}, 422, "resize_mode"),
        ({**VALID, "styles": ["anime"]}, 422, "Styles"),
        ({**VALID, "subseed_strength": 0.5}, 422, "subseed_strength"),
        ({**VALID, "seed_resize_from_w": 512}, 422, "seed_resize_from_w"),
        ({**VALID, "restore_faces": True}, 422, "face"),
        ({**VALID, "tiling": True}, 422, "tiling"),
        ({**VALID, "eta": 0.3}, 422, "eta"),
        ({**VALID, "s_churn": 1}, 422, "s_churn"),
        ({**VALID, "initial_noise_multiplier": 0.8}, 422, "initial_noise_multiplier"),
        ({**VALID, "refiner_checkpoint": "xl"}, 422, "refiner"),
        ({**VALID, "script_name": "outpainting"}, 422, "Script 'outpainting' not found"),
        ({**VALID, "alwayson_scripts": {"ControlNet": {"args": [{"model": "canny"}]}}}, 422, "'ControlNet' not found"),
        ({**VALID, "override_settings": {"sd_model_checkpoint": "dreamy"}}, 404, "Model not found"),
        ({**VALID, "override_settings": {"CLIP_stop_at_last_layers": 2}}, 422, "CLIP_stop_at_last_layers"),
        ({**VALID, "override_settings": {"sd_vae": "other"}}, 422, "sd_vae"),
        ({**VALID, "infotext": "a cat\nSteps: 3"}, 422, "infotext"),
        ({**WITH_MASK, "inpainting_fill": 2}, 422, "inpainting_fill"),
        ({**WITH_MASK, "mask_blur": 100}, 422, "mask_blur"),
        ({**WITH_MASK, "mask_blur_x": 1, "mask_blur_y": 9}, 422, "mask_blur_x"),
        ({**WITH_MASK, "init_images": [SQUARE, SQUARE]}, 422, "one photo"),
        ({**VALID, "mask": encoded(file(np.zeros((9, 9))))}, 422, "no white"),
        ({**WITH_MASK, "mask": "%%%"}, 422, "mask is no base64"),
        ({**VALID, "force_task_id": "x" * 201}, 422, "force_task_id"),
        ([1, 2], 422, "object"),
    ],
)
def test_what_is_refused(studio: Studio, body: Any, status: int, words: str) -> None:
    found = refused(studio.post("img2img", body), status)
    assert words.lower() in found.detail.lower()
    assert studio.jobs() == []


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none(studio: Studio, text: str) -> None:
    content = f"""{{"init_images": ["{SQUARE}"], "prompt": "night", "cfg_scale": {text}}}"""
    answer = studio.gateway.http.post("/sdapi/v1/img2img", content=content)
    assert "cfg_scale" in refused(answer, 422).detail


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"prompt": "\\ud800"}'])
def test_what_is_no_json(studio: Studio, content: bytes) -> None:
    refused(studio.gateway.http.post("/sdapi/v1/img2img", content=content), 422)


def test_a_request_too_large_and_one_that_never_ends(studio: Studio) -> None:
    body = {**VALID, "init_images": [encoded(bytes(1_900_000))] * 4}
    assert "8,000,000" in refused(studio.post("img2img", body), 413).detail

    def slowly() -> Iterator[bytes]:
        yield b'{"prompt": '
        threading.Event().wait(3)
        yield b'"x"}'

    refused(studio.gateway.http.post("/sdapi/v1/img2img", content=slowly()), 408)


def test_defaults_that_clients_send_unasked_pass(studio: Studio) -> None:
    title = studio.get("options")["sd_model_checkpoint"]
    body = {
        **VALID,
        "sampler_name": "Euler",
        "scheduler": "automatic",
        "eta": 1.0,
        "s_churn": 0,
        "s_tmax": 0,
        "s_noise": 1,
        "subseed": -1,
        "subseed_strength": 0.0,
        "seed_resize_from_h": 0,
        "image_cfg_scale": 1.5,
        "script_args": [],
        "alwayson_scripts": {"ControlNet": {"args": []}, "ADetailer": {"args": [False]}},
        "override_settings": {"sd_model_checkpoint": title, "sd_vae": "Automatic", "CLIP_stop_at_last_layers": 1},
        "override_settings_restore_afterwards": True,
        "inpaint_full_res": True,
        "inpainting_fill": 2,
    }
    sent = studio.sent("img2img", body).started()
    assert sent.parameters.scheduler is None, "the model has no Euler"
    sent.paint(0, PHOTO)
    info = json.loads(sent.finished()["info"])
    assert info["sampler_name"] == "Euler a"
    assert "Euler a in place of Euler" in info["notes"][0]


def test_karras_is_said_not_to_be_there(studio: Studio) -> None:
    sent = studio.sent("img2img", {**VALID, "sampler_name": "DPM++ 2M Karras"}).started()
    assert sent.parameters.scheduler is SchedulerName.DPMPP_2M
    sent.paint(0, PHOTO)
    assert "not Karras's" in json.loads(sent.finished()["info"])["notes"][0]


def test_words_alone_where_the_model_can_and_where_it_cannot(studio: Studio, tmp_path: Path) -> None:
    assert "img2img" in refused(studio.post("txt2img", {"prompt": "night"}), 422).detail
    able = CAPABILITIES.model_copy(update={"tasks": [Task.EDIT, Task.GENERATE]})
    with running_studio(studio.gateway.settings.redis_url, tmp_path, able) as other:
        assert "enable_hr" in refused(other.post("txt2img", {"prompt": "night", "enable_hr": True}), 422).detail
        sent = other.sent("txt2img", {"prompt": "night", "width": 256, "height": 128, "batch_size": 2}).started()
        assert sent.parameters.task is Task.GENERATE
        assert (sent.parameters.width, sent.parameters.height, sent.parameters.images) == (256, 128, 2)
        for index in range(2):
            sent.paint(index, np.zeros((128, 256, 3)), change=None)
        info = json.loads(sent.finished()["info"])
        assert (info["width"], info["height"], info["changes"]) == (256, 128, [None, None])
        assert info["denoising_strength"] is None
