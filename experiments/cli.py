"""The `journeys` command: from published figures to simulated journeys and pages that a person can read.

Everything heavy is imported inside the commands, so that help comes at once.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

try:
    import typer

    from abm import __version__
    from abm.errors import CareError
    from experiments.backtest_cli import backtest
    from experiments.calibrate_cli import calibrate
    from experiments.compare_cli import compare
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
        check_workers,
        number_of_draws,
        shown_progress,
        table_of,
    )
    from experiments.plain import Plain
    from experiments.returns_cli import returns_app
    from experiments.statistics_job import app as statistics_app
except KeyboardInterrupt:  # as experiments/plain.py, which may not be there yet, would tell it
    print("Stopped. Nothing was left half written.", file=sys.stderr)
    sys.exit(130)


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
    for code, name in table_of(statistics).areas():
        print(f"{code}  {name}")


app.command()(calibrate)
app.command()(backtest)


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

    check_workers(workers, processes)
    plan = plan_of(what, runs, seed, years, with_ or ())
    number_of_draws(draws, point)
    table = table_of(statistics)
    areas = areas_of(table, plan)
    target = to or Path("results", ALL if plan.england else "several" if plan.several else areas[0].code)
    told = [f"Each area is run {plan.runs} times (--runs says otherwise)."] if runs is None else []
    told += [] if test is not None else ["The test against 2024 and 2025 is left out (--test adds it)."]
    from experiments import jobs

    with shown_progress(*told) as (progress, watch):
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
    check_workers(workers, processes)
    from experiments import jobs, unfinished

    order = unfinished.read_order(folder)
    there = None if order is None else Path(order.statistics["path"])
    if there is None:
        with unfinished.resume(folder):
            pass
    if statistics is None and there is not None and not there.exists():
        raise CareError("The table this run was begun with was moved", str(there), "Say where it is with --statistics")
    table = table_of(statistics or there)
    with shown_progress() as (progress, watch):
        notes = jobs.resume(table, folder, progress, fit_from=fit, workers=workers, processes=processes, watch=watch)
    if order is not None and order.only_fits:
        from experiments import calibrating

        calibrating.show(unfinished.target_of(folder), notes)
        return
    _show(unfinished.target_of(folder), order is not None and order.several, notes)


def _show(target: Path, several: bool, notes: list[str]) -> None:
    from experiments import demo

    (demo.show_several if several else demo.show)(target, notes)


app.command()(compare)


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

    check_workers(workers)
    plan = plan_of([area], runs, seed, None)
    table = table_of(statistics)
    area_of(table, area)
    from experiments.demo import demonstrate

    demonstrate(table, plan, to, workers)


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    # Asked to end by the system, we end as for Ctrl-C: what is done is kept.
    signal.signal(signal.SIGTERM, _stop)
    app()


if __name__ == "__main__":
    main()
