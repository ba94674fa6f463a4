"""A test of the fit: the area fitted to figures up to one year, held against what was published after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from calibration.fit import FIRST_YEAR, fit_area
from calibration.statistics import Area, Statistics
from calibration.system import fit_system
from calibration.targets import targets
from experiments import parameter_draws
from experiments.compare.frames import COMPARED, REQUIRED, bounds, figures_frame, published_points
from experiments.run import simulate_area, system_figures

HELD_BACK_FROM = 2023
"""The last year that the test shows to the fit."""
FORECAST_YEARS = tuple(year for year in COMPARED if year > HELD_BACK_FROM)
RUNS = 20
_MID_YEAR = "^(population|births)"
"""Measures of the middle of a year: that of 2023 was counted after 31 March 2023."""


@dataclass(frozen=True)
class Score:
    """How the forecasts did.

    points     published figures that all three can be held against
    inside     how many of them lay inside the 90% interval over runs (of fewer than 20: between lowest and highest)
    abm, sd, carried_on  mean distance from them, as a share of each; carried_on takes the last figure seen
    """

    points: int
    inside: int
    abm: float
    sd: float
    carried_on: float


def held_back(statistics: Statistics, last_year: int = HELD_BACK_FROM) -> Statistics:
    """Return the table without anything that is later than 31 March of `last_year`."""
    mid_year = pl.col("measure").str.contains(_MID_YEAR)
    frame = statistics.frame.filter((pl.col("year") < last_year) | ((pl.col("year") == last_year) & ~mid_year))
    return replace(statistics, frame=frame, _index={}, _breakdowns={})


def forecast_frame(
    statistics: Statistics,
    area: Area,
    seeds: range,
    *,
    workers: int = 1,
    draws: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> pl.DataFrame:
    """Fit the area to the figures up to HELD_BACK_FROM and return its figures to the last compared year.

    With `draws`, so many are made of its parameters, which its runs have in turn: Gaussian around the fit; they too see
    nothing later. The form is that of `frames.figures_frame`; the published points are of all years.
    """
    say = progress or (lambda _what, _part: None)
    seen = held_back(statistics)
    fitted = fit_area(seen, area, fitted_to=HELD_BACK_FROM, last_year=COMPARED[-1], workers=workers, progress=progress)
    say("system dynamics", 0.0)
    system = fit_system(fitted)
    simulated = simulate_area(
        fitted,
        seeds,
        workers=workers,
        progress=lambda done, n: say("simulation", done / n),
        draws=parameter_draws.quick_draws_of(fitted, draws, say, statistics=seen) if draws else None,
    )
    points = published_points(targets(statistics, area, range(FIRST_YEAR - 1, COMPARED[-1] + 1)))
    return figures_frame(simulated.scenario_years, points, simulated.figures, system_figures(system))


def forecast_table(frame: pl.DataFrame, n_runs: int = RUNS) -> pl.DataFrame:
    """Return the forecast years as a table that people read: a row for each figure and year with a published point."""
    below, above = (f"abm/{name}" for name in bounds(min(n_runs, RUNS)))
    wide = frame.with_columns(name=pl.col("series") + "/" + pl.col("statistic")).pivot(
        on="name", index=["figure", "label", "unit", "year"], values="value", maintain_order=True
    )
    for column in ("published/value", "sd/value", "abm/median", below, above):
        if column not in wide.columns:
            wide = wide.with_columns(pl.lit(None, pl.Float64).alias(column))
    last = wide.filter(pl.col("year") == HELD_BACK_FROM).select("figure", carried_on="published/value")
    published, low, high = pl.col("published/value"), pl.col(below), pl.col(above)
    return (
        wide.filter(pl.col("year").is_in(FORECAST_YEARS) & published.is_not_null())
        .join(last, on="figure", how="left", maintain_order="left")
        .select(
            "figure",
            "label",
            "unit",
            "year",
            published.alias("published"),
            pl.col("abm/median").alias("abm"),
            low.alias("low"),
            high.alias("high"),
            ((published >= low) & (published <= high)).alias("inside"),
            pl.col("sd/value").alias("sd"),
            "carried_on",
        )
    )


def required_only(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the figures that must be held."""
    return table.filter(pl.col("figure").is_in(REQUIRED))


def score(table: pl.DataFrame) -> Score | None:
    """Return how the forecasts did over the points where all three can be told; None where there is none."""
    known = table.filter(pl.all_horizontal(pl.col("abm", "sd", "carried_on").is_not_null()) & (pl.col("published") > 0))
    if known.is_empty():
        return None

    def distance(column: str) -> float:
        return float(np.mean(np.abs(known[column].to_numpy() / known["published"].to_numpy() - 1)))

    return Score(known.height, int(known["inside"].sum()), distance("abm"), distance("sd"), distance("carried_on"))
