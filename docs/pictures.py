"""Take the pictures of the two pages that the README shows, from a folder of results.

    python docs/pictures.py results/demo

It needs Chromium and the packages of the tests. The pictures show whatever stands in the folder.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
PATTERN = "Child protection plan twice, then looked after"


def report(page: Page) -> None:
    """Go to the charts."""
    page.get_by_role("heading", name="Figures, year by year").evaluate("heading => scrollTo(0, heading.offsetTop - 16)")


def journeys(page: Page) -> None:
    """Open one simulated life, found by pattern."""
    page.get_by_label(PATTERN).check(force=True)
    page.locator("ol.list a").first.click()
    page.get_by_role("button", name="Why did this happen?").nth(1).click()
    page.evaluate("scrollTo(0, 0)")


def main(folder: Path) -> None:
    """Write docs/images/report.png and journeys.png."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, show, height in (("report", report, 1100), ("journeys", journeys, 1240)):
            page = browser.new_context(offline=True, viewport={"width": 1280, "height": height}).new_page()
            page.goto((folder / f"{name}.html").resolve().as_uri())
            page.wait_for_selector("h1")
            show(page)
            page.screenshot(path=IMAGES / f"{name}.png")
            print(f"docs/images/{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
