"""The HTML that a browser gets first: Streamlit's own with a script before its scripts, or that there is no such page.

Streamlit answers every path with the same page, which then shows the first of all pages.
"""

from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.pages import PAGES

FRAME_SCRIPT = '<script src="/assets/frame.js"></script>'
_OF_STREAMLIT = ("_stcore", "app", "assets", "component", "media", "static")
"""What the paths of everything that is no page begin with."""
_FRESH = {"Cache-Control": "no-cache"}


class PageDocuments:
    """Answers requests for pages; lets all other requests pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _answer(Request(scope)) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)


def _answer(request: Request) -> Response | None:
    if request.method not in ("GET", "HEAD"):
        return None
    path = request.url.path.strip("/")
    if not path or any(path == page.path for page in PAGES):
        return HTMLResponse(page_document(), headers=_FRESH)
    is_file = "." in path.rpartition("/")[2] or path.partition("/")[0] in _OF_STREAMLIT or "_stcore" in path
    if is_file or "text/html" not in request.headers.get("accept", ""):
        return None
    return HTMLResponse(_no_such_page(request.url.path), HTTPStatus.NOT_FOUND, _FRESH)


@cache
def page_document() -> str:
    """Return Streamlit's page, with the script that comes before its own, and the name of this system."""
    text = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    return text.replace("<title>Streamlit</title>", "<title>Framesense</title>").replace(
        "<head>", f"<head>{FRAME_SCRIPT}", 1
    )


def _no_such_page(path: str) -> str:
    links = "".join(f'<li><a href="/{page.path}">{escape(page.title)}</a></li>' for page in PAGES)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>No such page – Framesense</title>
<link rel="icon" href="/assets/icon.png">
<link rel="stylesheet" href="/assets/no-such-page.css">
</head>
<body>
<main>
<h1>There is no such page</h1>
<p>Nothing is at <code>{escape(path)}</code>. These pages are there:</p>
<ul>{links}</ul>
</main>
</body>
</html>
"""
