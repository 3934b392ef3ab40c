"""The page *Video novelty*: what the pictures themselves show, in a real browser, against real services."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def open_result(page: Page, job_id: str) -> None:
    page.goto(f"/?job={job_id}")
    expect(page.locator(".novelty .graph .main-svg").first).to_be_visible()


def choose_patch(page: Page) -> None:
    page.get_by_role("radio", name="Patch").or_(page.get_by_role("button", name="Patch")).first.click()
    expect(page.get_by_text("Drag over the curve to say what is normal")).to_be_visible()


def test_the_pictures_are_searched_in_words(page: Page, bikes_job: str, gateway: httpx.Client) -> None:
    expected = gateway.get(f"/jobs/{bikes_job}/search", params={"q": "a bicycle"})
    assert expected.status_code == 200, expected.text
    open_result(page, bikes_job)
    page.get_by_label("What to look for").fill("a bicycle")
    page.get_by_label("What to look for").press("Enter")
    page.wait_for_function("document.querySelector('.novelty .graph').data.length === 3")
    drawn = page.locator(".novelty .graph").evaluate("graph => Array.from(graph.data[2].y)")
    assert drawn == expected.json()["similarity"]
    best = expected.json()["moments"][0]
    page.get_by_role("button", name=re.compile(r"^\W*0:0\d$|play_arrow")).first.click()
    page.wait_for_function("time => document.querySelector('.novelty video').currentTime >= time", arg=best["peak"])


def test_what_is_dragged_over_becomes_normal(page: Page, bikes_job: str, gateway: httpx.Client) -> None:
    open_result(page, bikes_job)
    choose_patch(page)
    thumbnails = "document.querySelector('.novelty .card img').src.includes('heatmap.png')"
    graph = page.locator(".novelty .graph")
    box = graph.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.wait_for_function(thumbnails)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], middle, steps=8)
    page.mouse.up()
    page.get_by_role("textbox", name="Name").fill("first-part")
    page.get_by_role("button", name="This is normal").click()
    for _ in range(150):
        if gateway.get("/references/first-part").status_code == 200:
            break
        page.wait_for_timeout(200)
    answer = gateway.get(f"/jobs/{bikes_job}/novelty", params={"reference": "first-part"})
    assert answer.status_code == 200, answer.text
    expected = answer.json()["novelty"]
    page.wait_for_function("y => document.querySelector('.novelty .graph').data[0].y[9] === y", arg=expected[9])
    assert gateway.delete("/references/first-part").status_code == 204
