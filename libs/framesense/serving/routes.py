"""``/models`` of every model server: what is loaded, and switching it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from framesense.schemas.models import ModelPhase, ModelsResponse, ModelState, ModelSwitch
from framesense.schemas.problems import problem_responses
from framesense.serving.runtime import ModelRuntime

LONGEST_WAIT = 600.0


def model_routes(runtime: ModelRuntime[Any]) -> APIRouter:
    routes = APIRouter(tags=["operations"])

    @routes.get("/models", summary="Which model answers, and is it loaded?", responses=problem_responses(503))
    async def models(
        load: Annotated[bool, Query(description="load a model that never was loaded, to tell its revision")] = False,
    ) -> ModelsResponse:
        if load:
            await runtime.info()
        return ModelsResponse(models=runtime.infos, states=[runtime.state])

    @routes.put(
        "/models",
        summary="Switch to another model",
        response_model=ModelState,
        responses=problem_responses(403, 409, 422, 503) | {202: {"model": ModelState}},
    )
    async def switch(
        body: ModelSwitch,
        response: Response,
        wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="seconds to wait until it is loaded")] = 0,
    ) -> ModelState:
        state = await runtime.switch(body.model, wait)
        answers = state.state is ModelPhase.READY and state.switching_to is None
        response.status_code = 200 if answers else 202
        return state

    return routes
