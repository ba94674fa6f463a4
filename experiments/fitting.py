"""Fits of areas: made, written into a folder, and found where they are given.

`journeys calibrate` writes a fit for one area, with draws of its parameters beside it; `calibrating` does so for many.
A run makes those it is not given.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.outputs import output_named
from calibration.fit import FIRST_YEAR, LAST_FITTED, YearlyModel, fit_area, last_published
from calibration.fitted import FIT, SavedFit, load_fit, new_fit, save_fit
from calibration.levers import FITTED_FIGURES
from calibration.posterior.beginning import By
from calibration.posterior.draws import save_draws
from calibration.rates import RateBook
from calibration.statistics import Area, Statistics
from calibration.system import fit_system
from calibration.targets import targets
from experiments import parameter_draws, results
from experiments.compare.frames import published_points
from experiments.many import Say
from experiments.plan import LAST_YEAR

OWN_RATES = "rates"
KEEP_INSIDE = (
    "From an authority's returns ('journeys returns estimate --inside'): they rest on small numbers about children. "
    "Keep this fit, and what is made with it, inside the authority."
)
"""What a fit that starts from an authority's own rates says of itself, and every manifest of results made with it."""
STARTS_WITH = ("cla_at_31_march", "cpp_at_31_march")
"""Stocks of 31 March 2020 without which there is no day one."""


def fit(
    statistics: Statistics,
    area: Area,
    say: Say,
    *,
    fitted_to: int = LAST_FITTED,
    last_year: int = LAST_YEAR,
    workers: int = 1,
    book: RateBook | None = None,
) -> SavedFit:
    """Fit an area for the simulation, and system dynamics by itself; starting from `book`, or England's rates."""
    refuse_an_area_without_a_start(statistics, area)
    fitted = fit_area(
        statistics, area, fitted_to=fitted_to, last_year=last_year, workers=workers, progress=say, book=book
    )  # fmt: skip
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
        later = statistics.cells(area, figure)
        if statistics.frame.filter((pl.col("measure") == figure) & (pl.col("year") == start)).is_empty():
            why = "The table has it of no area for that year. Build a fuller one ('journeys statistics build --onto')"
        elif not later or min(later) > start:
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


def calibrate(
    statistics: Statistics, area: Area, target: Path, fitted_to: int, workers: int, say: Say, draws: int = 0,
    book: RateBook | None = None, judged: parameter_draws.Judged | None = None,
    by: By | None = None,
) -> SavedFit:  # fmt: skip
    """Fit an area and write the fit into a folder, with draws of its parameters if any are wanted.

    What people judge (`judged`) is part of what is believed before figures are seen, so it shapes draws, not the fit.
    `by` says how draws are begun.
    """
    with results.new_folder(target) as folder:
        made = fit(statistics, area, say, fitted_to=fitted_to, workers=workers, book=book)
        if book is not None:
            made = replace(made, statistics=made.statistics | {OWN_RATES: KEEP_INSIDE})
        drawn = None
        if draws:
            table = parameter_draws.table_behind(statistics, made)
            drawn = parameter_draws.draws_of(
                made.fitted, draws, say, statistics=table, workers=workers, judged=judged, by=by
            )  # fmt: skip
        say("writing", 0.0)
        with results.writing(target):
            save_fit(made, folder)
            if drawn is not None:
                save_draws(drawn, folder)
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


# Those that are given -----------------------------------------------------------------------------------------------


def fit_folder(folder: Path, area: Area, *, several: bool = True) -> Path:
    """Return the folder of an area's fit in a folder of fits, or of results; for one area, also that folder itself."""
    if not several and ((folder / FIT).is_file() or not (folder / results.MANIFEST).is_file()):
        return folder
    for name in (area.code, f"{area.code}-fit"):
        if (folder / name / FIT).is_file():
            return folder / name
    raise CareError(
        f"There is no fit of {area.name} in this folder",
        str(folder),
        f"Make it with 'journeys calibrate {area.code} --to {folder / area.code}'",
    )


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
