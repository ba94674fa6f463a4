"""`journeys statistics build`: from files as publishers release them to a table of published figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="statistics",
    help="Tables of published figures: make one of files from the Department for Education and others.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def statistics() -> None:
    """Keep `build` a command of its own, as others will stand beside it."""


@app.command()
def build(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Files as released (.csv, .csv.gz, .zip), or folders of them."),
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--to", metavar="TABLE", help="The table to write (.csv or .csv.gz); sources and report beside it."
        ),
    ],
    onto: Annotated[
        str | None,
        typer.Option(
            "--onto",
            metavar="TABLE",
            help="Keep the figures of this table where no file has newer ones; 'project' is the table that comes with "
            "the project.",
        ),
    ] = None,
    declarations: Annotated[
        Path | None,
        typer.Option("--declarations", metavar="FILE", help="Another table of what files hold (.toml)."),
    ] = None,
) -> None:
    """Make a table of published figures, and tell what was found, what was left out and why.

    Of several releases the newest that holds a figure is taken. Use the table with --statistics.
    """
    from calibration.downloads import building, writing
    from calibration.downloads.needs import readiness
    from calibration.downloads.report import report
    from calibration.downloads.rules import read_rules

    writing.refuse_a_target(to, [*files, *([Path(onto)] if onto and onto != building.PROJECT else [])])
    rules = read_rules(declarations)
    older = None if onto is None else building.read_older(onto)
    built = building.build(files, older, rules)
    ready = readiness(built.statistics(to))
    writing.write(built, to, report(built, ready, to))
    print(report(built, ready, to, whole=False))
    beside = f"{building.sources_beside(to).name} and {writing.report_beside(to).name} beside it"
    print(f"The table is {to}, with {beside}. Use it: journeys areas --statistics {to}")
