"""The published figures of all areas as one array, and the same with nothing later than an origin in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.statistics import ENGLAND, Statistics

Array = NDArray[np.float64]
FIGURES = ("cla_at_31_march", "cla_started", "cla_ceased", "cpp_at_31_march", "referrals")
"""What is forecast."""
STOCK, STARTED, CEASED, PLANS, REFERRALS = range(len(FIGURES))
LABELS = (
    "Looked after at 31 March",
    "Started to be looked after",
    "Ceased to be looked after",
    "Protection plans at 31 March",
    "Referrals",
)
FIRST_YEAR = 2010
POPULATION = "population_0_17"


@dataclass(frozen=True)
class Panel:
    """Figures of many areas.

    codes, names
    first_year
    values      float64[areas, figures, years]; NaN where nothing is published
    children    float64[areas, years]; aged 0 to 17 in the middle of that calendar year
    nation, nation_children  float64[figures, years] and [years]: the same of England
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    first_year: int
    values: Array
    children: Array
    nation: Array
    nation_children: Array

    @property
    def last_year(self) -> int:
        """The last year it has."""
        return self.first_year + int(self.values.shape[2]) - 1

    def known_at(self, origin: int) -> Panel:
        """Return the panel of years to 31 March of `origin`; children of mid-years to that of the year before."""
        n = origin - self.first_year + 1
        return replace(
            self,
            values=self.values[:, :, :n],
            children=self.children[:, : n - 1],
            nation=self.nation[:, :n],
            nation_children=self.nation_children[: n - 1],
        )

    def of(self, areas: NDArray[np.bool_]) -> Panel:
        """Return the panel of some areas."""
        kept = np.flatnonzero(areas)
        codes, names = (tuple(some[k] for k in kept) for some in (self.codes, self.names))
        return replace(self, codes=codes, names=names, values=self.values[kept], children=self.children[kept])

    def at(self, year: int) -> Array:
        """Return float64[areas, figures] of one year; NaN for a year it does not have."""
        n = year - self.first_year
        there = 0 <= n < self.values.shape[2]
        return self.values[:, :, n] if there else np.full(self.values.shape[:2], np.nan)

    def last_known(self) -> NDArray[np.int64]:
        """Return int64[areas]: the last year in which an area has every figure; 0 where there is none."""
        whole = np.isfinite(self.values).all(axis=1)
        years = self.first_year + np.arange(self.values.shape[2])
        return np.asarray(np.where(whole, years, 0).max(axis=1))


def panel_of(statistics: Statistics, codes: Sequence[str] | None = None) -> Panel:
    """Return the panel of all authorities of a table, or of those with these codes."""
    areas = [(c, n) for c, n in statistics.authorities() if codes is None or c in codes]
    last = max((y for c, _ in areas for f in FIGURES for y in statistics.cells(c, f)), default=FIRST_YEAR)
    years = range(FIRST_YEAR, last + 1)

    def row(code: str, measure: str) -> list[float]:
        cells = statistics.cells(code, measure)
        return [cells[year].value if year in cells else np.nan for year in years]

    there = [(ENGLAND, "England"), *areas] if ENGLAND in dict(statistics.areas()) else areas
    values = np.array([[row(code, figure) for figure in FIGURES] for code, _ in there])
    children = np.array([row(code, POPULATION) for code, _ in there])
    if len(there) == len(areas):
        values = np.concatenate([np.full((1, *values.shape[1:]), np.nan), values])
        children = np.concatenate([np.full((1, children.shape[1]), np.nan), children])
    return Panel(
        tuple(c for c, _ in areas),
        tuple(n for _, n in areas),
        FIRST_YEAR,
        values[1:],
        children[1:],
        values[0],
        children[0],
    )


def unbroken(series: Array) -> Array:
    """Return the years of a series since the last one that is missing; empty if the last is."""
    missing = np.flatnonzero(~np.isfinite(series))
    return series[missing[-1] + 1 :] if missing.size else series
