"""The page *Edit* in a real browser, against real services."""

import io
import json
import re
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from framesense.schemas.edits import EditedImage, EditResult
from framesense.schemas.jobs import JobState
from tests.support.pages import PHOTOS, wait_for_script

pytestmark = pytest.mark.browser

JOB_TIMEOUT = 240_000
"""Milliseconds that an edit may take on a machine that is busy already."""
COFFEE = PHOTOS / "coffee.png"
CONTROLS = "button|checkbox|combobox|link|radio|searchbox|slider|spinbutton|switch|tab|textbox"
NAMELESS = re.compile(rf"- ({CONTROLS})\b(?! \")")
"""A control in Playwright's snapshot of what a screen reader meets, without a name after its role."""


def choose(page: Page, photo: Path = COFFEE, words: str = "a cup at night") -> None:
    page.goto("/edit")
    page.locator("input[type=file]").set_input_files(photo)
    expect(page.get_by_text(f"{photo.name} ·")).to_be_visible()
    page.get_by_role("textbox", name="What the picture should show").fill(words)


def few_steps(page: Page) -> None:
    """As few as the slider goes: what is tried here is the way there and back."""
    steps = page.get_by_role("slider", name="Steps")
    steps.focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(steps).to_have_value("4")


def finish(page: Page) -> None:
    expect(page.get_by_role("button", name="Download PNG")).to_be_visible(timeout=JOB_TIMEOUT)


def job_of(page: Page) -> str:
    return httpx.URL(page.url).params["job"]


def result_of(page: Page, gateway: httpx.Client) -> EditResult:
    return EditResult.model_validate_json(gateway.get(f"/jobs/{job_of(page)}/result").content)


def pixels(gateway: httpx.Client, path: str | None) -> NDArray[np.uint8]:
    assert path
    return np.asarray(Image.open(io.BytesIO(gateway.get(path).content)))


def download(page: Page, name: str) -> bytes:
    # While the page is made anew, what its buttons offered a moment ago is withdrawn.
    page.locator("[data-test-script-state=notRunning]").wait_for()
    with page.expect_download() as started:
        page.get_by_role("button", name=name, exact=True).click()
    return started.value.path().read_bytes()


def expect_loaded(page: Page, picture: Locator) -> None:
    wait_for_script(page, "image => image.complete && image.naturalWidth > 0", arg=picture.element_handle())


def paint(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A stroke of the brush; places as shares of width and height."""
    canvas = page.locator(".mask canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=8)
    page.mouse.up()


def settings_shown(image: EditedImage) -> str:
    return f"strength {image.parameters.strength:g} · {image.parameters.steps} steps"


def test_example_is_edited_with_a_click(page: Page, gateway: httpx.Client) -> None:
    page.goto("/edit")
    page.get_by_role("button", name="Try the example").click()
    finish(page)
    result = result_of(page, gateway)
    (image,) = result.images
    expect(page.get_by_role("heading", name=image.parameters.prompt)).to_be_visible()
    expect(page.get_by_text(settings_shown(image))).to_be_visible()
    if result.model.note:
        expect(page.get_by_text(result.model.note)).to_be_visible()
    assert image.agreement and image.agreement.gain > 0, "the example is one that works"
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(f"{image.agreement.after:.2f}")

    png = download(page, "Download PNG")
    assert png == gateway.get(str(image.image_url)).content
    written = Image.open(io.BytesIO(png)).info["parameters"]
    assert image.parameters.prompt in written
    assert str(image.seed) in written

    # Before and after, by the keyboard alone.
    for side in ("before", "after"):
        expect_loaded(page, page.locator(f".compare img.{side}"))
    slider = page.get_by_role("slider", name="Before and after")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "49 % before, 51 % after")
    page.keyboard.press("Home")
    after = page.locator(".compare img.after")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 0%)")
    page.get_by_text("What changed", exact=True).click()
    expect(page.get_by_text("White where it changed most")).to_be_visible()

    # It stays in the history, from where its settings and its photo come back into an empty form.
    job = job_of(page)
    page.goto("/edit")
    page.get_by_role("tab", name="History").click()
    row = page.locator(f".st-key-job-{job}")
    expect_loaded(page, row.locator("img"))
    row.get_by_role("button", name="Use these settings").click()
    expect(page.get_by_role("textbox", name="What the picture should show")).to_have_value(image.parameters.prompt)
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value(str(image.seed))
    expect(page.get_by_text(f"{image.photo} ·")).to_be_visible()
    page.get_by_role("button", name="Roll").click()
    expect(page.get_by_role("spinbutton", name="Seed")).not_to_have_value(str(image.seed))

    # Another page knows where it belongs.
    page.goto(f"/?job={job}")
    page.get_by_role("link", name="Open this edit").click()
    finish(page)
    assert job_of(page) == job


def test_only_what_is_painted_changes(page: Page, gateway: httpx.Client) -> None:
    choose(page)
    few_steps(page)
    page.get_by_role("radio", name="What I paint").click()
    canvas = page.get_by_role("application", name="Mask over the photo")
    expect(canvas).to_be_visible()

    # By the keyboard: a dab, and back.
    canvas.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing is painted yet")

    paint(page, (0.15, 0.2), (0.4, 0.2))
    page.get_by_role("button", name="Edit", exact=True).click()
    finish(page)
    (image,) = result_of(page, gateway).images
    mask = pixels(gateway, image.mask_url)
    height, width = mask.shape[:2]
    assert mask[int(0.2 * height), int(0.3 * width)].min() > 200
    assert mask[int(0.8 * height) :].max() == 0
    before, after = np.asarray(Image.open(COFFEE).convert("RGB")), pixels(gateway, image.image_url)[..., :3]
    assert before.shape == after.shape
    kept = mask == 0 if mask.ndim == 2 else mask.max(axis=2) == 0
    assert 0.5 < kept.mean() < 1
    assert (before[kept] == after[kept]).all()
    assert (before[~kept] != after[~kept]).any()
    expect(page.get_by_text("Changed outside")).to_be_visible()
    expect(page.get_by_text("Outside nothing changed.")).to_be_visible()

    # What was painted is still there for the next one.
    page.get_by_role("button", name="Back to editing").click()
    expect(page.get_by_role("button", name="Clear")).to_be_enabled()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing is painted yet")


def test_series_becomes_a_contact_sheet(page: Page, gateway: httpx.Client) -> None:
    choose(page)
    few_steps(page)
    page.get_by_role("tab", name="Series").click()
    page.get_by_role("textbox", name="Values of the rows").fill("0.4, wide")
    page.get_by_role("textbox", name="Values of the columns").fill("2, 6")
    page.get_by_role("button", name="Start the series").click()
    expect(page.get_by_role("alert")).to_contain_text("“wide” is no number")
    page.get_by_role("textbox", name="Values of the rows").fill("0.4, 0.8")
    page.get_by_role("textbox", name="Values of the rows").press("Enter")
    expect(page.get_by_text("4 pictures")).to_be_visible()
    page.get_by_role("button", name="Start the series").click()
    finish(page)
    result = result_of(page, gateway)
    assert [(image.parameters.strength, image.parameters.guidance_scale) for image in result.images] == [
        (0.4, 2),
        (0.4, 6),
        (0.8, 2),
        (0.8, 6),
    ]
    assert len({image.seed for image in result.images}) == 1
    sheet = page.get_by_role("table")
    expect(sheet.get_by_role("rowheader")).to_have_text(result.rows)
    expect(sheet.get_by_role("columnheader")).to_have_text(result.columns)
    cells = sheet.get_by_role("button")
    expect(cells).to_have_count(4)

    last = result.images[3]
    cells.nth(3).click()
    expect(cells.nth(3)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(settings_shown(last))).to_be_visible()

    contact_sheet = Image.open(io.BytesIO(download(page, "Contact sheet")))
    assert contact_sheet.width > 2 * 100
    with zipfile.ZipFile(io.BytesIO(download(page, "All pictures"))) as archive:
        pictures = [name for name in archive.namelist() if name.startswith("00")]
        assert [archive.read(name) for name in pictures] == [
            gateway.get(str(image.image_url)).content for image in result.images
        ]
        assert json.loads(archive.read("result.json"))["job_id"] == result.job_id

    page.get_by_role("button", name="Use these settings").click()
    expect(page.get_by_role("slider", name="Strength")).to_have_value("0.8")
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value(str(last.seed))


def test_a_running_edit_is_cancelled(page: Page, gateway: httpx.Client) -> None:
    choose(page)
    for name in ("Strength", "Steps"):
        page.get_by_role("slider", name=name).focus()
        page.keyboard.press("End")
    expect(page.get_by_role("slider", name="Steps")).to_have_value("150")
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("This edit was cancelled.")).to_be_visible()
    assert gateway.get(f"/jobs/{job_of(page)}").json()["state"] == JobState.CANCELLED
    page.get_by_role("button", name="Back to editing").click()
    expect(page.get_by_role("textbox", name="What the picture should show")).to_have_value("a cup at night")


def test_an_edited_picture_is_restored_further(page: Page, gateway: httpx.Client) -> None:
    page.goto("/edit")
    page.get_by_role("tab", name="Restore").click()
    page.get_by_text("Twice as large").click()
    expect(page.get_by_role("slider", name="Strength")).to_have_count(0)
    page.locator("input[type=file]").set_input_files(COFFEE)
    expect(page.get_by_text(f"{COFFEE.name} ·")).to_be_visible()
    page.get_by_role("button", name="Restore", exact=True).click()
    finish(page)
    (image,) = result_of(page, gateway).images
    width, height = Image.open(COFFEE).size
    assert (image.width, image.height) == (2 * width, 2 * height)
    expect(page.get_by_text(image.method)).to_be_visible()
    page.get_by_role("button", name="Edit this further").click()
    expect(page.get_by_text(f"{2 * width} × {2 * height} pixels")).to_be_visible()


def test_what_is_no_photo_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    page.goto("/edit")
    page.get_by_role("textbox", name="What the picture should show").fill("at night")
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a photo first")
    broken = tmp_path / "broken.png"
    broken.write_bytes(COFFEE.read_bytes()[:2000])
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.get_by_role("alert").filter(has_text="Not a photo")).to_contain_text("broken.png")
    tiny = tmp_path / "tiny.png"
    Image.new("RGB", (1, 1)).save(tiny)
    page.locator("input[type=file]").set_input_files(tiny)
    expect(page.get_by_text("1 × 1 pixels")).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("1 × 1")
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_every_control_has_a_name(page: Page) -> None:
    choose(page)
    page.get_by_role("radio", name="What I paint").click()
    expect(page.locator(".mask canvas")).to_be_visible()
    page.get_by_text("More", exact=True).click()
    expect(page.get_by_role("textbox", name="Negative words")).to_be_visible()
    for tab in ("Edit", "Series", "Restore", "History"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tabpanel", name=tab)).not_to_be_empty()
        page.wait_for_timeout(1000)
        snapshot = page.locator(".stMain").aria_snapshot()
        assert "button" in snapshot
        assert not NAMELESS.findall(snapshot), snapshot
