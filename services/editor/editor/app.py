"""The editor's application: its dependencies, its lifespan, its routes."""

from weakref import WeakSet

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from editor.dependencies import EditorDependencies
from editor.edits import routes as edits
from editor.metrics import EditMetrics
from editor.models.factory import load_model, require_editor
from editor.serving import Loader, QueuedEditor
from editor.settings import EditorSettings
from framesense.serving.app import create_model_server
from framesense.serving.routes import model_routes
from framesense.serving.runtime import ModelRuntime


def create_app(settings: EditorSettings | None = None, *, load: Loader = load_model) -> FastAPI:
    """Build the application; ``load`` is called in the background, once it starts and whenever the model is switched.

    ``app.state.abort()`` ends all edits at their next step, so that a server that stops need not wait for them.
    """
    settings = settings or EditorSettings()
    registry = CollectorRegistry()
    metrics = EditMetrics(registry)

    loaded: WeakSet[QueuedEditor] = WeakSet()

    def load_named(name: str) -> QueuedEditor:
        editor = QueuedEditor.load(settings.model_copy(update={"editor_model": name}), metrics, load)
        loaded.add(editor)
        return editor

    def abort() -> None:
        for editor in list(loaded):
            editor.abort()

    policy = settings.policy(settings.editor_load, settings.editor_unload_after)
    runtime = ModelRuntime("editor", settings.editor_model, load_named, policy, accepts=require_editor)

    app = create_model_server("Framesense editor", runtime, settings, address=settings.editor_host, registry=registry)
    app.include_router(edits.router(EditorDependencies.build(settings, runtime, metrics)))
    app.include_router(model_routes(runtime))
    app.state.abort = abort
    return app
