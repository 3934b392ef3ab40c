"""The editor's routes, in process, with a model that paints plain colours: sizes, masks, what is kept, refusals."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image
from pydantic import TypeAdapter

from editor.app import create_app
from editor.settings import EditorSettings
from framesense.media.images import RGB
from framesense.schemas.edits import (
    EditEvent,
    EditorCapabilities,
    FailureEvent,
    Fit,
    ImageEvent,
    Preserve,
    StepEvent,
    Task,
)
from framesense.schemas.problems import MEDIA_TYPE, Problem
from tests.support.paint_model import ABILITIES, Painter

PHOTOS = Path(skimage.__file__).parent / "data"
CAT = (PHOTOS / "chelsea.png").read_bytes()
CAT_PIXELS = np.asarray(Image.open(io.BytesIO(CAT)))
HEIGHT, WIDTH = CAT_PIXELS.shape[:2]
EVENT: TypeAdapter[EditEvent] = TypeAdapter(EditEvent)
LIMITS = {"max_image_bytes": 2_000_000, "max_image_pixels": 2_000_000, "editor_max_result_pixels": 4_000_000}


def settings(**changed: Any) -> EditorSettings:
    return EditorSettings(**{**LIMITS, "editor_max_queue": 2, "editor_max_side": 1500, **changed})


@contextmanager
def serving(painter: Painter, **changed: Any) -> Iterator[TestClient]:
    with TestClient(create_app(settings(**changed), load=painter.load)) as client:
        pause = threading.Event()
        while (answer := client.get("/ready")).status_code != 200:
            assert "being loaded" in answer.json()["detail"], answer.text
            pause.wait(0.05)
        yield client


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
def client(painter: Painter) -> Iterator[TestClient]:
    with serving(painter) as client:
        yield client


def png(pixels: Any, mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    (image.convert(mode) if mode else image).save(stream, "PNG")
    return stream.getvalue()


def left_half(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return png(mask)


def ask(client: TestClient, image: bytes | None = CAT, mask: bytes | None = None, **parameters: Any) -> Response:
    files: list[tuple[str, Any]] = [("parameters", (None, json.dumps({"prompt": "all red", **parameters})))]
    files += [(name, (f"{name}.png", data)) for name, data in (("image", image), ("mask", mask)) if data is not None]
    return client.post("/edits", files=files)


def events(answer: Response) -> list[EditEvent]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [EVENT.validate_json(line) for line in answer.text.splitlines() if line]


def pictures(answer: Response) -> list[ImageEvent]:
    return [event for event in events(answer) if isinstance(event, ImageEvent)]


def picture(client: TestClient, image: bytes | None = CAT, mask: bytes | None = None, **parameters: Any) -> ImageEvent:
    (made,) = pictures(ask(client, image, mask, **parameters))
    return made


def pixels(event: ImageEvent) -> RGB:
    return read(event.png)


def read(encoded: str | None) -> Any:
    assert encoded is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def refused(answer: Response, status: int = 422) -> Problem:
    assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code == status
    return found


# --------------------------------------------------------------------------------------------------- an edit


def test_steps_then_the_picture(client: TestClient) -> None:
    *steps, last = events(ask(client, strength=0.5, steps=10, seed=7))
    assert [(step.step, step.steps) for step in steps if isinstance(step, StepEvent)] == [(n, 5) for n in range(1, 6)]
    assert isinstance(steps[0], StepEvent) and steps[0].preview is not None
    assert read(steps[0].preview).shape == (56, 80, 3)
    assert isinstance(last, ImageEvent)
    image = last.image
    assert (image.index, image.seed, image.width, image.height) == (0, 7, WIDTH, HEIGHT)
    assert image.photo == "image.png" and image.method == "painting" and "knows colours only" in image.notes
    assert pixels(last).shape == CAT_PIXELS.shape
    assert image.change is not None and image.change.inside > 0.05
    assert (image.change.outside, image.change.region, image.change.ssim_outside) == (0, 1, None)
    assert last.mask is None and read(last.change_map).shape == (HEIGHT, WIDTH)


def test_defaults_are_the_models_and_are_told(client: TestClient) -> None:
    parameters = picture(client).image.parameters
    assert (parameters.steps, parameters.guidance_scale, parameters.scheduler) == (10, 3.0, "ddim")
    assert parameters.preserve is Preserve.NONE
    assert parameters.seed is not None


def test_a_seed_is_drawn_when_none_is_given(client: TestClient) -> None:
    assert picture(client).image.seed != picture(client).image.seed


def test_the_same_seed_gives_the_same_bytes(client: TestClient) -> None:
    first, again, other = (picture(client, seed=seed) for seed in (3, 3, 4))
    assert first.png == again.png != other.png


def test_several_images_have_seeds_one_after_another_and_are_each_what_they_are_alone(client: TestClient) -> None:
    several = pictures(ask(client, images=3, seed=2**32 - 2))
    assert [made.image.seed for made in several] == [2**32 - 2, 2**32 - 1, 0]
    assert [made.image.index for made in several] == [0, 1, 2]
    assert [made.image.parameters.images for made in several] == [1, 1, 1]
    alone = picture(client, **several[2].image.parameters.model_dump(mode="json", exclude_none=True))
    assert alone.png == several[2].png


def test_strength_sets_the_number_of_steps_and_never_none(client: TestClient, painter: Painter) -> None:
    for strength, steps, taken in ((0.58, 50, 28), (1, 10, 10), (0.05, 10, 1), (0.001, 1, 1)):
        found = events(ask(client, strength=strength, steps=steps))
        assert sum(isinstance(event, StepEvent) for event in found) == taken
    assert painter.requests[-1].steps == 1000


def test_denoising_strength_is_strength(client: TestClient) -> None:
    assert picture(client, denoising_strength=0.3).image.parameters.strength == 0.3


def test_from_words_alone(client: TestClient, painter: Painter) -> None:
    made = picture(client, None, task="generate", width=90, height=50)
    assert pixels(made).shape == (50, 90, 3)
    assert made.image.change is None and made.change_map is None and made.image.photo == ""
    assert painter.requests[0].strength == 1 and painter.requests[0].photo is None
    assert pixels(picture(client, None, task="generate")).shape == (64, 64, 3)


# ------------------------------------------------------------------------------------------------------ sizes


@pytest.mark.parametrize(("width", "height"), [(451, 300), (97, 501), (1000, 40), (8, 8), (64, 64)])
def test_odd_sizes_come_to_the_models_multiple_and_back(
    client: TestClient, painter: Painter, width: int, height: int
) -> None:
    photo = cv2.resize(CAT_PIXELS, (width, height))
    assert pixels(picture(client, png(photo), strength=0.1)).shape == photo.shape
    request = painter.requests[0]
    assert request.width % 8 == request.height % 8 == 0
    assert 0.6 * 64**2 < request.width * request.height < 1.4 * 64**2
    assert request.photo is not None and request.photo.shape == (request.height, request.width, 3)


@pytest.mark.parametrize(
    ("fit", "width", "height", "size"),
    [
        (Fit.FIT, 200, 200, (200, 133)),
        (Fit.CROP, 200, 200, (200, 200)),
        (Fit.FILL, 200, 200, (200, 200)),
        (Fit.CROP, 200, None, (200, 133)),
        (Fit.FIT, None, 150, (226, 150)),
    ],
)
def test_width_and_height(
    client: TestClient, fit: Fit, width: int | None, height: int | None, size: tuple[int, int]
) -> None:
    made = picture(client, width=width, height=height, fit=fit)
    assert (made.image.width, made.image.height) == size
    assert pixels(made).shape == (size[1], size[0], 3)


def test_an_enlarged_result_says_so(client: TestClient) -> None:
    assert any("enlarged" in note for note in picture(client).image.notes)
    small = png(cv2.resize(CAT_PIXELS, (70, 60)))
    assert not any("enlarged" in note for note in picture(client, small).image.notes)


def test_photos_are_upright_rgb_and_opaque(client: TestClient) -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(CAT_PIXELS).save(stream, "JPEG", exif=exif)
    assert pixels(picture(client, stream.getvalue())).shape == (WIDTH, HEIGHT, 3)
    assert pixels(picture(client, png(CAT_PIXELS, "L"))).shape == (HEIGHT, WIDTH, 3)
    transparent = np.dstack([CAT_PIXELS, np.zeros((HEIGHT, WIDTH), np.uint8)])
    made = picture(client, png(transparent), left_half(), mask_blur=0)
    assert any("transparent" in note for note in made.image.notes)
    assert (pixels(made)[:, WIDTH // 2 :] == 255).all()


# ------------------------------------------------------------------------------------------------------ masks


def test_outside_the_mask_the_photos_own_bytes_stay(client: TestClient, painter: Painter) -> None:
    made = picture(client, CAT, left_half(), strength=1, mask_blur=0)
    half = WIDTH // 2
    assert (pixels(made)[:, half:] == CAT_PIXELS[:, half:]).all()
    assert (pixels(made)[:, :half, 0] > 150).mean() > 0.99
    change = made.image.change
    assert change is not None and change.ssim_outside is not None
    assert (change.outside, round(change.region, 2)) == (0, 0.5)
    assert change.inside > 0.2 and change.ssim_outside == pytest.approx(1, abs=0.02)
    assert (read(made.mask) == read(base64.b64encode(left_half()).decode())).all()
    assert made.image.parameters.preserve is Preserve.MASK
    mask = painter.requests[0].mask
    assert mask is not None and mask.shape == (painter.requests[0].height, painter.requests[0].width)


def test_a_feathered_mask_ends_and_beyond_it_the_bytes_stay(client: TestClient) -> None:
    edge = pixels(picture(client, CAT, left_half(), strength=1, mask_blur=5)).astype(int)
    half = WIDTH // 2
    assert (edge[:, half + 20 :] == CAT_PIXELS[:, half + 20 :]).all()
    assert (edge[:, half + 3] != CAT_PIXELS[:, half + 3]).any()


def test_a_mask_of_another_size_is_resized_and_said_so(client: TestClient) -> None:
    made = picture(client, CAT, left_half(60, 40), mask_blur=0)
    assert any("60 × 40" in note and f"{WIDTH} × {HEIGHT}" in note for note in made.image.notes)
    assert (pixels(made)[:, WIDTH // 2 + 10 :] == CAT_PIXELS[:, WIDTH // 2 + 10 :]).all()


def test_a_mask_drawn_on_a_transparent_ground(client: TestClient) -> None:
    for pen in (0, 255):
        drawing = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        drawing[:, : WIDTH // 2] = (pen, pen, pen, 255)
        made = picture(client, CAT, png(drawing), mask_blur=0)
        assert made.image.change is not None and made.image.change.region == pytest.approx(0.5, abs=0.01)


def test_an_empty_mask_leaves_nothing_to_edit(client: TestClient) -> None:
    problem = refused(ask(client, CAT, png(np.zeros((HEIGHT, WIDTH)))))
    assert problem.type.endswith("empty-mask") and "black all over" in problem.detail
    corner = np.zeros((HEIGHT, WIDTH), np.uint8)
    corner[:, :4] = 255
    cut_off = refused(ask(client, CAT, png(corner), width=50, height=100, fit="crop"))
    assert cut_off.type.endswith("empty-mask") and "cut off" in cut_off.detail


def test_masks_go_where_the_photo_goes(client: TestClient) -> None:
    filled = picture(client, CAT, png(np.full((HEIGHT, WIDTH), 255)), width=200, height=200, fit="fill", mask_blur=0)
    mask = read(filled.mask)
    assert mask[:30].max() == 0 and mask[100].min() == 255
    cropped = picture(client, CAT, left_half(), width=200, height=200, fit="crop", mask_blur=0)
    assert read(cropped.mask)[:, :95].min() == 255 and read(cropped.mask)[:, 105:].max() == 0


def test_with_preserve_none_the_mask_only_counts(client: TestClient) -> None:
    made = picture(client, CAT, left_half(), preserve="none", strength=1)
    change = made.image.change
    assert change is not None and change.outside > 0.2 and change.ssim_outside is not None
    assert change.ssim_outside < 0.9
    assert any("only says" in note for note in made.image.notes)


def test_auto_changes_where_the_words_apply(client: TestClient) -> None:
    made = picture(client, preserve="auto", strength=1, mask_blur=2)
    assert (pixels(made)[:, WIDTH // 2 :] == CAT_PIXELS[:, WIDTH // 2 :]).all()
    assert made.image.change is not None and made.image.change.region == pytest.approx(1 / 3, abs=0.05)
    assert made.image.change.outside == 0
    both = picture(client, CAT, png(np.tri(HEIGHT, WIDTH) * 255), preserve="auto", strength=1, mask_blur=2)
    assert both.image.change is not None
    assert 0 < both.image.change.region < made.image.change.region


# ------------------------------------------------------------------------------------------------ restoration


def test_denoising_takes_noise_away_and_is_named(client: TestClient, painter: Painter) -> None:
    noise = np.random.default_rng(0).normal(0, 15, CAT_PIXELS.shape)
    noisy = np.clip(CAT_PIXELS + noise, 0, 255).astype(np.uint8)
    made = picture(client, png(noisy), task="denoise", prompt="")
    assert _error(pixels(made)) < 0.5 * _error(noisy)
    assert made.image.method.startswith("non-local means")
    assert not painter.requests
    kept = picture(client, png(noisy), left_half(), task="denoise", prompt="", mask_blur=0)
    assert (pixels(kept)[:, WIDTH // 2 :] == noisy[:, WIDTH // 2 :]).all()


@pytest.mark.parametrize(("task", "factor"), [("upscale_x2", 2), ("upscale_x4", 4)])
def test_upscaling(client: TestClient, task: str, factor: int) -> None:
    small = cv2.resize(CAT_PIXELS, None, fx=1 / 4, fy=1 / 4, interpolation=cv2.INTER_AREA)
    *steps, last = events(ask(client, png(small), task=task, prompt=""))
    assert steps and isinstance(last, ImageEvent)
    assert pixels(last).shape == (factor * small.shape[0], factor * small.shape[1], 3)
    assert "back-projection" in last.image.method
    assert last.image.change is not None and 0 < last.image.change.inside < 0.05


def test_a_model_that_enlarges_does_it_itself() -> None:
    abilities = replace(ABILITIES, tasks=frozenset({Task.EDIT, Task.UPSCALE_X2}))
    painter = Painter(abilities=abilities)
    with serving(painter) as client:
        small = png(cv2.resize(CAT_PIXELS, (50, 40)))
        made = picture(client, small, task="upscale_x2", prompt="", strength=0.1, seed=1)
        assert made.image.method == "painting" and pixels(made).shape == (80, 100, 3)
        assert made.image.parameters.steps == 10
        assert painter.requests[0].task is Task.UPSCALE_X2
        assert "back-projection" in picture(client, small, task="upscale_x4", prompt="").image.method
        assert len(painter.requests) == 1


def _error(found: RGB) -> float:
    return float(((found.astype(float) - CAT_PIXELS) ** 2).mean())


# -------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"prompt": ""}, "say in 'prompt'"),
        ({"prompt": "   "}, "say in 'prompt'"),
        ({"prompt": "a" * 10_000}, "2000"),
        ({"strength": 0}, "greater than 0"),
        ({"strength": 1.01}, "less than or equal to 1"),
        ({"strength": 1e-9}, "changes nothing"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"steps": 10_000}, "less than or equal to 150"),
        ({"guidance_scale": float("nan")}, "finite"),
        ({"guidance_scale": float("inf")}, "finite"),
        ({"guidance_scale": -1}, "greater than or equal to 0"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 2**32}, "less than or equal to"),
        ({"images": 17}, "less than or equal to 16"),
        ({"scheduler": "fastest"}, "'euler'"),
        ({"scheduler": "lcm"}, "ddim, euler"),
        ({"width": 7}, "greater than or equal to 8"),
        ({"width": 100_000}, "less than or equal to"),
        ({"width": 8, "height": 8}, "8 × 5 pixels"),
        ({"task": "colourise"}, "'edit'"),
        ({"task": "generate"}, "takes no photo"),
        ({"preserve": "mask"}, "needs a mask"),
        ({"task": "denoise", "preserve": "auto"}, "restoration"),
        ({"task": "denoise", "images": 2}, "one image"),
        ({"task": "upscale_x2", "width": 100}, "follows from the photo"),
        ({"cfg": 7}, "no such parameter"),
    ],
)
def test_parameters_that_are_refused(client: TestClient, parameters: dict[str, Any], words: str) -> None:
    assert words in refused(ask(client, **parameters)).detail


def test_a_result_that_is_too_large_is_refused(client: TestClient) -> None:
    problem = refused(ask(client, width=4000, height=4000, fit="fill"), 413)
    assert problem.type.endswith("result-too-large") and "at most 4,000,000" in problem.detail


@pytest.mark.parametrize(
    ("image", "status"),
    [
        (b"", 422),
        (b"no picture at all", 415),
        (CAT[:5000], 422),
        (png(np.zeros((1, 1, 3))), 422),
        (png(np.zeros((1, 500, 3))), 422),
        (png(np.zeros((2, 20_000, 3))), 422),
        (png(np.zeros((10, 20_000, 3))), 413),
        (png(np.zeros((2000, 2000, 3))), 413),
        (b"x" * 2_000_001, 413),
    ],
)
def test_photos_that_are_refused(client: TestClient, image: bytes, status: int) -> None:
    refused(ask(client, image), status)
    assert picture(client).image.index == 0


def test_masks_that_are_refused(client: TestClient) -> None:
    assert "mask.png" in refused(ask(client, CAT, b"no picture at all"), 415).detail
    assert "upscale" in refused(ask(client, CAT, left_half(), task="upscale_x2")).detail.lower()


def test_forms_that_are_refused(client: TestClient) -> None:
    assert "'image'" in refused(ask(client, None)).detail
    refused(client.post("/edits", json={"prompt": "red"}), 415)
    assert "parameters" in refused(client.post("/edits", files=[("image", ("a.png", CAT))])).detail
    broken = [("parameters", (None, "{prompt}")), ("image", ("a.png", CAT))]
    assert "JSON" in refused(client.post("/edits", files=broken)).detail
    two = [("parameters", (None, '{"prompt": "red"}')), ("image", ("a.png", CAT)), ("image", ("b.png", CAT))]
    assert "one is taken" in refused(client.post("/edits", files=two)).detail
    refused(client.post("/edits", files=[*two, ("mask", ("m.png", CAT))]), 413)


def test_what_the_model_lacks_is_refused_with_what_it_has() -> None:
    abilities = replace(ABILITIES, tasks=frozenset({Task.EDIT}), relevance=False)
    with serving(Painter(abilities=abilities)) as client:
        detail = refused(ask(client, None, task="generate")).detail
        assert "cannot make a picture from words alone" in detail and "edit, denoise, upscale_x2" in detail
        assert "Send a mask" in refused(ask(client, preserve="auto")).detail
        found = EditorCapabilities.model_validate_json(client.get("/capabilities").content)
        assert found.tasks == ["edit", "denoise", "upscale_x2", "upscale_x4"]
        assert found.preserve == ["none", "mask"]
        assert [sampler.title for sampler in found.schedulers] == ["DDIM", "Euler"]


# ---------------------------------------------------------------------------------------------------- trouble


def test_a_model_that_refuses_tells_why(client: TestClient, painter: Painter) -> None:
    painter.error = ValueError("words of that kind mean nothing to it")
    (failure,) = events(ask(client))
    assert isinstance(failure, FailureEvent)
    assert (failure.problem.status, failure.problem.detail) == (422, "words of that kind mean nothing to it")


def test_a_model_that_breaks_is_a_problem_without_its_traceback(client: TestClient, painter: Painter) -> None:
    painter.error = RuntimeError("secret of the model")
    (failure,) = events(ask(client))
    assert isinstance(failure, FailureEvent)
    assert failure.problem.status == 500 and "secret" not in failure.problem.detail
    assert failure.problem.request_id
    painter.error = None
    assert picture(client).image.index == 0


def test_batches_that_do_not_fit_are_halved(client: TestClient, painter: Painter) -> None:
    assert len(painter.requests) == 0
    painter.memory = 1
    assert [made.image.index for made in pictures(ask(client, images=3))] == [0, 1, 2]
    assert [len(request.seeds) for request in painter.requests] == [2, 1, 1, 1]
    assert client.get("/models").json()["states"][0]["batch_limit"] == 1
    painter.memory = 0
    (failure,) = events(ask(client))
    assert isinstance(failure, FailureEvent) and "not enough memory" in failure.problem.detail


def test_a_model_that_cannot_be_loaded_says_why() -> None:
    def load(settings: EditorSettings) -> Any:
        raise FileNotFoundError("the folder /nowhere is not there")

    with TestClient(create_app(settings(), load=load)) as client:
        pause = threading.Event()
        while "loaded:" not in (detail := refused(client.get("/ready"), 503).detail):
            pause.wait(0.05)
        assert "/nowhere is not there" in detail
        assert "/nowhere is not there" in refused(ask(client), 503).detail
        assert client.get("/health").status_code == 200


def test_those_in_line_are_served_in_turn_and_the_rest_told_to_come_back() -> None:
    painter = Painter(go=threading.Semaphore(0))
    with serving(painter, editor_max_queue=1) as client:
        answers: dict[str, list[ImageEvent]] = {}

        def work(name: str) -> None:
            answers[name] = pictures(ask(client, prompt=name))

        first = threading.Thread(target=work, args=("red",))
        first.start()
        painter.seen.wait(30)
        second = threading.Thread(target=work, args=("blue",))
        second.start()
        pause = threading.Event()
        while _metric(client, "editor_queue_edits") != 1:
            pause.wait(0.05)
        busy = ask(client, prompt="green")
        assert "1 edits are waiting" in refused(busy, 503).detail
        assert int(busy.headers["retry-after"]) >= 1
        assert painter.go is not None
        painter.go.release(100)
        first.join(60)
        second.join(60)
        assert [request.prompt for request in painter.requests] == ["red", "blue"]
        assert set(answers) == {"red", "blue"}
        assert _metric(client, 'editor_edits_total{outcome="done"}') == 2


def _metric(client: TestClient, name: str) -> float:
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
    return float(lines[name])


def test_signs_of_life_while_nothing_happens() -> None:
    painter = Painter(go=threading.Semaphore(0))
    with serving(painter, editor_keep_alive=0.02) as client:
        threading.Timer(0.5, painter.go.release, (100,)).start()  # type: ignore[union-attr]
        answer = ask(client)
        assert answer.text.startswith("\n")
        assert len(pictures(answer)) == 1
