"""Which models answer, and switching them while everything runs."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response

from framesense.clients.base import AsyncServiceClient
from framesense.http.problems import ProblemError
from framesense.schemas.models import ModelServers, ModelState, ModelSwitch
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.http.forwarding import as_response
from gateway.jobs.waiting import preferred_wait
from gateway.models.available import loaded_models
from gateway.openapi import examples

ROOM = 5.0
"""Seconds that a waiting model server answers before its client here would give up."""

router = APIRouter(tags=["models"])


@router.get(
    "/models",
    summary="Which models answer?",
    responses=examples.responses({200: examples.json_example("Name, architecture, revision, memory", examples.MODELS)}),
)
async def models(dependencies: InjectedDependencies) -> ModelServers:
    """List the models that answer, one a model server; `unavailable` tells those that do not answer.

    The revision changes whenever the weights do: answers of the same revision can be compared. `states` tells
    whether each is loaded, where, how much memory it took and since when it is idle.

    ```sh
    curl http://127.0.0.1:8000/models
    ```
    """
    return await loaded_models(list(_servers(dependencies).values()))


@router.put(
    "/models/{service}",
    summary="Switch to another model",
    response_model=ModelState,
    responses=examples.responses(
        {
            200: examples.json_example("It answers from now on", examples.MODEL_STATE),
            202: examples.json_example("It is being loaded; the old one answers until then", examples.SWITCHING_STATE),
        },
        *(400, 403, 404, 408, 409, 413, 503),
    ),
)
async def switch_model(
    request: Request,
    dependencies: InjectedDependencies,
    service: Annotated[str, Path(description="captioner, tagger or editor")],
    body: ModelSwitch,
    prefer: Annotated[str | None, Header(description="`wait=SECONDS`: wait until it is loaded")] = None,
) -> Response:
    """Load another model, which then answers new requests.

    Requests under way end with the old one, which is then freed. If the new one cannot be loaded, the old one stays,
    and `switch_error` in `/models` says why. Answers of two models cannot be compared, so a video or a photo set that
    is under way begins again with the new model, and its progress says so; a job that would begin again a fourth time
    fails with `model-changed`. Edits go on. After a restart, the model of the settings answers again.

    ```sh
    curl -X PUT http://127.0.0.1:8000/models/captioner -H 'Content-Type: application/json' \\
         -H 'Prefer: wait=60' -d '{"model": "hf:Salesforce/blip-image-captioning-base"}'
    ```
    """
    if not dependencies.settings.allow_model_switch:
        detail = "Models are not switched here at run time. Set ALLOW_MODEL_SWITCH=true to allow it."
        raise ProblemError(403, "model-switch-refused", "Model switch refused", detail)
    servers = _servers(dependencies)
    if service not in servers:
        detail = f"There is no model server {service!r}; there are {', '.join(servers)}."
        raise ProblemError(404, "unknown-service", "Unknown service", detail)
    server = servers[service]
    wait = preferred_wait(prefer, limit=max(0.0, server.timeout - ROOM))
    answer = await server.pass_on(
        "PUT",
        "/models",
        query={"wait": str(wait)},
        body=_once(body.model_dump_json().encode()),
        media_type="application/json",
        request_id=request.state.request_id,
    )
    return as_response(answer)


def _servers(dependencies: Dependencies) -> dict[str, AsyncServiceClient]:
    return {server.service: server for server in (dependencies.captioner, dependencies.tagger, dependencies.editor)}


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
