"""A folder of runs: what is written into it, what its manifest tells, and its first run lived again."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

import abm
from abm.compiled import HAS_NUMBA
from abm.errors import CareError
from abm.run import Run
from calibration.fit import Fitted
from calibration.fitted import SavedFit, save_fit
from calibration.levers import CARRIED_AHEAD_FROM, FITTED_FIGURES, LEVERS
from calibration.posterior.draws import AreaDraws, load_draws, save_draws
from experiments import results
from experiments.beside import ENVIRONMENT, HOMES, circumstances_frame, weekly_summary
from experiments.mechanisms import load, nothing_on
from experiments.run import SD_BEHAVING, Simulated, figures_of_course, one_run, shortened, system_figures
from experiments.weekly import system_frame, weekly_columns, write_weekly

Array = NDArray[np.float64]


def runs_table(
    simulated: Simulated, system: Mapping[str, Array], behaving: Mapping[str, Array] | None = None
) -> pl.DataFrame:
    """Return every figure of every run in the long form; what a run cannot know has no row.

    Columns: series ("abm", "sd", and SD_BEHAVING, if system dynamics was run with behaviours too), run (its seed; 0 for
    system dynamics), figure, year (0: the whole run), value.
    """
    years = simulated.scenario_years
    yearly = [values[:, : len(years)] for values in simulated.figures.values()]
    whole = [values[:, None] for values in simulated.careers.values()]
    told = [(figure, year) for figure in simulated.figures for year in years]
    told += [(measure, 0) for measure in simulated.careers]
    parts = [_rows("abm", simulated.seeds, told, np.hstack([*yearly, *whole]))]
    for series, line in (("sd", system), (SD_BEHAVING, behaving)):
        if line:
            lines = np.concatenate([values[: len(years)] for values in line.values()])
            parts.append(_rows(series, (0,), [(figure, year) for figure in line for year in years], lines))
    return pl.concat(parts).filter(pl.col("value").is_not_nan())


def _rows(series: str, runs: Sequence[int], told: list[tuple[str, int]], values: Array) -> pl.DataFrame:
    """Return the rows of some runs: `told` is (figure, year) of each value of a run."""
    place = np.tile(np.arange(len(told)), len(runs))
    columns = {
        "run": np.repeat(np.array(runs, np.uint64), len(told)),
        "figure": pl.Series([figure for figure, _ in told], dtype=pl.String)[place],
        "year": np.array([year for _, year in told], np.int32)[place],
        "value": values.ravel(),
    }
    return pl.DataFrame(columns).select(pl.lit(series).alias("series"), pl.all())


def manifest_facts(
    fit: SavedFit, simulated: Simulated, published_to: int | None = None, draws: AreaDraws | None = None
) -> dict[str, Any]:
    """Return what it takes to get these results again, and to know that they are the same.

    `published_to` is the last year for which the table has what a fit needs; that of the fit if None.
    """
    fitted, scenario = fit.fitted, simulated.first.scenario
    facts: dict[str, Any] = {
        "area": {"code": fitted.area.code, "name": fitted.area.name},
        "scenario": {
            "first_year": scenario.first_year,
            "last_year": simulated.scenario_years[-1],
            "weeks": scenario.n_weeks,
            "sample": scenario.sample,
            "children_in_the_first_run": len(simulated.first.population),
        },
        "seeds": list(simulated.seeds),
        "digests": {str(seed): digest for seed, digest in zip(simulated.seeds, simulated.digests, strict=True)},
        "fit": {
            "fitted_to": fitted.fitted_to,
            "published_to": fitted.fitted_to if published_to is None else published_to,
            "figures": list(FITTED_FIGURES),
            "factors": [lever.label for lever in LEVERS],
            "factors_ahead": factors_ahead(fitted, draws),
        },
        "statistics": fit.statistics,
        "versions": {
            "journeys-abm": abm.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "polars": pl.__version__,
            "compiled": HAS_NUMBA,
        },
    }
    if draws is not None:
        of_runs = {str(seed): draw for seed, draw in zip(simulated.seeds, simulated.drawn, strict=True)}
        facts["draws"] = {"draws": len(draws), "draw_of_each_run": of_runs, "made": dict(draws.made)}
    return facts


def factors_ahead(fitted: Fitted, draws: AreaDraws | None = None) -> str:
    """Return a sentence: what the yearly factors are after the last fitted year."""
    last = fitted.fitted_to
    if draws is not None:
        anew = (
            f"After {last} every yearly factor is drawn anew in each draw: it comes back towards what all areas have "
            "in common, and spreads with the years, as factors of all areas have done"
        )
        if "outlook" not in draws.made:
            return f"{anew}."
        return (
            f"{anew}; for three years so that five figures of the area lie where they are forecast, nearly, from its "
            "published ones (see 'journeys backtest')."
        )
    first = max(fitted.scenario.first_year, last - CARRIED_AHEAD_FROM + 1)
    years = f"{first} and {last}" if first == last - 1 else f"{first} to {last}" if first < last else f"{last}"
    return f"After {last} every yearly factor stays at its mean (of logarithms) of {years}."


def same_run(fit: SavedFit, manifest: Mapping[str, Any], folder: Path | None = None) -> Run:
    """Simulate the first seed of some results again and return the run, whose digest must be the one told.

    Of results with mechanisms or draws, these are read from their `folder`.

    Errors
    ------
    CareError
        When it comes out differently: then fit, program or results are not those that belong together.
    """
    seed = int(manifest["seeds"][0])
    fitted = shortened(fit.fitted, int(manifest["scenario"]["last_year"]))
    on, draws = nothing_on(fitted), None
    if "mechanisms" in manifest and folder is not None:
        on = load(folder, fitted).made
    if "draws" in manifest and folder is not None:
        draws = load_draws(folder, fit.fitted)
    run = one_run(fitted.scenario, on, seed, draws)
    if run.digest != manifest["digests"][str(seed)]:
        raise CareError(
            f"The run of seed {seed} comes out differently from the one in these results",
            f"made by version {manifest['versions']['journeys-abm']}, this is {abm.__version__}",
            "Make the results again with 'journeys run'",
        )
    return run


def write_run(
    folder: Path, fit: SavedFit, simulated: Simulated, course: tuple[Array, Array] | None = None,
    draws: AreaDraws | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Write what a simulation gives into a folder that is not yet in its place; return the table of runs.

    `course` is that of system dynamics with behaviours, stocks and flows, if there is one.
    """
    behaving = None if course is None else figures_of_course(*course)
    runs = runs_table(simulated, system_figures(fit.system), behaving)
    with results.writing(folder):
        save_fit(fit, folder)
        if draws is not None:
            save_draws(draws, folder)
    first, weekly, n_runs = simulated.first, simulated.weekly, len(simulated.seeds)
    n_weeks = first.scenario.n_weeks
    stocks, flows = weekly_columns(first.journey)
    write_weekly(weekly.select("run", "week", *stocks, *flows), n_weeks, folder / results.STOCKS)
    for name, frame in (
        (results.EVENTS, first.events),
        (results.CHILDREN, first.children),
        (results.SYSTEM_STOCKS, system_frame(fit.system, n_weeks, first.journey)),
        (results.RUNS, runs),
        (results.ENVIRONMENT, weekly_summary(weekly, ENVIRONMENT, n_runs, "condition")),
        (results.HOMES, weekly_summary(weekly, HOMES, n_runs, "account")),
        (results.CIRCUMSTANCES, None if first.families is None else circumstances_frame(first)),
    ):
        if frame is not None:
            results.write_table(frame, folder, name)
    return runs
