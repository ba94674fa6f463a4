"""The test of the fit sees nothing of what it forecasts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from calibration.statistics import Statistics
from experiments.compare import forecast
from experiments.compare.forecast import HELD_BACK_FROM, forecast_frame, forecast_table, held_back, required_only, score
from tests.experiments.conftest import quick_fit

LATER = pl.col("year") > HELD_BACK_FROM


def test_nothing_later_is_seen(statistics: Statistics) -> None:
    seen = held_back(statistics)
    assert seen.frame.filter(LATER).height == 0
    assert statistics.frame.filter(LATER).height > 0
    # The middle of 2023 is after 31 March 2023.
    assert max(seen.series("E06000009", "population_0_17")) == HELD_BACK_FROM - 1
    assert max(seen.series("E06000009", "referrals")) == HELD_BACK_FROM
    # What was looked up in the whole table before must not be found again.
    statistics.series("E06000009", "cla_at_31_march")
    assert max(held_back(statistics).series("E06000009", "cla_at_31_march")) == HELD_BACK_FROM


def test_the_forecast_is_fitted_to_what_was_seen(statistics: Statistics, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def fit_area(seen: Statistics, _area: Any, *, fitted_to: int, last_year: int, **_rest: Any) -> Any:
        given.append((seen, fitted_to, last_year))
        made = quick_fit(seen, fitted_to, last_year).fitted
        return replace(made, scenario=replace(made.scenario, sample=100))

    monkeypatch.setattr(forecast, "fit_area", fit_area)
    monkeypatch.setattr("calibration.system.solve", lambda _model, start, *_a, **_k: (start, None, None))
    told: list[str] = []
    frame = forecast_frame(
        statistics, statistics.area("Blackpool"), range(1, 4), progress=lambda what, _part: told.append(what)
    )
    ((seen, fitted_to, last_year),) = given
    assert seen.frame.filter(LATER).height == 0
    assert (fitted_to, last_year) == (2023, 2025)
    assert told[-1] == "simulation"
    published = frame.filter((pl.col("series") == "published") & (pl.col("figure") == "cla_at_31_march"))
    assert published["year"].to_list() == [2021, 2022, 2023, 2024, 2025]
    assert published["value"].to_list()[-1] == statistics.value("E06000009", "cla_at_31_march", 2025)
    table = forecast_table(frame)
    assert set(table["year"]) == {2024, 2025}
    assert score(table) is not None


def rows(figure: str, year: int, **values: float) -> list[tuple[Any, ...]]:
    names = {"published": "value", "sd": "value"}
    return [
        (figure, figure, "children", year, series if series in names else "abm", names.get(series, series), value)
        for series, value in values.items()
    ]


def frame_of(*parts: list[tuple[Any, ...]]) -> pl.DataFrame:
    columns = ["figure", "label", "unit", "year", "series", "statistic", "value"]
    return pl.DataFrame([row for part in parts for row in part], schema=columns, orient="row")


def test_the_score_by_hand() -> None:
    frame = frame_of(
        rows("a", 2023, published=80.0, sd=1.0, median=1.0, p5=0.0, p95=2.0),
        rows("a", 2024, published=100.0, sd=120.0, median=110.0, p5=90.0, p95=130.0),
        rows("a", 2025, published=100.0, sd=90.0, median=80.0, p5=70.0, p95=90.0),
        rows("b", 2024, published=10.0, median=10.0, p5=1.0, p95=20.0),
    )
    table = forecast_table(frame)
    assert table["figure"].to_list() == ["a", "a", "b"]
    assert table["carried_on"].to_list() == [80.0, 80.0, None]
    assert table["inside"].to_list() == [True, False, True]
    found = score(table)
    assert found is not None
    # The figure without an SD line or a figure of 2023 is not in a comparison of all three.
    assert (found.points, found.inside) == (2, 1)
    assert (found.abm, found.sd, found.carried_on) == pytest.approx((0.15, 0.15, 0.2))


def test_few_runs_are_held_against_their_lowest_and_highest() -> None:
    frame = frame_of(
        rows("referrals", 2023, published=80.0),
        rows("referrals", 2024, published=100.0, sd=1.0, median=1.0, p5=101.0, p95=102.0, lowest=99.0, highest=103.0),
        rows("a", 2024, published=100.0, sd=1.0, median=1.0, p5=1.0, p95=2.0, lowest=1.0, highest=2.0),
    )
    assert forecast_table(frame, 20)["inside"].to_list() == [False, False]
    table = forecast_table(frame, 19)
    assert table["inside"].to_list() == [True, False]
    assert table["low"][0] == 99
    # Those that must be held can be looked at alone.
    assert required_only(table)["figure"].to_list() == ["referrals"]


def test_nothing_published_later_cannot_be_scored() -> None:
    table = forecast_table(frame_of(rows("a", 2023, published=80.0, sd=1.0, median=1.0, p5=0.0, p95=2.0)))
    assert table.height == 0
    assert score(table) is None
