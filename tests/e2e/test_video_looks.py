"""The page *Video novelty*: what the pictures themselves show, in a real browser, against real services."""

from dataclasses import replace

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from framesense.jobs.payloads import VideoPayload
from framesense.jobs.store import JobStore
from framesense.schemas.novelty import SearchResult
from framesense.storage.analyses import AnalysisStore
from framesense.storage.blobs import Storage
from tests.support.pages import wait_for_script
from tools.own_redis import own_redis_url
from tools.settings import StackSettings

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
    wait_for_script(page, "document.querySelector('.novelty .graph').data.length === 3")
    drawn = page.locator(".novelty .graph").evaluate("graph => Array.from(graph.data[2].y)")
    assert drawn == expected.json()["similarity"]
    best = expected.json()["moments"][0]
    player = page.locator(".novelty video")
    page.locator("[class*=st-key-found-]").get_by_role("button").first.click()
    wait_for_script(page, "time => document.querySelector('.novelty video').currentTime > time", arg=best["peak"])
    expect(player).to_be_in_viewport(ratio=1)
    # And so does a row of the table, though nothing on it is a button.
    player.evaluate("video => { video.pause(); video.currentTime = 0 }")
    table = page.get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    expect(player).not_to_be_in_viewport(ratio=1)
    table.click(position={"x": 12, "y": 60})
    wait_for_script(page, "!document.querySelector('.novelty video').paused")
    expect(player).to_be_in_viewport(ratio=1)


def test_russian_words_find_what_english_ones_do(bikes_job: str, gateway: httpx.Client) -> None:
    answers = [
        gateway.get(f"/jobs/{bikes_job}/search", params={"q": words}, timeout=60)
        for words in ("a man on a bicycle", "мужчина на велосипеде")
    ]
    english, russian = (SearchResult.model_validate_json(answer.content) for answer in answers)
    assert russian.warnings == []
    assert np.corrcoef(english.similarity, russian.similarity)[0, 1] > 0.5


def test_a_video_that_no_tagger_saw_is_analysed_again(
    page: Page, bikes_job: str, gateway: httpx.Client, stack: StackSettings
) -> None:
    redis_url = own_redis_url(stack.data)
    assert redis_url
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        jobs = JobStore(redis, lease_seconds=60, retention_seconds=3600)
        analyses, known = AnalysisStore(Storage(str(stack.data / "blobs"))), jobs.payload(bikes_job, VideoPayload)
        found, seen = analyses.load(known.work), jobs.get(bikes_job)
        assert found and seen
        key, (summary, frames) = "0" * 32, found
        thumbnails = [analyses.thumbnail(known.work, index) for index in range(len(frames))]
        analyses.append(key, 0, replace(frames, aligned=None), thumbnails)
        models = [model for model in summary.models if model.service == "captioner"]
        analyses.finish(key, summary.model_copy(update={"models": models}))
        blind = jobs.create(
            seen.kind, name=seen.name, parameters=seen.parameters, payload=known.model_copy(update={"work": key})
        )
        jobs.start(blind.id)
        jobs.succeed(blind.id, f"/jobs/{blind.id}/result")
    open_result(page, blind.id)
    page.get_by_label("What to look for").fill("a bicycle")
    page.get_by_label("What to look for").press("Enter")
    expect(page.get_by_text("No tagger ran when this video was analysed")).to_be_visible()
    page.get_by_role("button", name="Analyse again").click()
    page.wait_for_url(lambda url: blind.id not in url)
    again = httpx.URL(page.url).params["job"]
    assert gateway.get(f"/jobs/{again}/search", params={"q": "a bicycle"}).status_code == 200, "answered from the store"


def test_what_is_dragged_over_becomes_normal(page: Page, bikes_job: str, gateway: httpx.Client) -> None:
    open_result(page, bikes_job)
    choose_patch(page)
    thumbnails = "document.querySelector('.novelty .card img').src.includes('heatmap.png')"
    graph = page.locator(".novelty .graph")
    box = graph.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    wait_for_script(page, thumbnails)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], middle, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1000)  # longer than a click waits for another one
    assert page.locator(".novelty video").evaluate("video => video.paused"), "what is dragged over is not played"
    for unused in ("Compare with", "Metric"):
        expect(page.get_by_text(unused)).to_have_count(0)
    page.get_by_role("textbox", name="Name").fill("first-part")
    page.get_by_role("button", name="This is normal").click()
    for _ in range(150):
        if gateway.get("/references/first-part").status_code == 200:
            break
        page.wait_for_timeout(200)
    answer = gateway.get(f"/jobs/{bikes_job}/novelty", params={"reference": "first-part"})
    assert answer.status_code == 200, answer.text
    expected = answer.json()["novelty"]
    wait_for_script(page, "y => document.querySelector('.novelty .graph').data[0].y[9] === y", arg=expected[9])
    expect(page.get_by_role("textbox", name="Name")).to_have_count(0)
    expect(page.get_by_role("button", name="Show all of it")).to_be_hidden()
    page.locator(".st-key-delete-normal-first-part").get_by_role("button").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Compared with what was marked")).to_have_count(0)
    assert gateway.get("/references/first-part").status_code == 404
