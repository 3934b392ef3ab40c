"""Switching the models of running model servers, at the gateway, as people do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from framesense.schemas.models import ModelPhase, ModelServers, ModelState
from tests.support.gateway_process import running_gateway
from tests.support.processes import running_server
from tests.support.waiting import wait_until


def save_all(models: Mapping[str, Callable[[Path], object]], folder: Path) -> Path:
    """Save each model in a folder of its name, and return the folder of them all."""
    for name, save in models.items():
        save(folder / name)
    return folder


@contextmanager
def behind_gateway(service: str, models: Path, redis: str, own: Path) -> Iterator[httpx.Client]:
    """The service as a process of its own, which may be switched to what is in ``models``; a client of its gateway.
    ``own``: an empty folder."""
    settings = {f"{service}_dtype": "float32", f"{service}_load": "first-use", "storage_url": own / "blobs"}
    with (
        running_server(service, own, model_folders=models, **settings) as server,
        running_gateway(redis, own, **{f"{service}_url": server.url}) as gateway,
    ):
        gateway.http.timeout = httpx.Timeout(300)
        yield gateway.http


def use(http: httpx.Client, service: str, model: str) -> None:
    """Switch the service's model server to the model, and wait until it answers. ``http``: of the gateway."""
    answer = http.put(f"/models/{service}", json={"model": model}, headers={"Prefer": "wait=100"})
    assert answer.status_code in (200, 202), answer.text

    def answers() -> bool:
        state = state_of(http, service)
        assert not state.switch_error, state.switch_error
        return state.model == model and state.state is ModelPhase.READY

    wait_until(answers, interval=0.1)  # an answer takes time from the loading that is waited for


def state_of(http: httpx.Client, service: str) -> ModelState:
    answer = ModelServers.model_validate(http.get("/models").json())
    return next(state for state in answer.states if state.service == service)
