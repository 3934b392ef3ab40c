"""The tagger's application: its components, its lifespan, its routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from framesense.http.app import create_service
from framesense.http.bodies import BodyLimits
from framesense.http.browsers import BrowserPolicy
from framesense.http.hosts import AllowedHosts
from framesense.serving.batch_metrics import BatchMetrics
from framesense.serving.routes import model_routes
from framesense.serving.runtime import ModelRuntime
from tagger.classifiers import routes as classifiers
from tagger.dependencies import TaggerDependencies
from tagger.embeddings import routes as embeddings
from tagger.embeddings.encoding import Embedder
from tagger.serving import BatchedEmbedder
from tagger.settings import TaggerSettings
from tagger.tags import routes as tags


def create_app(
    settings: TaggerSettings | None = None, *, load: Callable[[TaggerSettings], Embedder] = Embedder.load
) -> FastAPI:
    """Build the application; ``load`` is called in the background, once it starts and whenever the model is
    switched.
    """
    settings = settings or TaggerSettings()
    registry = CollectorRegistry()
    observer = BatchMetrics(registry, "tagger")

    def load_named(name: str) -> BatchedEmbedder:
        chosen = settings.model_copy(update={"tagger_model": name})
        return BatchedEmbedder(load(chosen), chosen, observer)

    policy = settings.policy(settings.tagger_load, settings.tagger_unload_after)
    runtime = ModelRuntime("tagger", settings.tagger_model, load_named, policy)
    dependencies = TaggerDependencies.build(settings, runtime)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with runtime:
            yield

    app = create_service(
        "Framesense tagger",
        lifespan=lifespan,
        checks={"model": runtime.check},
        registry=registry,
        browsers=BrowserPolicy(AllowedHosts(settings.allowed_hosts, address=settings.tagger_host)),
        bodies=BodyLimits.of(settings),
    )
    for subject in (tags, embeddings, classifiers):
        app.include_router(subject.router(dependencies))
    app.include_router(model_routes(runtime))
    return app
