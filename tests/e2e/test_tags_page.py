"""The page *Tags* in a real browser, against real services."""

import csv
import io
import json

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import PHOTOS

pytestmark = pytest.mark.browser


def download(page: Page, name: str) -> str:
    with page.expect_download() as started:
        page.get_by_role("button", name=name, exact=True).click()
    return started.value.path().read_text("utf-8-sig")


def test_example_is_tagged_with_a_click(page: Page) -> None:
    page.goto("/tags")
    page.get_by_role("button", name="Load the example").click()
    expect(page.get_by_role("heading", name="Every photo with every word")).to_be_visible()
    answer = json.loads(download(page, "JSON"))
    photos, labels = len(answer["images"]), len(answer["labels"])
    assert photos > 3
    for image in answer["images"]:
        expect(page.get_by_text(image["image"], exact=True)).to_be_visible()
        assert image["tags"]
    rows = list(csv.DictReader(io.StringIO(download(page, "CSV"))))
    assert [(row["photo"], row["label"]) for row in rows] == [
        (image["image"], label) for image in answer["images"] for label in answer["labels"]
    ]
    heat = page.locator(".js-plotly-plot")
    expect(heat.locator(".imagelayer image")).to_have_count(photos)
    drawn = heat.evaluate("map => [map.data[0].z.length, map.data[0].z[0].length]")
    assert drawn == [photos, labels]
    # From a threshold that nothing reaches, a photo is told its nearest word, which is no tag; nothing is asked again.
    slider = page.get_by_role("slider", name="Least")
    slider.focus()
    page.keyboard.press("End")
    expect(page.get_by_text("No word fits as well as that. The nearest is")).to_have_count(photos)
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_own_photos_and_words_become_a_label_set(page: Page, gateway: httpx.Client) -> None:
    page.goto("/tags")
    page.locator("input[type=file]").set_input_files([PHOTOS / "chelsea.png"])
    page.get_by_role("textbox", name="Words").fill("cat\nsalt, pepper")
    sentence = page.get_by_role("textbox", name="In a sentence")
    sentence.fill("no place")
    sentence.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("{label}")
    sentence.fill("a {label}")
    sentence.press("Control+Enter")
    expect(page.get_by_role("heading", name="Every photo with every word")).to_be_visible()
    page.get_by_role("button", name="Save as label set").click()
    page.get_by_role("textbox", name="Name").fill("pets")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("2 words are kept")).to_be_visible()
    kept = gateway.get("/label-sets/pets").json()
    assert (kept["labels"], kept["templates"]) == (["cat", "salt, pepper"], ["a {label}"])
    # Whoever opens the page next can use it.
    page.reload()
    page.get_by_role("combobox", name="Label set").click()
    page.get_by_role("option", name="pets").click()
    page.get_by_role("button", name="Use", exact=True).click()
    expect(page.get_by_role("textbox", name="Words")).to_have_value("cat\nsalt, pepper")
    assert gateway.delete("/label-sets/pets").status_code == 204
