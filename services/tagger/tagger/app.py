"""The tagger's application: its components, its lifespan, its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from framesense.batch_metrics import BatchMetrics
from framesense.schemas.models import ModelsResponse
from framesense.schemas.problems import problem_responses
from framesense.service import create_service
from tagger.components import Components
from tagger.routes import classifiers, embeddings, tags
from tagger.runtime import Runtime
from tagger.settings import TaggerSettings


def create_app(settings: TaggerSettings | None = None, *, runtime: Runtime | None = None) -> FastAPI:
    """The application. ``runtime`` takes the place of the one that the settings describe."""
    settings = settings or TaggerSettings()
    registry = CollectorRegistry()
    running = runtime or Runtime(settings, BatchMetrics(registry, "tagger"))
    components = Components.of(settings, running)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running:
            yield

    app = create_service("Framesense tagger", lifespan=lifespan, checks={"model": running.check}, registry=registry)
    for subject in (tags, embeddings, classifiers):
        app.include_router(subject.router(components))

    @app.get("/models", tags=["operations"], summary="Which model answers?", responses=problem_responses(503))
    async def models() -> ModelsResponse:
        return ModelsResponse(models=[running.info])

    return app
