"""The jobs behind the commands: run areas, go on with a run. Results appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from abm.errors import CareError
from calibration.fit import FIRST_YEAR
from calibration.statistics import Area, Statistics
from experiments import calibrating, fitting, many, pages, results, totals, unfinished
from experiments.area_work import AreaWork, LeftOut, mark_of_fit
from experiments.asked import PLACES
from experiments.compare.forecast import FORECAST_YEARS, HELD_BACK_FROM, RUNS, forecast_frame
from experiments.compare.frames import frames
from experiments.effort import TEST
from experiments.many import Say, Watch
from experiments.mechanisms import order_facts, tables_of
from experiments.order import Order, check_table, table_facts
from experiments.plan import Plan, areas_of
from experiments.run import shortened, simulate_area, system_figures
from experiments.run_folder import manifest_facts, write_run
from experiments.shipped import shipped_fit
from experiments.switching import homes_can_be_told, switch_on
from experiments.unfinished import Unfinished, reason

MANY = 10
"""It takes a while to look at so many areas, and is told."""


def refuse_that_all_are_left_out(left_out: Sequence[LeftOut]) -> NoReturn:
    """Refuse to run several areas of which none can be run."""
    first = left_out[0]
    raise CareError(f"None of these {len(left_out)} areas can be run; of {first.name} the reason is: {first.why}")


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
        check_table(begun.order, statistics)
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
                fits[area.code] = fitting.fit_folder(fit_from, area, several=plan.several)
            elif shipped and (there := shipped_fit(statistics, area, plan.years)):
                fits[area.code] = there
            else:
                fitting.refuse_an_area_without_a_start(statistics, area)
            if PLACES in plan.asked.tables:
                homes_can_be_told(statistics, area, FIRST_YEAR)
        except CareError as error:
            if not plan.several:
                raise
            left_out.append(LeftOut(area.code, area.name, reason(error)))
            continue
        if fit_from is not None:
            shortened(fitting.fit_of(area, fits[area.code]).fitted, plan.years)
        chosen.append(area)
    if not chosen:
        refuse_that_all_are_left_out(left_out)
    fits = {area.code: fits[area.code] for area in chosen if area.code in fits}
    n_draws, drawn = calibrating.how_many(fits, draws, point=point)
    return (
        Order(
            tuple(chosen), tuple(left_out), plan.several, plan.england, plan.runs, plan.seed, plan.years, test, pages,
            table_facts(statistics), {code: mark_of_fit(folder) for code, folder in fits.items()},
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
            given = fitting.fit_folder(fit_from, work.area, several=order.several)
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
            fitting.fit_of(work.area, given)
            work.take_fit(given)


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
        made = fitting.fit(statistics, area, say, fitted_to=order.until, last_year=order.years, workers=workers)
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
        facts = manifest_facts(made, simulated, fitting.last_year_published(statistics, area), draws)
        facts |= {} if on is None else {"mechanisms": on.made.record}
        results.write_manifest(folder, facts)
        if order.pages and not pages.that_are_missing():
            say("pages", 0.0)
            pages.write(folder, say)
    shutil.rmtree(work.blocks, ignore_errors=True)


def can_be_tested(statistics: Statistics, area: Area) -> bool:
    """Tell whether the table has what a test of forecasts is held against."""
    return fitting.last_year_published(statistics, area) > HELD_BACK_FROM
