"""The `journeys` command: from published figures to simulated journeys and pages that a person can read.

Everything heavy is imported inside the commands, so that help comes at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

try:
    import typer

    from abm import __version__
    from abm.errors import CareError
    from experiments.backtest_cli import backtest
    from experiments.options import (
        DrawsOption,
        FolderArgument,
        PointOption,
        ProcessesOption,
        RunsOption,
        SeedOption,
        StatisticsOption,
        WithOption,
        WorkersOption,
    )
    from experiments.plain import Plain
    from experiments.returns_cli import returns_app
    from experiments.statistics_job import app as statistics_app
except KeyboardInterrupt:  # as experiments/plain.py, which may not be there yet, would tell it
    print("Stopped. Nothing was left half written.", file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from calibration.statistics import Statistics
    from experiments.screen import Progress, SeveralProgress


app = typer.Typer(
    cls=Plain,
    name="journeys",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Children's journeys through children's social care in England, simulated beside published figures. "
    "Every simulated child is simulated, not a real child.",
    epilog="An AREA is a code such as E06000009 or a name such as Blackpool. E92000001 is England as one area; "
    "for 'journeys run', 'england' is every authority in the table of published figures, one beside the other.",
)
app.add_typer(statistics_app)
app.add_typer(returns_app)
app.command()(backtest)


def _version(value: bool) -> None:
    if value:
        print(f"journeys-abm {__version__}")
        raise typer.Exit(0)


@app.callback()
def main_options(
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def areas(statistics: StatisticsOption = None) -> None:
    """List the areas that can be simulated: code and name."""
    for code, name in _statistics(statistics).areas():
        print(f"{code}  {name}")


@app.command()
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
    workers: WorkersOption = 2,
    processes: ProcessesOption = None,
    statistics: StatisticsOption = None,
) -> None:
    """Fit areas to their published figures, and draw what these leave open of their parameters.

    One area: shows how far the fit is from the figures. Several: each gets a folder, those that cannot be fitted are
    named with the reason, and 'journeys resume' goes on when it was stopped.
    """
    from experiments.plan import ALL, FITTED_TO, Plan, area_of, whole_number

    _workers(workers, processes)
    whole_number("until", until, *FITTED_TO)
    n_draws = _draws(draws, point)
    table = _statistics(statistics)
    plan = Plan(tuple(areas))
    for option, given in (("--rates", rates), ("--judgements", judgements)):
        if plan.several and given is not None:
            raise CareError(
                f"{option} are those of one area", "journeys calibrate", "Name that area alone, or leave it out"
            )
    if judgements is not None and not n_draws:
        raise CareError(
            "Judgements are taken into draws, and with --point there are none", "--judgements", "Leave --point out"
        )
    if plan.several:
        target = to or Path("results", f"{ALL}-fits" if plan.england else "fits")
        from experiments import calibrating

        with _progress() as (progress, watch):
            notes = calibrating.calibrate(
                table, areas, target, progress, until=until, draws=n_draws, workers=workers, processes=processes,
                watch=watch,
            )  # fmt: skip
        calibrating.show(target, notes)
        return
    found = area_of(table, areas[0])
    target = to or Path("results", f"{found.code}-fit")
    from experiments import jobs
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
        made = jobs.calibrate(table, found, target, until, workers, progress, n_draws, book, judged)
    years = tuple(range(made.fitted.scenario.first_year, made.fitted.fitted_to + 1))
    if made.fitted.fitted_to < until:
        print(f"Fitted up to {made.fitted.fitted_to}: nothing after that year that a fit needs is in the table.")
    title = f"{found.name}: the fit, less what was published, in percent of it"
    print_residuals(jobs.residuals_of_fit(made), years, title)
    for line in () if judged is None else judged.in_words():
        print(line)
    beside = f", with {n_draws} draws of its parameters" if n_draws else ""
    print(f"The fit is in {target}{beside}. Simulate it with: journeys run {found.code} --fit {target}")


@app.command()
def run(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="AREA...|england|PLAN",
            help="Code or name of an area, or several; 'england' for every authority in the table; or a plan (.toml).",
        ),
    ],
    runs: Annotated[
        int | None,
        typer.Option("--runs", metavar="N", help="How many runs (if not said: 20, of several areas 10 each)."),
    ] = None,
    seed: SeedOption = None,
    years: Annotated[
        int | None,
        typer.Option("--years", metavar="YEAR", help="Simulate to 31 March of this year (2030 if not said)."),
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option(
            "--fit",
            metavar="FOLDER",
            help="Use the fit of 'journeys calibrate' in this folder; of several areas, those in its folders CODE.",
        ),
    ] = None,
    test: Annotated[
        bool | None,
        typer.Option(
            "--test/--no-test",
            help="Also fit to the years up to 2023 and hold the forecasts against 2024 and 2025 (done for one area, "
            "left out for several, if not said).",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FOLDER",
            help="Where to write the results (results/CODE, results/england, results/several).",
        ),
    ] = None,
    draws: DrawsOption = None,
    point: PointOption = False,
    with_: WithOption = None,
    workers: WorkersOption = 2,
    processes: ProcessesOption = None,
    statistics: StatisticsOption = None,
) -> None:
    """Fit an area or several, simulate all their children, and write events, stocks, figures and a manifest.

    Several areas get a folder each, and their figures are added up. What is done is kept when a run is stopped:
    'journeys resume' goes on with it.

    A plan is a file such as: area = "E06000009", runs = 20, seed = 1, years = 2030 (one entry a line). It may say
    areas = ["E06000009", "E10000007"] instead, and which mechanisms are on: families = true. Options beat what the
    plan says.
    """
    from experiments.plan import ALL, areas_of, plan_of

    _workers(workers, processes)
    plan = plan_of(what, runs, seed, years, with_ or ())
    _draws(draws, point)
    table = _statistics(statistics)
    areas = areas_of(table, plan)
    target = to or Path("results", ALL if plan.england else "several" if plan.several else areas[0].code)
    told = [f"Each area is run {plan.runs} times (--runs says otherwise)."] if runs is None else []
    told += [] if test is not None else ["The test against 2024 and 2025 is left out (--test adds it)."]
    from experiments import jobs

    with _progress(*told) as (progress, watch):
        notes = jobs.run(
            table, plan, target, progress, fit_from=fit, workers=workers, processes=processes, test=test, watch=watch,
            draws=draws, point=point,
        )  # fmt: skip
    _show(target, plan.several, notes)


@app.command()
def resume(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the results were to be written.")],
    fit: Annotated[
        Path | None,
        typer.Option("--fit", metavar="FOLDER", help="The fit it was begun with, if the one kept is damaged."),
    ] = None,
    workers: WorkersOption = 2,
    processes: ProcessesOption = None,
    statistics: StatisticsOption = None,
) -> None:
    """Go on with a run that was stopped: what is missing is done, and the results are the same.

    The table of published figures is the one it was begun with; --statistics says where it is if it was moved.
    """
    _workers(workers, processes)
    from experiments import jobs, unfinished

    order = unfinished.read_order(folder)
    there = None if order is None else Path(order.statistics["path"])
    if there is None:
        with unfinished.resume(folder):
            pass
    if statistics is None and there is not None and not there.exists():
        raise CareError("The table this run was begun with was moved", str(there), "Say where it is with --statistics")
    table = _statistics(statistics or there)
    with _progress() as (progress, watch):
        notes = jobs.resume(table, folder, progress, fit_from=fit, workers=workers, processes=processes, watch=watch)
    if order is not None and order.only_fits:
        from experiments import calibrating

        calibrating.show(unfinished.target_of(folder), notes)
        return
    _show(unfinished.target_of(folder), order is not None and order.several, notes)


@contextmanager
def _progress(*told: str) -> Iterator[tuple[Progress, SeveralProgress]]:
    """Show what is being done: of one area step by step, of several how many are done."""
    from experiments.screen import Progress, SeveralProgress

    with Progress() as progress:
        yield progress, SeveralProgress(progress, told)


def _show(target: Path, several: bool, notes: list[str]) -> None:
    from experiments import demo

    (demo.show_several if several else demo.show)(target, notes)


@app.command()
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
    _workers(workers)
    whole_number("runs", n, 0, MOST_RUNS)
    whole_number("seed", first, 0, MOST_SEED - n)
    whole_number("years", last_year, *YEARS)
    table = _statistics(statistics)
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


@app.command()
def page(folder: FolderArgument) -> None:
    """Make journeys.html of a folder of results: simulated children's journeys, found by pattern.

    The first run is simulated again, and must come out the same to the last bit.
    """
    from experiments import pages, results

    pages.journeys(folder)
    print("Every child on this page is simulated, not a real child.")
    print(f"Open in a browser: {folder / results.JOURNEYS}")


@app.command()
def demo(
    area: Annotated[str, typer.Option("--area", metavar="AREA", help="Code or name.")] = "E06000009",
    runs: RunsOption = None,
    seed: SeedOption = None,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write.")] = Path("results/demo"),
    workers: WorkersOption = 2,
    statistics: StatisticsOption = None,
) -> None:
    """Do it all for one authority: fit, simulate, compare, and write both pages."""
    from experiments.plan import area_of, plan_of

    _workers(workers)
    plan = plan_of([area], runs, seed, None)
    table = _statistics(statistics)
    area_of(table, area)
    from experiments.demo import demonstrate

    demonstrate(table, plan, to, workers)


def _statistics(path: Path | None) -> Statistics:
    from calibration.statistics import read_statistics

    return read_statistics(path)


def _draws(draws: int | None, point: bool) -> int:
    """Return how many draws are to be made where none are given."""
    from experiments.plan import DRAWS, MOST_DRAWS, whole_number

    if draws is not None and point:
        raise CareError("--draws and --point exclude each other", "", "Leave one of them out")
    if draws is not None:
        whole_number("draws", draws, 1, MOST_DRAWS)
    return 0 if point else draws or DRAWS


def _workers(workers: int, processes: int | None = None) -> None:
    from experiments.plan import MOST_WORKERS, whole_number

    whole_number("workers", workers, 1, MOST_WORKERS)
    if processes is not None:
        whole_number("processes", processes, 1, MOST_WORKERS)


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    # Asked to end by the system, we end as for Ctrl-C: what is done is kept.
    signal.signal(signal.SIGTERM, _stop)
    app()


if __name__ == "__main__":
    main()
