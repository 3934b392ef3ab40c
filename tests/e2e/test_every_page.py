"""What holds for every page: axe finds nothing, titles, the menu on a phone, addresses where there is no page."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.axe import violations
from tests.support.pages import wait_for_script
from tools.settings import StackSettings
from ui.pages import PAGES

pytestmark = pytest.mark.browser

SETTLED = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"


def settle(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    wait_for_script(page, SETTLED)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(context: BrowserContext, page: Page, bikes_job: str, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    failed: list[str] = []
    page.on("response", lambda response: response.status >= 400 and failed.append(response.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    for info in PAGES:
        page.goto(f"/{info.path}")
        settle(page)
        expect(page).to_have_title(f"{info.title} · Framesense")
        assert violations(page) == [], info.title
    page.goto(f"/?job={bikes_job}&find=a+bicycle&signal=Patch")
    expect(page.locator(".novelty .legend")).to_contain_text("Fit to “a bicycle”")
    settle(page)
    expect(page).to_have_title("bikes.mp4 · Video novelty · Framesense")
    assert violations(page) == []
    for address, example, done in [
        ("/caption_image", "Try the example", "JSON"),
        ("/tags", "Load the example", "Every photo with every word"),
    ]:
        page.goto(address)
        page.get_by_role("button", name=example).click()
        expect(page.get_by_text(done)).to_be_visible()
        settle(page)
        assert violations(page) == [], address
    assert failed == []


def test_buttons_say_what_they_do_and_to_what(page: Page, bikes_job: str) -> None:
    page.goto("/")
    row = page.locator(f".st-key-job-{bikes_job}")
    expect(row.get_by_role("button", name="bikes.mp4", exact=True)).to_be_visible()
    expect(row.get_by_role("button", name="Delete “bikes.mp4” and what was found")).to_be_visible()
    expect(row).to_contain_text(re.compile(r"0:10 · \d+ odd moments?"))
    assert row.locator("img").evaluate("image => image.complete && image.naturalWidth") > 0


def test_an_address_without_a_page_says_so(page: Page) -> None:
    answer = page.goto("/nothing/here<b>")
    assert answer and answer.status == 404
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page.locator("code")).to_contain_text("/nothing/here")
    assert violations(page) == []
    page.get_by_role("link", name="Tags").click()
    settle(page)
    expect(page).to_have_title("Tags · Framesense")


def test_the_navigation_leads_out_of_a_job_and_goes_away_on_a_phone(
    browser: Browser, stack: StackSettings, bikes_job: str
) -> None:
    phone = browser.new_context(
        base_url=stack.ui_url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = phone.new_page()
    page.goto(f"/?job={bikes_job}")
    expect(page.locator(".novelty .graph .main-svg").first).to_be_visible()
    expect(page.get_by_text("With the keyboard")).to_be_hidden()
    for section, heading in [("Video novelty", "Find the odd moments"), ("Tags", "Tag photos")]:
        page.get_by_test_id("stExpandSidebarButton").tap()
        page.get_by_role("link", name=section).tap()
        expect(page.get_by_role("heading", name=re.compile(heading))).to_be_visible()
        expect(page.get_by_role("link", name=section)).not_to_be_in_viewport()
    phone.close()
