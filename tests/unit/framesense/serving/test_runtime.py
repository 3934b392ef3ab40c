"""A model's life: loaded when it should be, never taken from under a request, gone when nobody wants it."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import framesense.serving.runtime
from framesense.http.problems import ProblemError
from framesense.models.spec import ModelSource, ModelSpec
from framesense.schemas.models import ModelInfo, ModelPhase
from framesense.serving.policy import ModelPolicy
from framesense.serving.runtime import ModelRuntime
from tests.support.waiting import wait_until_async

A, B, BROKEN = "hf:some/a", "hf:some/b", "hf:some/broken"


class Weights(bytearray):
    """Something that can be seen to be freed."""


class Served:
    batch_limit = None

    def __init__(self, name: str) -> None:
        self.name, self.weights = name, Weights(1000)
        self.running = False
        self.info = ModelInfo(
            service="test", name=name, family="bytes", revision="1", device="cpu", dtype="int8", parameters=1000
        )

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    def answer(self) -> str:
        assert self.running, "a model was taken from under a request"
        return self.name


class Loader:
    """Notes what it loads. ``gate`` holds loading back while it is clear; ``broken`` names cannot be loaded."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.weights: list[weakref.ref[Weights]] = []
        self.broken = {BROKEN}
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, name: str) -> Served:
        assert self.gate.wait(timeout=30)
        self.loaded.append(name)
        if name in self.broken:
            raise ValueError(f"{name} is broken")
        served = Served(name)
        self.weights.append(weakref.ref(served.weights))
        return served

    def alive(self) -> int:
        gc.collect()
        return sum(reference() is not None for reference in self.weights)


@pytest.fixture
def loader() -> Loader:
    return Loader()


def refuse_open_clip(spec: ModelSpec) -> None:
    if spec.source is ModelSource.OPEN_CLIP:
        raise ValueError(f"{spec} is nothing for this service")


@asynccontextmanager
async def running(loader: Loader, **policy: object) -> AsyncIterator[ModelRuntime[Served]]:
    async with ModelRuntime("test", A, loader, ModelPolicy(**policy), accepts=refuse_open_clip) as runtime:  # type: ignore[arg-type]
        yield runtime


async def ready(runtime: ModelRuntime[Served]) -> None:
    await wait_until_async(lambda: runtime.state.state is ModelPhase.READY)


async def ask(runtime: ModelRuntime[Served]) -> str:
    async with runtime.use() as model:
        await asyncio.sleep(0)
        return model.answer()


async def refused(call: object) -> ProblemError:
    with pytest.raises(ProblemError) as error:
        await call  # type: ignore[misc]
    return error.value


async def test_loaded_at_start_and_until_then_everything_says_so(loader: Loader) -> None:
    loader.gate.clear()
    async with running(loader) as runtime:
        assert runtime.state.state is ModelPhase.LOADING
        for call in (runtime.check(), ask(runtime)):
            error = await refused(call)
            assert (error.status, error.slug) == (503, "model-loading")
            assert "Retry-After" in error.headers
        loader.gate.set()
        await ready(runtime)
        await runtime.check()
        assert await ask(runtime) == A
        assert (runtime.state.model, runtime.state.device, runtime.state.in_use) == (A, "cpu", 0)
        assert runtime.state.idle_since is not None
        assert [info.name for info in runtime.infos] == [A]
    assert loader.loaded == [A]
    assert loader.alive() == 0


async def test_loaded_on_first_use_for_all_who_wait(loader: Loader) -> None:
    async with running(loader, load="first-use") as runtime:
        await runtime.check()
        assert (runtime.state.state, runtime.infos) == (ModelPhase.UNLOADED, [])
        assert loader.loaded == []
        assert await asyncio.gather(*(ask(runtime) for _ in range(8))) == [A] * 8
    assert loader.loaded == [A]


async def test_who_waits_too_long_for_the_first_use_is_told_to_come_back(loader: Loader) -> None:
    loader.gate.clear()
    async with running(loader, load="first-use", wait=0.02) as runtime:
        assert (await refused(ask(runtime))).slug == "model-loading"
        loader.gate.set()
        await ready(runtime)
        assert await ask(runtime) == A


async def test_a_model_that_cannot_be_loaded_is_told_and_tried_again_later(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader.broken.add(A)
    async with running(loader) as runtime:
        await wait_until_async(lambda: runtime.state.state is ModelPhase.FAILED)
        for call in (runtime.check(), ask(runtime)):
            error = await refused(call)
            assert (error.status, error.slug) == (503, "model-failed")
            assert f"{A} is broken" in error.detail
        assert loader.loaded == [A]
        loader.broken.clear()
        monkeypatch.setattr(framesense.serving.runtime, "RETRY_SECONDS", 0.0)
        await refused(runtime.check())  # which has it tried again
        await ready(runtime)
        await runtime.check()


async def test_unloaded_when_idle_and_loaded_again(loader: Loader) -> None:
    async with running(loader, unload_after=0.05) as runtime:
        await ready(runtime)
        async with runtime.use() as model:
            await asyncio.sleep(0.2)  # in use: not idle, however long
            assert model.answer() == A
            del model
        await wait_until_async(lambda: runtime.state.state is ModelPhase.UNLOADED)
        await wait_until_async(lambda: loader.alive() == 0)
        await runtime.check()
        assert (await runtime.info()).name == A
        assert loader.loaded == [A]
        assert await ask(runtime) == A
        assert loader.loaded == [A, A]


@pytest.mark.parametrize("order", ["load-first", "unload-first"])
async def test_a_switch_under_load_drops_nobody_and_frees_the_old_model(loader: Loader, order: str) -> None:
    answers: list[str] = []
    stop = asyncio.Event()

    async def client(runtime: ModelRuntime[Served]) -> None:
        while not stop.is_set():
            async with runtime.use() as model:
                await asyncio.sleep(0.002)
                answers.append(model.answer())

    async with running(loader, switch=order) as runtime:
        await ready(runtime)
        clients = [asyncio.create_task(client(runtime)) for _ in range(16)]
        for name in (B, A, B):
            seen = len(answers)
            await wait_until_async(lambda seen=seen: len(answers) > seen + 50)  # type: ignore[misc]
            state = await runtime.switch(name, wait=30)
            assert (state.model, state.state, state.switching_to) == (name, ModelPhase.READY, None)
        seen = len(answers)
        await wait_until_async(lambda: len(answers) > seen + 50)
        stop.set()
        await asyncio.gather(*clients)
        del clients
        assert set(answers) == {A, B}
        assert answers[-1] == B
        await wait_until_async(lambda: loader.alive() == 1)
    assert loader.loaded == [A, B, A, B]


async def test_while_the_new_one_loads_the_old_one_answers(loader: Loader) -> None:
    async with running(loader) as runtime:
        await ready(runtime)
        loader.gate.clear()
        state = await runtime.switch(B)
        assert (state.state, state.model, state.switching_to) == (ModelPhase.READY, A, B)
        assert await ask(runtime) == A
        assert (await runtime.switch(B)).switching_to == B  # asked twice: the same switch
        error = await refused(runtime.switch("hf:some/c"))
        assert (error.status, error.slug) == (409, "model-switch-busy")
        loader.gate.set()
        await wait_until_async(lambda: runtime.state.model == B)
        assert await ask(runtime) == B


async def test_a_request_that_began_with_the_old_one_ends_with_it(loader: Loader) -> None:
    async with running(loader) as runtime:
        await ready(runtime)
        async with runtime.use() as old:
            assert (await runtime.switch(B, wait=30)).model == B
            assert await ask(runtime) == B
            assert old.answer() == A
        await wait_until_async(lambda: not old.running)


@pytest.mark.parametrize("order", ["load-first", "unload-first"])
async def test_a_switch_that_fails_keeps_the_old_one_and_tells_the_reason(loader: Loader, order: str) -> None:
    async with running(loader, switch=order) as runtime:
        await ready(runtime)
        error = await refused(runtime.switch(BROKEN, wait=30))
        assert (error.status, error.slug) == (422, "model-failed")
        assert f"{BROKEN} is broken" in error.detail
        assert await ask(runtime) == A
        assert (runtime.state.model, runtime.state.state) == (A, ModelPhase.READY)
        assert "is broken" in (runtime.state.switch_error or "")
        assert (await runtime.switch(B, wait=30)).switch_error is None
        await wait_until_async(lambda: loader.alive() == 1)


async def test_naming_the_present_one_loads_it_if_need_be(loader: Loader) -> None:
    async with running(loader, load="first-use") as runtime:
        assert (await runtime.switch(A, wait=30)).state is ModelPhase.READY
        assert (await runtime.switch(A)).state is ModelPhase.READY
    assert loader.loaded == [A]


async def test_what_is_refused_is_not_tried(loader: Loader, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    (allowed / "model").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    cases = {
        "gpt": (422, "unknown-model"),
        "open_clip:ViT-B-32/x": (422, "unknown-model"),
        f"path:{tmp_path / 'model'}": (403, "model-folder-refused"),
        f"path:{allowed / '..' / 'model'}": (403, "model-folder-refused"),
        f"path:{allowed / 'none'}": (422, "unknown-model"),
    }
    async with running(loader, folders=(allowed,)) as runtime:
        await ready(runtime)
        for name, (status, slug) in cases.items():
            error = await refused(runtime.switch(name))
            assert (error.status, error.slug) == (status, slug), name
        assert loader.loaded == [A]
        assert (await runtime.switch(f"path:{allowed / 'model'}", wait=30)).state is ModelPhase.READY
    async with running(loader, allow_switch=False) as runtime:
        assert (await refused(runtime.switch(B))).status == 403


async def test_a_model_in_use_is_not_unloaded(loader: Loader) -> None:
    async with running(loader) as runtime:
        await ready(runtime)
        async with runtime.use():
            assert not await runtime.unload()
            assert runtime.state.in_use == 1
        assert await runtime.unload()
        assert not await runtime.unload()
        assert loader.alive() == 0
