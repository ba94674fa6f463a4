"""The report page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from experiments.report.report_page import write_report_page
from tests.report.toy import TOY_FIGURES, toy_report

if TYPE_CHECKING:
    from tests.report.conftest import Looker

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=alert(2)>"


def test_no_finding_in_any_state(look: Looker, report_file: Path) -> None:
    looked = look(report_file)
    page = looked.open()
    assert "Simulated, not a real child" in page.locator("header").inner_text()
    assert page.locator("section[aria-labelledby=charts] svg[role=img]").count() == len(TOY_FIGURES) >= 12
    looked.axe("on opening")
    page.locator("#scale-charts-true").check(force=True)
    assert page.get_by_text("The scale does not start at zero").count() == len(TOY_FIGURES)


def test_no_finding_in_a_small_report_with_all_open(look: Looker, built: Path, tmp_path: Path) -> None:
    # The same page with few figures: all charts and tables are made alike, and axe takes long over many.
    report = toy_report()
    few = pl.col("figure").is_in([key for key, *_ in TOY_FIGURES[:1]])
    for name in ("figures", "residuals", "metrics"):
        report[name] = report[name].filter(few)
    report["tables"]["forecast_figures"] = report["tables"]["forecast_figures"].filter(few)
    write_report_page(tmp_path / "small.html", **report)
    looked = look(tmp_path / "small.html")
    page = looked.open()
    page.locator("#scale-charts-true").check(force=True)
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true }")
    looked.axe("tables open, scales around the figures")
    page.set_viewport_size({"width": 320, "height": 640})
    looked.axe("320 px")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(forced_colors="active")
    looked.axe("forced colours")
    page.emulate_media(forced_colors="none", media="print")
    assert page.locator(".banner").is_visible()


def test_the_narrow_page_does_not_scroll_sideways(look: Looker, report_file: Path) -> None:
    looked = look(report_file, viewport={"width": 320, "height": 640})
    page = looked.open()
    looked.fits("on opening")
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true }")
    looked.fits("tables open")


def test_tables_hold_the_numbers_of_the_frames(look: Looker, report_file: Path) -> None:
    page = look(report_file).open()
    report = toy_report()
    key, label = TOY_FIGURES[4][0], TOY_FIGURES[4][1]
    mine = report["figures"].filter(pl.col("figure") == key)
    table = page.get_by_role("region", name=f"{label} as a table, fitted to 2025", include_hidden=True)
    shown = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(one => one.querySelector('data')?.value ?? null))"
    )
    columns = [
        ("published", "value"), ("sd", "value"), ("abm", "median"), ("abm", "p25"), ("abm", "p75"), ("abm", "p10"),
        ("abm", "p90"), ("abm", "p5"), ("abm", "p95"),
    ]  # fmt: skip
    for row, year in zip(shown, range(2021, 2031), strict=True):
        for value, (series, statistic) in zip(row, columns, strict=True):
            wanted = mine.filter(
                (pl.col("year") == year) & (pl.col("series") == series) & (pl.col("statistic") == statistic)
            )["value"].to_list()
            assert ([] if value is None else [float(value)]) == wanted


def test_what_misses_is_marked_in_words(look: Looker, report_file: Path) -> None:
    page = look(report_file).open()
    row = page.locator("section[aria-labelledby=residuals] tr", has_text="Child protection plans started").first
    assert "missed" in row.inner_text()
    assert "13.0% below, outside 10%" in row.inner_text()
    assert "Child protection plans started" in page.locator("section[aria-labelledby=missed]").inner_text()


def test_contents_and_tables_by_keyboard(look: Looker, report_file: Path) -> None:
    page = look(report_file).open()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("link", name="Measures of fit").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "metrics"
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is not None


def test_hostile_words_stay_words(look: Looker, built: Path, tmp_path: Path) -> None:
    report = toy_report()
    report["figures"] = report["figures"].with_columns(label=pl.lit(HOSTILE))
    report["about"] |= {"area": HOSTILE, "headline": [HOSTILE], "missed": [HOSTILE], "note": HOSTILE}
    path = tmp_path / "hostile.html"
    write_report_page(path, **report)
    page = look(path).open()
    assert HOSTILE in page.locator("h1").inner_text()
    assert page.locator("img").count() == 0
