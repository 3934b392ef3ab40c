"""The page *Photo set* in a real browser, against real services."""

import csv
import hashlib
import io
import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import wait_for_script
from tests.support.photos import grouped_photos, photo, zipped

pytestmark = pytest.mark.browser


JOB_TIMEOUT = 180_000
"""Milliseconds that a job may take; clusters and the map are hard work for a machine that is busy already."""


def expect_report(page: Page) -> None:
    expect(page.get_by_role("heading", name="All photos", exact=True)).to_be_visible(timeout=JOB_TIMEOUT)


def test_example_becomes_a_report(page: Page, gateway: httpx.Client) -> None:
    page.goto("/photo_set")
    page.get_by_role("button", name="Try the example").click()
    expect_report(page)
    result = gateway.get(f"/jobs/{httpx.URL(page.url).params['job']}/result").json()
    report = result["report"]
    expect(page.get_by_text(f"{report['photos']} photos ·")).to_be_visible()
    for group in report["groups"]["groups"]:
        assert group["photos"] > 1

    dots = page.locator(".photomap .map")
    expect(dots.locator(".main-svg").first).to_be_visible()
    assert dots.evaluate("map => map.data.reduce((sum, trace) => sum + trace.x.length, 0)") == report["photos"]
    dots.scroll_into_view_if_needed()
    place = dots.evaluate(
        """map => { const {xaxis, yaxis} = map._fullLayout, [trace] = map.data;
        return [trace.customdata[0], xaxis._offset + xaxis.d2p(trace.x[0]), yaxis._offset + yaxis.d2p(trace.y[0])] }"""
    )
    box = dots.bounding_box()
    assert box
    page.mouse.move(box["x"] + place[1], box["y"] + place[2])
    card = page.locator(".photomap .card")
    expect(card).to_be_visible()
    shown = [photo["path"] for photo in result["photos"]]
    assert card.locator(".card-name").text_content() in shown
    wait_for_script(page, "document.querySelector('.photomap .card img').naturalWidth > 0")

    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("dialog", name="Photo").locator(".photo-name")).to_have_text(shown[place[0]])
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog", name="Photo")).to_have_count(0)
    page.mouse.move(box["x"] + 20, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 120, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Show all of it").click()
    wait_for_script(page, "document.querySelector('.photomap .map')._fullLayout.xaxis.autorange === true")

    twins = {
        shown[photo["duplicate_of"]]: photo["path"]
        for photo in result["photos"]
        if photo.get("duplicate_of") is not None
    }
    assert {Path(one).name for one in twins} == {Path(other).name for other in twins.values()}, "copies, no drawings"
    assert len(twins) == 5

    with page.expect_download() as started:
        page.get_by_role("button", name="CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(started.value.path().read_text("utf-8-sig"))))
    assert [row["path"] for row in rows] == shown


def test_uploaded_zip_is_tagged_and_stays_in_its_list(page: Page, gateway: httpx.Client, tmp_path: Path) -> None:
    archive = tmp_path / "rooms.zip"
    archive.write_bytes(zipped(grouped_photos({"hotel 1": ["red", "red", "blue"], "hotel 2": ["green", "white"]})))
    page.goto("/photo_set")
    page.get_by_role("textbox", name="Words").fill("red, green, blue, white")
    page.locator(".upload input[type=file]").set_input_files(archive)
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect_report(page)
    job = httpx.URL(page.url).params["job"]
    assert gateway.get(f"/jobs/{job}").json()["parameters"]["labels"] == ["red", "green", "blue", "white"]
    with page.expect_download() as started:
        page.get_by_role("button", name="JSON", exact=True).click()
    result = json.loads(started.value.path().read_text("utf-8-sig"))
    assert [group["name"] for group in result["report"]["groups"]["groups"]] == ["hotel 1", "hotel 2"]
    page.get_by_role("button", name="All photo sets").click()
    expect(page.locator(f".st-key-open-{job}")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Earlier videos")).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    expect(page.locator(f".st-key-open-{job}")).to_have_count(0)


def test_a_folder_of_photos_is_packed_in_the_browser(page: Page, gateway: httpx.Client, tmp_path: Path) -> None:
    folder = tmp_path / "trip"
    for path, content in grouped_photos({"süd": ["red", "red"], "nord": ["green", "blue"]}).items():
        file = folder / path.removeprefix("photos/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    first = min(folder.rglob("*.jpg"))
    first.rename(first.with_suffix(""))  # known by its content
    (folder / "notes.txt").write_text("left out")
    page.goto("/photo_set")
    page.get_by_role("textbox", name="Words").fill("red, green, blue")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()
    expect(page.get_by_text("1 file that is no photo was left out.")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect_report(page)
    result = gateway.get(f"/jobs/{httpx.URL(page.url).params['job']}/result").json()
    assert result["report"]["name"] == "trip.zip"
    found = {photo["path"]: photo["sha256"] for photo in result["photos"]}
    sent = {str(file.relative_to(tmp_path)): file.read_bytes() for file in folder.rglob("*[0-9]*") if file.is_file()}
    assert found == {path: hashlib.sha256(content).hexdigest() for path, content in sent.items()}
    assert [group["name"] for group in result["report"]["groups"]["groups"]] == ["nord", "süd"]


def test_several_photos_are_sent_as_they_are_chosen_and_others_refused(page: Page, tmp_path: Path) -> None:
    files = []
    for number, colour in enumerate(["red", "green", "blue"]):
        files.append(tmp_path / f"{colour}.jpg")
        files[-1].write_bytes(photo(colour, number))
    words = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for file in words:
        file.write_text("words")
    page.goto("/photo_set")
    page.locator(".upload input[type=file]").set_input_files(words)
    expect(page.locator(".upload .message.bad")).to_have_text("There is no photo among these files.")
    page.locator(".upload input[type=file]").set_input_files(files)
    expect(page.get_by_text("3 photos.zip")).to_be_visible()
    expect(page.get_by_text("Uploaded", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Choose a folder")).to_be_hidden()


def test_what_is_no_zip_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.zip"
    notes.write_text("This is not a zip.\n" * 100)
    page.goto("/photo_set")
    page.locator(".upload input[type=file]").set_input_files(notes)
    expect(page.locator(".upload .message.bad")).to_contain_text("notes.zip")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose photos first")
