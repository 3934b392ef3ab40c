"""The page *Classifier studio* in a real browser, against real services."""

import csv
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_example_is_made_tried_taught_and_measured(page: Page, gateway: httpx.Client) -> None:
    page.goto("/classifier_studio")
    page.get_by_role("button", name="Load the example").click()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="shapes")).to_be_visible()
    page.get_by_text("Try the example's drawings").click()
    expect(page.get_by_text("circle-50.jpg")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(16)

    page.get_by_role("tab", name="Teach it with photos").click()
    page.get_by_text("Use the example's drawings").click()
    page.get_by_role("button", name="Teach", exact=True).click()
    expect(page.get_by_text("Taught with 24 photos")).to_be_visible()
    gain = gateway.get("/classifiers/shapes").json()["few_shot"]
    told = page.get_by_test_id("stMetricValue")
    expect(told.nth(0)).to_contain_text(f"{100 * gain['accuracy_before']:.0f} %")
    expect(told.nth(1)).to_contain_text(f"{100 * gain['accuracy_after']:.0f} %")

    page.get_by_role("tab", name="Measure it").click()
    page.get_by_text("Use other drawings of the example").click()
    matrix = page.locator(".js-plotly-plot")
    expect(matrix).to_be_visible()
    counts = matrix.evaluate("figure => Array.from(figure.data[0].text).map(row => Array.from(row).map(Number))")
    assert [sum(row) for row in counts] == [8] * 4
    mistakes = 32 - sum(counts[i][i] for i in range(4))
    told_of = page.get_by_text(f"{mistakes} mistakes") if mistakes else page.get_by_text("No mistakes.")
    expect(told_of).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("button", name="CSV", exact=True).click()
    with started.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["photos"]) for row in rows] == [8] * 4
    assert sum(int(row[f"said as {row['label']}"]) for row in rows) == 32 - mistakes


def test_a_classifier_leaves_and_comes_back(page: Page, gateway: httpx.Client, tmp_path: Path) -> None:
    made = gateway.post("/classifiers", json={"name": "seasons", "labels": ["summer", "winter"]})
    assert made.status_code == 201, made.text
    page.goto("/classifier_studio?classifier=seasons")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    file = tmp_path / started.value.suggested_filename
    started.value.save_as(file)
    assert file.name == "seasons.safetensors"
    page.get_by_role("button", name="All classifiers").click()
    page.locator(".st-key-delete-classifier-seasons").get_by_role("button").click()
    expect(page.get_by_text("Delete the classifier “seasons”?")).to_be_visible()
    assert gateway.get("/classifiers/seasons").status_code == 200, "asked first"
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".st-key-delete-classifier-seasons")).to_have_count(0)
    assert gateway.get("/classifiers/seasons").status_code == 404
    page.get_by_text("Upload one that was downloaded").click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).last.click()
    expect(page.get_by_role("heading", name="seasons")).to_be_visible()
    assert gateway.get("/classifiers/seasons").json()["labels"] == ["summer", "winter"]


def test_unknown_classifier_is_told_in_words(page: Page) -> None:
    page.goto("/classifier_studio?classifier=..%2Fnobody")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
    page.get_by_role("button", name="Back to all classifiers").click()
    expect(page.get_by_role("button", name="Create")).to_be_visible()
