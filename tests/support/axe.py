"""axe-core, the accessibility checker, in a page that Playwright drives."""

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

_SCRIPT = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
_RUN = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.failureSummary} ${node.html}`));
}"""


def violations(page: Page) -> list[str]:
    """Return what breaks any of axe's rules in the page as it is now: rule, reason, element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT)
    found: list[str] = page.evaluate(_RUN)
    return found
