"""The whole stack as processes on ports of its own, and a browser in front of it."""

import io
import logging
import os
import shutil
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from rich.console import Console

from framesense.schemas.jobs import JobState
from framesense.schemas.novelty import VideoResult
from tests.support.network import Network
from tests.support.padded_videos import BIKES
from tests.support.stack_settings import settings_at
from tools.processes import ProcessFolder
from tools.settings import StackSettings
from tools.stack import Stack

log = logging.getLogger(__name__)

PAGE_TIMEOUT = 60_000
"""Milliseconds that a page may take to show something; a machine that runs other tests beside these is slow."""
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="package")
def chromium() -> str:
    if found := os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser"):
        return found
    pytest.skip("needs chromium (Debian: apt-get install chromium)")


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[StackSettings]:
    """All of it. (Asks for the browser first: where there is none, nothing starts.)"""
    settings = settings_at(tmp_path_factory.mktemp("stack"))
    with Stack(settings, Console(file=io.StringIO())).running():
        yield settings


@pytest.fixture(scope="package")
def ui_memory(stack: StackSettings) -> Callable[[], int]:
    """Bytes of memory that the ui's process holds now."""
    process = ProcessFolder(stack.data, names=(), environment={}).find("ui")
    assert process
    return lambda: int(process.memory_info().rss)


@pytest.fixture(scope="package")
def gateway(stack: StackSettings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.gateway_url, timeout=120) as client:
        yield client


@pytest.fixture(scope="package")
def bikes_job(gateway: httpx.Client) -> str:
    """The id of an analysis of BIKES, a frame a second."""
    with BIKES.open("rb") as file:
        response = gateway.post(
            "/video_captions",
            params={"every_n_second": 1},
            files={"video": (BIKES.name, file, "video/mp4")},
            headers={"Prefer": "wait=100"},
        )
    assert response.status_code == 200, response.text
    job = gateway.get("/jobs").json()["jobs"][0]
    assert job["state"] == JobState.SUCCEEDED
    return str(job["id"])


@pytest.fixture
def bikes_result(gateway: httpx.Client, bikes_job: str) -> VideoResult:
    return VideoResult.model_validate_json(gateway.get(f"/jobs/{bikes_job}/result").content)


# For no longer than its tests: until it ends, Playwright's event loop is the only one its thread can have.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, stack: StackSettings) -> Iterator[BrowserContext]:
    """A fresh profile at desktop width.

    Whatever a page asks for beyond this machine fails the test, and whatever its Content-Security-Policy refuses it.
    """
    outside: list[str] = []
    refused: list[str] = []
    context = browser.new_context(base_url=stack.ui_url, viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PAGE_TIMEOUT)
    expect.set_options(timeout=PAGE_TIMEOUT)
    context.on("request", lambda request: _note_outside_request(request.url, outside))
    context.on("requestfailed", lambda request: log.warning("%s: %s", request.url, request.failure))
    context.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    yield context
    context.close()
    assert not outside
    assert not refused


def _note_outside_request(url: str, outside: list[str]) -> None:
    parts = httpx.URL(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.host != "127.0.0.1":
        outside.append(url)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def network(context: BrowserContext, page: Page) -> Network:
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    return Network(session)
