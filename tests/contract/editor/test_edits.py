"""An edit from its form to its events, and the sizes of its result."""

import io

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from framesense.schemas.edits import (
    Fit,
    ImageEvent,
    Preserve,
    StepEvent,
)
from tests.support.editor_api import (
    CAT_PIXELS,
    HEIGHT,
    WIDTH,
    ask,
    events,
    left_half,
    picture,
    pictures,
    pixels,
    png,
    read,
)
from tests.support.paint_model import Painter


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


def test_no_prompt_on_purpose(client: TestClient) -> None:
    made = picture(client, prompt="", unconditional=True).image
    assert (made.parameters.prompt, made.parameters.unconditional, made.agreement) == ("", True, None)


def test_denoising_strength_is_strength(client: TestClient) -> None:
    assert picture(client, denoising_strength=0.3).image.parameters.strength == 0.3


def test_from_words_alone(client: TestClient, painter: Painter) -> None:
    made = picture(client, None, task="generate", width=90, height=50)
    assert pixels(made).shape == (50, 90, 3)
    assert made.image.change is None and made.change_map is None and made.image.photo == ""
    assert painter.requests[0].strength == 1 and painter.requests[0].photo is None
    assert pixels(picture(client, None, task="generate")).shape == (64, 64, 3)


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
