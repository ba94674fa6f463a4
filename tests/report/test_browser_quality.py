"""The page on the quality of the data in a real browser: nothing that axe finds, at any width, by keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from calibration.returns.findings import Findings, Rule
from calibration.returns.quality_page import write_quality_page

if TYPE_CHECKING:
    from tests.report.conftest import Looked, Looker

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>.csv"


@pytest.fixture(scope="session")
def quality_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    findings = Findings()
    for name in (HOSTILE, *(f"a_long_folder_name/episodes_{year}.csv" for year in range(2015, 2025))):
        findings.file(name, "Episodes", 2022, 1000)
    for effect in ("noted", "mended", "left out"):
        rule = Rule(
            f"t-{effect.replace(' ', '-')}", f"Something that is {effect}.", "It was done.", "DfE rule 1", effect
        )
        for file in range(8):
            rows = pl.DataFrame({"file": [file] * 200, "row": range(2, 402, 2)})
            findings.add_rows(rule, rows, "REASON_PLACE_CHANGE")
    write_quality_page(folder, findings, {"Years": "2015 to 2024"})
    return folder / "quality.html"


def opened(looked: Looked) -> Looked:
    looked.page.goto(looked.file.as_uri())
    return looked


def test_nothing_that_axe_finds_and_no_scrolling_sideways(look: Looker, quality_file: Path) -> None:
    looked = opened(look(quality_file))
    looked.axe("on opening")
    for details in looked.page.locator("details").all():
        details.evaluate("one => { one.open = true }")
    looked.axe("all open")
    # 1280 pixels at 400%.
    looked.page.set_viewport_size({"width": 320, "height": 640})
    looked.axe("320 px")
    looked.fits("320 px")
    looked.page.emulate_media(forced_colors="active")
    looked.axe("forced colours")


def test_a_rule_is_reached_and_opened_by_keyboard(look: Looker, quality_file: Path) -> None:
    page = opened(look(quality_file)).page
    page.get_by_role("link", name="Something that is mended.").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#t-mended"
    section = page.locator("#t-mended")
    section.locator("summary").focus()
    page.keyboard.press("Enter")
    assert section.locator("details").get_attribute("open") is not None
    assert HOSTILE in section.inner_text()
    assert page.locator("img").count() == 0
