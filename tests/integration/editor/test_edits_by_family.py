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
from tests.conftest import free_port
from tests.support.colour_tagger import ColourTagger
from tests.support.edit_stack import Workplace, edit_workplace
from tests.support.gateway_process import problem, served
from tests.support.processes import model_server
from tests.support.switching import make_all, use
from tests.support.tiny_diffusion import FAMILIES, SIDE, save_controlnet, save_depth_estimator, save_pipeline

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
    folder = make_all(FAMILIES, tmp_path_factory.mktemp("families"))
    save_pipeline(folder / "upscaler", channels=7)
    return folder


@dataclass
class EditorProcess:
    """One at a time, always at the same address. A ControlNet is a setting, not switched to: for another one, it is
    started anew. It may load what is in ``models``."""

    models: Path
    own: Path
    port: int = field(default_factory=free_port)
    running: ExitStack = field(default_factory=ExitStack)
    control: str | None = None

    def start(self, control: str) -> None:
        if control == self.control:
            return
        self.running.close()
        make, _ = CONTROLS[control]
        small = {"editor_dtype": "float32", "editor_load": "first-use", "editor_preview_interval": 0}
        settings = {"model_folders": self.models, **small, **make(self.own)}
        self.running.enter_context(model_server("editor", self.own, port=self.port, **settings))
        self.control = control


@pytest.fixture(scope="module")
def editor(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorProcess]:
    editor = EditorProcess(folder, tmp_path_factory.mktemp("editor"))
    with editor.running:
        yield editor


@pytest.fixture(scope="module")
def place(redis_process: str, editor: EditorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    url, own = f"http://127.0.0.1:{editor.port}", tmp_path_factory.mktemp("place")
    with (
        served(ColourTagger().app()) as (tagger_url, _),  # which a worker would else look for after every picture
        edit_workplace(redis_process, own, editor_url=url, tagger_url=tagger_url) as place,
    ):
        place.http.timeout = httpx.Timeout(300)
        place.start_worker()
        yield place


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def sent(
    place: Workplace,
    photo: NDArray[np.uint8] | None = PHOTO,
    mask: NDArray[np.uint8] | None = None,
    **parameters: object,
) -> httpx.Response:
    pictures = {"image": photo, "mask": mask}
    files: dict[str, tuple[str | None, bytes]] = {
        name: (f"{name}.png", png(pixels)) for name, pixels in pictures.items() if pixels is not None
    }
    fields = {name: (None, str(value).encode()) for name, value in (ASKED | parameters).items()}
    return place.http.post("/edits", files={**files, **fields}, headers={"Prefer": "wait=200"})


def result(place: Workplace, answer: httpx.Response) -> EditResult:
    assert answer.status_code == 200, (answer.text, place.logs())
    return EditResult.model_validate_json(answer.content)


def pixels(place: Workplace, image: EditedImage) -> NDArray[np.uint8]:
    picture = place.picture(image.image_url)
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (image.width, image.height))
    return np.asarray(picture)


def able(place: Workplace) -> EditorCapabilities:
    return EditorCapabilities.model_validate(place.http.get("/edits/capabilities").json())


def told(place: Workplace, image: EditedImage, abilities: EditorCapabilities) -> None:
    """The settings, in the result and in the picture's own metadata."""
    asked, model = image.parameters, abilities.model
    assert (asked.steps, asked.seed, asked.strength, asked.images) == (2, image.seed, 0.5, 1)
    assert asked.scheduler is not None and asked.scheduler == abilities.default_scheduler
    assert asked.guidance_scale == abilities.default_guidance_scale
    written = f"Steps: 2, Sampler: {asked.scheduler.label}, CFG scale: {asked.guidance_scale:g}, Seed: {image.seed}, "
    written += f"Size: {image.width}x{image.height}, Model hash: {model.revision}, "
    assert written in place.picture(image.image_url).text["parameters"]  # type: ignore[attr-defined]


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
def test_through_the_gateway(place: Workplace, editor: EditorProcess, folder: Path, name: str) -> None:
    editor.start("none")
    use(place.http, "editor", f"path:{folder / name}")
    abilities = able(place)
    family = name if name != "refiner" else Architecture.STABLE_DIFFUSION_XL
    assert (abilities.model.name, abilities.model.family) == (f"path:{folder / name}", family)
    assert set(abilities.preserve) == set(Preserve)

    made = result(place, sent(place))
    assert made.model == abilities.model
    (image,) = made.images
    assert (image.width, image.height, image.method) == (WIDTH, HEIGHT, method(name))
    told(place, image, abilities)
    picture = pixels(place, image)
    assert np.abs(picture.astype(int) - PHOTO).mean() > 2
    assert image.change is not None and image.change.inside > 0.01 and image.change.region == 1
    assert image.agreement is not None
    (again,) = result(place, sent(place)).images
    assert np.array_equal(pixels(place, again), picture)

    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[LEFT] = 255
    masked = result(place, sent(place, mask=mask, mask_blur=0, images=2)).images
    assert [image.seed for image in masked] == [3, 4]
    assert {image.method for image in masked} == {method(name, masked=True)}
    one, other = (pixels(place, image) for image in masked)
    for found in (one, other):
        assert np.array_equal(found[:, WIDTH // 2 :], PHOTO[:, WIDTH // 2 :]), "outside of the mask"
        assert not np.array_equal(found[LEFT], PHOTO[LEFT])
    assert not np.array_equal(one[LEFT], other[LEFT])

    words = sent(place, photo=None, task=Task.GENERATE)
    if name in FROM_WORDS:
        (drawn,) = result(place, words).images
        assert pixels(place, drawn).shape == (SIDE, SIDE, 3)
        assert (drawn.method, drawn.change) == ("text to image", None)
    else:
        assert "cannot make a picture from words alone" in problem(words, 422).detail


def test_an_upscaler(place: Workplace, editor: EditorProcess, folder: Path) -> None:
    editor.start("none")
    model = f"path:{folder / 'upscaler'}"
    use(place.http, "editor", model)
    abilities = able(place)
    assert (abilities.model.name, abilities.model.family) == (model, "stable-diffusion-upscaler")
    small = cv2.resize(PHOTO, (30, 20), interpolation=cv2.INTER_AREA)
    for task, factor, how in (
        (Task.UPSCALE_X4, 4, "Stable Diffusion ×4 upscaler"),
        (Task.UPSCALE_X2, 2, "Stable Diffusion ×4 upscaler, then halved"),
    ):
        made = result(place, sent(place, small, task=task))
        assert made.model == abilities.model
        (image,) = made.images
        assert (image.width, image.height, image.method) == (factor * 30, factor * 20, how)
        told(place, image, abilities)
        plain = cv2.resize(small, (factor * 30, factor * 20), interpolation=cv2.INTER_CUBIC)
        assert np.abs(pixels(place, image).astype(int) - plain).mean() > 2
    assert "cannot edit a photo by words" in problem(sent(place), 422).detail


@pytest.mark.parametrize("control", [control for control, (_, names) in CONTROLS.items() if names])
def test_held_by_a_controlnet(place: Workplace, editor: EditorProcess, folder: Path, control: str) -> None:
    editor.start(control)
    for name in CONTROLS[control][1]:
        use(place.http, "editor", f"path:{folder / name}")
        abilities = able(place)
        assert abilities.model.family == f"{name}-controlnet-{control}"
        made = result(place, sent(place))
        assert made.model == abilities.model
        (image,) = made.images
        assert (image.width, image.height) == (WIDTH, HEIGHT)
        assert image.method == f"{method(name)}, held by ControlNet ({control})"
        told(place, image, abilities)
        assert np.abs(pixels(place, image).astype(int) - PHOTO).mean() > 2
    wish = {"model": f"path:{folder / 'stable-diffusion-instruct-pix2pix'}"}
    refused = problem(place.http.put("/models/editor", json=wish, headers={"Prefer": "wait=100"}), 422)
    assert "takes no ControlNet" in refused.detail
    assert result(place, sent(place)).model == abilities.model, "the one before answers on"
