"""Every family of editing models, tiny and of random weights, behind a running editor, a worker and a gateway: switched
to by its folder, then sent a real photo. Each in itself: families/.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from editor.models.controls import ControlKind
from editor.models.folders import Architecture, Distillation, Role
from framesense.schemas.edits import EditedImage, EditorCapabilities, EditResult, Preserve, Task
from tests.support.colour_tagger import ColourTagger
from tests.support.edit_stack import EditStack, running_edit_stack
from tests.support.gateway_process import problem, served
from tests.support.processes import running_server
from tests.support.switching import save_all, use
from tests.support.tiny_diffusion import FAMILIES, SIDE, save_controlnet, save_depth_estimator, save_pipeline
from tools.processes import free_port

WIDTH, HEIGHT = 90, 60
PHOTO = cv2.resize(data.chelsea(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
ASKED = {"prompt": "a red cat", "seed": 3, "steps": 2}
LEFT = np.s_[:, : WIDTH // 2]

CONTROLS: dict[str, tuple[Callable[[Path], dict[str, object]], list[str]]] = {
    "none": (lambda folder: {}, []),
    "canny": (
        lambda folder: {"editor_controlnet": f"path:{save_controlnet(folder / 'canny')}"},
        ["stable-diffusion", "stable-diffusion-inpainting"],
    ),
    "depth": (
        lambda folder: {
            "editor_controlnet": f"path:{save_controlnet(folder / 'depth', xl=True)}",
            "editor_depth": f"path:{save_depth_estimator(folder / 'dpt')}",
        },
        ["stable-diffusion-xl", "stable-diffusion-xl-inpainting"],
    ),
}
"""Settings of an editor with a ControlNet, and the families that are tried with it."""
FROM_WORDS = {name for name in FAMILIES if not name.endswith((Role.INSTRUCT, Role.INPAINTING, "refiner"))}
"""Those that make a picture without a photo."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_all(FAMILIES, tmp_path_factory.mktemp("families"))
    save_pipeline(folder / "upscaler", channels=7)
    return folder


@dataclass
class SwitchedEditor:
    """One at a time, always at the same address. A ControlNet is a setting, not switched to: for another one, it is
    started anew. It may load what is in ``models``."""

    models: Path
    own: Path
    port: int = field(default_factory=free_port)
    running: ExitStack = field(default_factory=ExitStack)
    control: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, control: str) -> None:
        if control == self.control:
            return
        self.running.close()
        save, _ = CONTROLS[control]
        small = {"editor_dtype": "float32", "editor_load": "first-use", "editor_preview_interval": 0}
        settings = {"model_folders": self.models, **small, **save(self.own)}
        self.running.enter_context(running_server("editor", self.own, port=self.port, **settings))
        self.control = control


@pytest.fixture(scope="module")
def editor(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchedEditor]:
    editor = SwitchedEditor(folder, tmp_path_factory.mktemp("editor"))
    with editor.running:
        yield editor


@pytest.fixture(scope="module")
def stack(redis_process: str, editor: SwitchedEditor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditStack]:
    folder = tmp_path_factory.mktemp("stack")
    with (
        served(ColourTagger().app()) as (tagger_url, _),  # which a worker would else look for after every picture
        running_edit_stack(redis_process, folder, editor_url=editor.url, tagger_url=tagger_url) as stack,
    ):
        stack.http.timeout = httpx.Timeout(300)
        stack.start_worker()
        yield stack


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def sent(
    stack: EditStack,
    photo: NDArray[np.uint8] | None = PHOTO,
    mask: NDArray[np.uint8] | None = None,
    **parameters: object,
) -> httpx.Response:
    pictures = {"image": photo, "mask": mask}
    files: dict[str, tuple[str | None, bytes]] = {
        name: (f"{name}.png", png(pixels)) for name, pixels in pictures.items() if pixels is not None
    }
    fields = {name: (None, str(value).encode()) for name, value in (ASKED | parameters).items()}
    return stack.http.post("/edits", files={**files, **fields}, headers={"Prefer": "wait=200"})


def result(stack: EditStack, answer: httpx.Response) -> EditResult:
    assert answer.status_code == 200, (answer.text, stack.logs)
    return EditResult.model_validate_json(answer.content)


def pixels(stack: EditStack, image: EditedImage) -> NDArray[np.uint8]:
    picture = stack.picture(image.image_url)
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (image.width, image.height))
    return np.asarray(picture)


def able(stack: EditStack) -> EditorCapabilities:
    return EditorCapabilities.model_validate(stack.http.get("/edits/capabilities").json())


def assert_settings_are_written(stack: EditStack, image: EditedImage, abilities: EditorCapabilities) -> None:
    """The settings, in the result and in the picture's own metadata."""
    asked, model = image.parameters, abilities.model
    assert (asked.steps, asked.seed, asked.strength, asked.images) == (2, image.seed, 0.5, 1)
    assert asked.scheduler is not None and asked.scheduler == abilities.default_scheduler
    assert asked.guidance_scale == abilities.default_guidance_scale
    written = f"Steps: 2, Sampler: {asked.scheduler.label}, CFG scale: {asked.guidance_scale:g}, Seed: {image.seed}, "
    written += f"Size: {image.width}x{image.height}, Model hash: {model.revision}, "
    assert written in stack.picture(image.image_url).text["parameters"]  # type: ignore[attr-defined]


def method(name: str, *, masked: bool = False) -> str:
    if Role.INSTRUCT in name:
        return "InstructPix2Pix, image guidance 1.50"
    return "inpainting" if Role.INPAINTING in name else "SDEdit within the mask" if masked else "SDEdit"


def test_every_family_is_tried() -> None:
    families = {*FAMILIES, f"{Architecture.STABLE_DIFFUSION}-{Role.UPSCALER}"}
    for part in (*Architecture, *Distillation, *Role):
        assert any(part in family for family in families), part
    assert {*CONTROLS} == {"none", *ControlKind}


@pytest.mark.parametrize("name", FAMILIES)
def test_through_the_gateway(stack: EditStack, editor: SwitchedEditor, folder: Path, name: str) -> None:
    editor.start("none")
    use(stack.http, "editor", f"path:{folder / name}")
    abilities = able(stack)
    family = name if name != "refiner" else Architecture.STABLE_DIFFUSION_XL
    assert (abilities.model.name, abilities.model.family) == (f"path:{folder / name}", family)
    assert set(abilities.preserve) == set(Preserve)

    made = result(stack, sent(stack))
    assert made.model == abilities.model
    (image,) = made.images
    assert (image.width, image.height, image.method) == (WIDTH, HEIGHT, method(name))
    assert_settings_are_written(stack, image, abilities)
    picture = pixels(stack, image)
    assert np.abs(picture.astype(int) - PHOTO).mean() > 2
    assert image.change is not None and image.change.inside > 0.01 and image.change.region == 1
    assert image.agreement is not None
    (again,) = result(stack, sent(stack)).images
    assert np.array_equal(pixels(stack, again), picture)

    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[LEFT] = 255
    masked = result(stack, sent(stack, mask=mask, mask_blur=0, images=2)).images
    assert [image.seed for image in masked] == [3, 4]
    assert {image.method for image in masked} == {method(name, masked=True)}
    one, other = (pixels(stack, image) for image in masked)
    for found in (one, other):
        assert np.array_equal(found[:, WIDTH // 2 :], PHOTO[:, WIDTH // 2 :]), "outside of the mask"
        assert not np.array_equal(found[LEFT], PHOTO[LEFT])
    assert not np.array_equal(one[LEFT], other[LEFT])

    words = sent(stack, photo=None, task=Task.GENERATE)
    if name in FROM_WORDS:
        (drawn,) = result(stack, words).images
        assert pixels(stack, drawn).shape == (SIDE, SIDE, 3)
        assert (drawn.method, drawn.change) == ("text to image", None)
    else:
        assert "cannot make a picture from words alone" in problem(words, 422).detail


def test_an_upscaler(stack: EditStack, editor: SwitchedEditor, folder: Path) -> None:
    editor.start("none")
    model = f"path:{folder / 'upscaler'}"
    use(stack.http, "editor", model)
    abilities = able(stack)
    assert (abilities.model.name, abilities.model.family) == (model, "stable-diffusion-upscaler")
    small = cv2.resize(PHOTO, (30, 20), interpolation=cv2.INTER_AREA)
    for task, factor, how in (
        (Task.UPSCALE_X4, 4, "Stable Diffusion ×4 upscaler"),
        (Task.UPSCALE_X2, 2, "Stable Diffusion ×4 upscaler, then halved"),
    ):
        made = result(stack, sent(stack, small, task=task))
        assert made.model == abilities.model
        (image,) = made.images
        assert (image.width, image.height, image.method) == (factor * 30, factor * 20, how)
        assert_settings_are_written(stack, image, abilities)
        plain = cv2.resize(small, (factor * 30, factor * 20), interpolation=cv2.INTER_CUBIC)
        assert np.abs(pixels(stack, image).astype(int) - plain).mean() > 2
    assert "cannot edit a photo by words" in problem(sent(stack), 422).detail


@pytest.mark.parametrize("control", [control for control, (_, names) in CONTROLS.items() if names])
def test_held_by_a_controlnet(stack: EditStack, editor: SwitchedEditor, folder: Path, control: str) -> None:
    editor.start(control)
    for name in CONTROLS[control][1]:
        use(stack.http, "editor", f"path:{folder / name}")
        abilities = able(stack)
        assert abilities.model.family == f"{name}-controlnet-{control}"
        made = result(stack, sent(stack))
        assert made.model == abilities.model
        (image,) = made.images
        assert (image.width, image.height) == (WIDTH, HEIGHT)
        assert image.method == f"{method(name)}, held by ControlNet ({control})"
        assert_settings_are_written(stack, image, abilities)
        assert np.abs(pixels(stack, image).astype(int) - PHOTO).mean() > 2
    wish = {"model": f"path:{folder / 'stable-diffusion-instruct-pix2pix'}"}
    refused = problem(stack.http.put("/models/editor", json=wish, headers={"Prefer": "wait=100"}), 422)
    assert "takes no ControlNet" in refused.detail
    assert result(stack, sent(stack)).model == abilities.model, "the one before answers on"
