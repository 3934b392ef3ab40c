"""The PyPI client ``webuiapi``, as it is, against real processes: gateway, worker, editor, captioner, tagger, Redis.

The editor's model is a tiny Stable Diffusion of random weights: what it paints means nothing, how it is asked and
answered is what counts.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import skimage
from PIL import Image
from webuiapi import WebUIApi

from framesense.schemas.jobs import JobState
from tests.support.gateway_process import Gateway, running_gateway
from tests.support.processes import running_server
from tests.support.tiny_diffusion import save_pipeline
from tests.support.waiting import TIMEOUT, wait_until
from tests.support.workers import running_worker

PHOTO = Image.open(Path(skimage.__file__).parent / "data/chelsea.png").convert("RGB")
SQUARE = PHOTO.crop((60, 20, 316, 276))
FEW = {"steps": 3, "width": 128, "height": 128}

pytestmark = pytest.mark.timeout(900)


@dataclass
class Site:
    gateway: Gateway

    def client(self) -> WebUIApi:
        """The client as people use it, with a session of its own."""
        url = urlsplit(str(self.gateway.http.base_url))
        client = WebUIApi(host=url.hostname, port=url.port)
        client.session.trust_env = False
        return client

    def raw(self, path: str, **body: object) -> httpx.Response:
        return self.gateway.http.post(f"/sdapi/v1/{path}", json=body, timeout=TIMEOUT)


@pytest.fixture(scope="module")
def site(redis_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    model = save_pipeline(folder / "tiny")
    blobs = folder / "blobs"
    # All load at once; they are waited for together.
    with (
        running_server(
            "editor", folder, ready=False, editor_model=f"path:{model}", editor_preview_interval=0
        ) as editor,
        running_server("captioner", folder, ready=False) as captioner,
        running_server("tagger", folder, ready=False, storage_url=blobs) as tagger,
        running_gateway(
            redis_process, folder, editor_url=editor.url, captioner_url=captioner.url, tagger_url=tagger.url
        ) as gateway,
        running_worker(
            redis_process,
            folder,
            editor_url=editor.url,
            tagger_url=tagger.url,
            worker_queues="edit",
            worker_progress_interval=0,
        ),
    ):
        for server in (editor, captioner, tagger):
            server.wait_until_ready()
        yield Site(gateway)


@pytest.fixture
def api(site: Site) -> WebUIApi:
    return site.client()


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


def test_a_photo_is_edited(api: WebUIApi, site: Site) -> None:
    result = api.img2img(
        images=[SQUARE],
        prompt="a cat at night",
        negative_prompt="people",
        seed=5,
        denoising_strength=0.5,
        cfg_scale=4,
        **FEW,
    )
    assert result.image.size == (128, 128)
    assert np.abs(pixels(result.image) - pixels(SQUARE.resize((128, 128)))).mean() > 1
    info = result.info
    assert (info["seed"], info["prompt"], info["steps"], info["cfg_scale"]) == (5, "a cat at night", 3, 4)
    assert (info["sampler_name"], info["denoising_strength"]) == ("Euler a", 0.5)
    assert info["sd_model_name"] == api.get_sd_models()[0]["model_name"]
    job = site.gateway.jobs.get(info["job_id"])
    assert job is not None
    assert job.state is JobState.SUCCEEDED
    assert info["agreements"][0] is not None, "the tagger has looked at it"
    assert info["changes"][0]["inside"] > 0
    assert result.parameters["init_images"] is None

    again = api.img2img(
        images=[SQUARE],
        prompt="a cat at night",
        negative_prompt="people",
        seed=5,
        denoising_strength=0.5,
        cfg_scale=4,
        **FEW,
    )
    assert np.array_equal(pixels(again.image), pixels(result.image)), "the same seed, the same picture"
    said = api.png_info(result.image)
    assert said.info == info["infotexts"][0]
    assert said.info.startswith(
        "a cat at night\nNegative prompt: people\nSteps: 3, Sampler: Euler a, CFG scale: 4, Seed: 5"
    )


def test_several_pictures_and_a_drawn_seed(api: WebUIApi) -> None:
    result = api.img2img(images=[SQUARE], prompt="snow", batch_size=2, n_iter=1, denoising_strength=0.4, **FEW)
    assert len(result.images) == 2
    first, second = result.info["all_seeds"]
    assert second == first + 1
    assert not np.array_equal(pixels(result.images[0]), pixels(result.images[1]))


def test_a_batch_of_photos(api: WebUIApi) -> None:
    other = SQUARE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    result = api.img2img(images=[SQUARE, other], prompt="snow", seed=3, denoising_strength=0.1, **FEW)
    assert len(result.images) == 2
    for image, photo in zip(result.images, (SQUARE, other), strict=True):
        apart = [np.abs(pixels(image) - pixels(one.resize((128, 128)))).mean() for one in (photo, SQUARE, other)]
        assert apart[0] == min(apart)


@pytest.mark.parametrize("whole", [False, True])
def test_a_mask_keeps_the_rest(api: WebUIApi, whole: bool) -> None:
    mask = Image.new("L", PHOTO.size)
    mask.paste(255, (100, 80, 180, 160))
    settings = {"steps": 3, "width": PHOTO.width, "height": PHOTO.height}
    result = api.img2img(
        images=[PHOTO],
        mask_image=mask,
        mask_blur=0,
        inpaint_full_res=not whole,
        inpainting_fill=1,
        prompt="a red ball",
        denoising_strength=0.9,
        **settings,
    )
    assert result.image.size == PHOTO.size
    difference = np.abs(pixels(result.image) - pixels(PHOTO)).max(axis=2)
    inside = np.asarray(mask) > 0
    assert difference[inside].mean() > 5
    assert np.percentile(difference[~inside], 99) <= 2


def test_words_alone(api: WebUIApi) -> None:
    result = api.txt2img(prompt="a red room", seed=1, steps=2, width=96, height=96)
    assert result.image.size == (96, 96)
    assert result.info["seed"] == 1


def test_what_is_refused_is_told(api: WebUIApi) -> None:
    with pytest.raises(RuntimeError) as refused:
        api.img2img(images=[SQUARE], prompt="snow", sampler_name="UniPC", **FEW)
    status, text = refused.value.args
    assert status == 404
    assert "Sampler not found" in json.loads(text)["detail"]
    with pytest.raises(RuntimeError, match="restoration"):
        api.img2img(images=[SQUARE], prompt="snow", restore_faces=True, **FEW)
    with pytest.raises(RuntimeError, match="Init image not found"):
        api.img2img(images=[], prompt="snow", **FEW)


def test_pictures_in_words(api: WebUIApi) -> None:
    caption = api.interrogate(PHOTO).info
    assert len(caption.split()) > 2
    tags = api.interrogate(PHOTO, model="deepdanbooru").info.split(", ")
    assert tags
    assert tags[0]


def test_enlarging(api: WebUIApi) -> None:
    small = SQUARE.resize((96, 64))
    assert api.extra_single_image(small, upscaler_1="Lanczos", upscaling_resize=1.5).image.size == (144, 96)
    result = api.extra_single_image(small, upscaler_1="Framesense", upscaling_resize=2)
    assert result.image.size == (192, 128)
    assert np.abs(pixels(result.image) - pixels(small.resize((192, 128)))).mean() < 20
    batch = api.extra_batch_images([small, SQUARE], upscaler_1="Framesense", upscaling_resize=2)
    assert [image.size for image in batch.images] == [(192, 128), (512, 512)]


def test_options_and_lists(api: WebUIApi) -> None:
    title = api.util_get_current_model()
    assert title in api.util_get_model_names()
    api.util_set_model(title)
    assert api.util_get_current_model() == title
    assert "Euler a" in api.util_get_sampler_names()
    assert api.util_get_scheduler_names() == ["automatic"]
    assert api.get_upscalers()[0]["name"] == "None"
    assert api.get_memory()["ram"]["total"] > 0
    assert api.get_cmd_flags()["api"]
    assert api.get_scripts() == {"txt2img": [], "img2img": []}
    assert not (api.has_controlnet or api.has_adetailer or api.has_animatediff)
    for listed in (api.get_loras, api.get_sd_vae, api.get_hypernetworks, api.get_face_restorers, api.get_prompt_styles):
        assert listed() == []
    assert api.get_embeddings()["loaded"] == {}
    api.refresh_checkpoints()
    api.util_wait_for_ready(check_interval=0.1)


def test_progress_and_interrupts_of_ones_own(site: Site) -> None:
    mine, theirs = site.client(), site.client()
    long = {"steps": 150, "width": 128, "height": 128, "denoising_strength": 1.0}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(theirs.img2img, images=[SQUARE], prompt="snow", batch_size=16, **long)
        wait_until(lambda: theirs.get_progress()["progress"] > 0)
        second = pool.submit(mine.img2img, images=[SQUARE], prompt="snow", **FEW)
        wait_until(lambda: mine.get_progress()["state"]["job_count"] == 1)
        waiting = mine.get_progress()
        assert waiting["state"]["job_id"] != theirs.get_progress()["state"]["job_id"]
        wait_until(lambda: theirs.get_progress()["current_image"] is not None)
        running = theirs.get_progress()["state"]
        assert (running["job_count"], running["sampling_steps"]) == (16, 150)
        if waiting["state"]["job_state"] == "queued":
            assert waiting["state"]["queue_position"] == 0
        stranger = site.client()
        assert stranger.get_progress()["state"]["job_count"] == 0
        stranger.interrupt()
        assert theirs.get_progress()["state"]["job_count"] == 16, "a stranger's interrupt is nobody's"
        theirs.interrupt()
        try:
            assert len(first.result(TIMEOUT).images) < 16, "what was made until then"
        except RuntimeError as error:
            assert "cancelled" in str(error)
        assert second.result(TIMEOUT).image.size == (128, 128), "the other client's went on"


def test_a_series_does_not_keep_a_single_edit_waiting(site: Site) -> None:
    batch, single = site.client(), site.client()
    slow = {"steps": 60, "width": 128, "height": 128, "denoising_strength": 1.0}
    with ThreadPoolExecutor(1) as pool:
        many = pool.submit(batch.img2img, images=[SQUARE] * 12, prompt="snow", **slow)
        wait_until(lambda: batch.get_progress()["progress"] > 0)
        single.img2img(images=[SQUARE], prompt="snow", **FEW)
        assert not many.done(), "it was let past"
        batch.interrupt()
        try:
            many.result(TIMEOUT)
        except RuntimeError as error:
            assert "cancelled" in str(error)
