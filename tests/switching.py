"""Another model for a running model server: asked for at the gateway, as people do, and waited for."""

import time

import httpx

from framesense.schemas.models import ModelPhase, ModelServers, ModelState


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
