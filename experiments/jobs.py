"""The jobs behind the commands: fit an area, run it, go on with a run. Results appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.outputs import output_named
from calibration.fit import FIRST_YEAR, LAST_FITTED, YearlyModel, fit_area, last_published
from calibration.fitted import FIT, SavedFit, load_fit, new_fit, save_fit
from calibration.levers import FITTED_FIGURES
from calibration.posterior.draws import save_draws
from calibration.rates import RateBook
from calibration.statistics import Area, Statistics
from calibration.system import fit_system
from calibration.targets import targets
from experiments import calibrating, many, pages, parameter_draws, results, totals, unfinished
from experiments.area_work import AreaWork, LeftOut, mark_of_fit
from experiments.asked import PLACES
from experiments.compare.forecast import FORECAST_YEARS, HELD_BACK_FROM, RUNS, forecast_frame
from experiments.compare.frames import frames, published_points
from experiments.effort import TEST
from experiments.many import Say, Watch
from experiments.mechanisms import order_facts, tables_of
from experiments.plan import LAST_YEAR, Plan, areas_of
from experiments.run import manifest_facts, shortened, simulate_area, system_figures, write_run
from experiments.shipped import shipped_fit
from experiments.switching import homes_can_be_told, switch_on
from experiments.unfinished import Order, Unfinished, reason

OWN_RATES = "rates"
KEEP_INSIDE = (
    "From an authority's returns ('journeys returns estimate --inside'): they rest on small numbers about children. "
    "Keep this fit, and what is made with it, inside the authority."
)
"""What a fit that starts from an authority's own rates says of itself, and every manifest of results made with it."""
STARTS_WITH = ("cla_at_31_march", "cpp_at_31_march")
"""Stocks of 31 March 2020 without which there is no day one."""

MANY = 10
"""It takes a while to look at so many areas, and is told."""


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


def refuse_that_all_are_left_out(left_out: Sequence[LeftOut]) -> NoReturn:
    """Refuse to run several areas of which none can be run."""
    first = left_out[0]
    raise CareError(f"None of these {len(left_out)} areas can be run; of {first.name} the reason is: {first.why}")


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
) -> SavedFit:  # fmt: skip
    """Fit an area and write the fit into a folder, with draws of its parameters if any are wanted.

    What people judge (`judged`) is part of what is believed before figures are seen, so it shapes draws, not the fit.
    """
    with results.new_folder(target) as folder:
        made = fit(statistics, area, say, fitted_to=fitted_to, workers=workers, book=book)
        if book is not None:
            made = replace(made, statistics=made.statistics | {OWN_RATES: KEEP_INSIDE})
        drawn = None
        if draws:
            table = parameter_draws.table_behind(statistics, made)
            drawn = parameter_draws.draws_of(made.fitted, draws, say, statistics=table, workers=workers, judged=judged)
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


def run(
    statistics: Statistics,
    plan: Plan,
    target: Path,
    say: Say,
    *,
    fit_from: Path | None = None,
    workers: int = 1,
    processes: int | None = None,
    test: bool | None = None,
    pages: bool = False,
    watch: Watch | None = None,
    draws: int | None = None,
    point: bool = False,
) -> list[str]:
    """Fit (or load the fits of) areas, simulate them, and write everything into a folder.

    Parameters
    ----------
    fit_from
        A folder with a fit, or of several areas a folder of such folders; the areas are fitted anew if None.
    workers, processes
        Runs side by side of one area, and areas side by side; neither changes the results.
    test
        Whether to fit again to the years up to 2023 and hold the forecasts against what came after: of one area, if
        nothing is said.
    pages
        Whether to write the two pages as well.
    watch
        Told what is done of several areas.
    draws, point
        How many draws of the parameters the runs of an area have in turn (those beside a given fit, or DRAWS, if
        nothing is said); with `point` all runs have the one fit.

    Returns
    -------
    Sentences about what could not be done.
    """
    test = not plan.several if test is None else test
    results.refuse_what_is_not_ours(target)
    order, fits = order_of(statistics, plan, say, fit_from=fit_from, test=test, pages=pages, draws=draws, point=point)
    with unfinished.begin(target, order, fits, tables_of(plan.asked)) as begun:
        return go_on(statistics, begun, say, workers=workers, processes=processes, watch=watch)


def resume(
    statistics: Statistics,
    target: Path,
    say: Say,
    *,
    fit_from: Path | None = None,
    workers: int = 1,
    processes: int | None = None,
    watch: Watch | None = None,
) -> list[str]:
    """Go on with a run that was begun, to the same results; see `run`.

    `fit_from` has the fits it was begun with, in case those that were kept are damaged.
    """
    with unfinished.resume(target) as begun:
        unfinished.check_table(begun.order, statistics)
        if not begun.is_in_its_place():
            check_fits(statistics, begun, fit_from)
        return go_on(statistics, begun, say, workers=workers, processes=processes, watch=watch)


def go_on(
    statistics: Statistics,
    begun: Unfinished,
    say: Say,
    *,
    workers: int,
    processes: int | None,
    watch: Watch | None,
) -> list[str]:
    """Do what is missing and put the results in their place."""
    order = begun.order
    notes = []
    if not begun.is_in_its_place():
        if order.several:
            many.finish_areas(statistics, begun, processes=processes, workers=workers, watch=watch or many.Watch())
            if order.only_fits:
                notes += calibrating.told_of_times(begun)
                calibrating.write_manifest(begun)
            else:
                say("totals", 0.0)
                totals.write(statistics, begun)
        else:
            finish_area(statistics, order, begun.work(order.areas[0]), say, workers=workers)
        begun.finish()
    else:
        begun.clear()
    if order.test and not order.several and not can_be_tested(statistics, order.areas[0]):
        held_out = " and ".join(map(str, FORECAST_YEARS))
        notes.append(f"The test against {held_out} was left out: of those years the table has nothing it needs.")
    if order.pages:
        notes += pages.that_are_missing()
    return notes + told_of(begun.target, order)


def told_of(target: Path, order: Order) -> list[str]:
    """Return in sentences what is switched on."""
    if not order.mechanisms:
        return []
    record = results.read_manifest(target, several=order.several)["mechanisms"]
    if order.several:
        return [f"Switched on in every area: {', '.join(record['on']) or 'shocks'}.", record["assumed"]]
    return list(record["told"])


def order_of(
    statistics: Statistics, plan: Plan, say: Say, *, fit_from: Path | None, test: bool, pages: bool,
    draws: int | None = None, point: bool = True, shipped: bool = True, england_too: bool = False,
) -> tuple[Order, dict[str, Path]]:  # fmt: skip
    """Return what is to be done, and where the fits are that are given, or come with the project.

    Errors
    ------
    CareError
        When the area cannot be run; of several areas those are left out, and it is an error if none can be run.
    """
    areas, mechanisms = areas_of(statistics, plan, england_too=england_too), order_facts(plan.asked)
    chosen: list[Area] = []
    left_out: list[LeftOut] = []
    fits: dict[str, Path] = {}
    for place, area in enumerate(areas):
        if len(areas) >= MANY:
            say("looking", place / len(areas))
        try:
            if fit_from is not None:
                fits[area.code] = fit_folder(fit_from, area, several=plan.several)
            elif shipped and (there := shipped_fit(statistics, area, plan.years)):
                fits[area.code] = there
            else:
                refuse_an_area_without_a_start(statistics, area)
            if PLACES in plan.asked.tables:
                homes_can_be_told(statistics, area, FIRST_YEAR)
        except CareError as error:
            if not plan.several:
                raise
            left_out.append(LeftOut(area.code, area.name, reason(error)))
            continue
        if fit_from is not None:
            shortened(fit_of(area, fits[area.code]).fitted, plan.years)
        chosen.append(area)
    if not chosen:
        refuse_that_all_are_left_out(left_out)
    fits = {area.code: fits[area.code] for area in chosen if area.code in fits}
    n_draws, drawn = calibrating.how_many(fits, draws, point=point)
    return (
        Order(
            tuple(chosen), tuple(left_out), plan.several, plan.england, plan.runs, plan.seed, plan.years, test, pages,
            unfinished.table_facts(statistics), {code: mark_of_fit(folder) for code, folder in fits.items()},
            mechanisms, n_draws, drawn,
        ),
        fits,
    )  # fmt: skip


def check_fits(statistics: Statistics, begun: Unfinished, fit_from: Path | None = None) -> None:
    """Take a fit that the run was begun with again where the one that was kept is damaged.

    Errors
    ------
    CareError
        When it is needed and not there, or when a fit is given that the run was not begun with.
    """
    order = begun.order
    if fit_from is not None and not order.fits:
        raise CareError("This run was begun without fits", "--fit", "Leave --fit out, or begin a new run")
    for work in map(begun.work, order.areas):
        given = shipped_fit(statistics, work.area, order.years) if work.given else None
        if fit_from is not None:
            given = fit_folder(fit_from, work.area, several=order.several)
        if given is not None and mark_of_fit(given) != work.given:
            if fit_from is None:
                given = None
            else:
                raise CareError(
                    f"This is not the fit of {work.area.name} that the run was begun with",
                    str(given),
                    "Name that one with --fit, or begin a new run",
                )
        try:
            there = work.fit()
            if there is not None and order.draws:
                work.draws(there.fitted)
        except CareError:
            if work.is_finished():
                continue
            if given is None:
                raise
            fit_of(work.area, given)
            work.take_fit(given)


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


def finish_area(statistics: Statistics, order: Order, work: AreaWork, say: Say, *, workers: int = 1) -> None:
    """Do what is missing of an area: its fit, its runs, its test, and its folder of results, which then stands whole.

    Errors
    ------
    CareError
        When the area cannot be fitted.
    """
    if work.is_finished():
        return
    area = work.area
    made = work.fit()
    if made is None:
        made = fit(statistics, area, say, fitted_to=order.until, last_year=order.years, workers=workers)
        work.keep_fit(made)
    draws = calibrating.drawn(statistics, order, work, made, say, workers)
    if order.only_fits:
        calibrating.write_area(work, made, draws)
        return
    fitted = shortened(made.fitted, order.years)
    on = work.mechanisms(fitted) if order.mechanisms else None
    if on is None and order.mechanisms:
        assert work.tables is not None
        on = switch_on(statistics, made, fitted, order.mechanisms, work.tables, say, workers=workers)
        work.keep_mechanisms(on)
    say("simulation", 0.0)
    simulated = simulate_area(
        fitted,
        order.seeds,
        workers=workers,
        progress=lambda done, n: say("simulation", done / n),
        mechanisms=None if on is None else on.made,
        blocks=work.blocks,
        draws=draws,
    )
    test = work.test() if order.test else None
    if test is None and order.test and can_be_tested(statistics, area):
        seeds = order.seeds[:RUNS]
        forecast = forecast_frame(
            statistics, area, seeds, workers=workers, draws=0 if draws is None else len(seeds),
            progress=lambda what, part: say(f"{TEST}{what}", part),
        )  # fmt: skip
        test = work.keep_test(forecast)
    say("writing", 0.0)
    with results.whole_folder(work.whole) as folder:
        write_run(folder, made, simulated, None if on is None else on.made.course, draws)
        if on is not None:
            work.write_mechanisms(on, folder)
        tables = frames(fitted, simulated.figures, system_figures(made.system), years=simulated.scenario_years)
        for name, frame in zip((results.FIGURES, results.RESIDUALS, results.METRICS), tables, strict=True):
            results.write_table(frame, folder, name)
        if test is not None:
            (folder / results.FORECAST).write_bytes(test)
        facts = manifest_facts(made, simulated, last_year_published(statistics, area), draws)
        facts |= {} if on is None else {"mechanisms": on.made.record}
        results.write_manifest(folder, facts)
        if order.pages and not pages.that_are_missing():
            say("pages", 0.0)
            pages.write(folder, say)
    shutil.rmtree(work.blocks, ignore_errors=True)


def can_be_tested(statistics: Statistics, area: Area) -> bool:
    """Tell whether the table has what a test of forecasts is held against."""
    return last_year_published(statistics, area) > HELD_BACK_FROM


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
