"""Rates of the journey straight from an event log: hazards per year and shares, with errors, and drawn to the nation's.

    log = log_of_run(run)                    or read_log(folder), or a log put together from returns
    found = estimate(log, read_rates(JOURNEY))
    found.frame()                            a row for each edge, group and band of time
    book = rates_from(found, read_rates(JOURNEY))

What is counted and how is in `estimate_counts`, from counts to rates in `estimate_hazards`, what small cells borrow in
`estimate_shrinkage`, curves in `estimate_spells` and `estimate_curves`, and what it all means in
docs/explanation/estimate.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.parameters import Parameters
from abm.pathway import Journey
from calibration.estimate_book import fitted_book, pooled_rates, steady_weights, with_arrivals
from calibration.estimate_counts import Grouping, count, grouping
from calibration.estimate_hazards import LEVEL, Rates, rates
from calibration.estimate_log import Log
from calibration.estimate_shrinkage import Shrunk, shrink
from calibration.national import RISK_SHARES
from calibration.rates import RateBook

Array = NDArray[np.float64]
FEWEST = 10
"""Cells with fewer events are hidden in what may leave the authority."""
HIDDEN = "fewer than 10 events: hidden"
ALSO_HIDDEN = "hidden, because another could be worked out from it"
COLUMNS = (
    "edge", "group", "band", "unit", "events", "exposure", "hazard", "se", "low", "high", "shrunk", "national", "note",
)  # fmt: skip
_SHOWN = ("events", "exposure", "hazard", "se", "low", "high", "shrunk")


@dataclass(frozen=True)
class Estimates:
    """What a log says of the rates.

    exposure  float64[S, groups, B]  child-weeks, or arrivals in states left at once
    events    float64[E, groups, B]
    national  float64[E, groups, B]  what the book that it leans on says of the same groups
    left_out  events that could not be used, by reason
    weeks     from, to before
    """

    journey: Journey
    groups: Grouping
    exposure: Array
    events: Array
    rates: Rates
    national: Array
    shrunk: Shrunk
    left_out: dict[str, int]
    weeks: tuple[int, int]
    observed: bool

    def frame(self, *, hide: bool = False) -> pl.DataFrame:
        """Return the rates as a table with COLUMNS, a row for each cell where anybody was at risk.

        `edge` is transition/state; `exposure` is in child-years for hazards (`unit` "per year"), in children for shares
        of all outcomes of a state that is left at once (`unit` "share"). Cells in which nothing can happen by the
        national rates, and nothing did, are left out. With `hide`, cells of fewer than FEWEST events are empty, and of
        shares as many more as it takes that no hidden one can be worked out; other numbers have three digits.
        """
        tables, journey = self.journey.tables, self.journey
        at_risk, possible = self.rates.at_risk, (self.events > 0) | (self.national > 0)
        e, g, b = np.nonzero(np.isfinite(at_risk) & possible & (tables.weekly | tables.outcome)[:, None, None])
        states = [journey.states[s] for s in tables.source[e]]
        outcome = tables.outcome[e]
        of_edge = zip(tables.transition, tables.source, strict=True)
        names = [f"{journey.transitions[t].key}/{journey.states[s].key}" for t, s in of_edge]
        columns: dict[str, object] = {
            "edge": [names[i] for i in e],
            "group": [self.groups.labels[i] for i in g],
            "band": ["" if once else _weeks(s.bands, int(i)) for s, i, once in zip(states, b, outcome, strict=True)],
            "unit": np.where(outcome, "share", "per year"),
        }
        numbers = {
            "events": self.events, "exposure": at_risk, "hazard": self.rates.value, "se": self.rates.se,
            "low": self.rates.low, "high": self.rates.high, "shrunk": self.shrunk.value, "national": self.national,
        }  # fmt: skip
        frame = pl.DataFrame({**columns, **{name: array[e, g, b] for name, array in numbers.items()}})
        frame = frame.with_columns(
            pl.col("events").cast(pl.Int64), pl.col("se").fill_nan(None), pl.lit("").alias("note")
        ).select(COLUMNS)
        return _hidden(frame, e, g, tables.source[e], outcome) if hide else frame


def estimate(
    log: Log, book: RateBook, *, weeks: tuple[int, int] | None = None, weights: Array | None = None,
    level: float = LEVEL,
) -> Estimates:  # fmt: skip
    """Estimate every rate of the journey from a log.

    Parameters
    ----------
    book
        The rates that small cells lean on: England's.
    weeks
        Only these weeks of the log, from, to before.
    weights
        float64[S, G, B]: how many children of each group there are in each state, where the log does not know risk
        classes; those of the steady life course under `book` if None.
    level
        Chance with which the intervals hold the true rate.
    """
    journey, counts = log.journey, count(log, weeks)
    groups = grouping(log.risk_known)
    exposure, events = groups.pooled(counts.exposure), groups.pooled(counts.events)
    found = rates(journey, exposure, events, level, log.unseen_edges)
    declared = book.rates()
    if weights is None and log.risk_known:
        weights = with_arrivals(journey, declared, counts.exposure.astype(np.float64))
    elif weights is None:
        weights = steady_weights(journey, book, RISK_SHARES)
    national = pooled_rates(journey, declared, groups, weights)
    window = (0, log.n_weeks) if weeks is None else (max(0, weeks[0]), min(log.n_weeks, weeks[1]))
    return Estimates(
        journey, groups, exposure, events, found, national, shrink(journey, events, found, national),
        counts.left_out, window, log.observed,
    )  # fmt: skip


def rates_from(estimates: Estimates, book: RateBook) -> RateBook:
    """Return the book with its factors moved to what was estimated: what a fit can start from, and a run can use.

    `book` is the one that the estimates lean on. Rates of which the log says nothing stay.
    """
    found = estimates.shrunk
    return fitted_book(
        estimates.journey, book, estimates.groups, estimates.national, estimates.events, estimates.rates.effective,
        found.between_edges, found.between_cells, found.between_shares,
    )  # fmt: skip


def parameters_from(estimates: Estimates, book: RateBook, n_years: int = 1) -> Parameters:
    """Return parameters in which every cell has its shrunk rate, beside one another, without the form of a book.

    Within a cell risk classes differ as in the book; cells that the log says nothing of have the book's rate at the
    level of their edge. Yearly factors are 1.
    """
    journey, groups = estimates.journey, estimates.groups
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(estimates.national > 0, estimates.shrunk.value / estimates.national, 1.0)
    level = np.where(journey.tables.outcome, 1.0, estimates.shrunk.level)
    ratio = np.where(np.isfinite(ratio), ratio, level[:, None, None])[:, groups.of]
    declared = book.rates()
    with np.errstate(invalid="ignore"):
        out = np.where(np.isfinite(declared), declared * ratio, declared)
    out[journey.tables.outcome] = out[journey.tables.outcome][:, :, :1]
    return Parameters(out, np.ones((n_years, len(journey.transitions))), book.values)


def _weeks(bands: tuple[int, ...], band: int) -> str:
    return f"{bands[band]}-{bands[band + 1] - 1}" if band + 1 < len(bands) else f"{bands[band]}+"


def _hidden(
    frame: pl.DataFrame, edge: NDArray[np.int64], group: NDArray[np.int64], state: NDArray[np.uint8],
    outcome: NDArray[np.bool_],
) -> pl.DataFrame:  # fmt: skip
    events = frame["events"].to_numpy()
    hide = events < FEWEST
    also = np.zeros_like(hide)
    for s, g in sorted(set(zip(state[outcome].tolist(), group[outcome].tolist(), strict=True))):
        mine = np.flatnonzero(outcome & (state == s) & (group == g))
        mine = mine[np.argsort(events[mine], kind="stable")]
        hidden = int(hide[mine].sum())
        # What is hidden together must be as many as a cell that is shown, and more than one cell.
        while 0 < hidden < mine.size and (events[mine[:hidden]].sum() < FEWEST or hidden < 2):
            also[mine[hidden]] = True
            hidden += 1
    note = np.select([hide, also], [HIDDEN, ALSO_HIDDEN], "")
    shown = pl.lit(~(hide | also))
    frame = frame.with_columns(pl.Series("note", note))
    frame = frame.with_columns(pl.when(shown).then(pl.col(name)).otherwise(None).alias(name) for name in _SHOWN)
    rounded = [name for name in _SHOWN if name != "events"]
    return frame.with_columns(pl.col(name).round_sig_figs(3) for name in rounded)
