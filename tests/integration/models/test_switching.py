"""A captioner as it runs, switched between two real models and back while 16 clients call it all the while."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
import skimage

from framesense.schemas.captions import CaptionResponse
from framesense.schemas.models import ModelPhase, ModelsResponse, ModelState
from tests.support import tiny_models as tiny
from tests.support.gateway_process import problem
from tests.support.processes import ServerProcess, running_server
from tests.support.waiting import TIMEOUT, wait_until_async

COFFEE = (Path(skimage.__file__).parent / "data" / "coffee.png").read_bytes()
CLIENTS = 16

pytestmark = pytest.mark.timeout(900)  # real models are loaded, on a machine that may be busy


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny.blip(folder / "blip")
    return folder


async def ask(http: httpx.AsyncClient) -> CaptionResponse:
    answer = await http.post("/caption", params={"beams": 1}, files={"image": ("a.png", COFFEE)})
    assert answer.status_code == 200, answer.text
    return CaptionResponse.model_validate_json(answer.content)


async def state(http: httpx.AsyncClient) -> ModelState:
    answer = await http.get("/models")
    return ModelsResponse.model_validate_json(answer.content).states[0]


def client(server: ServerProcess) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=CLIENTS + 4)
    return httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, limits=limits, trust_env=False)


@pytest.mark.parametrize("order", ["load-first", "unload-first"])
async def test_switching_under_load_fails_no_request(folders: Path, tmp_path: Path, order: str) -> None:
    blip = f"path:{folders / 'blip'}"
    answered: Counter[str] = Counter()
    last: dict[int, str] = {}
    stop = asyncio.Event()

    async def caller(http: httpx.AsyncClient, number: int) -> None:
        while not stop.is_set():
            answer = await ask(http)
            assert answer.captions[0].caption
            last[number] = answer.model.name
            answered[answer.model.name] += 1

    settings = {"model_folders": folders, "model_switch": order, "model_wait": TIMEOUT}
    with running_server("captioner", tmp_path, **settings) as server:
        async with client(server) as http, asyncio.TaskGroup() as group:
            callers = [group.create_task(caller(http, number)) for number in range(CLIENTS)]
            for name in (blip, "embedded", blip):
                await _more(answered, 3 * CLIENTS, callers)
                switched = await http.put("/models", params={"wait": TIMEOUT}, json={"model": name})
                assert switched.status_code == 200, switched.text
                assert ModelState.model_validate(switched.json()).model == name
            await _more(answered, 3 * CLIENTS, callers)
            stop.set()
        assert set(answered) == {"embedded", blip}
        assert set(last.values()) == {blip}
        assert "Traceback" not in server.log


async def _more(answered: Counter[str], count: int, callers: "list[asyncio.Task[None]]") -> None:
    """Wait for so many more answers."""
    aim = answered.total() + count
    await wait_until_async(lambda: answered.total() >= aim or any(caller.done() for caller in callers))


async def test_a_broken_model_leaves_the_old_one_and_says_why(folders: Path, tmp_path: Path) -> None:
    broken = folders / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "blip"}')
    with running_server("captioner", tmp_path, model_folders=folders) as server:
        async with client(server) as http:
            asked = await http.put("/models", params={"wait": TIMEOUT}, json={"model": f"path:{broken}"})
            refused = problem(asked, 422)
            assert str(broken) in refused.detail
            assert (await ask(http)).model.name == "embedded"
            found = await state(http)
            assert (found.model, found.state) == ("embedded", ModelPhase.READY)
            assert str(broken) in (found.switch_error or "")
            started = await http.put("/models", json={"model": f"path:{folders / 'blip'}"})
            assert started.status_code == 202
            while (found := await state(http)).switching_to:
                assert (await ask(http)).captions
            assert (found.model, found.switch_error) == (f"path:{folders / 'blip'}", None)


async def test_idle_models_give_their_memory_back_and_come_again(tmp_path: Path) -> None:
    with running_server("captioner", tmp_path, captioner_load="first-use", captioner_unload_after=1) as server:
        async with client(server) as http:
            before = await state(http)
            assert before.state is ModelPhase.UNLOADED
            for _ in range(2):
                answers = await asyncio.gather(*(ask(http) for _ in range(4)))
                assert {answer.model.name for answer in answers} == {"embedded"}
                loaded = await state(http)
                assert (loaded.state, loaded.device) == (ModelPhase.READY, "cpu")
                deadline = time.monotonic() + TIMEOUT
                while not _given_back(idle := await state(http), loaded):
                    assert time.monotonic() < deadline, (idle, loaded)
                    await asyncio.sleep(0.1)
                assert (await http.get("/ready")).status_code == 200


def _given_back(idle: ModelState, loaded: ModelState) -> bool:
    """Both models, the captioner's and the sentence encoder's, are 100 MB and more."""
    assert idle.process_bytes and loaded.process_bytes
    return idle.state is ModelPhase.UNLOADED and idle.process_bytes < loaded.process_bytes - 60e6
