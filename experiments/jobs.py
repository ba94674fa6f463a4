"""The jobs behind the commands: fit an area, run it, compare it, make its pages. Results appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import abm
from abm.describe import legend
from abm.errors import CareError
from abm.journey import JOURNEY
from abm.outputs import output_named
from calibration.fit import FIRST_YEAR, LAST_FITTED, YearlyModel, fit_area, last_published
from calibration.fitted import SavedFit, load_fit, new_fit, save_fit
from calibration.levers import FITTED_FIGURES
from calibration.statistics import Area, Statistics
from calibration.system import fit_system
from calibration.targets import targets
from experiments import results
from experiments.compare.forecast import FORECAST_YEARS, HELD_BACK_FROM, RUNS, forecast_frame
from experiments.compare.frames import frames, published_points
from experiments.compare.report import read_comparison, write_report
from experiments.compare.words import journey_assumptions
from experiments.plan import LAST_YEAR, Plan
from experiments.report.journeys_page import children_shown, write_journeys_page
from experiments.report.payload import TEMPLATES
from experiments.run import manifest_facts, same_run, shortened, simulate_area, system_figures, write_run

STARTS_WITH = ("cla_at_31_march", "cpp_at_31_march")
"""Stocks of 31 March 2020 without which there is no day one."""

Say = Callable[[str, float], None]


def fit(
    statistics: Statistics,
    area: Area,
    say: Say,
    *,
    fitted_to: int = LAST_FITTED,
    last_year: int = LAST_YEAR,
    workers: int = 1,
) -> SavedFit:
    """Fit an area for the simulation, and system dynamics by itself."""
    refuse_an_area_without_a_start(statistics, area)
    fitted = fit_area(statistics, area, fitted_to=fitted_to, last_year=last_year, workers=workers, progress=say)
    say("system dynamics", 0.0)
    system = fit_system(fitted, progress=lambda part: say("system dynamics", part))
    return new_fit(fitted, system, statistics)


def refuse_an_area_without_a_start(statistics: Statistics, area: Area) -> None:
    """Refuse an area that the table does not have where the simulation starts, with the likely reason."""
    start = FIRST_YEAR - 1
    known = {target.figure for target in targets(statistics, area, (start,))}
    for figure in STARTS_WITH:
        if figure in known:
            continue
        later = [year for measure in STARTS_WITH for year in statistics.cells(area, measure)]
        if not later or min(later) > start:
            since = f"its first are of {min(later)}" if later else "it has none of any year"
            why = f"The likely reason: the area was made later, out of others ({since})"
        else:
            why = "The likely reason: its figures of that year are too small to be published"
        raise CareError(
            f"There is no '{figure}' of {area.name} for {start}, where the simulation starts",
            str(statistics.path),
            f"{why}. Choose another area: 'journeys areas' lists them",
        )


def last_year_published(statistics: Statistics, area: Area) -> int:
    """Return the last year for which the table has what a fit needs."""
    return last_published(targets(statistics, area, range(FIRST_YEAR, LAST_FITTED + 1)), LAST_FITTED)


def calibrate(statistics: Statistics, area: Area, target: Path, fitted_to: int, workers: int, say: Say) -> SavedFit:
    """Fit an area and write the fit into a folder."""
    with results.new_folder(target) as folder:
        made = fit(statistics, area, say, fitted_to=fitted_to, workers=workers)
        say("writing", 0.0)
        with results.writing(target):
            save_fit(made, folder)
    return made


def residuals_of_fit(made: SavedFit) -> list[tuple[str, list[float | None]]]:
    """Return how far the fitted mean field (corrected by the simulation) is from what was published.

    Rows are (label, [share over all years, share of each year]), None where nothing was published.
    """
    from abm.meanfield import MeanField, make_grid

    fitted = made.fitted
    n_years = len(fitted.logs)
    model = YearlyModel(MeanField(JOURNEY, make_grid(JOURNEY)), fitted.book, fitted.scenario, n_years)
    model.correction = fitted.correction
    reached = model(fitted.logs)
    points = published_points(fitted.targets)
    rows = []
    for column, figure in enumerate(FITTED_FIGURES):
        known = points.get(figure, {})
        pairs = [(known.get(FIRST_YEAR + n), float(reached[n, column])) for n in range(n_years)]
        both = [(published, value) for published, value in pairs if published]
        if both:
            mean = float(np.sum([v for _, v in both]) / np.sum([p for p, _ in both]) - 1)
            rows.append((output_named(figure).label, [mean, *(v / p - 1 if p else None for p, v in pairs)]))
    return rows


def run(
    statistics: Statistics,
    area: Area,
    plan: Plan,
    target: Path,
    say: Say,
    *,
    fit_from: Path | None = None,
    workers: int = 1,
    test: bool = True,
    pages: bool = False,
    prefix: Callable[[str], None] | None = None,
) -> list[str]:
    """Fit (or load the fit of) an area, simulate it, and write everything into a folder.

    Parameters
    ----------
    fit_from
        A folder with a fit; the area is fitted anew if None.
    test
        Whether to fit the area again to the years up to 2023 and hold its forecasts against what came after.
    pages
        Whether to write the two pages as well.
    prefix
        Told what the next steps belong to.

    Returns
    -------
    Sentences about what could not be done.
    """
    notes: list[str] = []
    with results.new_folder(target) as folder:
        if fit_from is None:
            made = fit(statistics, area, say, last_year=plan.years, workers=workers)
        else:
            made = fit_of(area, fit_from)
        fitted = shortened(made.fitted, plan.years)
        say("simulation", 0.0)
        simulated = simulate_area(
            fitted, plan.seeds, workers=workers, progress=lambda done, n: say("simulation", done / n)
        )
        say("writing", 0.0)
        write_run(folder, made, simulated)
        tables = frames(fitted, simulated.figures, system_figures(made.system), years=simulated.scenario_years)
        for name, frame in zip((results.FIGURES, results.RESIDUALS, results.METRICS), tables, strict=True):
            results.write_table(frame, folder, name)
        published_to = last_year_published(statistics, area)
        if test and published_to <= HELD_BACK_FROM:
            held_out = " and ".join(map(str, FORECAST_YEARS))
            notes.append(f"The test against {held_out} was left out: of those years the table has nothing it needs.")
        elif test:
            if prefix is not None:
                prefix("Test, fitted to 2023: ")
            seeds = plan.seeds[:RUNS]
            forecast = forecast_frame(statistics, area, seeds, workers=workers, progress=say)
            results.write_table(forecast, folder, results.FORECAST)
            if prefix is not None:
                prefix("")
        results.write_manifest(folder, manifest_facts(made, simulated, published_to))
        if pages:
            say("pages", 0.0)
            notes += write_pages(folder, say)
    return notes


def fit_of(area: Area, folder: Path) -> SavedFit:
    """Load the fit of an area, or raise CareError when it is of another."""
    made = load_fit(folder)
    if made.fitted.area.code != area.code:
        raise CareError(
            f"This fit is of {made.fitted.area.name}, not of {area.name}",
            str(folder),
            f"Name {made.fitted.area.code}, or make a fit with 'journeys calibrate {area.code}'",
        )
    return made


def is_built(page: str) -> bool:
    """Tell whether the template of a page was built."""
    return (TEMPLATES / page).is_file()


def write_pages(folder: Path, say: Say) -> list[str]:
    """Write both pages into a folder of results; return a sentence if they are not built on this machine."""
    missing = [page for page in (results.REPORT, results.JOURNEYS) if not is_built(page)]
    if missing:
        return [
            f"The pages were not written, because {' and '.join(missing)} are not built on this machine (building "
            "needs Node.js: run 'python run.py setup'); all else is there, and 'journeys compare' and 'journeys page' "
            "can make them later."
        ]
    report(folder)
    say("pages", 0.3)
    journeys(folder)
    return []


def report(folder: Path) -> None:
    """Write the report page of a folder of results."""
    write_report(folder / results.REPORT, read_comparison(folder))
    results.add_to_manifest(folder)


def journeys(folder: Path) -> None:
    """Write the journeys page of a folder of results.

    The first seed is simulated again from the fit, and its digest held against the manifest: so the page shows the run
    that the results are of, and the run is shown to be repeatable.
    """
    manifest = results.read_manifest(folder)
    for name in (results.EVENTS, results.CHILDREN):
        results.checked(folder, manifest, name)
    made = load_fit(folder)
    run = same_run(made, manifest)
    told = legend(JOURNEY)
    shown, _, _ = children_shown(run.events, run.children, told)
    scenario = run.scenario
    write_journeys_page(
        folder / results.JOURNEYS,
        events=run.events,
        children=run.children,
        options=run.options(shown["child"].to_list()),
        legend=told,
        about={
            "area": scenario.area_name,
            "area_code": scenario.area_code,
            "seed": run.seed,
            "first_day": f"{scenario.first_year - 1}-04-01",
            "n_weeks": scenario.n_weeks,
            "scale": float(scenario.sample),
            "version": abm.__version__,
            "digest": run.digest,
            "assumed": journey_assumptions(made.fitted),
        },
    )
    results.add_to_manifest(folder)
