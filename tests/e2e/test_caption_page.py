"""The page *Caption an image* in a real browser, against real services."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from framesense.schemas.captions import DEFAULT_GUESS_BELOW
from tests.support.pages import PHOTOS, slide

pytestmark = pytest.mark.browser


def choose(page: Page, *photos: Path) -> None:
    page.goto("/caption_image")
    page.locator("input[type=file]").set_input_files(list(photos))


def test_photos_get_captions_and_a_map_a_word(page: Page) -> None:
    choose(page, PHOTOS / "chelsea.png", PHOTOS / "coffee.png")
    page.get_by_text("JSON").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    captions = json.loads(started.value.path().read_text("utf-8"))["captions"]
    assert len(captions) == 2
    for caption in captions:
        if caption["confidence"] < DEFAULT_GUESS_BELOW:
            expect(page.get_by_text(f"The caption is a guess: “{caption['caption']}”.")).to_be_visible()
        else:
            expect(page.get_by_role("heading", name=caption["caption"], exact=True).first).to_be_visible()
        assert caption["tokens"]
    words = sum(len(caption["tokens"]) for caption in captions)
    expect(page.get_by_test_id("stImage").locator("img")).to_have_count(words + len(captions))
    maps = page.get_by_test_id("stImage").locator("img").evaluate_all("all => all.map(one => one.src)")
    assert len(set(maps)) == len(maps), "every word looked somewhere of its own"


def test_the_example_is_captioned_with_one_click(page: Page) -> None:
    page.goto("/caption_image")
    page.get_by_role("button", name="Try the example").click()
    expect(page.get_by_text("JSON")).to_be_visible()
    for name in ("cat.jpg", "coffee.jpg", "rocket.jpg"):
        expect(page.get_by_text(name)).to_be_visible()
    page.locator("input[type=file]").set_input_files(PHOTOS / "chelsea.png")
    expect(page.get_by_text("rocket.jpg")).to_have_count(0)


def test_beams_caption_anew(page: Page) -> None:
    choose(page, PHOTOS / "chelsea.png")
    expect(page.get_by_text("JSON")).to_be_visible()
    slide(page, "Beams", 1)
    expect(page.get_by_text("JSON")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_broken_photo_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((PHOTOS / "coffee.png").read_bytes()[:2000])
    choose(page, broken)
    expect(page.get_by_role("alert")).to_contain_text("broken.png")
    expect(page.get_by_text("Traceback")).to_have_count(0)
    # The next one works.
    choose(page, PHOTOS / "coffee.png")
    expect(page.get_by_text("JSON")).to_be_visible()


def test_a_broken_photo_does_not_spoil_the_others(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((PHOTOS / "coffee.png").read_bytes()[:2000])
    choose(page, PHOTOS / "chelsea.png", broken, PHOTOS / "coffee.png")
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.get_by_role("alert")).to_contain_text("broken.png")
    page.get_by_text("JSON").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    captions = json.loads(started.value.path().read_text("utf-8"))["captions"]
    assert len(captions) == 2
    names = page.get_by_test_id("stCaptionContainer")
    expect(names.get_by_text("chelsea.png", exact=True)).to_be_visible()
    expect(names.get_by_text("coffee.png", exact=True)).to_be_visible()


def test_photos_and_beams_are_still_there_after_another_page(page: Page) -> None:
    choose(page, PHOTOS / "chelsea.png")
    expect(page.get_by_text("JSON")).to_be_visible()
    slide(page, "Beams", 2)
    page.get_by_role("link", name="About").click()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    page.get_by_role("link", name="Caption an image").click()
    expect(page.get_by_text("Still here: chelsea.png")).to_be_visible()
    expect(page.get_by_text("JSON")).to_be_visible()
    expect(page.get_by_role("slider")).to_have_value("2")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("JSON")).to_have_count(0)
