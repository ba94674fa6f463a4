"""The command `journeys calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abm.errors import CareError
from experiments.options import (
    DrawsOption,
    PointOption,
    ProcessesOption,
    StatisticsOption,
    WorkersOption,
    check_workers,
    number_of_draws,
    shown_progress,
    table_of,
)


def calibrate(
    areas: Annotated[
        list[str],
        typer.Argument(
            metavar="AREA...|england",
            help="Code or name of an area, or several; 'england' for every authority in the table.",
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FOLDER", help="Where to write (results/CODE-fit, results/england-fits, results/fits)."
        ),
    ] = None,
    until: Annotated[
        int, typer.Option("--until", metavar="YEAR", help="Fit to figures of years ending 31 March up to this one.")
    ] = 2025,
    draws: DrawsOption = None,
    point: PointOption = False,
    rates: Annotated[
        Path | None,
        typer.Option(
            "--rates",
            metavar="FOLDER",
            help="Start from the area's own rates, as 'journeys returns estimate --inside' wrote them (one area). "
            "Such a fit rests on small numbers about children: keep it inside the authority.",
        ),
    ] = None,
    judgements: Annotated[
        Path | None,
        typer.Option(
            "--judgements",
            metavar="FILE",
            help="What people judge of the area, as quantiles in a TOML file: taken into its draws beside published "
            "figures (one area).",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="abc|npe|none",
            help="How the draws are begun: by a sequential ABC run (abc), by a network taught on made-up figures (npe, "
            "which needs the extra npe), or neither (none). They end in the same place, and draws.json tells how near "
            "each came by itself (one area).",
        ),
    ] = None,
    workers: WorkersOption = 2,
    processes: ProcessesOption = None,
    statistics: StatisticsOption = None,
) -> None:
    """Fit areas to their published figures, and draw what these leave open of their parameters.

    One area: shows how far the fit is from the figures. Several: each gets a folder, those that cannot be fitted are
    named with the reason, and 'journeys resume' goes on when it was stopped.
    """
    from experiments.plan import ALL, FITTED_TO, Plan, area_of, whole_number

    check_workers(workers, processes)
    whole_number("until", until, *FITTED_TO)
    n_draws = number_of_draws(draws, point)
    table = table_of(statistics)
    plan = Plan(tuple(areas))
    for option, given in (("--rates", rates), ("--judgements", judgements), ("--by", by)):
        if plan.several and given is not None:
            raise CareError(f"{option} is for one area", "journeys calibrate", "Name that area alone, or leave it out")
    if judgements is not None and not n_draws:
        raise CareError(
            "Judgements are taken into draws, and with --point there are none", "--judgements", "Leave --point out"
        )
    if by is not None and not n_draws:
        raise CareError("With --point there are no draws to begin", "--by", "Leave --point or --by out")
    way = None
    if by is not None:
        from calibration.posterior.beginning import way_of

        way = way_of(by)
    if plan.several:
        target = to or Path("results", f"{ALL}-fits" if plan.england else "fits")
        from experiments import calibrating

        with shown_progress() as (progress, watch):
            notes = calibrating.calibrate(
                table, areas, target, progress, until=until, draws=n_draws, workers=workers, processes=processes,
                watch=watch,
            )  # fmt: skip
        calibrating.show(target, notes)
        return
    found = area_of(table, areas[0])
    target = to or Path("results", f"{found.code}-fit")
    from experiments import fitting
    from experiments.screen import Progress, print_residuals

    book = None
    if rates is not None:
        from experiments.estimate_jobs import read_book

        book = read_book(rates)
    judged = None
    if judgements is not None:
        from experiments.parameter_draws import read_judged

        judged = read_judged(judgements)
    with Progress() as progress:
        made = fitting.calibrate(table, found, target, until, workers, progress, n_draws, book, judged, way)
    years = tuple(range(made.fitted.scenario.first_year, made.fitted.fitted_to + 1))
    if made.fitted.fitted_to < until:
        print(f"Fitted up to {made.fitted.fitted_to}: nothing after that year that a fit needs is in the table.")
    title = f"{found.name}: the fit, less what was published, in percent of it"
    print_residuals(fitting.residuals_of_fit(made), years, title)
    if judged is not None:
        from calibration.posterior.conflict import all_in_words
        from calibration.posterior.draws import load_draws

        held = load_draws(target, made.fitted).made.get("judged_and_figures", ())
        for line in (*judged.in_words(), *all_in_words(held)):
            print(line)
    beside = f", with {n_draws} draws of its parameters" if n_draws else ""
    print(f"The fit is in {target}{beside}. Simulate it with: journeys run {found.code} --fit {target}")
