"""`journeys returns`: an authority's returns read as an event log, and a simulated run written as returns.

Heavy modules are imported inside the commands, so that help comes at once.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

returns_app = typer.Typer(
    name="returns",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Read the returns that an authority holds (SSDA903, CIN Census, Annex A), or write a simulated run as such.",
)


@returns_app.command()
def read(
    what: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|FOLDER...", help="Files of returns, or folders of them, of several years."),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write the log and the quality page.")],
    same_ids: Annotated[
        bool,
        typer.Option(
            "--same-ids", help="A child has the same number in the SSDA903 and in the CIN Census (or Annex A)."
        ),
    ] = False,
    link: Annotated[
        Path | None,
        typer.Option(
            "--link",
            metavar="FILE",
            help="A table that says which child is which: columns CHILD (SSDA903) and LAchildID (CIN Census).",
        ),
    ] = None,
    year: Annotated[
        int | None,
        typer.Option("--year", metavar="YEAR", help="The year ending 31 March of files that do not tell theirs."),
    ] = None,
    named_by_start: Annotated[
        bool,
        typer.Option("--named-by-start", help="SSDA903: a year in a name is the one that begins then, not ends."),
    ] = False,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="Annex A: the last day of its six months (the latest date in its lists, if not said).",
        ),
    ] = None,
) -> None:
    """Read returns as an event log, with a page on the quality of the data.

    What a file is, is told by its columns, not by its name. Nothing that is wrong in a file is dropped silently: each
    finding stands in findings.csv with its file, row, column and rule, never with a value. The log holds no number of a
    child and no date; it is of real children all the same, and stays in the authority.
    """
    from experiments import returns_jobs

    for line in returns_jobs.read(
        what, to, same_ids=same_ids, link=link, year=year, named_by_start=named_by_start,
        until=None if until is None else until.date(),
    ):  # fmt: skip
        print(line)


@returns_app.command()
def write(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A folder of results of 'journeys run'.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write the files.")],
    run: Annotated[int, typer.Option("--run", metavar="N", help="Which of the runs: 1 is the first one.")] = 1,
) -> None:
    """Write a simulated run as SSDA903 and CIN Census files, one of each table and year.

    For trying tools without personal data: every child in the files is simulated, and the files say so.
    """
    from experiments import returns_writing

    for line in returns_writing.write(results, to, run):
        print(line)


@returns_app.command()
def estimate(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="What 'journeys returns read' wrote, or results of 'journeys run'."),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write rates and curves.")],
    inside: Annotated[
        bool,
        typer.Option(
            "--inside",
            help="For use inside the authority: small numbers are not hidden, and book.csv has the rates that a fit "
            "can start from. What is written must not leave the authority.",
        ),
    ] = False,
    years: Annotated[
        str | None,
        typer.Option(
            "--years", metavar="FROM-TO", help="Rates of these years ending 31 March only: 2023-2025, or 2024."
        ),
    ] = None,
) -> None:
    """Estimate rates and survival curves from a log.

    rates.csv has a hazard or share for each transition, age, history and band of time in state, with its interval and
    drawn to the national rate where events are few. Of real children cells of fewer than 10 events are hidden.
    """
    from experiments import estimate_jobs

    for line in estimate_jobs.run(folder, to, inside=inside, years=years):
        print(line)
