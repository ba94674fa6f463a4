"""What several commands take, declared once, and what is done about it before anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abm.errors import CareError

if TYPE_CHECKING:
    from calibration.statistics import Statistics
    from experiments.screen import Progress, SeveralProgress

StatisticsOption = Annotated[
    Path | None,
    typer.Option(
        "--statistics", metavar="FILE", help="Another table of published figures of the same form (.csv or .csv.gz)."
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option("--workers", metavar="N", help="Runs of an area side by side. It changes the time, not the results."),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="N",
        help="Of several areas, how many side by side (as many as the machine has processors, if not said). It changes "
        "the time, not the results.",
    ),
]
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of results.")]
RunsOption = Annotated[int | None, typer.Option("--runs", metavar="N", help="How many runs (20 if not said).")]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of the first run (1 if not said).")]
DrawsOption = Annotated[
    int | None,
    typer.Option(
        "--draws",
        metavar="N",
        help="How many draws of an area's parameters there are, which its runs have in turn (100; of a given fit, "
        "those beside it).",
    ),
]
PointOption = Annotated[
    bool, typer.Option("--point", help="No draws: all runs have the fit that is nearest to the figures.")
]
WithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAMES",
        help="Switch mechanisms on: families, behaviours, places, clocks, several with commas. Most of their numbers "
        "are assumed. A plan can say more: edited tables, and shocks.",
    ),
]


def table_of(path: Path | None) -> Statistics:
    """Read a table of published figures; ours if no other is named."""
    from calibration.statistics import read_statistics

    return read_statistics(path)


def number_of_draws(draws: int | None, point: bool) -> int:
    """Return how many draws are to be made where none are given."""
    from experiments.plan import DRAWS, MOST_DRAWS, whole_number

    if draws is not None and point:
        raise CareError("--draws and --point exclude each other", "", "Leave one of them out")
    if draws is not None:
        whole_number("draws", draws, 1, MOST_DRAWS)
    return 0 if point else draws or DRAWS


def check_workers(workers: int, processes: int | None = None) -> None:
    """Refuse numbers of threads and processes that cannot be."""
    from experiments.plan import MOST_WORKERS, whole_number

    whole_number("workers", workers, 1, MOST_WORKERS)
    if processes is not None:
        whole_number("processes", processes, 1, MOST_WORKERS)


@contextmanager
def shown_progress(*told: str) -> Iterator[tuple[Progress, SeveralProgress]]:
    """Show what is being done: of one area step by step, of several how many are done."""
    from experiments.screen import Progress, SeveralProgress

    with Progress() as progress:
        yield progress, SeveralProgress(progress, told)
