"""The A1111 API at the gateway: what it takes, refuses and answers. The tests themselves are the worker here; the real
one, and the client webuiapi, are in tests/integration/gateway/test_webuiapi.py."""

import base64
import io
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import skimage
from fastapi import FastAPI, Response
from PIL import Image, PngImagePlugin
from redis import Redis

from framesense.edits.png_metadata import picture_texts, with_texts
from framesense.http.app import create_service
from framesense.jobs.queue import QUEUES, waiting
from framesense.schemas.edits import (
    Change,
    EditedImage,
    EditorCapabilities,
    EditParameters,
    EditResult,
    Preserve,
    PromptSimilarity,
    SamplerInfo,
    SchedulerName,
    SeriesParameters,
    Task,
)
from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from framesense.schemas.models import ModelInfo
from framesense.schemas.problems import Problem
from framesense.schemas.tags import ImageTags, Tag, TagsResponse, ThresholdOn
from framesense.storage.edits import EditStore, FinishedPicture
from tests.support.gateway_process import MP4, TAGGER_MODEL, Gateway, problem, running_gateway, served, wait_until

PHOTO = np.asarray(Image.open(Path(skimage.__file__).parent / "data/chelsea.png").convert("RGB"))
"""300 × 451 × 3."""
MODEL = ModelInfo(
    service="editor", name="paint", family="none", revision="0123456789abcdef", device="cpu", dtype="f", parameters=0
)
CAPABILITIES = EditorCapabilities(
    tasks=[Task.EDIT, Task.UPSCALE_X2, Task.UPSCALE_X4],
    preserve=list(Preserve),
    schedulers=[SamplerInfo(name=name, title=name) for name in (SchedulerName.EULER_A, SchedulerName.DPMPP_2M)],
    default_scheduler=SchedulerName.EULER_A,
    default_steps=10,
    default_guidance_scale=5,
    size=64,
    multiple_of=8,
    note="A painter.",
    model=MODEL,
)


def file(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, kind, **options)
    return stream.getvalue()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decoded(text: str) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


CAT = encoded(file(PHOTO))
SQUARE = encoded(file(PHOTO[:256, :256]))


def stub_editor(capable_of: EditorCapabilities) -> FastAPI:
    """Says what it can do, and nothing else: no job gets as far."""
    app = create_service("stub editor")

    @app.get("/capabilities")
    def capabilities() -> EditorCapabilities:
        return capable_of

    return app


@dataclass
class Studio:
    """The gateway, and a worker made of the test's own hands."""

    gateway: Gateway

    @property
    def store(self) -> EditStore:
        return EditStore(self.gateway.storage)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.gateway.http.post(f"/sdapi/v1/{path}", json=body, timeout=60, **options)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.gateway.http.get(f"/sdapi/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def jobs(self) -> list[Job]:
        return self.gateway.jobs.page().jobs

    def sent(self, path: str, body: Any, **options: Any) -> "Sent":
        """The request on its way, once its job is there."""
        before = {job.id for job in self.jobs()}
        answer: Future[httpx.Response] = Future()

        def ask() -> None:
            try:
                answer.set_result(self.post(path, body, **options))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        wait_until(lambda: answer.done() or len(self.jobs()) > len(before))
        if answer.done():
            raise AssertionError(answer.result().text)
        (job,) = (job for job in self.jobs() if job.id not in before)
        with Redis.from_url(self.gateway.settings.redis_url, decode_responses=True) as redis:
            wait_until(lambda: job.id in waiting(redis, QUEUES[job.kind]))
            clients = "framesense:a1111:client:*"
            wait_until(lambda: any(redis.zscore(key, job.id) for key in redis.keys(clients)))
        return Sent(self, job, answer)


@dataclass
class Sent:
    studio: Studio
    job: Job
    answer: "Future[httpx.Response]"

    @property
    def parameters(self) -> EditParameters:
        if self.job.kind is JobKind.EDIT_SERIES:
            return SeriesParameters.model_validate(self.job.parameters).base
        return EditParameters.model_validate(self.job.parameters)

    def photo(self, index: int = 0) -> np.ndarray[Any, Any]:
        return np.asarray(Image.open(io.BytesIO(self.studio.store.photo(self.job.id, index))).convert("RGB"))

    def mask(self) -> np.ndarray[Any, Any]:
        return np.asarray(Image.open(io.BytesIO(self.studio.store.mask(self.job.id))).convert("L"))

    def started(self) -> "Sent":
        assert self.studio.gateway.jobs.start(self.job.id)
        return self

    def paint(self, index: int, pixels: Any, **changes: Any) -> None:
        """The worker's picture, with its texts."""
        height, width = np.asarray(pixels).shape[:2]
        asked = self.parameters
        seed = (asked.seed or 0) + index
        filled = {"steps": asked.steps or 10, "guidance_scale": asked.guidance_scale or 5, "seed": seed}
        image = EditedImage(
            index=index,
            seed=seed,
            width=width,
            height=height,
            parameters=asked.model_copy(update={"scheduler": asked.scheduler or SchedulerName.EULER_A, **filled}),
            change=Change(inside=0.5, outside=0.25, region=1),
            agreement=PromptSimilarity(before=0.1, after=0.3, gain=0.2, photo_similarity=0.9),
            seconds=0.1,
            method="paint",
            notes=["painted by hand"],
        ).model_copy(update=changes)
        png = with_texts(file(pixels), picture_texts(image, MODEL))
        self.studio.store.append(self.job.id, FinishedPicture(image=image, png=png, thumbnail=b"jpeg"))

    def finished(self) -> dict[str, Any]:
        store, jobs = self.studio.store, self.studio.gateway.jobs
        images = store.images(self.job.id)
        result = EditResult(
            job_id=self.job.id, name=self.job.name, parameters=self.parameters, images=images, model=MODEL
        )
        store.finish(self.job.id, result, None)
        assert jobs.succeed(self.job.id, f"/jobs/{self.job.id}/result")
        return self.answered()

    def answered(self) -> dict[str, Any]:
        answer = self.answer.result(timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-job-id"] == self.job.id
        body: dict[str, Any] = answer.json()
        return body


@contextmanager
def running_studio(redis_url: str, folder: Path, capabilities: EditorCapabilities = CAPABILITIES) -> Iterator[Studio]:
    limits = {"max_image_bytes": 2_000_000, "max_image_request_bytes": 8_000_000, "max_image_pixels": 1_000_000}
    more = {"upload_idle_timeout": 1.0, "edit_max_photos": 4}
    with (
        served(stub_editor(capabilities)) as (url, _),
        running_gateway(redis_url, folder, editor_url=url, **limits, **more) as gateway,
    ):
        yield Studio(gateway)


@pytest.fixture(scope="module")
def process(redis_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with running_studio(redis_process, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def studio(process: Studio, redis_url: str) -> Studio:
    process.gateway.tagger.reset()
    process.gateway.captioner.failure = None
    process.gateway.http.cookies.clear()
    return process


def refused(answer: httpx.Response, status: int) -> Problem:
    """A problem document, and that API's own error."""
    found = problem(answer, status)
    assert answer.json()["errors"] == found.detail
    assert answer.json()["error"] == found.title
    return found


# ------------------------------------------------------------------------------------------------------------ img2img


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


# --------------------------------------------------------------------------------------------------------------- masks


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray[Any, Any]:
    mask = np.zeros(PHOTO.shape[:2], np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def test_the_masked_part_alone_goes_to_the_model_and_back(studio: Studio) -> None:
    body = {
        "init_images": [CAT],
        "mask": encoded(file(rectangle(100, 150, 200, 240))),
        "prompt": "night",
        "mask_blur": 0,
        "inpainting_fill": 1,
        "inpaint_full_res": True,
        "inpaint_full_res_padding": 8,
    }
    sent = studio.sent("img2img", body)
    asked = sent.parameters
    assert (asked.preserve, asked.mask_blur, asked.width, asked.height) == (Preserve.MASK, 0, None, None)
    part = PHOTO[92:158, 187:253]
    assert np.array_equal(sent.photo(), part), "a square around it, as the picture asked for is one"
    assert sent.mask()[8:58, 13:53].min() == 255
    assert sent.mask().sum() == 255 * 50 * 40
    sent.started().paint(0, np.full_like(part, 7))
    answer = sent.finished()
    picture = decoded(answer["images"][0])
    expected = PHOTO.copy()
    expected[92:158, 187:253] = 7
    assert np.array_equal(picture, expected)
    info = json.loads(answer["info"])
    assert (info["width"], info["height"]) == (451, 300)
    assert studio.post("png-info", {"image": answer["images"][0]}).json()["info"] == info["infotexts"][0] != ""


def test_what_is_masked_is_filled_from_its_surroundings(studio: Studio) -> None:
    mask = rectangle(100, 150, 200, 240)
    body = {"init_images": [CAT], "mask": encoded(file(mask)), "prompt": "night", "inpaint_full_res": False}
    sent = studio.sent("img2img", {**body, "resize_mode": 1, "mask_blur_x": 3, "mask_blur_y": 3})
    filled = sent.photo()
    assert np.array_equal(filled[mask == 0], PHOTO[mask == 0])
    hole, around = filled[100:150, 200:240].astype(float), PHOTO[80:170, 180:260].astype(float)
    assert np.abs(np.diff(hole, axis=1)).mean() < np.abs(np.diff(around, axis=1)).mean() / 3, "smooth"
    assert (np.abs(hole.mean(axis=(0, 1)) - around.mean(axis=(0, 1))) < 40).all(), "of their colours"
    assert sent.parameters.mask_blur == 3
    assert np.array_equal(sent.mask(), mask)
    sent.started().paint(0, PHOTO)
    sent.finished()


def test_a_model_that_paints_nothing_new_is_given_no_hole(studio: Studio, tmp_path: Path) -> None:
    embedded = CAPABILITIES.model_copy(update={"model": MODEL.model_copy(update={"family": "pixel-diffusion"})})
    mask = encoded(file(rectangle(100, 150, 200, 240)))
    body = {"init_images": [CAT], "mask": mask, "prompt": "night", "inpaint_full_res": False, "resize_mode": 1}
    with running_studio(studio.gateway.settings.redis_url, tmp_path, embedded) as other:
        sent = other.sent("img2img", body)
        assert np.array_equal(sent.photo(), PHOTO)
        sent.started().paint(0, PHOTO)
        assert "starts from the photo" in json.loads(sent.finished()["info"])["notes"][0]


def test_an_inverted_mask_of_another_size_and_one_drawn_by_transparency(studio: Studio) -> None:
    whole = {"init_images": [CAT], "prompt": "night", "inpaint_full_res": False, "resize_mode": 1, "inpainting_fill": 1}
    small = np.zeros((30, 45), np.uint8)
    small[:, 20:] = 255
    sent = studio.sent("img2img", {**whole, "mask": encoded(file(small)), "inpainting_mask_invert": 1})
    assert sent.mask().shape == PHOTO.shape[:2]
    assert (sent.mask()[150, 10], sent.mask()[150, 440]) == (255, 0)
    sent.started().paint(0, PHOTO)
    sent.finished()

    drawn = np.zeros((*PHOTO.shape[:2], 4), np.uint8)
    drawn[:40, :40] = (9, 9, 9, 255)
    sent = studio.sent("img2img", {**whole, "mask": encoded(file(drawn))})
    assert sent.mask().sum() == 255 * 40 * 40
    sent.started().paint(0, PHOTO)
    sent.finished()


# ------------------------------------------------------------------------------------------------------------ refusals

VALID = {"init_images": [SQUARE], "prompt": "night"}
WITH_MASK = {**VALID, "mask": encoded(file(rectangle(0, 9, 0, 9)))}
TOO_LARGE = encoded(file(np.zeros((1001, 1000, 3))))


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
        ({**VALID, "prompt": ""}, 422, "prompt"),
        ({**VALID, "prompt": "x" * 10_000}, 422, "prompt"),
        ({**VALID, "prompt": "a <lora:x:1> cat"}, 422, "LoRA"),
        ({**VALID, "denoising_strength": 0}, 422, "denoising_strength"),
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


# ----------------------------------------------------------------------------------------------------- progress, jobs


def test_progress_and_interrupts_are_of_ones_own_job(studio: Studio) -> None:
    mine, theirs = {"X-Client-ID": "me"}, {"X-Client-ID": "them"}
    first = studio.sent("img2img", {**VALID, "n_iter": 2, "force_task_id": "task(first)"}, headers=theirs).started()
    second = studio.sent("img2img", {**VALID, "force_task_id": "task(second)"}, headers=mine)
    third = studio.sent("img2img", VALID, headers=mine)
    jobs = studio.gateway.jobs
    jobs.progress(first.job.id, Progress(done=5, total=20, message="step 5"))
    jobs.show(first.job.id, encoded(file(PHOTO, "JPEG")))

    def asked(headers: dict[str, str], **query: Any) -> Any:
        return studio.gateway.http.get("/sdapi/v1/progress", headers=headers, params=query).json()

    running = asked(theirs)
    assert running["progress"] == 0.25
    assert running["state"]["job_id"] == first.job.id
    assert (running["state"]["sampling_step"], running["state"]["sampling_steps"]) == (5, 10)
    assert (running["state"]["job_no"], running["state"]["job_count"]) == (0, 2)
    assert running["eta_relative"] > 0
    assert decoded(running["current_image"]).shape == PHOTO.shape
    assert asked(theirs, skip_current_image=True)["current_image"] is None

    waiting = asked(mine)
    assert waiting["state"]["job_id"] == second.job.id
    assert (waiting["progress"], waiting["current_image"], waiting["state"]["job_state"]) == (0, None, "queued")
    ahead = waiting["state"]["queue_position"]
    assert asked(mine, job_id=third.job.id)["state"]["queue_position"] == ahead + 1
    assert asked(mine, id_task="task(first)")["progress"] == 0.25

    nobody = asked({"X-Client-ID": "nobody"})
    assert (nobody["progress"], nobody["state"]["job_count"], nobody["state"]["job_id"]) == (0, 0, None)
    assert studio.post("interrupt", headers={"X-Client-ID": "nobody"}).json() == {}
    assert {jobs.get(sent.job.id).state for sent in (first, second, third)} == {JobState.RUNNING, JobState.QUEUED}  # type: ignore[union-attr]

    assert "several pictures" in refused(studio.post("skip", headers=theirs), 409).detail
    assert studio.post("skip", headers=mine).json() == {}
    assert "cancelled" in refused(second.answer.result(timeout=30), 410).detail
    assert studio.post("interrupt", params={"id_task": third.job.id}).json() == {}
    refused(third.answer.result(timeout=30), 410)

    first.paint(0, PHOTO)
    assert studio.post("interrupt", headers=theirs).json() == {}
    assert len(first.answered()["images"]) == 1, "what was made before the interrupt"
    assert asked(theirs)["state"]["job_count"] == 0
    ended = asked(mine, id_task="task(first)")
    assert (ended["state"]["interrupted"], ended["progress"], ended["state"]["job_count"]) == (True, 1, 0)


def test_a_session_is_known_by_its_cookie_and_others_by_address_and_credentials(studio: Studio) -> None:
    """Sessions keep cookies, as webuiapi's; requests of their own do not, as curl's."""
    url, jobs = f"{studio.gateway.http.base_url}/sdapi/v1", studio.gateway.jobs

    def job_of(asked: httpx.Response) -> str | None:
        found: str | None = asked.json()["state"]["job_id"]
        return found

    with httpx.Client() as mine, httpx.Client() as theirs:
        for session in (mine, theirs):
            assert "framesense-client" in session.get(f"{url}/scripts").cookies
            assert "framesense-client" not in session.get(f"{url}/scripts").cookies, "once"
        cookies = {"cookie": f"framesense-client={mine.cookies['framesense-client']}"}
        session_job = studio.sent("img2img", VALID, headers=cookies)
        assert job_of(mine.get(f"{url}/progress")) == session_job.job.id
        assert job_of(theirs.get(f"{url}/progress")) is None
        assert job_of(httpx.get(f"{url}/progress")) is None, "another program of the same address"

        studio.gateway.http.cookies.clear()
        secret = studio.sent("img2img", VALID, auth=("me", "secret"))
        plain = studio.sent("img2img", VALID)
        assert job_of(httpx.get(f"{url}/progress")) == plain.job.id
        assert job_of(httpx.get(f"{url}/progress", auth=("me", "secret"))) == secret.job.id
        assert job_of(theirs.get(f"{url}/progress")) == plain.job.id, "sent without its cookies, as asyncio clients do"
        assert job_of(mine.get(f"{url}/progress")) == session_job.job.id

        httpx.post(f"{url}/interrupt", auth=("me", "secret"))
        refused(secret.answer.result(timeout=30), 410)
        states = {sent.job.id: jobs.get(sent.job.id).state for sent in (plain, session_job)}  # type: ignore[union-attr]
        assert set(states.values()) == {JobState.QUEUED}
        mine.post(f"{url}/interrupt")
        refused(session_job.answer.result(timeout=30), 410)
        httpx.post(f"{url}/interrupt")
        refused(plain.answer.result(timeout=30), 410)


def test_a_tasks_name_is_taken_while_it_is_unfinished(studio: Studio) -> None:
    named = {**VALID, "force_task_id": "task(x)"}
    sent = studio.sent("img2img", named)
    assert sent.job.id in refused(studio.post("img2img", named), 409).detail
    assert len(studio.jobs()) == 1
    sent.started().paint(0, PHOTO)
    sent.finished()
    again = studio.sent("img2img", named)
    assert studio.get("progress", id_task="task(x)")["state"]["job_id"] == again.job.id
    studio.gateway.jobs.cancel(again.job.id)
    refused(again.answer.result(timeout=30), 410)


def test_progress_of_a_task_as_that_servers_page_asks_for_it(studio: Studio) -> None:
    def asked(**body: Any) -> Any:
        answer = studio.gateway.http.post("/internal/progress", json={"id_task": "task(y)", **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    unknown = asked()
    assert (unknown["active"], unknown["queued"], unknown["completed"]) == (False, False, False)
    sent = studio.sent("img2img", {**VALID, "force_task_id": "task(y)"})
    assert asked()["queued"]
    sent.started()
    studio.gateway.jobs.progress(sent.job.id, Progress(done=5, total=10))
    studio.gateway.jobs.show(sent.job.id, encoded(file(PHOTO, "JPEG")))
    active = asked()
    assert (active["active"], active["progress"]) == (True, 0.5)
    assert active["live_preview"].startswith("data:image/jpeg;base64,")
    assert asked(live_preview=False)["live_preview"] is None
    sent.paint(0, PHOTO)
    sent.finished()
    assert asked()["completed"]


def test_an_unknown_task(studio: Studio) -> None:
    for path in ("interrupt", "skip"):
        refused(studio.post(path, params={"id_task": "task(z)"}), 404)
    refused(studio.gateway.http.get("/sdapi/v1/progress", params={"job_id": "0"}), 404)
    assert studio.get("progress", id_task="task(z)")["textinfo"] == "Waiting...", "it may be on its way"
    video = studio.gateway.submit(MP4)
    refused(studio.post("interrupt", params={"job_id": video.id}), 404)
    assert studio.gateway.jobs.get(video.id).state is JobState.QUEUED  # type: ignore[union-attr]


def test_who_hangs_up_cancels(studio: Studio) -> None:
    with ThreadPoolExecutor(1) as pool:

        def hang_up() -> None:
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{studio.gateway.http.base_url}/sdapi/v1/img2img", json=VALID, timeout=3)

        hung = pool.submit(hang_up)
        wait_until(lambda: len(studio.jobs()) == 1)
        hung.result()
    wait_until(lambda: studio.jobs()[0].state is JobState.CANCELLED)


def test_a_failed_job_says_why(studio: Studio) -> None:
    sent = studio.sent("img2img", VALID).started()
    studio.gateway.jobs.fail(sent.job.id, Problem(title="Broken", status=422, detail="The paint is dry."))
    assert refused(sent.answer.result(timeout=30), 422).detail == "The paint is dry."


# ------------------------------------------------------------------------------------------------------------- extras


def test_enlarging_by_the_editor(studio: Studio) -> None:
    body = {"image": SQUARE, "upscaler_1": "Framesense", "upscaling_resize": 2}
    sent = studio.sent("extra-single-image", body).started()
    assert (sent.parameters.task, sent.parameters.width) == (Task.UPSCALE_X2, None)
    sent.paint(0, np.zeros((512, 512, 3)))
    answer = sent.finished()
    assert decoded(answer["image"]).shape == (512, 512, 3)
    assert "Framesense" in answer["html_info"]

    sent = studio.sent("extra-single-image", {**body, "upscaling_resize": 3}).started()
    assert sent.parameters.task is Task.UPSCALE_X4
    sent.paint(0, np.zeros((1024, 1024, 3)))
    assert decoded(sent.finished()["image"]).shape == (768, 768, 3)


def test_enlarging_several(studio: Studio) -> None:
    pictures = [{"data": SQUARE, "name": "a.png"}, {"data": CAT, "name": "b.png"}]
    body = {"imageList": pictures, "upscaler_1": "Framesense", "upscaling_resize": 2}
    sent = studio.sent("extra-batch-images", body).started()
    assert sent.job.kind is JobKind.EDIT_SERIES
    sent.paint(0, np.zeros((512, 512, 3)))
    sent.paint(1, np.ones((600, 902, 3)))
    assert [decoded(image).shape for image in sent.finished()["images"]] == [(512, 512, 3), (600, 902, 3)]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"upscaler_1": "Lanczos"}, (600, 902, 3)),
        ({"upscaler_1": "nearest", "upscaling_resize": 1.5}, (450, 676, 3)),
        ({"upscaler_1": "None"}, (300, 451, 3)),
        (
            {"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 600, "upscaling_resize_h": 600},
            (600, 600, 3),
        ),
        (
            {
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 600,
                "upscaling_resize_h": 600,
                "upscaling_crop": False,
            },
            (600, 902, 3),
        ),
    ],
)
def test_enlarging_without_a_model(studio: Studio, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    answer = studio.post("extra-single-image", {"image": CAT, **options})
    assert answer.status_code == 200, answer.text
    picture = decoded(answer.json()["image"])
    assert picture.shape == shape
    assert abs(picture.mean() - PHOTO.mean()) < 20
    assert studio.jobs() == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"image": CAT, "upscaler_1": "R-ESRGAN 4x+"}, 404, "There are None, Lanczos, Nearest, Framesense"),
        ({"image": CAT, "upscaler_1": "Lanczos", "upscaling_resize": 9}, 422, "4 times is the most"),
        ({"image": CAT, "upscaler_1": "Lanczos", "upscaling_resize": 0}, 422, "upscaling_resize"),
        ({"image": CAT, "gfpgan_visibility": 1}, 422, "face"),
        ({"image": CAT, "upscaler_2": "Lanczos", "extras_upscaler_2_visibility": 0.5}, 422, "upscaler_2"),
        ({"image": ""}, 422, "empty"),
        ({"image": "?"}, 422, "base64"),
    ],
)
def test_enlarging_what_cannot_be(studio: Studio, body: Any, status: int, words: str) -> None:
    assert words in refused(studio.post("extra-single-image", body), status).detail
    assert "pictures" in refused(studio.post("extra-batch-images", {"imageList": []}), 422).detail


# ------------------------------------------------------------------------------------------------ interrogate, png-info


def test_a_picture_in_words(studio: Studio) -> None:
    answer = studio.post("interrogate", {"image": CAT, "model": "clip"})
    assert answer.json()["caption"].startswith("a ")
    refused(studio.post("interrogate", {"image": CAT, "model": "dreams"}), 404)
    assert "image" in refused(studio.post("interrogate", {"image": "??", "model": "clip"}), 422).detail
    studio.gateway.captioner.failure = 503
    assert refused(studio.post("interrogate", {"image": CAT}), 503).title == "Busy"


@pytest.mark.parametrize("name", ["deepdanbooru", "deepbooru"])
def test_a_picture_in_tags(studio: Studio, name: str) -> None:
    tags = [Tag(label=label, cosine=0.3, probability=0.9) for label in ("cat", "sofa")]
    found = TagsResponse(
        images=[ImageTags(image="image", tags=tags, over_threshold=2)],
        labels=["cat", "sofa"],
        templates=["a photo of a {label}"],
        threshold=0.5,
        threshold_on=ThresholdOn.PROBABILITY,
        model=TAGGER_MODEL,
    )
    tagger = studio.gateway.tagger
    tagger.answer = Response(found.model_dump_json(), media_type="application/json")
    answer = studio.post("interrogate", {"image": CAT, "model": name})
    assert answer.json() == {"caption": "cat, sofa"}
    (asked,) = tagger.asked
    assert (asked.method, asked.path) == ("POST", "/tags")
    assert b"living room" in asked.body
    assert base64.b64decode(CAT) in asked.body


def test_what_pictures_say_of_themselves(studio: Studio) -> None:
    said = "a dog\nNegative prompt: cats\nSteps: 20, Sampler: Euler, CFG scale: 7.0, Seed: 1, Size: 512x256"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", said)
    texts.add_itxt("Author", "Zoë")
    answer = studio.post("png-info", {"image": encoded(file(PHOTO, pnginfo=texts))}).json()
    assert answer["info"] == said
    assert answer["items"] == {"Author": "Zoë"}
    assert answer["parameters"] == {
        "Prompt": "a dog",
        "Negative prompt": "cats",
        "Steps": "20",
        "Sampler": "Euler",
        "CFG scale": "7.0",
        "Seed": "1",
        "Size": "512x256",
        "Size-1": "512",
        "Size-2": "256",
    }
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + said.encode("utf-16-be")
    assert studio.post("png-info", {"image": encoded(file(PHOTO, "JPEG", exif=exif))}).json()["info"] == said
    assert studio.post("png-info", {"image": CAT}).json() == {"info": "", "items": {}, "parameters": {}}
    refused(studio.post("png-info", {"image": CAT[: len(CAT) // 8 * 4]}), 422)
    refused(studio.post("png-info", {"image": encoded(b"<html>")}), 415)
    refused(studio.post("png-info", {}), 415)


# ------------------------------------------------------------------------------------------------------ options, lists


def test_options_are_what_is_so(studio: Studio) -> None:
    options = studio.get("options")
    assert options["sd_model_checkpoint"] == "paint [0123456789]"
    for name in ("paint [0123456789]", "PAINT", "paint.safetensors", "0123456789"):
        answer = studio.post("options", {"sd_model_checkpoint": name})
        assert answer.status_code == 200, answer.text
    assert studio.post("options", options).status_code == 200, "what was read may be written back"
    assert "paint [0123456789]" in refused(studio.post("options", {"sd_model_checkpoint": "other"}), 404).detail
    assert "everybody's" in refused(studio.post("options", {"samples_format": "jpg"}), 422).detail


def test_lists(studio: Studio) -> None:
    (model,) = studio.get("sd-models")
    assert (model["title"], model["model_name"], model["hash"]) == ("paint [0123456789]", "paint", "0123456789")
    assert [sampler["name"] for sampler in studio.get("samplers")] == ["Euler a", "DPM++ 2M"]
    assert "k_euler_a" in studio.get("samplers")[0]["aliases"]
    assert [schedule["name"] for schedule in studio.get("schedulers")] == ["automatic"]
    assert [upscaler["name"] for upscaler in studio.get("upscalers")] == ["None", "Lanczos", "Nearest", "Framesense"]
    assert studio.get("memory")["ram"]["total"] > 0
    assert studio.get("cmd-flags")["api"] is True
    for kind in ("loras", "hypernetworks", "prompt-styles", "sd-vae", "face-restorers", "realesrgan-models"):
        assert studio.get(kind) == []
    assert studio.get("scripts") == {"txt2img": [], "img2img": []}
    assert studio.get("embeddings") == {"loaded": {}, "skipped": {}}
    refused(studio.gateway.http.get("/sdapi/v1/dreams"), 404)
    assert studio.post("refresh-checkpoints").status_code == 200


def test_an_editor_that_is_gone(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, editor_url="http://127.0.0.1:9") as gateway:
        for answer in (
            gateway.http.get("/sdapi/v1/sd-models"),
            gateway.http.post("/sdapi/v1/img2img", json=VALID),
        ):
            assert "editor does not answer" in refused(answer, 503).detail


def test_a_page_of_the_same_host_may_ask(studio: Studio) -> None:
    headers = {"Origin": "http://127.0.0.1:8501", "Access-Control-Request-Method": "POST"}
    answer = studio.gateway.http.options("/sdapi/v1/img2img", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "http://127.0.0.1:8501"
    asked = studio.gateway.http.get("/sdapi/v1/schedulers", headers=headers)
    assert "X-Job-ID" in asked.headers["access-control-expose-headers"]
