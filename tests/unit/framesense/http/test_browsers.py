"""What is refused of web pages."""

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from framesense.http.browsers import BrowserGuard, BrowserPolicy
from framesense.http.hosts import AllowedHosts
from framesense.http.origins import AllowedOrigins

POLICY = BrowserPolicy(AllowedHosts(["testserver"]))


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"host": "localhost:8000"}, None),
        ("POST", {}, None),
        ("POST", {"host": "localhost:8000", "origin": "http://localhost:8000"}, None),
        ("POST", {"host": "localhost:8000", "sec-fetch-site": "same-origin"}, None),
        ("GET", {"host": "localhost:8000", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, None),
        ("GET", {"host": "localhost:8000", "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, None),
        ("GET", {"host": "localhost:8000", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ("GET", {"host": "localhost:8000", "origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ("POST", {"host": "localhost:8000", "origin": "https://evil.example"}, 403),
        ("POST", {"host": "localhost:8000", "origin": "http://localhost:9000"}, 403),
        ("POST", {"host": "localhost:8000", "origin": "null"}, 403),
        ("DELETE", {"host": "localhost:8000", "sec-fetch-site": "cross-site"}, 403),
        ("PATCH", {"host": "localhost:8000", "sec-fetch-site": "same-site"}, 403),
        ("ODD", {"host": "localhost:8000", "origin": "https://evil.example"}, 403),
        ("GET", {"host": "evil.example:8000"}, 421),
        ("POST", {"host": "evil.example", "origin": "http://evil.example"}, 421),
    ],
)
def test_requests(method: str, headers: dict[str, str], status: int | None) -> None:
    refusal = POLICY.refusal(method, Headers(headers))
    assert (refusal.status if refusal else None) == status


def test_pages_of_other_sites_build_pictures_in_where_some_are_listed() -> None:
    listed = BrowserPolicy(origins=AllowedOrigins(["https://studio.example"]))
    picture = {"host": "localhost:8000", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert listed.refusal("GET", Headers(picture)) is None
    assert listed.refusal("GET", Headers({**picture, "origin": "https://studio.example"})) is None
    assert listed.refusal("GET", Headers({**picture, "origin": "https://evil.example"})) is not None


def test_every_host_header_counts() -> None:
    raw = [(b"host", b"localhost"), (b"host", b"evil.example")]
    refusal = POLICY.refusal("GET", Headers(raw=raw))
    assert refusal is not None and refusal.status == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "http://testserver:9000", "null"])
def test_a_foreign_page_opens_no_websocket(origin: str) -> None:
    async def greet(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/stream", greet)], middleware=[Middleware(BrowserGuard, policy=POLICY)])
    client = TestClient(app)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/stream", headers={"origin": origin}):
        pass
    with client.websocket_connect("/stream", headers={"origin": "http://testserver"}) as websocket:
        assert websocket.receive_text() == "hello"
