"""The tagger's application: its components, its lifespan, its routes."""

from collections.abc import Callable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from framesense.serving.app import create_model_server
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

    app = create_model_server("Framesense tagger", runtime, settings, address=settings.tagger_host, registry=registry)
    for subject in (tags, embeddings, classifiers):
        app.include_router(subject.router(dependencies))
    app.include_router(model_routes(runtime))
    return app
