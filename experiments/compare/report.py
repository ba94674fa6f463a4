"""A folder of results as a comparison: its tables, and the report page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from calibration.fitted import SavedFit, load_fit
from calibration.levers import CARRIED_AHEAD_FROM
from calibration.statistics import ENGLAND
from experiments import results
from experiments.compare import tables, words
from experiments.compare.assumed import assumed
from experiments.compare.forecast import HELD_BACK_FROM, forecast_table, required_only, score
from experiments.compare.frames import COMPARED, RUNS_OF_AN_INTERVAL, TOLERANCE, published_points
from experiments.compare.switched import assumed_of, headline, system_section
from experiments.report.report_page import write_report_page

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """What a folder of results says.

    runs, careers  figure -> float64[runs, years]; measure -> float64[runs]
    system         figure -> float64[years]
    forecast       figures of the test, in the long form; None if it was left out
    system_section, assumed  what the page shows of mechanisms, and their assumed numbers; None and () if none are on
    """

    manifest: dict[str, Any]
    fit: SavedFit
    years: tuple[int, ...]
    runs: dict[str, Array]
    careers: dict[str, Array]
    system: dict[str, Array]
    figures: pl.DataFrame
    residuals: pl.DataFrame
    metrics: pl.DataFrame
    forecast: pl.DataFrame | None
    system_section: dict[str, Any] | None = None
    assumed: tuple[dict[str, Any], ...] = ()


def read_comparison(folder: Path) -> Comparison:
    """Read a folder of results; every file is held against the manifest first.

    Errors
    ------
    CareError
        When the folder holds no results, or a file is missing or was changed.
    """
    manifest = results.read_manifest(folder)
    fit = load_fit(folder)
    table = results.read_table(folder, manifest, results.RUNS)
    scenario = manifest["scenario"]
    years = tuple(range(int(scenario["first_year"]), int(scenario["last_year"]) + 1))
    runs, careers = _arrays(table.filter(pl.col("series") == "abm"), manifest["seeds"], years)
    system, _ = _arrays(table.filter(pl.col("series") == "sd"), [0], years)
    figures, residuals, metrics = (
        results.read_table(folder, manifest, name) for name in (results.FIGURES, results.RESIDUALS, results.METRICS)
    )
    told = results.FORECAST in manifest["files"]
    forecast = results.read_table(folder, manifest, results.FORECAST) if told else None
    lines = {figure: values[0] for figure, values in system.items()}
    section = system_section(folder, manifest, table)
    return Comparison(
        manifest, fit, years, runs, careers, lines, figures, residuals, metrics, forecast, section,
        tuple(assumed_of(folder, manifest)),
    )  # fmt: skip


def _arrays(table: pl.DataFrame, seeds: list[int], years: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return (figure -> float64[runs, years], measure -> float64[runs]) of a table of runs, NaN where it has no row."""
    row = pl.col("run").replace_strict(seeds, range(len(seeds)), return_dtype=pl.Int64)
    yearly: dict[str, Array] = {}
    whole: dict[str, Array] = {}
    for (figure, of_years), rows in table.with_columns(row=row).group_by(
        "figure", pl.col("year") > 0, maintain_order=True
    ):
        place = rows["row"].to_numpy()
        if of_years:
            values = yearly[str(figure)] = np.full((len(seeds), len(years)), np.nan)
            values[place, rows["year"].to_numpy() - years[0]] = rows["value"].to_numpy()
        else:
            values = whole[str(figure)] = np.full(len(seeds), np.nan)
            values[place] = rows["value"].to_numpy()
    return yearly, whole


def write_report(path: Path, comparison: Comparison) -> None:
    """Write the report page.

    Errors
    ------
    CareError
        When the page is not built, or the file cannot be written.
    """
    shown = report_tables(comparison)
    write_report_page(
        path,
        figures=comparison.figures,
        residuals=comparison.residuals,
        metrics=comparison.metrics,
        tables=shown,
        about=about(comparison, shown["careers"]),
        system=comparison.system_section,
    )


def report_tables(comparison: Comparison) -> dict[str, pl.DataFrame]:
    """Return the further tables of the report, in their order."""
    fitted = comparison.fit.fitted
    points = published_points(fitted.targets)
    first, last = comparison.years[0], comparison.years[-1]
    years, system = comparison.years, comparison.system
    out: dict[str, pl.DataFrame] = {}
    if comparison.forecast is not None:
        out["forecast_figures"] = comparison.forecast
        out["forecast"] = forecast_table(comparison.forecast, len(comparison.manifest["seeds"]))
    out["careers"] = tables.careers_table(comparison.careers, fitted.area.code)
    out["children_in_need"] = tables.children_in_need_table(years, points, comparison.runs, system)
    out["factors"] = tables.factors_table(fitted.logs, comparison.fit.system.logs, CARRIED_AHEAD_FROM, first)
    out["beside"] = tables.beside_table(years, comparison.runs, system, (first, fitted.fitted_to, last))
    out["left_out"] = tables.left_out_table(comparison.manifest.get("mechanisms", {}).get("on", ()))
    out["counts"] = tables.counts_table()
    return out


def about(comparison: Comparison, careers: pl.DataFrame) -> dict[str, Any]:
    """Return the sentences, assumed numbers, captions and facts of the report."""
    fitted, manifest = comparison.fit.fitted, comparison.manifest
    seeds, scenario = manifest["seeds"], manifest["scenario"]
    sample = int(scenario["sample"])
    tested = None if comparison.forecast is None else forecast_table(comparison.forecast, len(seeds))
    area = fitted.area
    return {
        "area": area.name,
        "headline": words.headline(
            comparison.figures,
            comparison.residuals,
            comparison.years,
            fitted.fitted_to,
            None if tested is None else score(tested),
            sample,
            n_runs=len(seeds),
            published_to=int(manifest["fit"]["published_to"]),
            required=None if tested is None else score(required_only(tested)),
            drawn="draws" in manifest,
            missed=manifest.get("draws", {}).get("made", {}).get("outlook", {}).get("missed"),
        )
        + headline(manifest),
        "missed": words.missed(comparison.residuals, careers),
        "assumed": [*assumed(fitted), *comparison.assumed],
        "tables": _captions(comparison),
        "fit_end": fitted.fitted_to,
        "forecast_fit_end": HELD_BACK_FROM,
        "tolerance": TOLERANCE,
        "area_code": area.code,
        "simulated": f"1 April {comparison.years[0] - 1} to 31 March {comparison.years[-1]}",
        "runs": len(seeds),
        "few_runs": len(seeds) if len(seeds) < RUNS_OF_AN_INTERVAL else 0,
        "draws": _draws(manifest),
        "seeds": f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0]),
        "children": "all of the area" if sample == 1 else f"one in {sample} of the area, scaled up",
        "fitted_years": f"{COMPARED[0]} to {fitted.fitted_to}",
        "years_ahead": str(manifest["fit"]["factors_ahead"]),
        "published_figures": f"{manifest['statistics']['file']}, SHA-256 {manifest['statistics']['sha256']}",
        "fitted_to": f"{len(manifest['fit']['figures'])} figures by {len(manifest['fit']['factors'])} yearly factors",
        "version": str(manifest["versions"]["journeys-abm"]),
        "digest_of_the_first_run": str(manifest["digests"][str(seeds[0])]),
        "naive_forecast_in_MASE": f"last year's published figure, {COMPARED[0]} to {fitted.fitted_to}",
        "shares_by_Theil": "how much of the squared error is a wrong mean (bias), a wrong spread (variance) and moving "
        "at the wrong times (covariance)",
        "monte_Carlo_error": "standard error of the mean over runs: what more runs would make smaller",
    }


def _draws(manifest: dict[str, Any]) -> str:
    """Return in words which draws of the parameters the runs had."""
    told = manifest.get("draws")
    if told is None:
        return "none: all runs have the fit that is nearest to the figures"
    n = len(set(told["draw_of_each_run"].values()))
    how = "; ".join(str(value) for key, value in told["made"].items() if key in ("how", "ahead"))
    return f"{n} of {told['draws']}, each run with its own{f' ({how})' if how else ''}"


def _captions(comparison: Comparison) -> dict[str, dict[str, str]]:
    fitted = comparison.fit.fitted
    required = "must be within 3 points" if fitted.area.code == ENGLAND else "shown here, required for England alone"
    ahead = comparison.manifest["fit"]["factors_ahead"]
    n_runs = len(comparison.manifest["seeds"])
    spread = (
        f"{'hold' if n_runs >= RUNS_OF_AN_INTERVAL else 'are the'} {words.how_far_apart(n_runs).removeprefix('the ')}"
    )
    return {
        "forecast": {
            "title": "The test in numbers",
            "caption": f"Fitted to {HELD_BACK_FROM}, held against what came after: simulated median (low and high "
            f"{spread}), system dynamics, and the figure of {HELD_BACK_FROM} carried on. The form of England's rates "
            "by age and time was set with national tables of all years."
            + (" The test is of the fit: nothing is switched on in it." if "mechanisms" in comparison.manifest else ""),
        },
        "careers": {
            "title": "Coming back into care, ever referred",
            "caption": f"Percent of children, beside research on England ({required}). Leaving at 18 is censored; ever "
            "referred is a life table over the first five years. "
            f"Low and high {spread}.",
        },
        "children_in_need": {
            "title": "Children in need at 31 March: what the model has, and the remainder",
            "caption": "Published are all open episodes. The model has the children being assessed, under an enquiry, "
            "on a plan or looked after. The remainder is shown as it is and spread over nothing: unborn children, care "
            "leavers past 18, children home from care or under an order whose case stays open, and differences in "
            "recording.",
        },
        "factors": {
            "title": "Yearly factors",
            "caption": "What each chance is multiplied by in each year; 1 is the area's own level of 2018 to 2020. "
            f"{ahead} They are fitted: they say when a chance moved, not why. Those of system dynamics are fitted "
            "apart.",
        },
        "beside": {
            "title": "System dynamics beside the simulation",
            "caption": "Difference from the mean of the runs, and the Monte Carlo error of that mean. 'They differ': "
            "by more than three errors. 'Too few runs': these runs could not show a difference of 5%.",
        },
        "left_out": {
            "title": "What each view knows and leaves out",
            "caption": "Where the two differ, one of these lines is the reason.",
        },
        "counts": {"title": "What each figure counts", "caption": "Every figure and its published twin."},
    }
