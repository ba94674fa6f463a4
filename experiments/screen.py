"""What a person at the keyboard sees: progress on stderr, results on stdout."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from itertools import zip_longest
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

from calibration.statistics import Area
from experiments.compare.frames import RUNS_OF_AN_INTERVAL
from experiments.compare.words import Line, how_far_apart, line_of, number
from experiments.effort import TEST
from experiments.many import Watch

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

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
TIME_LEFT = "{task.fields[left]}"
_COLUMNS = ("Year", "Published", "SD", "ABM median")
_PLAIN_WIDTH, _LABEL_WIDTHS, _PADDING = 110, (14, 36), 3

STEPS = {
    "looking": "Looking at which areas can be run",
    "totals": "Adding up",
    "levels": "Setting the area's own levels, 2018 to 2020",
    "day one": "Placing the children of 31 March 2020",
    "yearly factors": "Fitting a factor for each year to the published figures",
    "correction": "Correcting the fit with a few simulated runs",
    "system dynamics": "Fitting system dynamics by itself",
    "draws": "Drawing what the figures leave open, and the years ahead",
    "reference": "Simulating what the system's behaviours are measured from",
    "gains": "Working out how much the behaviours amplify, and system dynamics with them",
    "simulation": "Simulating every child, week by week",
    "writing": "Writing the results",
    "pages": "Writing the pages",
    "backtest areas": "Fitting each area at every past year, and forecasting from there",
    "backtest learning": "Learning at earlier years, forecasting and scoring",
}
"""What is being done, in words, by what the work says of itself."""


class Progress:
    """Tells what is being done: a bar on a terminal, a line for each step elsewhere.

    It is called with a step (a key of STEPS) and the part of it that is done.
    """

    def __init__(self) -> None:
        self.step = ""
        self._bar = _bar() if sys.stderr.isatty() else None

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
        step = what.removeprefix(TEST)
        words = ("" if step == what else "Test, fitted to 2023: ") + STEPS.get(step, step)
        if words != self.step:
            self._finish()
            self.step = words
            if self._bar is None:
                print(f"{words} ...", file=sys.stderr, flush=True)
            else:
                self._task = self._bar.add_task(words, total=1.0)
        if self._bar is not None:
            self._bar.update(self._task, completed=part)

    def pause(self) -> None:
        """Leave the screen to another; what comes later is told in lines."""
        if self._bar is not None:
            self._finish()
            self._bar.stop()
            self._bar = None

    def _finish(self) -> None:
        if self._bar is not None and self.step:
            self._bar.update(self._task, completed=1.0)


class SeveralProgress(Watch):
    """Tells how far several areas are: one bar on a terminal, a line for each area elsewhere; and the time left.

    The time left is told from the work done since the beginning, where an area counts by its children.
    """

    def __init__(self, steps: Progress, told: Sequence[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._steps, self._told, self._clock = steps, told, clock
        self._bar = _bar(TIME_LEFT) if sys.stderr.isatty() else None

    def begin(self, weights: dict[str, float], finished: Sequence[str], only_fits: bool = False) -> None:
        """Begin to show."""
        self._steps.pause()
        for words in self._told:
            print(words, file=sys.stderr)
        self.weights, self.ended = weights, set(finished)
        self.parts = {code: float(code in self.ended) for code in weights}
        self.before, self.start = self.done(), self._clock()
        told = f", {len(finished)} of them finished before" if finished else ""
        self._line(f"{'Fitting' if only_fits else 'Simulating'} {len(weights)} areas{told}")
        if self._bar is not None:
            self._task = self._bar.add_task("", total=1.0, left="")
            self._bar.start()
            self._show()

    def part(self, area: Area, part: float) -> None:
        """Show that this part of an area is done."""
        self.parts[area.code] = max(self.parts[area.code], part)
        self._show()

    def end(self, area: Area, why: str = "") -> None:
        """Show that an area is finished, or left out."""
        self.parts[area.code] = 1.0
        self.ended.add(area.code)
        what = "is left out" if why else "is done"
        self._line(f"{len(self.ended)} of {len(self.weights)}: {area.name} ({area.code}) {what}; {self.left()}")
        self._show()

    def done(self) -> float:
        """Return the part of all work that is done."""
        return sum(self.weights[code] * part for code, part in self.parts.items()) / sum(self.weights.values())

    def left(self) -> str:
        """Return the time left, in words."""
        done, spent = self.done() - self.before, self._clock() - self.start
        if done <= 0.01 * (1 - self.before):
            return "time left not known yet"
        return about(spent / done * (1 - self.before - done))

    def close(self) -> None:
        """Stop showing."""
        if self._bar is not None:
            self._bar.stop()

    def _line(self, words: str) -> None:
        if self._bar is None:
            print(words, file=sys.stderr, flush=True)

    def _show(self) -> None:
        if self._bar is not None:
            words = f"{len(self.ended)} of {len(self.weights)} areas"
            self._bar.update(self._task, completed=self.done(), description=words, left=self.left())


def about(seconds: float) -> str:
    """Return a time left, as precisely as it can be known."""
    if seconds < 1:
        return "nothing left"
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    minutes = seconds / 60
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


def _bar(*more: str) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Bar(*columns, *map(TextColumn, more), console=Console(stderr=True), transient=False)


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
    figures: pl.DataFrame,
    title: str,
    years: tuple[int, ...] = TABLE_YEARS,
    n_runs: int = RUNS_OF_AN_INTERVAL,
    beside: str = "",
) -> None:
    """Print the dozen figures: published, system dynamics, the median of the simulation and how far its runs differ.

    `beside` names a series that is published for something else; it stands in a column of its own.
    """
    from rich.box import HORIZONTALS
    from rich.table import Table

    screen = console()
    blocks = []
    for figure in TABLE_FIGURES:
        found = {year: line for year in years if (line := line_of(figures, figure, year, n_runs)) is not None}
        if found:
            label = next(iter(found.values())).label
            rows_of = [(_cells(line, year), _beside(figures, figure, year, beside)) for year, line in found.items()]
            blocks.append((label, [(*cells, other) if beside else cells for cells, other in rows_of]))
    columns = (*_COLUMNS, spread_title(n_runs), *((f"{beside.capitalize()},\npublished",) if beside else ()))
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


def _beside(figures: pl.DataFrame, figure: str, year: int, series: str) -> str:
    """Return what another series has for a figure and year, "" for nothing."""
    here = (pl.col("figure") == figure) & (pl.col("year") == year) & (pl.col("series") == series)
    found = figures.filter(here).select("value", "unit").rows()
    return number(*found[0]) if found else ""


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
