"""The editor as it runs: its own process, a tiny Stable Diffusion of random weights from a folder, HTTP, no network.

The process may open no connection outside loopback, so each test here also shows that a model in a folder needs none.
"""

import base64
import io
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from framesense.clients.editor import AsyncEditorClient, EditInterrupted, EditorClient
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.schemas.edits import EditParameters, ImageEvent, StepEvent, Task
from tests.support.processes import ServerProcess, running_server
from tests.support.tiny_diffusion import save_pipeline
from tests.support.waiting import wait_until

PHOTOS = Path(skimage.__file__).parent / "data"
CAT = Upload((PHOTOS / "chelsea.png").read_bytes(), "cat.png", "image/png")
CAT_PIXELS = np.asarray(Image.open(io.BytesIO(CAT.content)))
LONG: dict[str, Any] = {"prompt": "abc", "steps": 150, "strength": 1.0, "images": 16}
"""Minutes of work."""


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    model = save_pipeline(tmp_path_factory.mktemp("models") / "tiny")
    frequent = {"editor_preview_interval": 0, "editor_keep_alive": 0.1}
    folder = tmp_path_factory.mktemp("editor")
    with running_server("editor", folder, guarded=True, editor_model=f"path:{model}", **frequent) as running:
        yield running


@pytest.fixture
def client(editor: ServerProcess) -> Iterator[EditorClient]:
    with EditorClient(editor.url) as client:
        yield client


def ask(**parameters: Any) -> EditParameters:
    return EditParameters.model_validate({"prompt": "abc", "steps": 4, "strength": 0.6, "seed": 5} | parameters)


def picture(client: EditorClient, **parameters: Any) -> ImageEvent:
    (made,) = (event for event in client.edit(ask(**parameters), image=CAT) if isinstance(event, ImageEvent))
    return made


def pixels(encoded: str) -> Any:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def test_an_edit_step_by_step(client: EditorClient) -> None:
    alive: list[None] = []
    *steps, last = client.edit(ask(), image=CAT, alive=lambda: alive.append(None))
    assert [(step.step, step.steps) for step in steps if isinstance(step, StepEvent)] == [(1, 2), (2, 2)]
    assert isinstance(steps[-1], StepEvent) and steps[-1].preview is not None
    assert pixels(steps[-1].preview).ndim == 3
    assert len(alive) >= 3
    assert isinstance(last, ImageEvent)
    assert pixels(last.png).shape == CAT_PIXELS.shape
    assert last.image.photo == "cat.png" and last.image.seconds > 0


async def test_what_it_can_do(editor: ServerProcess, client: EditorClient) -> None:
    async with AsyncEditorClient(editor.url) as waiting:
        found = await waiting.capabilities()
        assert (await waiting.model()) == found.model
    assert client.capabilities() == found
    assert found.model.family == "stable-diffusion"
    assert set(found.tasks) == set(Task)
    assert found.default_scheduler in [sampler.name for sampler in found.schedulers]


@pytest.mark.parametrize("preserve", ["none", "auto"])
def test_the_same_seed_gives_the_same_bytes(client: EditorClient, preserve: str) -> None:
    first, again, other = (picture(client, seed=seed, preserve=preserve) for seed in (1, 1, 2))
    assert (first.png, first.mask, first.change_map) == (again.png, again.mask, again.change_map)
    assert other.png != first.png


def test_a_mask_keeps_the_rest_to_the_byte(client: EditorClient) -> None:
    mask = np.zeros(CAT_PIXELS.shape[:2], np.uint8)
    mask[100:200, 100:300] = 255
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    upload = Upload(stream.getvalue(), "mask.png", "image/png")
    *_, last = client.edit(ask(mask_blur=0, strength=1), image=CAT, mask=upload)
    assert isinstance(last, ImageEvent)
    edited = pixels(last.png)
    assert (edited[mask == 0] == CAT_PIXELS[mask == 0]).all()
    assert (edited[mask == 255] != CAT_PIXELS[mask == 255]).any(axis=-1).mean() > 0.9


def test_from_words_alone_and_a_restoration(client: EditorClient) -> None:
    *_, made = client.edit(ask(task="generate", width=144, height=112))
    assert isinstance(made, ImageEvent) and pixels(made.png).shape == (112, 144, 3)
    *_, larger = client.edit(EditParameters(task=Task.UPSCALE_X2), image=CAT)
    assert isinstance(larger, ImageEvent) and pixels(larger.png).shape == (600, 902, 3)


def test_what_is_refused_is_refused_at_once_and_in_words(client: EditorClient) -> None:
    with pytest.raises(ProblemError, match="no photo"):
        list(client.edit(ask()))
    with pytest.raises(ProblemError, match="not like an image"):
        list(client.edit(ask(), image=Upload(b"text", "notes.txt", "text/plain")))
    with pytest.raises(ProblemError, match="has no scheduler lcm"):
        list(client.edit(ask(scheduler="lcm"), image=CAT))


def test_two_at_once_are_both_served(editor: ServerProcess) -> None:
    made: dict[int, str] = {}

    def work(seed: int) -> None:
        with EditorClient(editor.url) as own:
            made[seed] = picture(own, seed=seed, steps=20).png

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert len(set(made.values())) == 4
    with EditorClient(editor.url) as own:
        assert picture(own, seed=2, steps=20).png == made[2], "company changes nothing"


def test_whoever_has_the_last_picture_may_hang_up(editor: ServerProcess, client: EditorClient) -> None:
    done, cancelled = (f'editor_edits_total{{outcome="{outcome}"}}' for outcome in ("done", "cancelled"))
    before = editor.metric(done), editor.metric(cancelled)
    for seed in range(5):
        picture(client, seed=seed, steps=1)
    wait_until(lambda: editor.metric(done) + editor.metric(cancelled) >= sum(before) + 5)
    assert (editor.metric(done), editor.metric(cancelled)) == (before[0] + 5, before[1])


def test_who_hangs_up_frees_the_model(editor: ServerProcess, client: EditorClient) -> None:
    cancelled, begun = 'editor_edits_total{outcome="cancelled"}', 'editor_picture_seconds_count{task="edit"}'
    before, made = editor.metric(cancelled), editor.metric(begun)
    long = client.edit(ask(**LONG), image=CAT)
    assert isinstance(next(long), StepEvent)
    with EditorClient(editor.url) as other:
        waiting = other.edit(ask(**LONG), image=CAT, alive=_raise_after(3))
        with pytest.raises(GoneError):  # it never had its turn
            next(waiting)
    wait_until(lambda: editor.metric("editor_queue_edits") == 0)
    assert isinstance(next(long), StepEvent), "the other one goes on"
    long.close()
    assert picture(client).image.index == 0
    wait_until(lambda: editor.metric(cancelled) == before + 2)
    assert editor.metric(begun) - made < 16


class GoneError(Exception):
    pass


def _raise_after(signs: int) -> Callable[[], None]:
    count = iter(range(signs))

    def alive() -> None:
        if next(count, None) is None:
            raise GoneError

    return alive


def test_a_killed_editor_loses_nothing_but_the_picture_it_was_at(editor: ServerProcess, client: EditorClient) -> None:
    before = picture(client, seed=9).png
    begun = client.edit(ask(**LONG), image=CAT)
    assert isinstance(next(begun), StepEvent)
    editor.kill()
    with pytest.raises(EditInterrupted, match="broke off"):
        list(begun)
    editor.start()
    assert picture(client, seed=9).png == before, "asked again until it is back"


def test_it_stops_when_asked_also_in_the_middle_of_an_edit(editor: ServerProcess, client: EditorClient) -> None:
    begun = client.edit(ask(**LONG), image=CAT)
    assert isinstance(next(begun), StepEvent)
    stopper = threading.Thread(target=editor.stop, args=(signal.SIGTERM,))
    stopper.start()
    with pytest.raises(EditInterrupted, match="shutting down"):
        list(begun)
    stopper.join()
    assert "Traceback" not in editor.log, editor.log
    assert editor.network_attempts == []
