"""What several commands take, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
