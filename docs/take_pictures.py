"""Takes the README's pictures from a running ui: ``make up``, then ``python docs/take_pictures.py VIDEO PHOTO``.

VIDEO is analysed with default options (or answered from what is stored); PHOTO is captioned; the other pages show their
worked examples. The pictures land in docs/pictures/.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect, sync_playwright

PICTURES = Path(__file__).parent / "pictures"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TIMEOUT = 120_000
"""Milliseconds."""


def analyse(gateway: str, video: Path) -> str:
    """Have a video analysed, and return the job's id."""
    with httpx.Client(base_url=gateway, timeout=600) as client, video.open("rb") as file:
        answer = client.post(
            "/video_captions",
            files={"video": (video.name, file, "video/mp4")},
            headers={"Prefer": "wait=300"},
        )
        answer.raise_for_status()
        return answer.headers["Location"].rsplit("/", 1)[1]


def show_result(page: Page, address: str) -> None:
    """Show the result with its highest moment looked at."""
    page.goto(address)
    graph = page.locator(".novelty .graph")
    expect(graph.locator(".main-svg").first).to_be_visible()
    graph.focus()
    peak = int(graph.evaluate("g => g.data[0].y.indexOf(Math.max(...g.data[0].y))"))
    for _ in range(peak):
        page.keyboard.press("ArrowRight")
    time = graph.evaluate("(g, peak) => Date.parse(g.data[0].x[peak] + 'Z') / 1000", peak)
    page.locator(".novelty video").evaluate("(video, time) => { video.currentTime = time }", time)
    page.wait_for_timeout(1500)


def fit(page: Page) -> None:
    """Make the window as high as the page, so that the picture has all of it."""
    height = int(page.locator(".stMainBlockContainer").evaluate("main => main.scrollHeight"))
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": size["width"], "height": height})
    page.wait_for_timeout(1000)


def take(page: Page, name: str, show: Callable[[], None]) -> None:
    """Take a picture of a whole page."""
    page.set_viewport_size(DESKTOP)
    show()
    fit(page)
    page.screenshot(path=PICTURES / f"{name}.png")


def show_caption(page: Page, photo: Path) -> None:
    page.goto("/caption_image")
    page.locator("input[type=file]").set_input_files(photo)
    expect(page.get_by_text("JSON")).to_be_visible()


def show_edit(page: Page) -> None:
    """Show the example, before and after."""
    page.goto("/edit")
    page.get_by_role("button", name="Try the example").click()
    expect(page.get_by_role("button", name="Download PNG")).to_be_visible()
    for side in ("before", "after"):
        picture = page.locator(f".compare img.{side}").element_handle()
        page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture)


def show_series(page: Page) -> None:
    """Show the example's photo and words under other strengths and guidances."""
    show_edit(page)
    page.get_by_role("button", name="Back to editing").click()
    page.get_by_role("tab", name="Series").click()
    page.get_by_role("button", name="Start the series").click()
    expect(page.get_by_role("table").get_by_role("button").first).to_be_visible()


def show_tags(page: Page) -> None:
    page.goto("/tags")
    page.get_by_role("button", name="Load the example").click()
    expect(page.locator(".js-plotly-plot .imagelayer image").first).to_be_visible()


def show_studio(page: Page) -> None:
    """Show the example's classifier, made if there is none yet, taught and measured."""
    page.goto("/classifier_studio")
    page.get_by_role("button", name="Load the example").click()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="shapes").or_(page.get_by_role("alert")).first).to_be_visible()
    page.goto("/classifier_studio?classifier=shapes")
    page.get_by_role("tab", name="Teach it with photos").click()
    page.get_by_text("Use the example's drawings").click()
    page.get_by_role("button", name="Teach", exact=True).click()
    expect(page.get_by_text("Taught with")).to_be_visible()
    page.get_by_role("tab", name="Measure it").click()
    page.get_by_text("Use other drawings of the example").click()
    expect(page.locator(".js-plotly-plot")).to_be_visible()


def show_photo_set(page: Page) -> None:
    """Show the example's report, with a photo of the map looked at."""
    page.goto("/photo_set")
    page.get_by_role("button", name="Try the example").click()
    dots = page.locator(".photomap .map")
    expect(dots.locator(".main-svg").first).to_be_visible()
    fit(page)
    x, y = dots.evaluate(
        """map => { const {xaxis, yaxis} = map._fullLayout, [trace] = map.data;
        return [xaxis._offset + xaxis.d2p(trace.x[0]), yaxis._offset + yaxis.d2p(trace.y[0])] }"""
    )
    dots.hover(position={"x": x, "y": y})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--ui", default="http://127.0.0.1:8501")
    parser.add_argument("--gateway", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    job = analyse(options.gateway, options.video)
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, size, theme in [
            ("video-novelty", DESKTOP, "light"),
            ("video-novelty-dark", DESKTOP, "dark"),
            ("video-novelty-phone", PHONE, "light"),
        ]:
            page = browser.new_page(viewport=size, color_scheme=theme, base_url=options.ui)
            page.set_default_timeout(TIMEOUT)
            expect.set_options(timeout=TIMEOUT)
            show_result(page, f"/?job={job}")
            page.screenshot(path=PICTURES / f"{name}.png")
            page.close()
        page = browser.new_page(viewport=DESKTOP, base_url=options.ui)
        page.set_default_timeout(TIMEOUT)
        page.goto("/")
        expect(page.locator("[class*=st-key-job-] img").first).to_be_visible()
        page.screenshot(path=PICTURES / "start.png")
        take(page, "caption-an-image", lambda: show_caption(page, options.photo))
        take(page, "edit", lambda: show_edit(page))
        take(page, "edit-series", lambda: show_series(page))
        take(page, "tags", lambda: show_tags(page))
        take(page, "classifier-studio", lambda: show_studio(page))
        take(page, "photo-set", lambda: show_photo_set(page))
        browser.close()


if __name__ == "__main__":
    main()
