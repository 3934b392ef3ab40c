"""Every model server asks for the token, before it has a model and after."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from captioner.app import create_app as create_captioner
from captioner.settings import CaptionerSettings
from editor.app import create_app as create_editor
from editor.settings import EditorSettings
from framesense.access.service_token import token_headers
from tagger.app import create_app as create_tagger
from tagger.settings import TaggerSettings

SERVERS: dict[str, Callable[[], FastAPI]] = {
    "captioner": lambda: create_captioner(CaptionerSettings(service_token="the-token", captioner_load="first-use")),
    "tagger": lambda: create_tagger(TaggerSettings(service_token="the-token", tagger_load="first-use")),
    "editor": lambda: create_editor(EditorSettings(service_token="the-token", editor_load="first-use")),
}


@pytest.mark.parametrize("create", SERVERS.values(), ids=SERVERS)
def test_every_route_asks_for_the_token(create: Callable[[], FastAPI]) -> None:
    app = create()
    with TestClient(app) as client:
        paths = app.openapi()["paths"]
        asked = [(method, path) for path, methods in paths.items() for method in methods]
        assert len(asked) > 4
        open_to_all = {path for method, path in asked if client.request(method, path).status_code != 401}
        assert open_to_all == {"/health", "/ready"}
        assert client.get("/models", headers=token_headers("the-token")).status_code == 200
