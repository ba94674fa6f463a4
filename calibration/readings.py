"""A published figure with its error, and what can be said about one that was left out.

England's figures are rounded to 10 (to 100 in 2010). An authority's are exact, but small cells are suppressed, and with
them as many others as are needed to hide them. A hidden cell is at least 1, because none is published as 0; the whole
and the published parts say how much all hidden cells of a whole have together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import sqrt

from calibration.statistics import ENGLAND, Area, Cell

REVISION = 0.005
"""Standard error by which later releases change a figure, as a share of it. Assumed."""

LEAST_SIGMA = 0.5
"""No figure is taken as known better than half a unit. Assumed."""

SMALL = (1.0, 5.0)
"""What a suppressed small cell can be."""

SOLVED = "solved, not published"


@dataclass(frozen=True)
class Reading:
    """A figure and how far it may be from the count it stands for.

    Attributes
    ----------
    value
        The figure, or the middle of what it can be.
    low, high
        The least and the most it can be.
    variance
        Of value, from rounding and from not knowing hidden cells; without revision.
    source_id, note
        Where it comes from, and what a reader should know.
    least_sigma
        Half a unit of a count, in the unit of the value.
    """

    value: float
    low: float
    high: float
    variance: float
    source_id: str
    note: str = ""
    least_sigma: float = LEAST_SIGMA

    @property
    def sigma(self) -> float:
        """Standard error with rounding, hidden cells and revision."""
        return max(self.least_sigma, sqrt(self.variance + (REVISION * self.value) ** 2))

    def plus(self, other: Reading) -> Reading:
        """Return the sum."""
        return replace(
            self,
            value=self.value + other.value,
            low=self.low + other.low,
            high=self.high + other.high,
            variance=self.variance + other.variance,
            note=_both(self.note, other.note),
        )

    def less(self, other: Reading) -> Reading:
        """Return the difference, never below 0."""
        return replace(
            self,
            value=max(0.0, self.value - other.value),
            low=max(0.0, self.low - other.high),
            high=max(0.0, self.high - other.low),
            variance=self.variance + other.variance,
            note=_both(self.note, other.note),
        )

    def times(self, factor: float) -> Reading:
        """Return the reading in another unit: children per 10,000 as children."""
        return replace(
            self,
            value=self.value * factor,
            low=self.low * factor,
            high=self.high * factor,
            variance=self.variance * factor**2,
            least_sigma=self.least_sigma * factor,
        )

    def noted(self, note: str) -> Reading:
        """Return the reading with one more thing to know."""
        return replace(self, note=_both(self.note, note))


def _both(first: str, second: str) -> str:
    return "; ".join(dict.fromkeys(note for note in (*first.split("; "), *second.split("; ")) if note))


def published(area: Area, year: int, cell: Cell, step: float | None = None) -> Reading:
    """Return a published figure with the rounding of its publisher.

    Parameters
    ----------
    area, year
        They decide the step of a count: 10 for England (2010: 100), none for an authority.
    cell
        The figure.
    step
        The step of something else, such as a rate with one decimal.
    """
    least_sigma = LEAST_SIGMA if step is None else 0.0
    if step is None:
        step = (100.0 if year <= 2010 else 10.0) if area.code == ENGLAND else 0.0
    low, high = max(0.0, cell.value - step / 2), cell.value + step / 2
    return Reading(cell.value, low, high, step**2 / 12, cell.source_id, least_sigma=least_sigma)


def between(low: float, high: float, source_id: str, note: str, value: float | None = None) -> Reading:
    """Return a figure of which only the least and the most are known; a count anywhere between is as likely."""
    middle = (low + high) / 2 if value is None else value
    return Reading(middle, low, high, ((high - low + 1) ** 2 - 1) / 12, source_id, note)


def total_of(readings: Iterable[Reading]) -> Reading | None:
    """Return the sum, or None when there is nothing to sum."""
    total: Reading | None = None
    for reading in readings:
        total = reading if total is None else total.plus(reading)
    return total


def percent_of(part: Reading | None, whole: Reading | None) -> Reading | None:
    """Return the part in percent of the whole, or None when either is missing or the whole is 0."""
    if part is None or whole is None or whole.low <= 0:
        return None
    share = part.value / whole.value
    percent = part.times(100 / whole.value)
    return replace(
        percent,
        value=100 * part.value / whole.value,
        low=100 * part.low / whole.high,
        high=min(100.0, 100 * part.high / whole.low),
        # The errors of part and whole are taken as independent, which errs on the wide side.
        variance=percent.variance + whole.variance * (100 * share / whole.value) ** 2,
    )


def part_of(whole: Reading | None, parts: Mapping[str, Reading | None], wanted: Iterable[str]) -> Reading | None:
    """Return the sum of the wanted parts of a whole, solved from the whole where parts are hidden.

    Parameters
    ----------
    whole
        The published total; None when there is none.
    parts
        Every part there is, by label; None for one that is hidden.
    wanted
        Labels of parts; those that do not exist are passed over.

    Returns
    -------
    None when no wanted part exists, or when one is hidden and the whole does not say that anything is left for it.
    """
    labels = [label for label in wanted if label in parts]
    if not labels:
        return None
    shown = total_of(reading for label in labels if (reading := parts[label]) is not None)
    n_hidden = sum(parts[label] is None for label in labels)
    if n_hidden == 0 or whole is None:
        return shown if n_hidden == 0 else None
    others = [reading for reading in parts.values() if reading is not None]
    left = total_of(others)
    left = whole.less(left) if left is not None else whole
    if left.value <= 0:
        return None
    n_elsewhere = sum(reading is None for reading in parts.values()) - n_hidden
    hidden = _hidden(left, n_hidden, n_elsewhere)
    return hidden if shown is None else shown.plus(hidden)


def _hidden(left: Reading, n_wanted: int, n_elsewhere: int) -> Reading:
    """Return what `n_wanted` hidden cells have of what all hidden cells have together."""
    if n_elsewhere == 0:
        # What is small enough to be suppressed stays as wide as its publisher left it, although it could be solved.
        if n_wanted <= left.value <= SMALL[1]:
            return between(float(n_wanted), SMALL[1], left.source_id, SOLVED)
        return left.noted(SOLVED)
    low = min(float(n_wanted), left.high)
    high = max(low, left.high - n_elsewhere)
    share = left.value * n_wanted / (n_wanted + n_elsewhere)
    return between(low, high, left.source_id, SOLVED, min(max(share, low), high))
