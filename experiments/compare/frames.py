"""The comparison as tables: figures by year in three series, and how far each model is from what was published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.outputs import OUTPUTS
from calibration.fit import Fitted
from calibration.readings import SOLVED
from calibration.targets import Target
from experiments.compare.metrics import OF_RUNS, metrics_frame

Array = NDArray[np.float64]
Points = dict[str, dict[int, float]]

REREFERRALS = "rereferrals_within_12_months"
QUANTILES = {
    "median": 0.5, "p2_5": 0.025, "p5": 0.05, "p10": 0.10, "p25": 0.25, "p75": 0.75, "p90": 0.90, "p95": 0.95,
    "p97_5": 0.975, "lowest": 0.0, "highest": 1.0,
}  # fmt: skip
RUNS_OF_AN_INTERVAL = 20
"""With fewer runs than this there is no interval that holds 90% of them, only the lowest and the highest."""
REQUIRED = (
    "referrals",
    "cin_episodes_started",
    "cpp_at_31_march",
    "cla_at_31_march",
    "cla_started",
    "cla_ceased",
    "cla_foster_share",
    "cla_childrens_home_share",
)
"""Figures of which the five-year mean must be within TOLERANCE of the published one."""
TOLERANCE = 0.10
MEAN = 0
"""The year that stands for the mean over all years compared."""
COMPARED = (2021, 2022, 2023, 2024, 2025)

_RESIDUALS = {
    "figure": pl.String, "label": pl.String, "unit": pl.String, "year": pl.Int32, "published": pl.Float64,
    "sd": pl.Float64, "abm": pl.Float64, "sd_residual": pl.Float64, "abm_residual": pl.Float64, "required": pl.Boolean,
    "held": pl.Boolean,
}  # fmt: skip
_FIGURES = {
    "figure": pl.String, "label": pl.String, "unit": pl.String, "year": pl.Int32, "series": pl.String,
    "statistic": pl.String, "value": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A figure that is compared: its key, label and unit."""

    key: str
    label: str
    unit: str


def shown_figures() -> tuple[Shown, ...]:
    """Return the figures that are compared, in their order."""
    declared = [Shown(output.key, output.label, output.unit) for output in OUTPUTS if output.shown]
    again = Shown(REREFERRALS, "Referrals within 12 months of an earlier one", "percent")
    return declared[0], again, *declared[1:]


def published_points(targets: Iterable[Target]) -> Points:
    """Return figure -> year -> value of what was published; what was solved from other figures must not be shown."""
    points: Points = {}
    for target in targets:
        if SOLVED not in target.note:
            points.setdefault(target.figure, {})[target.year] = target.value
    return points


def frames(
    fitted: Fitted,
    runs: Mapping[str, Array],
    system: Mapping[str, Array],
    *,
    years: tuple[int, ...] | None = None,
    targets: Iterable[Target] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return (figures, residuals, metrics) of the figures that are shown.

    Parameters
    ----------
    runs
        Figure -> float64[runs, years], of the whole area; NaN where a run cannot know it.
    system
        Figure -> float64[years]; a figure that system dynamics cannot know is left out.
    years
        The years ending 31 March of the arrays; those of the fitted scenario if None.
    targets
        What was published, if other than what was fitted to.
    """
    years = fitted.scenario.years if years is None else years
    points = published_points(fitted.targets if targets is None else targets)
    figures = figures_frame(years, points, runs, system)
    residuals = residuals_frame(years, points, runs, system)
    return figures, residuals, metrics_frame(shown_figures(), years, points, runs, system, COMPARED)


def figures_frame(
    years: tuple[int, ...], points: Points, runs: Mapping[str, Array], system: Mapping[str, Array]
) -> pl.DataFrame:
    """Return every figure in the long form: published and sd as "value", abm by the quantiles over runs."""
    rows: list[tuple[str, str, str, int, str, str, float]] = []
    for figure in shown_figures():
        told = (figure.key, figure.label, figure.unit)
        known = points.get(figure.key, {})
        rows += [(*told, year, "published", "value", known[year]) for year in years if year in known]
        lines = [("sd", "value", system[figure.key])] if figure.key in system else []
        if figure.key in runs:
            lines += [("abm", name, quantile(runs[figure.key], q)) for name, q in QUANTILES.items()]
        for series, statistic, values in lines:
            pairs = zip(years, values, strict=False)
            rows += [(*told, year, series, statistic, float(v)) for year, v in pairs if np.isfinite(v)]
    return pl.DataFrame(rows, schema=_FIGURES, orient="row")


def bounds(n_runs: int) -> tuple[str, str]:
    """Return the two statistics that say how far this many runs differ."""
    return ("p5", "p95") if n_runs >= RUNS_OF_AN_INTERVAL else ("lowest", "highest")


def quantile(values: Array, q: float) -> Array:
    """Return float64[years], a quantile over runs; NaN in years that no run knows."""
    out = np.full(values.shape[1], np.nan)
    known = np.isfinite(values).all(axis=0)
    if known.any():
        out[known] = np.quantile(values[:, known], q, axis=0, method=OF_RUNS)
    return out


def residuals_frame(
    years: tuple[int, ...], points: Points, runs: Mapping[str, Array], system: Mapping[str, Array]
) -> pl.DataFrame:
    """Return, for each figure and compared year and for their mean, model less published as a share of published.

    The mean is over the years that are published and simulated. A figure is `held` where both models are within
    TOLERANCE; it is `required` only if something was published to hold it against.
    """
    rows: list[tuple[object, ...]] = []
    places = {year: place for place, year in enumerate(years)}
    for figure in shown_figures():
        median = quantile(runs[figure.key], 0.5) if figure.key in runs else None
        line = system.get(figure.key)
        known = points.get(figure.key, {})
        compared = [y for y in COMPARED if y in known and y in places and _knows(median, places[y])]
        if not compared:
            continue
        told = (figure.key, figure.label, figure.unit)
        for year in (MEAN, *compared):
            over = compared if year == MEAN else [year]
            there = [places[y] for y in over]
            published = float(np.mean([known[y] for y in over]))
            models = [None if values is None else float(np.mean(values[there])) for values in (line, median)]
            rows.append((*told, year, published, *models, *_apart(published, models, figure.key in REQUIRED)))
    return pl.DataFrame(rows, schema=_RESIDUALS, orient="row")


def _knows(values: Array | None, place: int) -> bool:
    return values is None or bool(np.isfinite(values[place]))


def _apart(
    published: float, models: list[float | None], required: bool
) -> tuple[float | None, float | None, bool, bool]:
    """Return (sd residual, abm residual, required, held)."""
    sd, abm = (None if model is None or published == 0 else model / published - 1 for model in models)
    told = [abs(share) for share in (sd, abm) if share is not None]
    return sd, abm, required, bool(told) and max(told) <= TOLERANCE
