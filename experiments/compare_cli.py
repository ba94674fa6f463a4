"""The command `journeys compare`: the report of a folder of results, or the ladder of an area."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abm.errors import CareError
from experiments.options import SeedOption, StatisticsOption, WorkersOption, check_workers, table_of


def compare(
    what: Annotated[
        str, typer.Argument(metavar="FOLDER|AREA", help="A folder of results; with --ladder, an area by code or name.")
    ],
    ladder: Annotated[
        bool,
        typer.Option("--ladder", help="Tell how much of the gap to system dynamics each mechanism explains."),
    ] = False,
    fit: Annotated[
        Path | None, typer.Option("--fit", metavar="FOLDER", help="Ladder: use the fit in this folder.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            metavar="NAME=FACTOR@YEAR",
            help="Ladder: a factor on some transitions from a year on, or 'none' (if not said: entries_to_care=0.8 "
            "from the year after the last fitted one).",
        ),
    ] = None,
    years: Annotated[
        int | None, typer.Option("--years", metavar="YEAR", help="Ladder: to 31 March of this year (2030).")
    ] = None,
    runs: Annotated[
        int | None,
        typer.Option("--runs", metavar="N", help="Ladder: paired runs for what couples children (10); 0 for none."),
    ] = None,
    seed: SeedOption = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Ladder: also follow every week of time spent (a minute or two more).")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Ladder: also write it as a table and text.")
    ] = None,
    workers: WorkersOption = 2,
    statistics: StatisticsOption = None,
) -> None:
    """Make report.html of a folder of results: the simulation beside system dynamics beside published figures.

    With --ladder: what lies between system dynamics and the simulation of an area, mechanism by mechanism, as things
    are and for the effect of a policy.
    """
    if ladder:
        _ladder(what, fit, policy, years, runs, seed, exact, to, workers, statistics)
        return
    given = {"fit": fit, "policy": policy, "years": years, "runs": runs, "seed": seed, "exact": exact or None, "to": to}
    for name, value in given.items():
        if value is not None:
            raise CareError(f"--{name} goes with --ladder", "", "Add --ladder, or leave it out")
    from experiments import demo, pages

    pages.report(Path(what))
    demo.show(Path(what), [])


def _ladder(
    what: str, fit: Path | None, policy: str | None, years: int | None, runs: int | None, seed: int | None,
    exact: bool, to: Path | None, workers: int, statistics: Path | None,
) -> None:  # fmt: skip
    from experiments.plan import LAST_YEAR, MOST_RUNS, MOST_SEED, SEED, YEARS, area_of, whole_number

    n, first = 10 if runs is None else runs, SEED if seed is None else seed
    last_year = LAST_YEAR if years is None else years
    check_workers(workers)
    whole_number("runs", n, 0, MOST_RUNS)
    whole_number("seed", first, 0, MOST_SEED - n)
    whole_number("years", last_year, *YEARS)
    table = table_of(statistics)
    area = area_of(table, what)
    from experiments import ladder_jobs
    from experiments.screen import Progress

    with Progress() as progress:
        made = ladder_jobs.ladder(
            table, area, progress, fit_from=fit, policy=policy, last_year=last_year, seeds=range(first, first + n),
            workers=workers, finer=exact,
        )  # fmt: skip
    for line in made.text:
        print(line)
    print()
    print(ladder_jobs.SIMULATED)
    if to is not None:
        ladder_jobs.write(made, to)
        print(f"The ladder is in {to / ladder_jobs.TABLE}, {ladder_jobs.CSV} and {ladder_jobs.TEXT}.")
