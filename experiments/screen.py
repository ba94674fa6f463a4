"""What a person at the keyboard sees: progress on stderr, results on stdout."""

from __future__ import annotations

import sys
import textwrap
from itertools import zip_longest
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

from experiments.compare.frames import RUNS_OF_AN_INTERVAL
from experiments.compare.words import Line, how_far_apart, line_of, number

if TYPE_CHECKING:
    from rich.console import Console

TABLE_FIGURES = (
    "referrals",
    "cin_episodes_started",
    "s47_enquiries",
    "cpp_started",
    "cpp_at_31_march",
    "cla_started",
    "cla_ceased",
    "cla_at_31_march",
    "cla_foster_share",
    "cla_childrens_home_share",
    "cla_ceased_special_guardianship",
    "cla_ceased_at_18",
)
"""The dozen figures of the table on the screen."""
TABLE_YEARS = (2021, 2025, 2030)
_COLUMNS = ("Year", "Published", "SD", "ABM median")
_PLAIN_WIDTH, _LABEL_WIDTHS, _PADDING = 110, (14, 36), 3

STEPS = {
    "levels": "Setting the area's own levels, 2018 to 2020",
    "day one": "Placing the children of 31 March 2020",
    "yearly factors": "Fitting a factor for each year to the published figures",
    "correction": "Correcting the fit with a few simulated runs",
    "system dynamics": "Fitting system dynamics by itself",
    "simulation": "Simulating every child, week by week",
    "writing": "Writing the results",
    "pages": "Writing the pages",
}
"""What is being done, in words, by what the work says of itself."""


class Progress:
    """Tells what is being done: a bar on a terminal, a line for each step elsewhere.

    It is called with a step (a key of STEPS) and the part of it that is done.
    """

    def __init__(self) -> None:
        self.prefix = ""
        self.step = ""
        self._bar = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=False)

    def __enter__(self) -> Progress:
        """Begin to show."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing; a step that was under way is finished unless something went wrong."""
        if self._bar is not None:
            if kind is None:
                self._finish()
            self._bar.stop()

    def __call__(self, what: str, part: float) -> None:
        """Show that `part` (0 to 1) of a step is done."""
        words = self.prefix + STEPS.get(what, what)
        if words != self.step:
            self._finish()
            self.step = words
            if self._bar is None:
                print(f"{words} ...", file=sys.stderr, flush=True)
            else:
                self._task = self._bar.add_task(words, total=1.0)
        if self._bar is not None:
            self._bar.update(self._task, completed=part)

    def set_prefix(self, words: str) -> None:
        """Put words before the names of the next steps."""
        self.prefix = words

    def _finish(self) -> None:
        if self._bar is not None and self.step:
            self._bar.update(self._task, completed=1.0)


def console() -> Console:
    """Return where results are printed; a file or a pipe gets lines of a fixed width."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PLAIN_WIDTH)


def spread_title(n_runs: int) -> str:
    """Return the title of the column that shows how far the runs differ: only many runs have a 90% interval."""
    if n_runs >= RUNS_OF_AN_INTERVAL:
        return "90% interval"
    # On two lines, so that the column stays narrow.
    return how_far_apart(n_runs).capitalize().replace(" of ", "\nof ")


def print_comparison(
    figures: pl.DataFrame, title: str, years: tuple[int, ...] = TABLE_YEARS, n_runs: int = RUNS_OF_AN_INTERVAL
) -> None:
    """Print the dozen figures: published, system dynamics, the median of the simulation and how far its runs differ."""
    from rich.box import HORIZONTALS
    from rich.table import Table

    screen = console()
    blocks = []
    for figure in TABLE_FIGURES:
        found = {year: line for year in years if (line := line_of(figures, figure, year, n_runs)) is not None}
        if found:
            label = next(iter(found.values())).label
            blocks.append((label, [_cells(line, year) for year, line in found.items()]))
    columns = (*_COLUMNS, spread_title(n_runs))
    titles = tuple(max(name.split("\n"), key=len) for name in columns)
    rows = [titles, *(cells for _, block in blocks for cells in block)]
    used = sum(max(len(cells[k]) for cells in rows) + _PADDING for k in range(len(columns))) + _PADDING
    width = max(_LABEL_WIDTHS[0], min(_LABEL_WIDTHS[1], screen.width - used))
    table = Table(title=title, title_justify="left", title_style="bold", box=HORIZONTALS)
    table.add_column("Year ending 31 March", min_width=width)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for label, block in blocks:
        # A long label runs on beside the figure's later years, so that no line is left empty.
        words = textwrap.wrap(label, width)
        for place, (told, cells) in enumerate(zip_longest(words, block), start=1):
            table.add_row(told or "", *(cells or ()), end_section=place == max(len(words), len(block)))
    screen.print(table)


def _cells(line: Line, year: int) -> tuple[str, ...]:
    shown = [number(value, line.unit) for value in (line.published, line.sd, line.median)]
    if line.low == line.high:
        return str(year), *shown, number(line.low, line.unit)
    return str(year), *shown, f"{number(line.low, line.unit)} to {number(line.high, line.unit)}"


def print_residuals(rows: list[tuple[str, list[float | None]]], years: tuple[int, ...], title: str) -> None:
    """Print how far the fit is from each published figure: over all years and year by year, in percent of it."""
    from rich.box import HORIZONTALS
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=HORIZONTALS)
    table.add_column("Figure")
    for name in ("All years", *map(str, years)):
        table.add_column(name, justify="right", no_wrap=True)
    for label, shares in rows:
        table.add_row(label, *("" if share is None else f"{100 * share:+.1f}%" for share in shares))
    console().print(table)
