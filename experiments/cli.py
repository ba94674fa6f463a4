"""The `journeys` command: from published figures to simulated journeys and pages that a person can read.

Whatever a person can put right is told in one sentence on stderr, with exit code 2. Everything heavy is imported inside
the commands, so that help comes at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from abm import __version__
from abm.errors import CareError

if TYPE_CHECKING:
    from calibration.statistics import Statistics

WRONG, FAULT, STOPPED = 2, 1, 130
"""Exit codes: something a person can put right; a fault of ours; stopped by Ctrl-C."""


class Plain(TyperGroup):
    """Commands whose errors are sentences."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> NoReturn:
        """Run the command that the words name, and end: with a sentence and an exit code if something is wrong."""
        words = list(sys.argv[1:] if args is None else args)
        settings["standalone_mode"] = False
        try:
            code = super().main(words or ["--help"], *rest, **settings)
            sys.stdout.flush()
        except CareError as error:
            _end(str(error), WRONG, error)
        except BrokenPipeError:
            # Whoever read our output has seen enough, as in `journeys areas | head`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except MemoryError as error:
            _end("There is not enough memory. Close other programs, or ask for fewer --workers.", WRONG, error)
        except Exception as error:
            if hasattr(error, "format_message"):
                _end(f"{error.format_message().rstrip('.')}. {_help_for(error)}", WRONG, error)
            told = " ".join(f"{type(error).__name__}: {error}".split())
            words_of_ours = f"This is a fault of ours, not yours ({told}). Please report it with what --debug shows"
            _end(f"{words_of_ours}: journeys --debug {' '.join(words)}", FAULT, error)
        if code == STOPPED:
            _end("Stopped. Nothing was left half written.", STOPPED, None)
        sys.exit(code if isinstance(code, int) else 0)


def _help_for(error: Any) -> str:
    """Return where help is for words that the command line does not understand."""
    path = error.ctx.command_path if getattr(error, "ctx", None) else "journeys"
    return f"See: {path} --help"


def _end(words: str, code: int, error: BaseException | None) -> NoReturn:
    """Print one sentence and end; with --debug, what a programmer wants to see goes before it."""
    if error is not None and "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
    # A file that is no text may be quoted, and must not steer a terminal.
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    print(line if line.endswith((".", "?")) else f"{line}.", file=sys.stderr)
    sys.exit(code)


app = typer.Typer(
    cls=Plain,
    name="journeys",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Children's journeys through children's social care in England, simulated beside published figures. "
    "Every simulated child is simulated, not a real child.",
    epilog="An AREA is a code such as E06000009 or a name such as Blackpool. E92000001 is England as one area; "
    "'england' will mean every authority, in a later version.",
)

StatisticsOption = Annotated[
    Path | None,
    typer.Option(
        "--statistics", metavar="FILE", help="Another table of published figures of the same form (.csv or .csv.gz)."
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", metavar="N", help="Runs side by side. It changes the time, not the results.")
]
AreaArgument = Annotated[str, typer.Argument(metavar="AREA", help="Code or name: see 'journeys areas'.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of results.")]
RunsOption = Annotated[int | None, typer.Option("--runs", metavar="N", help="How many runs (20 if not said).")]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of the first run (1 if not said).")]


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
    area: AreaArgument,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Where to write the fit (results/CODE-fit).")
    ] = None,
    until: Annotated[
        int, typer.Option("--until", metavar="YEAR", help="Fit to figures of years ending 31 March up to this one.")
    ] = 2025,
    workers: WorkersOption = 2,
    statistics: StatisticsOption = None,
) -> None:
    """Fit an area to its published figures and show how far the fit is from them."""
    from experiments.plan import FITTED_TO, area_of, whole_number

    _workers(workers)
    whole_number("until", until, *FITTED_TO)
    table = _statistics(statistics)
    found = area_of(table, area)
    target = to or Path("results", f"{found.code}-fit")
    from experiments import jobs
    from experiments.screen import Progress, print_residuals

    with Progress() as progress:
        made = jobs.calibrate(table, found, target, until, workers, progress)
    years = tuple(range(made.fitted.scenario.first_year, made.fitted.fitted_to + 1))
    if made.fitted.fitted_to < until:
        print(f"Fitted up to {made.fitted.fitted_to}: nothing after that year that a fit needs is in the table.")
    title = f"{found.name}: the fit, less what was published, in percent of it"
    print_residuals(jobs.residuals_of_fit(made), years, title)
    print(f"The fit is in {target}. Simulate it with: journeys run {found.code} --fit {target}")


@app.command()
def run(
    what: Annotated[
        str, typer.Argument(metavar="AREA|PLAN", help="Code or name of an area, or a plan that is there (.toml).")
    ],
    runs: RunsOption = None,
    seed: SeedOption = None,
    years: Annotated[
        int | None,
        typer.Option("--years", metavar="YEAR", help="Simulate to 31 March of this year (2030 if not said)."),
    ] = None,
    fit: Annotated[
        Path | None, typer.Option("--fit", metavar="FOLDER", help="Use the fit of 'journeys calibrate' in this folder.")
    ] = None,
    test: Annotated[
        bool, typer.Option(help="Also fit to the years up to 2023 and hold the forecasts against 2024 and 2025.")
    ] = True,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Where to write the results (results/CODE).")
    ] = None,
    workers: WorkersOption = 2,
    statistics: StatisticsOption = None,
) -> None:
    """Fit an area, simulate all its children, and write events, stocks, figures and a manifest.

    A plan is a file such as: area = "E06000009", runs = 20, seed = 1, years = 2030 (one entry a line). Options beat
    what the plan says.
    """
    from experiments.plan import area_of, plan_of

    _workers(workers)
    plan = plan_of(what, runs, seed, years)
    table = _statistics(statistics)
    area = area_of(table, plan.area)
    from experiments import demo, jobs
    from experiments.screen import Progress

    target = to or Path("results", area.code)
    with Progress() as progress:
        notes = jobs.run(
            table, area, plan, target, progress, fit_from=fit, workers=workers, test=test, prefix=progress.set_prefix
        )
    demo.show(target, area, notes)


@app.command()
def compare(folder: FolderArgument) -> None:
    """Make report.html of a folder of results: the simulation beside system dynamics beside published figures."""
    from experiments import demo, jobs
    from experiments.compare.report import read_comparison

    area = read_comparison(folder).fit.fitted.area
    jobs.report(folder)
    demo.show(folder, area, [])


@app.command()
def page(folder: FolderArgument) -> None:
    """Make journeys.html of a folder of results: simulated children's journeys, found by pattern.

    The first run is simulated again, and must come out the same to the last bit.
    """
    from experiments import jobs, results

    jobs.journeys(folder)
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
    plan = plan_of(area, runs, seed, None)
    table = _statistics(statistics)
    found = area_of(table, plan.area)
    from experiments.demo import demonstrate

    demonstrate(table, found, plan, to, workers)


def _statistics(path: Path | None) -> Statistics:
    from calibration.statistics import read_statistics

    return read_statistics(path)


def _workers(workers: int) -> None:
    from experiments.plan import MOST_WORKERS, whole_number

    whole_number("workers", workers, 1, MOST_WORKERS)


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    # Asked to end by the system, we end as for Ctrl-C: what was begun is removed.
    signal.signal(signal.SIGTERM, _stop)
    app()


if __name__ == "__main__":
    main()
