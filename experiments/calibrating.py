"""Draws of areas' parameters: made for a run, made for many areas in one command, and found where they are shipped.

Draws belong to a fit and stand beside it: what published figures leave open of the yearly factors, and how they may go
on. `journeys calibrate` writes both; a run makes those it is not given. They are keyed by area and number, so nothing
else changes them.
"""

from __future__ import annotations

import statistics as averages
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from abm.errors import CareError
from calibration.fit import LAST_FITTED, LAST_YEAR
from calibration.fitted import SavedFit, load_fit, save_fit
from calibration.posterior.draws import DRAWS, AreaDraws, load_draws, save_draws
from calibration.statistics import Statistics
from experiments import parameter_draws, plan, results
from experiments.area_work import AreaWork, mark_of_draws
from experiments.many import Say, all_left_out
from experiments.order import Order
from experiments.unfinished import Unfinished

WHAT = "Fits of several areas by journeys-abm, with draws of their parameters: what published figures leave open."


def how_many(fits: Mapping[str, Path], asked: int | None, *, point: bool) -> tuple[int, dict[str, str]]:
    """Return how many draws are to be made of each area, and the marks of those that are there and used, by area.

    None are made where runs have the point fit: if that is said, or if nothing is said and a fit that is given has no
    draws beside it.

    Parameters
    ----------
    fits
        Folders of the fits that are given, by area.
    asked
        How many, if it is said.

    Errors
    ------
    CareError
        When draws that rest on judgements would be replaced by others that do not.
    """
    if point:
        return 0, {}
    there = {code: load_draws(folder, load_fit(folder).fitted) for code, folder in fits.items() if has_draws(folder)}
    if asked is None and len(there) < len(fits):
        return 0, {}
    for code, draws in there.items():
        if asked not in (None, len(draws)) and draws.made.get("judgements"):
            raise CareError(
                f"The {len(draws)} draws beside this fit rest on judgements, and {asked} new ones would not",
                str(fits[code]),
                f"Leave --draws out, or make them with 'journeys calibrate {code} --draws {asked} --judgements FILE'",
            )
    used = {code for code, draws in there.items() if asked in (None, len(draws))}
    return asked or plan.DRAWS, {code: mark_of_draws(fits[code]) for code in sorted(used)}


def has_draws(folder: Path) -> bool:
    """Tell whether there are draws beside a fit."""
    return (folder / DRAWS).is_file()


def drawn(
    statistics: Statistics, order: Order, work: AreaWork, made: SavedFit, say: Say, workers: int
) -> AreaDraws | None:
    """Return the draws of an area, those that are there or new ones; None where runs have the point fit."""
    if not order.draws:
        return None
    found = work.draws(made.fitted)
    if found is None:
        table = parameter_draws.table_behind(statistics, made)
        found = parameter_draws.draws_of(made.fitted, order.draws, say, statistics=table, workers=workers)
        work.keep_draws(found)
    return found


# Many areas in one command -------------------------------------------------------------------------------------------


def calibrate(
    statistics: Statistics, areas: Sequence[str], target: Path, say: Say, *, until: int = LAST_FITTED,
    draws: int = plan.DRAWS, workers: int = 1, processes: int | None = None, watch: Any = None,
    england_too: bool = False,
) -> list[str]:  # fmt: skip
    """Fit areas and make their draws, each into a folder of its own under `target`; it can be resumed.

    Parameters
    ----------
    areas
        Codes or names, or 'england' for every authority of the table; those that cannot be fitted are left out.
    until
        The last year that fits see.
    draws
        How many of each area; 0 for none.
    england_too
        Whether England as one area may stand beside others: fits are not added up.
    """
    from experiments import jobs, unfinished

    results.refuse_what_is_not_ours(target)
    wanted = plan.Plan(tuple(areas), years=LAST_YEAR)
    order, _ = jobs.order_of(
        statistics, wanted, say, fit_from=None, test=False, pages=False, shipped=False, england_too=england_too
    )
    order = replace(order, several=True, runs=0, draws=draws, until=until)
    with unfinished.begin(target, order, {}) as begun:
        return jobs.go_on(statistics, begun, say, workers=workers, processes=processes, watch=watch)


def write_area(work: AreaWork, made: SavedFit, draws: AreaDraws | None) -> None:
    """Write an area's fit and draws into its folder, which then stands whole."""
    with results.whole_folder(work.whole) as folder:
        with results.writing(folder):
            save_fit(made, folder)
            if draws is not None:
                save_draws(draws, folder)
        fitted = made.fitted
        facts: dict[str, Any] = {
            "area": {"code": fitted.area.code, "name": fitted.area.name},
            "fit": {"fitted_to": fitted.fitted_to},
            "statistics": made.statistics,
        }
        if draws is not None:
            facts["draws"] = {"draws": len(draws), "made": dict(draws.made)}
        results.write_manifest(folder, facts, what=WHAT)


def write_manifest(begun: Unfinished) -> None:
    """Write what was fitted, and what was left out and why, into the folder that is to take its place."""
    import abm

    order, folder = begun.order, begun.whole
    works = [work for area in order.areas if (work := begun.work(area)).left_out() is None]
    manifests = {work.area.code: results.read_manifest(work.whole) for work in works}
    facts = {
        "asked_for": "england" if order.england else "a list of areas",
        "areas": {
            code: {"name": told["area"]["name"], "fitted_to": told["fit"]["fitted_to"], "files": told["files"]}
            for code, told in manifests.items()
        },
        "left_out": [{"code": area.code, "name": area.name, "why": area.why} for area in all_left_out(begun)],
        "fit": {"fitted_to": order.until},
        "draws": order.draws,
        "statistics": {key: order.statistics[key] for key in ("file", "sha256")},
        "versions": {"journeys-abm": abm.__version__},
    }
    results.write_manifest(folder, facts, what=WHAT)


def told_of_times(begun: Unfinished) -> list[str]:
    """Return in a sentence how long the areas took: processor time would be the same, the clock's depends on others."""
    took = {area.name: seconds for area in begun.order.areas if (seconds := begun.work(area).took())}
    if not took:
        return []
    slowest = max(took, key=lambda name: took[name])
    return [
        f"Seconds an area took: {averages.median(took.values()):.0f} in the middle, {took[slowest]:.0f} at most "
        f"({slowest}), {sum(took.values()):.0f} in all over {len(took)} areas."
    ]


def show(target: Path, notes: Sequence[str]) -> None:
    """Print what was fitted, and what was left out and why."""
    manifest = results.read_manifest(target, several=True)
    areas, left_out = manifest["areas"], manifest["left_out"]
    of = f", each with {manifest['draws']} draws" if manifest["draws"] else ""
    print(f"Fitted: {len(areas)} area{'s' if len(areas) > 1 else ''}{of}. Left out: {len(left_out)}.")
    for area in left_out:
        print(f"Left out: {area['name']} ({area['code']}). {area['why']}")
    until = int(manifest["fit"]["fitted_to"])
    early = [f"{area['name']} ({area['fitted_to']})" for area in areas.values() if area["fitted_to"] < until]
    if early:
        print(
            f"Fitted up to an earlier year, because the table has nothing later that a fit needs: {', '.join(early)}."
        )
    for note in notes:
        print(note)
    what = "england" if manifest["asked_for"] == "england" else " ".join(areas)
    print(f"The fits are in {target}, a folder for each area. Simulate them with: journeys run {what} --fit {target}")
