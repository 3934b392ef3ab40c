"""Another model for a running model server: asked for at the gateway, as people do, and waited for."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from framesense.schemas.models import ModelPhase, ModelServers, ModelState
from tests.support.gateway_process import running_gateway
from tests.support.processes import model_server


def make_all(makers: Mapping[str, Callable[[Path], object]], folder: Path) -> Path:
    """Each model in a folder of its name; the folder of them all."""
    for name, make in makers.items():
        make(folder / name)
    return folder


@contextmanager
def behind_gateway(service: str, models: Path, redis: str, own: Path) -> Iterator[httpx.Client]:
    """The service as a process of its own, which may be switched to what is in ``models``; a client of its gateway.
    ``own``: an empty folder."""
    settings = {f"{service}_dtype": "float32", f"{service}_load": "first-use", "storage_url": own / "blobs"}
    with (
        model_server(service, own, model_folders=models, **settings) as server,
        running_gateway(redis, own, **{f"{service}_url": server.url}) as gateway,
    ):
        gateway.http.timeout = httpx.Timeout(300)
        yield gateway.http


def use(http: httpx.Client, service: str, model: str) -> None:
    """Switches the service's model server to it. ``http``: of the gateway."""
    asked = http.put(f"/models/{service}", json={"model": model}, headers={"Prefer": "wait=100"})
    assert asked.status_code in (200, 202), asked.text
    while (state := state_of(http, service)).model != model or state.state is not ModelPhase.READY:
        assert not state.switch_error, state.switch_error
        time.sleep(0.1)  # asking takes time from the loading that is waited for


def state_of(http: httpx.Client, service: str) -> ModelState:
    answer = ModelServers.model_validate(http.get("/models").json())
    return next(state for state in answer.states if state.service == service)
