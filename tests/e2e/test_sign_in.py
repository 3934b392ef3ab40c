"""A stack that other machines reach requires keys: browsers sign in, watch and sign out; programs send a key."""

import io
from collections.abc import Iterator

import httpx
import pytest
import webuiapi
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from redis import AuthenticationError, Redis
from rich.console import Console
from tusclient.client import TusClient

from framesense.access.keys import KeyStore
from framesense.schemas.access import Scope
from framesense.schemas.jobs import Job, JobState
from tests.e2e.conftest import PAGE_TIMEOUT
from tests.support.padded_videos import BIKES
from tests.support.stack_settings import settings_at
from tests.support.waiting import wait_until
from tools.processes import ProcessFolder
from tools.settings import StackSettings
from tools.stack import Stack

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def keyed_stack(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[StackSettings]:
    settings = settings_at(tmp_path_factory.mktemp("keyed-stack"), bind_address="0.0.0.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REQUIRE_KEYS", raising=False)
        stack = Stack(settings, Console(file=io.StringIO()))
    with stack.running():
        yield settings


@pytest.fixture(scope="module")
def key(keyed_stack: StackSettings) -> str:
    return KeyStore(keyed_stack.data / "keys.json").add("alice", [Scope.SUBMIT])[1]


@pytest.fixture
def context(browser: Browser, keyed_stack: StackSettings) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=keyed_stack.ui_url, viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PAGE_TIMEOUT)
    expect.set_options(timeout=PAGE_TIMEOUT)
    refused: list[str] = []
    context.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    yield context
    context.close()
    assert not refused


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_sign_in_upload_watch_and_sign_out(page: Page, keyed_stack: StackSettings, key: str) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("Earlier videos")).to_have_count(0)

    sign_in(page, f"{key[:-1]}-")
    expect(page.get_by_role("alert")).to_contain_text("no key of this gateway")

    sign_in(page, key)
    expect(page.get_by_role("heading", name="Sign in")).to_have_count(0)
    page.locator(".upload input[type=file]").set_input_files(BIKES)
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()
    page.get_by_role("button", name="Start").click()
    video = page.locator("video")
    expect(video).to_be_visible()
    video.evaluate("async (video) => { video.muted = true; await video.play(); }")
    wait_until(lambda: video.evaluate("(video) => video.currentTime > 0.2"))
    address = str(video.get_attribute("src"))
    assert httpx.get(address).status_code == 401, "the address alone opens nothing"

    page.get_by_role("link", name="About").click()
    expect(page.get_by_text("Signed in with the key alice")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.request.get(address).status == 401
    assert page.request.get(f"{keyed_stack.gateway_url}/jobs").status == 401


def test_a_revoked_key_is_signed_out(page: Page, keyed_stack: StackSettings) -> None:
    keys = KeyStore(keyed_stack.data / "keys.json")
    key, text = keys.add("bob", [Scope.READ])
    page.goto("/tags")
    sign_in(page, text)
    expect(page.get_by_role("heading", name="Sign in")).to_have_count(0)
    keys.revoke(key.id)
    page.get_by_role("link", name="About").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, text)
    expect(page.get_by_role("alert")).to_contain_text("was revoked")


def test_files_are_taken_from_those_who_signed_in(keyed_stack: StackSettings, key: str) -> None:
    upload, metrics = (f"{keyed_stack.ui_url}/_stcore/{path}" for path in ("upload_file/nobody/a-file", "metrics"))
    assert httpx.put(upload, files={"file": b"of nobody"}).status_code == 401
    assert httpx.get(metrics).status_code == 401
    with httpx.Client() as browser:
        assert browser.post(f"{keyed_stack.gateway_url}/session", json={"key": key}).status_code == 200
        assert browser.get(metrics).status_code == 200
        assert browser.put(upload, files={"file": b"of alice"}).status_code != 401, "refused by Streamlit, if at all"


def test_programs_show_a_key_each_in_their_way(keyed_stack: StackSettings, key: str) -> None:
    """By Bearer: tus, events, a range; by Basic: a client of A1111's API. All of it through real services."""
    bearer = {"Authorization": f"Bearer {key}"}
    tus = TusClient(f"{keyed_stack.gateway_url}/uploads", headers=bearer)
    uploader = tus.uploader(str(BIKES), chunk_size=200_000, metadata={"filename": BIKES.name})
    uploader.upload()
    with httpx.Client(base_url=keyed_stack.gateway_url, headers=bearer, timeout=120) as http:
        upload = {"upload_id": (None, str(uploader.url).rsplit("/", 1)[1])}
        job = http.post("/video_captions", files=upload, params={"every_n_second": 5}).json()
        with http.stream("GET", f"/jobs/{job['id']}/events") as answer:
            events = [Job.model_validate_json(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
        assert events[-1].state is JobState.SUCCEEDED, events[-1]
        part = http.get(f"/jobs/{job['id']}/video", headers={"Range": "bytes=100-199"})
        assert part.status_code == 206 and part.content == BIKES.read_bytes()[100:200]

    studio = webuiapi.WebUIApi("127.0.0.1", keyed_stack.gateway_port)
    studio.set_auth("anyone", key)
    edited = studio.img2img(images=[Image.new("RGB", (64, 64), "blue")], prompt="a red room", steps=2)
    assert edited.image.size[0] > 0
    stranger = webuiapi.WebUIApi("127.0.0.1", keyed_stack.gateway_port)
    with pytest.raises(RuntimeError, match="401"):
        stranger.img2img(images=[Image.new("RGB", (64, 64), "blue")], prompt="a red room", steps=2)


def test_services_answer_one_another_alone(keyed_stack: StackSettings) -> None:
    for url in (keyed_stack.captioner_url, keyed_stack.tagger_url, keyed_stack.editor_url):
        assert httpx.get(f"{url}/ready").status_code == 200
        assert httpx.get(f"{url}/models").status_code == 401
    bare = ProcessFolder(keyed_stack.data, names=(), environment={}).url("redis")
    assert bare
    with Redis.from_url(bare) as redis, pytest.raises(AuthenticationError):
        redis.get("framesense:jobs")
    assert (keyed_stack.data / "secrets" / "redis-password").stat().st_mode & 0o077 == 0
