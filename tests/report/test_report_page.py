from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from abm.errors import CareError
from experiments.report import payload
from experiments.report.report_page import write_report_page
from tests.report.toy import toy_report
from tests.report.unpack import unpack_page


@pytest.fixture(autouse=True)
def _bare_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data can be checked without the built page."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "report.html").write_text(f'<script id="data">{payload.PLACEHOLDER}</script>')
    monkeypatch.setattr(payload, "TEMPLATES", folder)


def header_of(path: Path, **changes: Any) -> dict[str, Any]:
    write_report_page(path, **(toy_report() | changes))
    return unpack_page(path)[0]


def test_every_figure_and_residual_is_in_the_page_unrounded(tmp_path: Path) -> None:
    header = header_of(tmp_path / "page.html")
    report = toy_report()
    assert header["figures"]["rows"] == [list(row) for row in report["figures"].iter_rows()]
    assert len(header["residuals"]["rows"]) == report["residuals"].height
    assert header["forecast"]["columns"] == header["figures"]["columns"]
    assert [table["title"] for table in header["tables"]] == ["Return to care"]


def test_a_required_figure_that_misses_is_told_even_when_nobody_lists_it(tmp_path: Path) -> None:
    missed = header_of(tmp_path / "page.html")["about"]["missed"]
    assert missed == [
        "Child protection plans started: the mean of the SD is 2.0% above and of the ABM 13.0% below the published one."
    ]


def test_a_page_of_few_runs_knows_it_and_lists_it_nowhere_else(tmp_path: Path) -> None:
    about = header_of(tmp_path / "page.html", about=toy_report()["about"] | {"few_runs": 3})["about"]
    assert about["few_runs"] == 3
    assert "Few runs" not in dict(about["facts"])
    assert header_of(tmp_path / "page.html")["about"]["few_runs"] == 0


def test_metrics_name_figures_by_their_label(tmp_path: Path) -> None:
    rows = header_of(tmp_path / "page.html")["metrics"]["rows"]
    assert rows[0][0] == "Referrals"


def test_what_is_not_a_number_becomes_nothing(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": [math.nan, math.inf, 1.5, None]})
    tables = header_of(tmp_path / "page.html", tables={"odd": table})["tables"]
    assert tables[0]["frame"]["rows"] == [[None], [None], [1.5], [None]]
    assert tables[0]["title"] == "Odd"


def test_without_a_forecast_there_is_none(tmp_path: Path) -> None:
    assert header_of(tmp_path / "page.html", tables={})["forecast"] is None


def test_a_missing_column_is_a_sentence_and_no_file(tmp_path: Path) -> None:
    figures = toy_report()["figures"].rename({"statistic": "statistics"})
    with pytest.raises(CareError, match=r"figures have no column 'statistic'.*Did you mean 'statistics'"):
        header_of(tmp_path / "page.html", figures=figures)
    assert not (tmp_path / "page.html").exists()
