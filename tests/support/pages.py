"""What people do on more than one page."""

from pathlib import Path
from typing import Any

import skimage
from playwright.sync_api import Page, expect

from tests.support.waiting import wait_until

PHOTOS = Path(skimage.__file__).parent / "data"


def choose_step(page: Page, name: str, step: str) -> None:
    """Moves a slider of named steps with the arrow keys."""
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(20):
        if slider.get_attribute("aria-valuetext") == step:
            return
        page.keyboard.press("ArrowRight")
    raise AssertionError(f"{name} has no step {step}")


def slide(page: Page, name: str, to: int) -> None:
    """Moves a slider with the arrow keys."""
    slider = page.get_by_role("slider", name=name)
    steps = to - int(slider.input_value())
    slider.focus()
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
    expect(slider).to_have_value(str(to))


def wait_for_script(page: Page, script: str, arg: Any = None) -> None:
    """Wait until a script says yes. ``page.wait_for_function`` needs ``eval``, which the pages' policy forbids."""

    def said_yes() -> bool:
        page.wait_for_timeout(100)
        return bool(page.evaluate(script, arg))

    wait_until(said_yes)
