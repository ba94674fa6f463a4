"""A model with some of its mechanisms left out: rates averaged over what is left out, weighed by exposure.

What is kept of a chance (age, risk class, history, time in state) decides which children are told apart. Of the others
the mean chance is taken along the course of the full model. So at that course every flow is what it was, and nothing is
fitted again. A model from which nothing is left out is the model itself, to the last bit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, competing
from abm.parameters import CERTAIN, Parameters
from abm.pathway import N_AGES, N_GROUPS, N_HISTORIES, N_RISKS, WEEKS_PER_YEAR, Journey, group_of, unaccompanied_group
from experiments.compare.ladder.course import Course, Kept, Model, without_birthdays, without_moves

Array = NDArray[np.float64]
_LAST = N_HISTORIES - 1
_ALONE = N_RISKS
_STEPS, _NEAR = 30, 1e-14
_TEENS = N_AGES - 2
"""The age band that stands for all unaccompanied children under 16."""


def fires_of(taken: Array) -> Array:
    """Return the chances of firing that give these chances of being taken: the inverse of `competing`.

    taken  float64[k, n]  sums over k are at most 1

    Method: hazards that compete in continuous time as a start, then Newton's, with no step that leads farther away.
    """
    total = taken.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, taken / np.where(total > 0, total, 1.0), 0.0)
    fires = -np.expm1(np.log1p(-np.minimum(total, 1 - 1e-12)) * share)
    wrong = competing(fires) - taken
    for _ in range(_STEPS):
        if np.abs(wrong).max(initial=0.0) < _NEAR:
            break
        step = np.linalg.solve(_slopes(fires), wrong.T[..., None])[..., 0].T
        nearer = np.clip(fires - step, 0.0, 1.0)
        off = competing(nearer) - taken
        better = np.abs(off).max(axis=0) < np.abs(wrong).max(axis=0)
        fires, wrong = np.where(better, nearer, fires), np.where(better, off, wrong)
        if not better.any():
            break
    return np.asarray(fires)


def _slopes(fires: Array) -> Array:
    """Return float64[n, k, k]: how the chance of i being taken changes with the chance of j firing."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    k = len(fires)
    out = np.zeros((fires.shape[1], k, k))
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        left = 1.0 - node * fires
        alone = np.prod(left, axis=0) / left
        pairs = -node * (fires * alone)[:, None] / left[None]
        pairs[np.arange(k), np.arange(k)] = alone
        out += weight * pairs.transpose(2, 0, 1)
    return out


def leave_out(model: Model, course: Course, kept: Kept) -> Model:
    """Return the model that tells children apart only by what is kept, along the course of `model`."""
    if kept.all:
        return model
    journey = journey_of(model.journey, kept)
    labels = _labels(model.journey, kept)
    rates = np.zeros((journey.tables.n_edges, N_GROUPS, journey.tables.max_bands))
    _average_weekly(model, course, kept, labels, journey, rates)
    _average_outcomes(model, course, labels, journey, rates)
    scenario = model.scenario if kept.by_date else without_moves(model.scenario)
    return Model(journey, replace(model.parameters, rates=rates), scenario, kept)


def journey_of(journey: Journey, kept: Kept) -> Journey:
    """Return the journey without bands of time, histories or birthdays, where these are not kept."""
    if not kept.time:
        journey = replace(journey, states=tuple(replace(state, bands=(0,)) for state in journey.states))
    if not kept.history:
        journey = replace(journey, transitions=tuple(replace(t, history=0) for t in journey.transitions))
    return journey if kept.by_date else without_birthdays(journey)


def _labels(journey: Journey, kept: Kept) -> NDArray[np.int64]:
    """Return int64[5, strata, B]: children with the same number are not told apart (in a state)."""
    n_bands = journey.tables.max_bands
    out = np.zeros((N_AGES, N_STRATA, n_bands), np.int64)
    for a in range(N_AGES):
        for stratum in range(N_STRATA):
            alone = stratum == UNACCOMPANIED_STRATUM
            risk, history = (_ALONE, _LAST) if alone else divmod(stratum, N_HISTORIES)
            age = max(a, _TEENS) if alone and kept.frailty else a
            who = (age * kept.age * (_ALONE + 1) + risk * kept.frailty) * N_HISTORIES + history * kept.history
            out[a, stratum] = who * n_bands + np.arange(n_bands) * kept.time
    return out


def _groups() -> NDArray[np.int64]:
    """Return int64[5, strata]: the group whose rates a child has."""
    rows = [
        [group_of(a, *divmod(s, N_HISTORIES)) for s in range(N_STRATA - 1)] + [unaccompanied_group(a)]
        for a in range(N_AGES)
    ]
    return np.array(rows)


def _of_groups(values: Array) -> Array:
    """Return [G, ...] from [5, strata, ...]: what each group of the tables stands for."""
    groups, out = _groups(), np.zeros((N_GROUPS, *values.shape[2:]))
    for a in range(N_AGES):
        out[groups[a]] = values[a]  # unaccompanied children under 16: those aged 10 to 15, who come last of them
    return out


def _mean(values: Array, weight: Array, label: NDArray[np.int64]) -> Array:
    """Return the weighed mean over those with the same label, in the place of each; plain where nothing weighs."""
    flat, n = label.ravel(), int(label.max()) + 1
    top, bottom = (np.bincount(flat, x.ravel(), n) for x in (values * weight, weight))
    plain, count = (np.bincount(flat, x.ravel(), n) for x in (values, np.ones(values.shape)))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(bottom > 0, top / bottom, plain / np.maximum(count, 1))
    return mean[label]


def _multipliers(model: Model) -> Array:
    """Return float64[Y, E]: the factors of each year, the last one holding beyond."""
    factors = model.parameters.checked(model.journey).multipliers
    years = np.minimum(np.arange(model.scenario.n_years), len(factors) - 1)
    return np.asarray(factors[years][:, model.journey.tables.transition])


def _average_weekly(
    model: Model, course: Course, kept: Kept, labels: NDArray[np.int64], journey: Journey, rates: Array
) -> None:
    """Fill the rates of edges that happen week by week, and of dated ones that have become such."""
    tables, groups = model.journey.tables, _groups()
    factors = _multipliers(model)
    plain = Parameters(model.parameters.rates, np.ones((1, len(model.journey.transitions))))
    fire = plain.thresholds(model.journey)[0].astype(np.float64) / CERTAIN
    weeks, there = course.weeks, course.there
    dated = {} if kept.by_date else course.dated
    for s in np.flatnonzero(~tables.at_once):
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e] or e in dated]
        n_bands = int(tables.n_bands[s])
        if not edges:
            continue
        here, label = weeks[:, :, :, s, :n_bands], labels[..., :n_bands]
        weekly = [e for e in edges if tables.weekly[e]]
        chance = competing(fire[weekly][:, groups, :n_bands]) if weekly else np.zeros((0, *label.shape))
        taken = np.zeros((len(edges), *label.shape))
        for x, e in enumerate(edges):
            if e in dated:
                gone, total = dated[e][..., :n_bands].sum(axis=0), here.sum(axis=0)
                # The chance of a group is what left of those who were there.
                own = np.divide(gone, total, out=np.zeros_like(gone), where=total > 0)
                taken[x] = _mean(own, total, label)
            else:
                # A year with a higher factor has more of the events, and weighs more in their mean chance.
                stay = np.tensordot(factors[:, e], there[:, :, :, s, :n_bands], 1)
                own, weight = chance[weekly.index(e)], stay
                if not kept.by_date:
                    # Those who leave on a date have no other chance in that week.
                    weight = np.tensordot(factors[:, e], here, 1)
                    own = own * np.divide(stay, weight, out=np.ones_like(stay), where=weight > 0)
                taken[x] = _mean(own, weight, label)
        # Worked out once for children who are not told apart.
        _, first, place = np.unique(label, return_index=True, return_inverse=True)
        each = taken.reshape(len(edges), -1)[:, first]
        fires = fires_of(each / np.maximum(each.sum(axis=0), 1.0))[:, place.ravel()].reshape(taken.shape)
        with np.errstate(divide="ignore"):
            hazard = np.where(fires > 1 - 1e-9, np.inf, -np.log1p(-np.minimum(fires, 1 - 1e-9)) * WEEKS_PER_YEAR)
        for x, e in enumerate(edges):
            by_group = _of_groups(hazard[x])
            if kept.time:
                rates[e, :, :n_bands] = by_group
                rates[e, :, n_bands:] = by_group[:, -1:]
            else:
                rates[e] = by_group[:, :1]


def _average_outcomes(model: Model, course: Course, labels: NDArray[np.int64], journey: Journey, rates: Array) -> None:
    """Fill the shares of what follows at once."""
    tables, groups = model.journey.tables, _groups()
    factors, label = _multipliers(model), labels[..., 0]
    for s in np.flatnonzero(tables.at_once):
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.outcome[e]]
        weight = model.parameters.rates[edges][:, groups, 0]
        share = weight / np.maximum(weight.sum(axis=0), 1e-300)
        entering = course.flows[..., np.flatnonzero(tables.target == s)].sum(axis=-1)
        whole = np.tensordot(factors[:, edges], share, 1)
        for x, e in enumerate(edges):
            with np.errstate(invalid="ignore", divide="ignore"):
                each = np.where(whole > 0, entering * factors[:, e, None, None] / whole, 0.0)
            rates[e] = _of_groups(_mean(share[x], each.sum(axis=0), label))[:, None]
