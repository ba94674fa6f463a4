"""The comparison as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from abm.outputs import OUTPUTS
from calibration.fitted import SavedFit
from calibration.readings import SOLVED
from calibration.targets import Target
from experiments.compare.frames import (
    MEAN,
    QUANTILES,
    REQUIRED,
    REREFERRALS,
    RUNS_OF_AN_INTERVAL,
    figures_frame,
    frames,
    published_points,
    quantile,
    residuals_frame,
    shown_figures,
)
from experiments.report.report_page import FIGURES, RESIDUALS
from experiments.run import Simulated

YEARS = tuple(range(2021, 2031))


def target(figure: str, year: int, value: float, note: str = "") -> Target:
    return Target(figure, year, value, 1.0, value, value, "x", note)


def test_what_is_shown() -> None:
    keys = [figure.key for figure in shown_figures()]
    assert len(keys) >= 13
    assert len(set(keys)) == len(keys)
    assert set(keys) == {output.key for output in OUTPUTS if output.shown} | {REREFERRALS}
    assert set(REQUIRED) <= set(keys)


def test_hidden_figures_are_never_shown() -> None:
    points = published_points([target("referrals", 2021, 5.0), target("referrals", 2022, 6.0, f"x; {SOLVED}")])
    assert points == {"referrals": {2021: 5.0}}


def test_the_frames_of_a_run(quick: SavedFit, simulated: Simulated, system_lines: dict[str, Any]) -> None:
    figures, residuals, metrics = frames(quick.fitted, simulated.figures, system_lines)
    assert tuple(figures.columns) == FIGURES
    assert tuple(residuals.columns) == RESIDUALS
    assert figures["value"].is_finite().all()
    assert set(figures["series"]) == {"published", "sd", "abm"}
    for figure in shown_figures():
        mine = figures.filter(pl.col("figure") == figure.key)
        abm = mine.filter(pl.col("series") == "abm")
        n_years = 9 if figure.key == REREFERRALS else 10
        assert abm.height == n_years * len(QUANTILES)
        assert mine.filter(pl.col("series") == "sd").height == (0 if figure.key == REREFERRALS else 10)
        assert mine["label"].n_unique() == mine["unit"].n_unique() == 1
    assert set(figures.filter(pl.col("series") == "published")["year"]) == {2021, 2022, 2023, 2024, 2025}
    assert residuals.filter(pl.col("year") == MEAN)["figure"].to_list() == [f.key for f in shown_figures()]
    assert set(metrics["figure"]) == {f.key for f in shown_figures()}


def test_medians_are_of_the_whole_area(quick: SavedFit, simulated: Simulated, system_lines: dict[str, Any]) -> None:
    figures, _, _ = frames(quick.fitted, simulated.figures, system_lines)
    rows = figures.filter((pl.col("figure") == "cla_at_31_march") & (pl.col("statistic") == "median"))
    care = np.median(simulated.figures["cla_at_31_march"], axis=0)
    assert rows["value"].to_list() == care.tolist()
    # One in ten is simulated: Blackpool's 600 looked-after children come out as hundreds, not as sixty.
    assert 400 < care[0] < 700


def test_residuals_by_hand() -> None:
    points = {"referrals": {2021: 100.0, 2022: 200.0}}
    runs = {"referrals": np.array([[110.0, 190.0], [130.0, 210.0]])}
    system = {"referrals": np.array([90.0, 260.0])}
    mean, first, second = residuals_frame((2021, 2022), points, runs, system).rows(named=True)
    assert (mean["year"], mean["published"], mean["sd"], mean["abm"]) == (MEAN, 150.0, 175.0, 160.0)
    assert mean["sd_residual"] == pytest.approx(25 / 150)
    assert mean["abm_residual"] == pytest.approx(10 / 150)
    assert mean["required"]
    assert not mean["held"]
    assert (first["sd_residual"], first["abm_residual"], first["held"]) == (
        pytest.approx(-0.1),
        pytest.approx(0.2),
        False,
    )
    assert (second["sd_residual"], second["abm_residual"]) == (pytest.approx(0.3), pytest.approx(0.0))


@pytest.mark.parametrize(("sd", "abm", "held"), [(109.0, 91.0, True), (109.9, 90.1, True), (111.0, 100.0, False),
                                                 (100.0, 89.0, False)])  # fmt: skip
def test_held_means_both_within_a_tenth(sd: float, abm: float, held: bool) -> None:
    table = residuals_frame(
        (2021,), {"cla_ceased": {2021: 100.0}}, {"cla_ceased": np.array([[abm]])}, {"cla_ceased": np.array([sd])}
    )
    assert table["held"].to_list() == [held, held]


def test_the_mean_is_of_the_years_that_are_published() -> None:
    points = {"cla_foster_share": {2022: 50.0}}
    runs = {"cla_foster_share": np.array([[10.0, 55.0]])}
    table = residuals_frame((2021, 2022), points, runs, {"cla_foster_share": np.array([1.0, 45.0])})
    assert table.filter(pl.col("year") == MEAN)["abm"].to_list() == [55.0]


def test_a_figure_that_one_side_cannot_know() -> None:
    points = {REREFERRALS: {2021: 20.0, 2022: 20.0}}
    runs = {REREFERRALS: np.array([[np.nan, 25.0], [np.nan, 27.0]])}
    mean, only = residuals_frame((2021, 2022), points, runs, {}).rows(named=True)
    assert only["year"] == 2022
    assert mean["sd"] is mean["sd_residual"] is None
    assert mean["abm"] == 26.0
    assert not mean["required"]
    assert not mean["held"]
    figures = figures_frame((2021, 2022), points, runs, {})
    assert figures.filter(pl.col("series") == "abm")["year"].unique().to_list() == [2022]


def test_a_published_nought_has_no_residual() -> None:
    table = residuals_frame((2021,), {"cla_ceased": {2021: 0.0}}, {"cla_ceased": np.array([[3.0]])}, {})
    assert table["abm_residual"].to_list() == [None, None]
    assert table["held"].to_list() == [False, False]


def test_nothing_published_gives_empty_tables(quick: SavedFit, simulated: Simulated) -> None:
    fitted = replace(quick.fitted, targets=())
    figures, residuals, metrics = frames(fitted, simulated.figures, {})
    assert set(figures["series"]) == {"abm"}
    assert residuals.height == metrics.height == 0
    assert tuple(residuals.columns) == RESIDUALS


def test_one_more_run_lies_between_the_5_and_the_95_percent_quantiles_nine_times_in_ten() -> None:
    """20 runs, and one more that is like them, 4,000 times: 90% within 5 standard errors; numpy's default gives 81%."""
    luck = np.random.default_rng(3)
    runs, more = luck.normal(size=(RUNS_OF_AN_INTERVAL, 4000)), luck.normal(size=4000)

    def inside(low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
        return float(((low <= more) & (more <= high)).mean())

    error = (0.9 * 0.1 / 4000) ** 0.5
    assert abs(inside(quantile(runs, 0.05), quantile(runs, 0.95)) - 0.9) < 5 * error
    assert inside(*np.quantile(runs, [0.05, 0.95], axis=0)) < 0.9 - 10 * error
    # Nine in ten of the runs themselves are there too, as the pages say.
    own = (quantile(runs, 0.05) <= runs) & (runs <= quantile(runs, 0.95))
    assert (own.sum(axis=0) == 18).all()


def test_quantiles() -> None:
    values = np.array([[1.0, np.nan], [2.0, 3.0], [3.0, 4.0]])
    assert quantile(values, 0.5)[0] == 2
    assert np.isnan(quantile(values, 0.5)[1])
    assert QUANTILES["p97_5"] == 0.975
