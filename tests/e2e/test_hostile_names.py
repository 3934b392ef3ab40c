"""Names of files, folders and labels that are scripts or formulas: shown as they are, run nowhere."""

import csv
import io
import json

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.padded_videos import BIKES
from tests.support.photos import photo, zipped

pytestmark = pytest.mark.browser

SCRIPT = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>'
MARKDOWN = "[link](javascript:window.hit=3) **bold** $x^2$ :smile:"
FORMULA = "=cmd|'/c calc'!A1"
JOB_TIMEOUT = 180_000
"""Milliseconds that a job may take."""


def _unharmed(page: Page) -> None:
    """Nothing ran, nothing was built in, and no link leads to a script."""
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0


def test_a_videos_name(page: Page, gateway: httpx.Client) -> None:
    name = f"{SCRIPT} {MARKDOWN}.mp4"
    answer = gateway.post(
        "/video_captions",
        params={"every_n_second": 1},
        files={"video": (name, BIKES.read_bytes(), "video/mp4")},
        headers={"Prefer": "wait=200"},
    )
    assert answer.status_code == 200, answer.text
    job = gateway.get("/jobs", params={"limit": 1}).json()["jobs"][0]["id"]
    page.goto("/")
    expect(page.get_by_text("window.hit").first).to_be_visible()
    _unharmed(page)
    page.goto(f"/?job={job}")
    expect(page.locator(".novelty video")).to_be_visible(timeout=JOB_TIMEOUT)
    expect(page.get_by_role("heading").filter(has_text="window.hit").first).to_be_visible()
    _unharmed(page)
    for kind in ("csv", "json", "vtt"):
        export = gateway.get(f"/jobs/{job}/export.{kind}")
        assert export.headers["content-disposition"].startswith("attachment")
        assert "<" not in export.headers["content-disposition"]
        assert export.headers["x-content-type-options"] == "nosniff"


def test_a_photo_sets_names_and_labels(page: Page, gateway: httpx.Client) -> None:
    folder = FORMULA.replace("/", "")
    photos = {
        f"{folder}/{SCRIPT.replace('/', '')}.jpg": photo("red", 1),
        f"{folder}/@SUM(1).jpg": photo("blue", 2),
        **{f"<b>plain<b>/{seed}.jpg": photo(colour, seed) for seed, colour in enumerate(("green", "white", "red"), 3)},
    }
    answer = gateway.post(
        "/photo-sets",
        files={"photos": (f"{SCRIPT.replace('/', '')}.zip", zipped(photos), "application/zip")},
        data={"labels": json.dumps([SCRIPT, FORMULA, MARKDOWN])},
        headers={"Prefer": "wait=200"},
    )
    assert answer.status_code == 200, answer.text
    job = gateway.get("/jobs", params={"limit": 1, "kind": "dataset"}).json()["jobs"][0]["id"]
    page.goto(f"/photo_set?job={job}")
    expect(page.get_by_role("heading", name="All photos", exact=True)).to_be_visible(timeout=JOB_TIMEOUT)
    expect(page.locator(".photomap .map .main-svg").first).to_be_visible()
    _unharmed(page)
    page.goto("/photo_set")
    expect(page.get_by_text("window.hit").first).to_be_visible()
    _unharmed(page)

    table = gateway.get(f"/jobs/{job}/export.csv")
    assert table.headers["content-disposition"].startswith("attachment")
    cells = [cell for row in csv.reader(io.StringIO(table.content.decode("utf-8-sig"))) for cell in row]
    assert any("cmd|" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
