"""A real browser for the pages: Chromium, offline, with every request and every complaint recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.report.journeys_page import write_journeys_page
from experiments.report.payload import TEMPLATES
from experiments.report.report_page import write_report_page
from tests.report.toy import toy_about, toy_legend, toy_report, toy_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of built templates; without them the tests fail, since setting up builds them."""
    if not all((TEMPLATES / name).is_file() for name in ("journeys.html", "report.html")):
        pytest.fail("The pages are not built: run `python run.py test`, or npm ci and npm run build in report/web")
    return TEMPLATES


@pytest.fixture(scope="session")
def chromium(built: Path, browser_path: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    # A browser that runs as root, as in a container, cannot make its own sandbox.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        yield browser
        browser.close()


@dataclass
class Looked:
    """A page in the browser, and what went wrong in it."""

    page: Page
    file: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str = "") -> Page:
        self.page.goto(f"{self.file.as_uri()}{address}")
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def axe(self, state: str) -> None:
        """No finding of axe in the present state."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        told = [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found]
        assert told == [], f"{state}: {told}"

    def fits(self, state: str) -> None:
        """The page does not scroll sideways."""
        widths = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], f"{state}: {widths}"


class Looker:
    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.looked: list[Looked] = []

    def __call__(self, file: Path, **context: Any) -> Looked:
        settings = {"offline": True, "viewport": {"width": 1280, "height": 900}} | context
        page = self.browser.new_context(**settings).new_page()
        looked = Looked(page, file)
        page.on("request", lambda request: looked.requests.append(request.url))
        page.on("console", lambda message: looked.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: looked.complaints.append(str(error)))
        self.looked.append(looked)
        return looked


@pytest.fixture
def look(chromium: Browser) -> Iterator[Looker]:
    """Open pages; afterwards each must have asked for nothing but itself, and complained of nothing."""
    looker = Looker(chromium)
    yield looker
    for looked in looker.looked:
        looked.page.context.close()
        assert {url.split("#")[0] for url in looked.requests} <= {looked.file.as_uri()}
        assert looked.complaints == []


@pytest.fixture(scope="session")
def run_400() -> dict[str, Any]:
    return toy_run(400)


@pytest.fixture(scope="session")
def journeys_file(built: Path, run_400: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "journeys.html"
    write_journeys_page(path, legend=toy_legend(), about=toy_about(), **run_400)
    return path


@pytest.fixture(scope="session")
def report_file(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    write_report_page(path, **toy_report())
    return path
