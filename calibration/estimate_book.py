"""Between estimates and a book of rates: what a book says of pooled groups, and a book that says what was estimated.

A book gives rates by risk class, which no return knows. What it says of children whose class is not known is the mean
over classes, weighted by how many children of each class are in the state, by age, history and time: those of the
steady life course under the book. What was estimated moves the factors that a return can tell (level, age, history,
time, unaccompanied); how risk classes differ stays as the book has it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import UNACCOMPANIED_STRATUM, MeanField, make_grid
from abm.pathway import (
    N_AGES,
    N_GROUPS,
    N_HISTORIES,
    N_RISKS,
    UNACCOMPANIED_GROUP,
    Journey,
)
from calibration.estimate_counts import Grouping
from calibration.rates import RateBook
from calibration.stationary import BAND_OF_AGE, Children, steady

Array = NDArray[np.float64]
_ROUNDS, _CLOSE = 200, 1e-6
_ALONE_ARRIVALS = 1.0


def steady_weights(journey: Journey, book: RateBook, risk_shares: Array) -> Array:
    """Return float64[S, G, B]: how children of a steady population lie in the groups; in states left at once, arrivals.

    The population has as many children of every age.
    """
    field = MeanField(journey, make_grid(journey))
    children = Children(np.ones(18), risk_shares, _ALONE_ARRIVALS, np.eye(18)[14:18].mean(axis=0))
    cells = steady(journey, field, book, children).course.cells
    tables, grid = journey.tables, field.grid
    out = np.zeros((tables.n_states, N_GROUPS, tables.max_bands))
    by_stratum = cells.reshape(18, -1, grid.n_pieces)
    for year in range(18):
        band = int(BAND_OF_AGE[year])
        for stratum in range(by_stratum.shape[1]):
            if stratum == UNACCOMPANIED_STRATUM:
                group = UNACCOMPANIED_GROUP + int(band == N_AGES - 1)
            else:
                group = band * N_RISKS * N_HISTORIES + stratum
            cell = (grid.state * N_GROUPS + group) * tables.max_bands + grid.band
            out += np.bincount(cell, by_stratum[year, stratum], out.size).reshape(out.shape)
    return with_arrivals(journey, book.rates(), out)


def with_arrivals(journey: Journey, rates: Array, weights: Array) -> Array:
    """Return weights [S, G, B] in which states left at once have their arrivals (in band 0) under these rates."""
    tables, out = journey.tables, weights.copy()
    arriving = np.zeros((tables.n_states, N_GROUPS))
    finite = np.where(np.isfinite(rates), rates, 52.0)
    for e in np.flatnonzero(tables.weekly & tables.at_once[tables.target]):
        arriving[tables.target[e]] += (finite[e] * weights[tables.source[e]]).sum(axis=1)
    moving = arriving
    for _ in range(int(tables.at_once.sum())):
        onward = np.zeros_like(moving)
        for s in np.flatnonzero(tables.at_once):
            edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.outcome[e]]
            weight = rates[edges, :, 0]
            share = weight / np.maximum(weight.sum(axis=0), 1e-300)
            for outcome, part in zip(edges, share, strict=True):
                if tables.at_once[tables.target[outcome]]:
                    onward[tables.target[outcome]] += moving[s] * part
        moving, arriving = onward, arriving + onward
    out[tables.at_once] = 0.0
    out[tables.at_once, :, 0] = arriving[tables.at_once]
    return out


def pooled_rates(journey: Journey, rates: Array, groups: Grouping, weights: Array) -> Array:
    """Return float64[E, groups, B]: the rates of pooled groups; of outcomes, shares of all outcomes (band 0).

    weights  float64[S, G, B]; where nobody is, all groups that are pooled count the same
    """
    tables = journey.tables
    shares = rates.copy()
    for s in np.flatnonzero(tables.at_once):
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.outcome[e]]
        shares[edges] = rates[edges, :, :1] / np.maximum(rates[edges, :, :1].sum(axis=0), 1e-300)
    total = groups.pooled(weights)[:, groups.of]
    weight = np.where(total > 0, weights, 1.0)[tables.source]
    certain = np.isinf(shares)
    with np.errstate(invalid="ignore"):
        out: Array = groups.pooled(np.where(certain, 0.0, shares) * weight) / groups.pooled(weight)
    out[groups.pooled((certain & (weight > 0)).astype(float)) > 0] = np.inf
    return out


def fitted_book(
    journey: Journey, book: RateBook, groups: Grouping, pooled: Array, d: Array, at_risk: Array,
    between_edges: float, between_cells: float, between_shares: float,
) -> RateBook:  # fmt: skip
    """Return the book with its factors moved to what was counted.

    pooled   float64[E, groups, B]  what the book says of the groups
    d        float64[E, groups, B]  events
    at_risk  float64[E, groups, B]  effective child-years, or children

    Method: each factor (a level, an age, a history, a band of time, a risk class where it is known) is multiplied by a
    number with a gamma prior of mean 1; the most likely numbers are found one factor after the other: (events + k) /
    (expected + k), with expected under the other factors. The strength k is `between_edges` for levels; for the other
    factors that between cells or shares.
    """
    tables, e, n_bands = journey.tables, journey.tables.n_edges, journey.tables.max_bands
    usable = np.isfinite(pooled) & (pooled > 0) & np.isfinite(at_risk) & (at_risk > 0)
    edge, group, band = np.nonzero(usable & (tables.weekly | tables.outcome)[:, None, None])
    counted = d[edge, group, band]
    base = pooled[edge, group, band] * at_risk[edge, group, band]
    first = np.array([np.flatnonzero(groups.of == g)[0] for g in range(groups.size)])
    own = first < UNACCOMPANIED_GROUP
    age, risk, history = np.unravel_index(np.where(own, first, 0), (N_AGES, N_RISKS, N_HISTORIES))
    clock = (book.since_closure != 1).any(axis=1) | (book.since_birth != 1).any(axis=1)
    mine, late, split, timed = own[group], history[group] > 0, clock[edge], tables.weekly[edge]

    # Each factor: which of its numbers holds in a cell (-1: none), how many it has, its strength.
    strength = np.where(tables.outcome, between_shares, between_cells)
    factors = {
        "level": (np.where(mine, 0, -1), 1, np.full(e, between_edges)),
        "unaccompanied": (np.where(mine, -1, first[group] - UNACCOMPANIED_GROUP), 2, strength),
        "age": (np.where(mine, age[group], -1), N_AGES, strength),
        "history": (np.where(mine, history[group], -1), N_HISTORIES, strength),
        "band": (np.where(timed & ~split, band, -1), n_bands, strength),
        "since_closure": (np.where(timed & split & mine & late, band, -1), n_bands, strength),
        "since_birth": (np.where(timed & split & mine & ~late, band, -1), n_bands, strength),
    }
    if groups.size == N_GROUPS:  # risk classes are known
        factors["risk"] = (np.where(mine, risk[group], -1), N_RISKS, strength)
    moved = {name: np.ones((e, size)) for name, (_, size, _) in factors.items()}
    places, data = {}, {}
    for name, (which, size, _) in factors.items():
        cells = np.flatnonzero(which >= 0)
        places[name] = cells, edge[cells] * size + which[cells]
        data[name] = np.bincount(places[name][1], counted[cells], e * size).reshape(e, size)
    # Expected outcomes of each state and group add up to those who arrived, as shares of what is seen must.
    outcome = np.flatnonzero(tables.outcome[edge])
    block = tables.source[edge[outcome]].astype(np.int64) * groups.size + group[outcome]
    arrived = np.zeros(int(block.max(initial=-1)) + 1)
    arrived[block] = at_risk[edge, group, band][outcome]
    now = base.copy()
    for _ in range(_ROUNDS):
        largest = 0.0
        for name, (_, size, k) in factors.items():
            cells, at = places[name]
            expected = np.bincount(at, now[cells], e * size).reshape(e, size)
            old = moved[name]
            new = (data[name] + k[:, None]) / (expected / old + k[:, None])
            ratio = np.where(tables.outcome[:, None], np.sqrt(new / old), new / old)
            moved[name] = old * ratio
            now[cells] *= ratio.ravel()[at]
            largest = max(largest, float(np.abs(np.log(ratio)).max()))
            now[outcome] *= (arrived / np.maximum(np.bincount(block, now[outcome]), 1e-300))[block]
        if largest < _CLOSE:
            break
    out = book
    for name, numbers in moved.items():
        by = numbers[:, 0] if name == "level" else numbers
        out = replace(out, **{name: getattr(out, name) * by})
    return out
