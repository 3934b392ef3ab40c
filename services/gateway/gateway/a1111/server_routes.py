"""List models, samplers and settings to A1111's clients, as far as they are true of this server."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request

from framesense.http.problems import ProblemError
from gateway.a1111 import options
from gateway.a1111.routing import CompatRoute, read_body
from gateway.a1111.samplers import SCHEDULES, offered_samplers
from gateway.a1111.schemas import (
    Checkpoint,
    MemoryResponse,
    NoiseSchedule,
    Options,
    Sampler,
    Upscaler,
)
from gateway.dependencies import InjectedDependencies
from gateway.openapi import a1111_examples, examples

sdapi = APIRouter(tags=["A1111 clients"], prefix="/sdapi/v1", route_class=CompatRoute)


@sdapi.get(
    "/options",
    summary="Get the server's settings",
    responses=examples.responses(
        {200: examples.json_example("As far as they are true here", a1111_examples.OPTIONS)}, 503
    ),
)
async def get_options(dependencies: InjectedDependencies) -> dict[str, Any]:
    """List the settings that clients ask for, `sd_model_checkpoint` among them."""
    return options.options(await dependencies.editor.capabilities())


@sdapi.post(
    "/options",
    summary="Choose the loaded model",
    response_model=None,
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404, 408, 413, 503),
    openapi_extra=examples.json_body(Options, Options(sd_model_checkpoint=a1111_examples.CHECKPOINT.title)),
)
async def set_options(request: Request, dependencies: InjectedDependencies) -> dict[str, Any]:
    """Accept the settings that hold already.

    Clients choose a model before they start: the loaded one is accepted, by its title, name or hash. What would change
    the server for everybody is refused: 404 for another model, 422 for other settings.
    """
    body = await read_body(request, dependencies, Options)
    options.refuse_changes(
        body.model_dump(exclude_unset=True), await dependencies.editor.capabilities(), where="options"
    )
    return {}


@sdapi.get(
    "/sd-models",
    summary="Get the loaded model",
    responses=examples.responses({200: a1111_examples.listed("Always one", [a1111_examples.CHECKPOINT])}, 503),
)
async def sd_models(dependencies: InjectedDependencies) -> list[Checkpoint]:
    """List the one model that is loaded. `EDITOR_MODEL` chooses it where the editor is started."""
    return [options.checkpoint((await dependencies.editor.capabilities()).model)]


@sdapi.get(
    "/samplers",
    summary="List the model's samplers",
    responses=examples.responses({200: a1111_examples.listed("By that API's names", a1111_examples.SAMPLERS)}, 503),
)
async def samplers(dependencies: InjectedDependencies) -> list[Sampler]:
    """List the samplers that the loaded model takes. `/edits/capabilities` lists them under names of its own."""
    return offered_samplers(await dependencies.editor.capabilities())


@sdapi.get(
    "/schedulers",
    summary="List noise schedules",
    responses=examples.responses({200: a1111_examples.listed("Each sampler's own", SCHEDULES)}),
)
def schedulers() -> list[NoiseSchedule]:
    """List the one choice there is: every sampler has its own schedule."""
    return SCHEDULES


@sdapi.get(
    "/upscalers",
    summary="List upscalers",
    responses=examples.responses({200: a1111_examples.listed("By name", a1111_examples.UPSCALERS)}, 503),
)
async def upscalers(dependencies: InjectedDependencies) -> list[Upscaler]:
    """List the values of `upscaler_1` in `extra-single-image` and `extra-batch-images`."""
    return options.upscalers(await dependencies.editor.capabilities())


@sdapi.get(
    "/memory",
    summary="Get the gateway's memory",
    responses=examples.responses({200: examples.json_example("Bytes", a1111_examples.MEMORY)}),
)
def memory() -> MemoryResponse:
    """Tell the memory of the gateway's machine, in bytes.

    The model may be on another one; see the editor's `/metrics`.
    """
    return options.memory()


@sdapi.get(
    "/cmd-flags",
    summary="Get command line flags",
    responses=examples.responses({200: examples.json_example("That clients look for", options.flags())}),
)
def cmd_flags() -> dict[str, Any]:
    """List the command line flags that clients look for, as far as they mean anything here."""
    return options.flags()


@sdapi.get(
    "/{kind}",
    summary="List what this server does not have",
    responses=examples.responses({200: examples.json_example("Empty, in that API's shape", {"txt2img": []})}, 404),
)
def nothing(
    kind: Annotated[str, Path(description=f"one of {', '.join(options.NOTHING)}", examples=["loras"])],
) -> Any:
    """Answer with an empty list, so that clients which ask for it go on."""
    if kind not in options.NOTHING:
        detail = f"There is nothing at /sdapi/v1/{kind[:100]}. /docs lists what there is."
        raise ProblemError(404, "unknown-list", "Not Found", detail)
    return options.NOTHING[kind]


@sdapi.post(
    "/refresh-{kind}",
    summary="Look for new files",
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404),
)
def refresh(
    kind: Annotated[Literal["checkpoints", "vae", "loras", "embeddings"], Path(description="what to look for")],
) -> dict[str, Any]:
    """Do nothing: the model is chosen where the editor is started."""
    return {}
