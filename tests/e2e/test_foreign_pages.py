"""A page of another origin, in a real browser, on the machine of someone who uses the service."""

import http.server
import threading
from base64 import b64encode
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Response

from tests.e2e.conftest import CHROMIUM_OPTIONS
from tests.support.padded_videos import BIKES
from tests.support.waiting import wait_until
from tools.settings import StackSettings

pytestmark = pytest.mark.browser

PAGE = b"""<!doctype html><meta charset=utf-8><title>Prizes</title>
<form method=post enctype=multipart/form-data><input name=prompt value=x></form>"""
START_A_JOB = """async ([address, video]) => {
    const bytes = Uint8Array.from(atob(video), letter => letter.charCodeAt(0));
    const form = new FormData();
    form.append("video", new Blob([bytes], {type: "video/mp4"}), "clip.mp4");
    await fetch(address, {method: "POST", mode: "no-cors", body: form});
}"""
READ = """async address => {
    try { return await (await fetch(address)).text(); } catch (error) { return `${error.name}`; }
}"""
SHOW = """address => new Promise(resolve => {
    const picture = new Image();
    picture.onload = () => resolve(true);
    picture.onerror = () => resolve(false);
    picture.src = address;
})"""
OPEN_SOCKET = """address => new Promise(resolve => {
    const socket = new WebSocket(address, ["streamlit"]);
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
})"""


class _Prizes(http.server.BaseHTTPRequestHandler):
    """The other site: one page, whatever its address."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site_port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Prizes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def resolving_browser(browser: Browser, chromium: str) -> Iterator[Browser]:
    """A browser to which every name under .example is this machine: as after a name was bound anew."""
    rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
    other = browser.browser_type.launch(executable_path=chromium, args=[*CHROMIUM_OPTIONS, rules])
    yield other
    other.close()


@pytest.fixture
def foreign_page(resolving_browser: Browser, site_port: int) -> Iterator[Page]:
    page = resolving_browser.new_page()
    page.goto(f"http://prizes.example:{site_port}/")
    yield page
    page.close()


def test_it_starts_no_job(foreign_page: Page, gateway: httpx.Client, stack: StackSettings) -> None:
    before = gateway.get("/jobs").json()["jobs"]
    address = f"{stack.gateway_url}/video_captions?every_n_second=1"
    with foreign_page.expect_response(address) as answered:
        foreign_page.evaluate(START_A_JOB, [address, b64encode(BIKES.read_bytes()).decode()])
    assert answered.value.status == 403
    assert gateway.get("/jobs").json()["jobs"] == before


@pytest.mark.parametrize("path", ["/sdapi/v1/interrupt", "/sdapi/v1/txt2img", "/edits", "/get_captions"])
def test_its_form_is_refused(foreign_page: Page, stack: StackSettings, path: str) -> None:
    with foreign_page.expect_navigation() as navigation:
        foreign_page.evaluate(
            "to => { document.forms[0].action = to; document.forms[0].submit(); }", stack.gateway_url + path
        )
    assert navigation.value.status == 403
    assert navigation.value.json()["type"].endswith("foreign-page")


def test_it_reads_nothing(foreign_page: Page, stack: StackSettings) -> None:
    assert foreign_page.evaluate(READ, f"{stack.gateway_url}/jobs") == "TypeError"


def test_it_builds_nothing_in(foreign_page: Page, stack: StackSettings, bikes_job: str) -> None:
    assert foreign_page.evaluate(SHOW, f"{stack.gateway_url}/jobs/{bikes_job}/frames/0.jpg") is False
    pages = (f"{stack.ui_url}/about", f"{stack.gateway_url}/docs")
    foreign_page.set_content("".join(f"<iframe src='{address}'></iframe>" for address in pages))
    frames = foreign_page.frames[1:]
    wait_until(lambda: [foreign_page.wait_for_timeout(100), all("chrome-error" in f.url for f in frames)][1])
    assert len(frames) == 2


def test_it_opens_no_socket_of_the_ui(foreign_page: Page, stack: StackSettings) -> None:
    address = f"{stack.ui_url}/_stcore/stream".replace("http:", "ws:")
    assert foreign_page.evaluate(OPEN_SOCKET, address) == "refused"


def test_a_name_bound_anew_reads_nothing(resolving_browser: Browser, site_port: int, stack: StackSettings) -> None:
    page = resolving_browser.new_page()
    page.goto(f"http://prizes.example:{site_port}/")
    rebound = f"http://prizes.example:{stack.gateway_port}"
    assert page.evaluate(READ, f"{rebound}/jobs") == "TypeError"
    socket = f"ws://prizes.example:{stack.ui_port}/_stcore/stream"
    assert page.evaluate(OPEN_SOCKET, socket) == "refused"
    for address in (f"{rebound}/jobs", f"{rebound}/docs", f"http://prizes.example:{stack.ui_port}/"):
        answer = page.goto(address)
        assert isinstance(answer, Response) and answer.status == 421, address
    page.close()


def test_localhost_by_its_name_works(resolving_browser: Browser, stack: StackSettings) -> None:
    page = resolving_browser.new_page()
    page.goto(f"http://localhost:{stack.ui_port}/about")
    page.get_by_text("All services are ready.").wait_for(timeout=60_000)
    assert page.evaluate(READ, f"http://localhost:{stack.gateway_port}/health") == '{"status":"ok"}'
    page.close()


def test_the_documentation_runs_under_its_policy(resolving_browser: Browser, stack: StackSettings) -> None:
    """ReDoc would fetch its logo from a server of its makers; the policy keeps it from that."""
    page = resolving_browser.new_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.goto(f"{stack.gateway_url}/docs")
    page.get_by_text("/video_captions", exact=True).first.wait_for(timeout=60_000)
    assert not failed
    page.goto(f"{stack.gateway_url}/redoc")
    page.get_by_role("heading", name="Framesense").first.wait_for(timeout=60_000)
    assert all(address.startswith("https://cdn.redoc.ly/") for address in failed)
    page.close()
