"""The command `journeys backtest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.options import ProcessesOption, StatisticsOption

if TYPE_CHECKING:
    from experiments.backtesting import Backtest


def backtest(
    what: Annotated[
        list[str],
        typer.Argument(metavar="AREA...|england", help="Code or name of an area, or several; 'england' for all."),
    ],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Where to write (results/backtest, results/backtest-CODE)."),
    ] = None,
    processes: ProcessesOption = None,
    statistics: StatisticsOption = None,
) -> None:
    """Forecast from past years as if they were today, and hold the forecasts against what was published since.

    Ours stands beside last value, drift, ETS, ARIMA and a Markov model of age by placement. Writes backtest.html, CSV
    tables, and forecasts.csv: what is ahead for each area from its own last year on. What was worked out of an area is
    kept in FOLDER/areas, so a run that was stopped goes on.
    """
    from calibration.statistics import read_statistics
    from experiments.backtesting import PAGE, areas_named, backtest
    from experiments.plan import MOST_WORKERS, whole_number
    from experiments.screen import Progress

    if processes is not None:
        whole_number("processes", processes, 1, MOST_WORKERS)
    table = read_statistics(statistics)
    areas = areas_named(table, what)
    one = f"-{areas[0].code}" if len(areas) == 1 else ""
    target = to or Path("results", f"backtest{one}")
    with Progress() as progress:
        made = backtest(table, areas, target, progress, processes=processes)
    _show(made)
    print(f"Open in a browser: {target / PAGE}")


def _show(made: Backtest) -> None:
    from calibration.backtest.compare import ALL, OURS

    rows = made.margins["all"].filter(made.margins["all"]["figure"] == ALL)
    areas = "1 area" if made.areas == 1 else f"{made.areas} areas"
    print(f"{areas}. Mean error in steps (MASE), all five figures:")
    for ahead, best, ours, theirs, margin in rows.select(
        "years_ahead", "best", "ours", "theirs", "margin"
    ).iter_rows():  # fmt: skip
        won = f"{100 * margin:.1f}% nearer" if margin > 0 else f"{-100 * margin:.1f}% farther: the simple method wins"
        print(f"  {ahead} ahead: ours {ours:.3f}, best simple method {theirs:.3f} ({best}): {won}")
    mine = made.points.filter(made.points["method"] == OURS)
    held = ", ".join(f"{band}%: {100 * float(mine[f'inside_{band}'].to_numpy().mean()):.0f}%" for band in (50, 80, 90))
    print(f"  intervals held  {held}")
