"""The page *Video novelty* in a real browser, against real services."""

import csv
import io
import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, Route, expect

from framesense.schemas.captions import DEFAULT_GUESS_BELOW, hedged
from framesense.schemas.novelty import VideoResult
from tests.support.network import Network
from tests.support.padded_videos import BIKES, padded
from tests.support.pages import choose_step, slide, wait_for_script
from tests.support.videos import numbered_video
from tools import example_video

pytestmark = pytest.mark.browser

MB = 1_000_000


def choose(page: Page, video: Path) -> None:
    page.locator(".upload input[type=file]").set_input_files(video)


def upload(page: Page, video: Path) -> None:
    page.goto("/")
    choose(page, video)
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()


def start(page: Page, *, every: str = "1 s") -> None:
    choose_step(page, "Look every", every)
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"job="))


def open_result(page: Page, job_id: str) -> None:
    page.goto(f"/?job={job_id}")
    expect(page.locator(".novelty .graph .main-svg").first).to_be_visible()


def curve(page: Page) -> list[float | None]:
    values: list[float | None] = page.locator(".novelty .graph").evaluate("graph => Array.from(graph.data[0].y)")
    return values


def point(page: Page, index: int) -> tuple[float, float]:
    """Where on the page a frame's place on the time axis is, half way up the graph."""
    box = page.locator(".novelty .graph").bounding_box()
    assert box
    x = page.locator(".novelty .graph").evaluate(
        "(g, i) => g._fullLayout._size.l + g._fullLayout.xaxis.d2p(g.data[0].x[i])", index
    )
    return box["x"] + x, box["y"] + box["height"] / 2


def player_time(page: Page) -> float:
    return float(page.locator(".novelty video").evaluate("video => video.currentTime"))


def wait_until_sent(page: Page, share: float) -> None:
    bar = page.get_by_role("progressbar", name="Upload").element_handle()
    wait_for_script(page, "([bar, share]) => bar.value > share", arg=[bar, share])


def watch_offsets(page: Page) -> list[int]:
    """Where in the file each of the page's coming requests starts to send."""
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return offsets


def current_job(page: Page) -> str:
    return httpx.URL(page.url).params["job"]


def test_uploaded_video_becomes_a_graph(page: Page) -> None:
    upload(page, BIKES)
    start(page)
    expect(page.locator(".novelty .graph .main-svg").first).to_be_visible()
    assert len(curve(page)) == 10
    expect(page.get_by_role("heading", name="bikes.mp4")).to_be_visible()


def test_the_example_starts_with_one_click_and_finds_what_happens_in_it(page: Page, gateway: httpx.Client) -> None:
    page.goto("/")
    page.get_by_role("button", name="Try the example").click()
    page.wait_for_url(re.compile(r"job="))
    expect(page.locator(".novelty .graph .main-svg").first).to_be_visible(timeout=120_000)
    result = VideoResult.model_validate(gateway.get(f"/jobs/{current_job(page)}/result").json())
    strong = [(moment.start, moment.end) for moment in result.moments if moment.strength == "strong"]
    for first, last in example_video.CAT, example_video.ROCKET:
        assert any(start < last and end >= first for start, end in strong), strong
    clip = gateway.get(result.moments[0].clip)
    assert clip.headers["content-type"] == "video/mp4"
    href = page.get_by_role("link", name=re.compile("Save clip")).first.get_attribute("href")
    assert href and href.endswith(result.moments[0].clip)
    reel = page.get_by_role("link", name="Highlights").get_attribute("href")
    assert reel and httpx.get(reel, timeout=60).headers["content-type"] == "video/mp4"


def test_what_will_be_looked_at_is_told_before_the_start(page: Page) -> None:
    upload(page, BIKES)
    expect(page.get_by_text("About 50 frames, one every 0.2 s")).to_be_visible()
    choose_step(page, "Look every", "2 s")
    expect(page.get_by_text("About 5 frames, one every 2 s")).to_be_visible()


def test_one_frame_makes_no_curve_and_says_so(page: Page) -> None:
    upload(page, BIKES)
    start(page, every="60 s")
    expect(page.get_by_text("Only one frame was looked at")).to_be_visible(timeout=60_000)
    expect(page.locator(".novelty")).to_have_count(0)


def test_hover_shows_picture_caption_time_and_value(page: Page, bikes_job: str, bikes_result: VideoResult) -> None:
    open_result(page, bikes_job)
    page.mouse.move(*point(page, 6))
    frame = bikes_result.frames[6]
    caption = hedged(frame.caption, frame.confidence, DEFAULT_GUESS_BELOW, frame.words)
    expect(page.locator(".card-caption")).to_have_text(caption)
    expect(page.locator(".card-figures")).to_have_text(f"0:06.0 · novelty {frame.novelty:.3f}")
    wait_for_script(page, "document.querySelector('.card img').naturalWidth > 0")


def test_click_plays_from_there(page: Page, bikes_job: str) -> None:
    open_result(page, bikes_job)
    assert player_time(page) == 0
    page.mouse.click(*point(page, 6))
    wait_for_script(page, "document.querySelector('.novelty video').currentTime >= 6")
    assert player_time(page) < 9
    # The playhead is one line, and has moved along.
    playheads = page.locator(".novelty .graph").evaluate("g => g.layout.shapes.filter(s => s.name === 'playhead')")
    assert [head["x0"] >= "1970-01-01T00:00:06" for head in playheads] == [True]


def test_keyboard_steps_and_plays(page: Page, bikes_job: str, bikes_result: VideoResult) -> None:
    open_result(page, bikes_job)
    graph = page.locator(".novelty .graph")
    graph.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(graph).to_have_attribute("aria-valuenow", "5")
    expect(page.locator(".novelty .spoken")).to_contain_text(bikes_result.frames[4].caption)
    page.keyboard.press("Enter")
    wait_for_script(page, "document.querySelector('.novelty video').currentTime >= 4")


def test_window_redraws_without_a_new_analysis(page: Page, gateway: httpx.Client, bikes_job: str) -> None:
    open_result(page, bikes_job)
    before, jobs = curve(page), gateway.get("/jobs").json()["total"]
    slide(page, "Compare with", 7)
    expected = gateway.get(f"/jobs/{bikes_job}/novelty", params={"rolling_window_size": 7}).json()["novelty"]
    assert expected != before
    wait_for_script(page, "y => document.querySelector('.novelty .graph').data[0].y[9] === y", arg=expected[9])
    assert curve(page) == expected
    assert gateway.get("/jobs").json()["total"] == jobs
    expect(page.get_by_text("Metric", exact=True)).to_have_count(0)  # auto has its own
    for option, query in (("Visual", {"signal": "visual"}), ("Cosine", {"signal": "visual", "metric": "cosine"})):
        choice(page, option).click()
        url = f"/jobs/{bikes_job}/novelty"
        wanted = gateway.get(url, params={"rolling_window_size": 7, **query}).json()["novelty"][9]
        wait_for_script(page, "y => document.querySelector('.novelty .graph').data[0].y[9] === y", arg=wanted)


def test_a_stretch_is_zoomed_in_and_left_without_playing(page: Page, bikes_job: str) -> None:
    open_result(page, bikes_job)
    reset = page.get_by_role("button", name="Show all of it")
    expect(reset).to_be_hidden()
    for leave in (reset.click, lambda: page.mouse.dblclick(*point(page, 5))):
        page.mouse.move(*point(page, 3))
        page.mouse.down()
        page.mouse.move(*point(page, 7), steps=5)
        page.mouse.up()
        expect(reset).to_be_visible()
        leave()
        expect(reset).to_be_hidden()
    page.wait_for_timeout(500)  # a single click would have begun to play by now
    assert page.locator(".novelty video").evaluate("video => video.paused && video.currentTime === 0")


def test_what_is_looked_at_is_in_the_address(page: Page, gateway: httpx.Client, bikes_job: str) -> None:
    open_result(page, bikes_job)
    choice(page, "Visual").click()
    choice(page, "Cosine").click()
    slide(page, "Compare with", 7)
    search = page.get_by_role("textbox", name="Search")
    search.fill("man")
    search.press("Enter")
    page.wait_for_url(re.compile(r"caption=man"))
    page.locator(".novelty video").evaluate("video => { video.currentTime = 4 }")
    page.wait_for_url(re.compile(r"[?&]t=4(&|$)"))
    page.reload()
    query = {"signal": "visual", "metric": "cosine", "rolling_window_size": 7}
    wanted = gateway.get(f"/jobs/{bikes_job}/novelty", params=query).json()["novelty"]
    wait_for_script(page, "y => document.querySelector('.novelty .graph')?.data?.[0].y[9] === y", arg=wanted[9])
    assert curve(page) == [None, *wanted[1:]]  # nothing comes before the first frame
    expect(search).to_have_value("man")
    assert player_time(page) == 4
    page.get_by_role("button", name="All videos").click()
    page.wait_for_url(lambda url: not httpx.URL(url).params)
    open_result(page, bikes_job)
    assert player_time(page) == 0


def choice(page: Page, name: str) -> Locator:
    """An option of a segmented control, whichever role it has."""
    return page.get_by_role("radio", name=name).or_(page.get_by_role("button", name=name)).first


def test_other_seconds_need_a_new_analysis(page: Page, gateway: httpx.Client, bikes_job: str) -> None:
    open_result(page, bikes_job)
    choose_step(page, "Look every", "2 s")
    expect(page.get_by_text("Looking every 2 seconds needs a new analysis.")).to_be_visible()
    page.get_by_role("button", name="Analyse again").click()
    page.wait_for_url(lambda url: bikes_job not in url)
    wait_for_script(page, "document.querySelector('.novelty .graph')?.data?.[0].y.length === 5")
    assert gateway.get(f"/jobs/{current_job(page)}").json()["parameters"]["every_n_second"] == 2


def test_search_counts_and_marks_the_frames(page: Page, bikes_job: str, bikes_result: VideoResult) -> None:
    open_result(page, bikes_job)
    word = max(bikes_result.frames[3].caption.split(), key=len)
    having = [frame.index for frame in bikes_result.frames if word in frame.caption.split()]
    expect(page.get_by_text("10 of 10 frames")).to_be_visible()
    page.get_by_text("Whole words").click()
    search = page.get_by_role("textbox", name="Search")
    search.fill(word.upper())
    search.press("Enter")
    expect(page.get_by_text(f"{len(having)} of 10 frames")).to_be_visible()
    wait_for_script(page, "n => document.querySelector('.graph').data[1].x.length === n", arg=len(having))
    search.fill("xylophone")
    search.press("Enter")
    expect(page.get_by_text("0 of 10 frames")).to_be_visible()


def test_downloads_arrive_and_parse(page: Page, bikes_job: str, bikes_result: VideoResult) -> None:
    open_result(page, bikes_job)

    def download(name: str) -> str:
        with page.expect_download() as started:
            page.get_by_role("button", name=name, exact=True).click()
        assert started.value.suggested_filename.startswith("bikes-novelty.")
        return started.value.path().read_text("utf-8")

    captions = [frame.caption for frame in bikes_result.frames]
    assert [row["caption"] for row in csv.DictReader(io.StringIO(download("CSV")))] == captions
    assert [frame["caption"] for frame in json.loads(download("JSON"))["frames"]] == captions
    subtitles = download("WebVTT")
    assert subtitles.startswith("WEBVTT")
    said = [hedged(frame.caption, frame.confidence, DEFAULT_GUESS_BELOW, frame.words) for frame in bikes_result.frames]
    assert all(f"\n{caption}\n" in subtitles for caption in said)


def test_result_has_an_address_and_stays_in_the_list(context: BrowserContext, page: Page, bikes_job: str) -> None:
    open_result(page, bikes_job)
    page.reload()
    expect(page.locator(".novelty .graph .main-svg").first).to_be_visible()
    page.get_by_role("button", name="All videos").click()
    expect(page.get_by_role("heading", name="Earlier videos")).to_be_visible()
    someone_else = context.new_page()
    someone_else.goto("/")
    someone_else.locator(f".st-key-open-{bikes_job}").get_by_role("button").click()
    expect(someone_else.locator(".novelty .graph .main-svg").first).to_be_visible()
    assert current_job(someone_else) == bikes_job


def test_cancel_stops_the_job(page: Page, gateway: httpx.Client, tmp_path: Path) -> None:
    upload(page, numbered_video(tmp_path / "long.mp4", 900, fps=1))
    start(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("This analysis was cancelled.")).to_be_visible()
    assert gateway.get(f"/jobs/{current_job(page)}").json()["state"] == "cancelled"


def test_cancelled_in_the_list_is_told_there(page: Page, tmp_path: Path) -> None:
    upload(page, numbered_video(tmp_path / "longer.mp4", 901, fps=1))
    start(page)
    job = current_job(page)
    page.get_by_role("button", name="All videos").click()
    page.locator(f".st-key-cancel-{job}").get_by_role("button", name="Cancel “longer.mp4”").click()
    expect(page.locator(f".st-key-job-{job}")).to_contain_text("Cancelled")
    expect(page.locator(f".st-key-delete-{job}")).to_be_visible()


def test_deleted_from_the_list(page: Page, gateway: httpx.Client, tmp_path: Path) -> None:
    upload(page, numbered_video(tmp_path / "short.mp4", 20))
    start(page, every="0.2 s")
    expect(page.locator(".novelty .graph .main-svg").first).to_be_visible()
    job = current_job(page)
    page.get_by_role("button", name="All videos").click()
    page.locator(f".st-key-delete-{job}").get_by_role("button").click()
    expect(page.get_by_text("It is gone for everyone")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(f".st-key-delete-{job}")).to_have_count(0)
    assert gateway.get(f"/jobs/{job}").status_code == 404
    page.goto(f"/?job={job}")
    expect(page.get_by_role("alert")).to_contain_text("There is no job")


def test_upload_goes_on_after_a_dropped_connection(page: Page, tmp_path: Path) -> None:
    video = padded(tmp_path / "street.mp4", 8 * MB)
    offsets = watch_offsets(page)

    def drop_the_first(route: Route) -> None:
        """Lets three of its eight megabytes through, then hangs up on both sides."""
        if len(offsets) > 1 or route.request.method != "PATCH":
            route.continue_()
            return
        head = "".join(f"{name}: {value}\r\n" for name, value in route.request.headers.items())
        address = httpx.URL(route.request.url)
        with socket.create_connection((address.host, address.port or 80)) as line:
            start = f"PATCH {address.path} HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: {8 * MB}\r\n{head}\r\n"
            line.sendall(start.encode() + video.read_bytes()[: 3 * MB])
        route.abort("connectionreset")

    page.route("**/uploads/*", drop_the_first)
    page.goto("/")
    choose(page, video)
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()
    assert offsets[0] == 0
    assert 0 < offsets[-1] <= 3 * MB
    expect(page.get_by_role("button", name="Start")).to_be_enabled()


def test_upload_goes_on_after_a_reload(page: Page, network: Network, tmp_path: Path) -> None:
    offsets = watch_offsets(page)
    video = padded(tmp_path / "street.mp4", 8 * MB)
    page.goto("/")
    network.set(upload_rate=MB)
    choose(page, video)
    wait_until_sent(page, 0.2)
    page.reload()
    expect(page.get_by_text("“street.mp4” was not sent to its end.")).to_be_visible()
    choose(page, video)
    network.set()
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()
    assert offsets[-1] > 0


def test_upload_pauses_resumes_and_is_taken_back(page: Page, network: Network, tmp_path: Path) -> None:
    page.goto("/")
    network.set(upload_rate=MB)
    choose(page, padded(tmp_path / "street.mp4", 6 * MB))
    wait_until_sent(page, 0.1)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    network.set()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    page.get_by_role("button", name="Choose another").click()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()
    expect(page.get_by_text("Choose a video")).to_be_visible()


def test_too_large_a_file_is_told_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as file:
        file.truncate(3_000_000_000)  # takes no room on the disk
    sent: list[str] = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    page.goto("/")
    expect(page.get_by_text("Up to 2.15 GB")).to_be_visible()
    choose(page, huge)
    expect(page.get_by_role("status")).to_have_text("“huge.mp4” has 3.00 GB; at most 2.15 GB are accepted.")
    assert not [url for url in sent if "/uploads" in url]


def test_text_named_mp4_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("This is not a video.\n" * 100)
    page.goto("/")
    choose(page, notes)
    told = page.locator("[data-testid=stAlert], .upload .message.bad").first
    start_button = page.get_by_role("button", name="Start")
    expect(told.or_(page.get_by_text("Uploaded", exact=True)).first).to_be_visible()
    if start_button.is_enabled():
        start_button.click()
    expect(told).to_contain_text(re.compile("video", re.IGNORECASE))
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_memory_of_the_ui_does_not_grow_with_the_file(page: Page, ui_memory: Callable[[], int], tmp_path: Path) -> None:
    size = 200 * MB
    upload(page, BIKES)  # what a first visit costs is not what is asked here
    page.get_by_role("button", name="Choose another").click()
    before = peak = ui_memory()
    choose(page, padded(tmp_path / "large.mp4", size))
    while not page.get_by_text("Uploaded", exact=True).is_visible():
        peak = max(peak, ui_memory())
        time.sleep(0.05)
    peak = max(peak, ui_memory())
    assert peak - before < size / 10


@pytest.mark.parametrize(
    "address", ["/", "/?job={job}", "/caption_image", "/edit", "/tags", "/classifier_studio", "/photo_set", "/about"]
)
def test_nothing_sticks_out_on_a_phone(page: Page, bikes_job: str, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address.format(job=bikes_job))
    expect(page.get_by_role("heading").first).to_be_visible()
    if "job" in address:
        expect(page.locator(".novelty .graph .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".stMain").evaluate("main => main.scrollWidth") <= 390
