"""The application every model server starts from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from framesense.access.service_token import ServiceTokenGuard
from framesense.http.app import create_service
from framesense.http.bodies import BodyLimits
from framesense.http.browsers import BrowserPolicy
from framesense.http.hosts import AllowedHosts
from framesense.serving.runtime import ModelRuntime, Served
from framesense.serving.settings import ModelServerSettings


def create_model_server(
    title: str,
    runtime: ModelRuntime[Served],
    settings: ModelServerSettings,
    *,
    address: str,
    registry: CollectorRegistry,
) -> FastAPI:
    """Build an application that is ready once its model is, with the bounds that the settings ask for.

    It holds the runtime for as long as it runs, and refuses whoever does not send the settings' token; the caller
    includes its routers. ``address``: the one it listens on, which is a host name that it answers to; ``registry``
    holds the server's own metrics.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with runtime:
            yield

    return create_service(
        title,
        lifespan=lifespan,
        checks={"model": runtime.check},
        registry=registry,
        browsers=BrowserPolicy(AllowedHosts(settings.allowed_hosts, address=address)),
        bodies=BodyLimits.of(settings),
        guard=partial(ServiceTokenGuard, token=settings.token) if settings.token else None,
    )
