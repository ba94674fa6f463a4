"""How long children stay, and how they leave: Kaplan-Meier and Aalen-Johansen, with left truncation, by lifelines.

What a spell is, and which are drawn, is in `estimate_spells`.

"still there" is the share of spells that still go on (Kaplan-Meier). For each way of leaving the Aalen-Johansen
estimate gives the share that have left in this way; with "still there" they add up to 1.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError
from calibration.estimate_counts import stays
from calibration.estimate_hazards import LEVEL
from calibration.estimate_log import Log
from calibration.estimate_spells import CURVES, Curve, Spells, spells

Array = NDArray[np.float64]
STILL = "still there"
COLUMNS = ("curve", "series", "week", "share", "low", "high", "at_risk", "events", "least", "most")
FEWEST_AT_RISK = 10
"""A curve ends where fewer children are at risk."""
FEWEST_EVENTS = 10
"""Where small numbers are hidden, a curve has a point after every so many events."""


def curve_frame(curve: Curve, found: Spells, *, hide: bool = False, level: float = LEVEL) -> pl.DataFrame:
    """Return the curve as a table with COLUMNS, from week 0 to the last with FEWEST_AT_RISK children at risk.

    Where fewer are at risk in the first week there is no curve, however many come into sight later. `series` is STILL
    or a way out; `events` are those since the row before, of this series. With `hide` a series has a row only after
    FEWEST_EVENTS more of its events, shares have three digits, and `at_risk` is in tens. `least` and `most` are what
    the share is at least and at most from the row's week to before that of the series' next row: both are the share,
    but with `hide`, where steps between two rows are not told; null after the last row, where nothing is told.

    Errors
    ------
    CareError
        When lifelines is not installed.
    """
    at, n, d, by_way, still, low, high = _estimate(_until_few(found), len(curve.ways), level)
    keep = n >= FEWEST_AT_RISK
    stop = int(np.argmin(keep)) if not keep.all() else keep.size
    at, n, d, by_way, still, low, high = (a[:stop] for a in (at, n, d, by_way, still, low, high))
    if not stop:
        return pl.DataFrame(schema=_SCHEMA)
    frames = [_series(curve.key, STILL, at, n, d, still, low, high, 1.0, hide)]
    for number, (label, _) in enumerate(curve.ways):
        share, least, most = _incidence(n, d, by_way[:, number], still, level)
        if by_way[:, number].any():
            frames.append(_series(curve.key, label, at, n, by_way[:, number], share, least, most, 0.0, hide))
    frame = pl.concat(frames)
    if not hide:
        return frame.with_columns(pl.col("share").alias("least"), pl.col("share").alias("most"))
    # Numbers at risk in two weeks, one after the other, would tell how many left in the one.
    frame = frame.with_columns(pl.col("share", "low", "high").round(3), pl.col("at_risk") // 10 * 10)
    falls, following = pl.col("series") == STILL, pl.col("share").shift(-1).over("series")
    return frame.with_columns(
        pl.when(falls).then(following).otherwise("share").alias("least"),
        pl.when(falls).then("share").otherwise(following).alias("most"),
    )


def _until_few(found: Spells) -> Spells:
    """Return spells up to the week in which too few are at risk, or after which nobody is left of those who were.

    Nothing after it is shown; and lifelines refuses a curve whose risk set is empty for a while.
    """
    week = np.unique(found.end)
    entered, ended = np.sort(found.entry), np.sort(found.end)
    out = np.searchsorted(ended, week, side="left")
    at_risk = np.searchsorted(entered, week, side="left") - out
    left = np.searchsorted(entered, week, side="left") - np.searchsorted(ended, week, side="right")
    cut = np.concatenate([week[at_risk < FEWEST_AT_RISK], week[left == 0] + 1])
    if not cut.size:
        return found
    last = int(cut.min()) - 1
    use = found.entry < np.minimum(found.end, last)
    end, way = found.end[use], found.way[use]
    return Spells(found.entry[use], np.minimum(end, last), np.where(end > last, 0, way))


def _series(
    key: str, name: str, at: Array, n: Array, d: Array, share: Array, low: Array, high: Array, first: float, hide: bool
) -> pl.DataFrame:  # fmt: skip
    total = np.cumsum(d)
    which, shown = [], 0.0
    for i in np.flatnonzero(d > 0):
        if not hide or total[i] - shown >= FEWEST_EVENTS:
            which.append(int(i))
            shown = float(total[i])
    begin = [first] if which or not hide else []
    rows = np.array(which, np.int64)
    return pl.DataFrame(
        {
            "curve": [key] * (rows.size + len(begin)),
            "series": [name] * (rows.size + len(begin)),
            "week": np.concatenate([np.zeros(len(begin)), at[rows]]).astype(np.int64),
            "share": np.concatenate([begin, share[rows]]),
            "low": np.concatenate([begin, low[rows]]),
            "high": np.concatenate([begin, high[rows]]),
            "at_risk": np.concatenate([n[:1].repeat(len(begin)), n[rows]]).astype(np.int64),
            "events": np.concatenate([np.zeros(len(begin)), np.diff(total[rows], prepend=0.0)]).astype(np.int64),
        }
    )


def _estimate(found: Spells, n_ways: int, level: float) -> tuple[Array, ...]:
    """Return (week, at risk, events, events by way [weeks, ways], still, low, high) of weeks with anybody at risk."""
    lifelines = _lifelines()
    frame = pl.DataFrame({"entry": found.entry, "end": found.end, "way": found.way})
    grouped = frame.group_by("entry", "end", "way").len().sort("entry", "end", "way")
    entry, end, way, weight = (grouped[name].to_numpy().astype(np.float64) for name in grouped.columns)
    if not grouped.height:
        none = np.zeros(0)
        return none, none, none, np.zeros((0, n_ways)), none, none, none
    fitter = lifelines.KaplanMeierFitter(alpha=1 - level)
    with warnings.catch_warnings():
        # Told when a curve falls to 0 while few are at risk. Ours end where FEWEST_AT_RISK are not.
        warnings.filterwarnings("ignore", message="There are too few early truncation times")
        # Half a week after the last week that was not watched: lifelines counts who enters in a week as at risk in it.
        entered = np.where(entry > 0, entry + 0.5, 0.0)
        fitter.fit(end, event_observed=way > 0, entry=entered, weights=weight)
    table = fitter.event_table
    whole = (table.index.to_numpy() % 1 == 0) & (table.index.to_numpy() > 0)
    at = table.index.to_numpy()[whole]
    still = fitter.survival_function_at_times(at).to_numpy()
    bounds = fitter.confidence_interval_.reindex(at).to_numpy()
    d, n = table["observed"].to_numpy()[whole], table["at_risk"].to_numpy()[whole]
    by_way = np.zeros((at.size, n_ways))
    event = way > 0
    np.add.at(by_way, (np.searchsorted(at, end[event]), way[event].astype(int) - 1), weight[event])
    low, high = np.nan_to_num(bounds.min(axis=1), nan=0.0), np.nan_to_num(bounds.max(axis=1), nan=1.0)
    return at, n, d, by_way, still, low, high


def _incidence(n: Array, d: Array, c: Array, still: Array, level: float) -> tuple[Array, Array, Array]:
    """Return the Aalen-Johansen share that left in one way, with its interval; arrays over weeks.

    n, d, c, still  at risk, events, events of this way, Kaplan-Meier after the week

    lifelines' own estimate separates events of one week by chance, and its errors take a time that grows with the
    square of the weeks. Several ways of leaving in one week add up without that. The variance is that of lifelines
    (Collett, Modelling Survival Data in Medical Research, 3rd edition, page 411) with running sums; tests hold both
    against lifelines.
    """
    from scipy.special import ndtri

    before = np.concatenate([[1.0], still[:-1]]) if still.size else still
    step = before * c / n
    share = np.cumsum(step)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(n > d, d / (n * (n - d)), 0.0)
    first = share**2 * np.cumsum(spread) - 2 * share * np.cumsum(share * spread) + np.cumsum(share**2 * spread)
    second = np.cumsum(before**2 * c * (n - c) / n**3)
    cross = before * c / n**2
    third = share * np.cumsum(cross) - np.cumsum(share * cross)
    variance = np.maximum(first + second - 2 * third, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = ndtri((1 + level) / 2) * np.sqrt(variance) / (share * np.abs(np.log(share)))
        low, high = share ** np.exp(wide), share ** np.exp(-wide)
    inside = (share > 0) & (share < 1)
    return share, np.where(inside, low, share), np.where(inside, high, share)


def _lifelines() -> Any:
    try:
        import lifelines
    except ImportError as fault:
        raise CareError(
            "Survival curves need the package lifelines, which is not installed", "",
            'Install the extra: pip install "journeys-abm[fit]"',
        ) from fault  # fmt: skip
    return lifelines


def curves(log: Log, *, hide: bool = False, which: tuple[Curve, ...] = CURVES) -> pl.DataFrame:
    """Return all curves of a log as one table with COLUMNS; without those of states that the log does not watch."""
    told = stays(log)
    frames = []
    for curve in which:
        known = [s for s in curve.states if s in log.journey.state_index]
        watched_by = {int(log.watched_by[log.journey.state_index[s]]) for s in known}
        if known and 0 not in watched_by:
            found = spells(log, curve, told)
            if found.end.size:
                frames.append(curve_frame(curve, found, hide=hide))
    return pl.concat(frames) if frames else pl.DataFrame(schema=_SCHEMA)


_SCHEMA = {
    "curve": pl.String, "series": pl.String, "week": pl.Int64, "share": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "at_risk": pl.Int64, "events": pl.Int64, "least": pl.Float64, "most": pl.Float64,
}  # fmt: skip
