"""The ladder of system dynamics itself: how much of the gap each refinement of it removes.

One stock for each state; then stays as chains of stages (plans) or mixtures of short and long stays (care); then a
stock for each age band, through which children grow; then the system's own behaviours. All rates are means along the
course of the full model, as everywhere on the ladder. The variance of stays that decides on stages is read from the
same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abm.factors import System
from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM
from abm.outputs import evaluate, output_named
from abm.pathway import AGE_EDGES_WEEKS, N_AGES, N_HISTORIES, WEEKS_PER_YEAR, group_of
from experiments.compare.ladder.averages import journey_of, leave_out
from experiments.compare.ladder.compartments import Stages, Stocks, erlang, run_compartments, two_kinds
from experiments.compare.ladder.course import MARKOV, Course, Kept, Model, children_of
from experiments.compare.ladder.policy import Policy

Array = NDArray[np.float64]
DIVIDED = (("need_plan", "child in need plans"), ("protected", "child protection plans"),
           ("in_pre_proceedings", "pre-proceedings"), ("care", "care"))  # fmt: skip
"""Clocks whose stays may be divided into stages, and their names."""
LONGEST_CHAIN = 4
NEAR_ONE = (0.75, 1.25)
"""Stays whose variance over mean^2 is between these are left as one stock: exponential enough."""
_LARGEST, _LEAST = 1e4, 1e-6
"""Hazards a year that are as good as certain; hazards a week that are as good as none."""
MakeSystem = Callable[[Array, Array, Array], System]
"""Makes a system from a course without it: stocks on day one [S], after each week, and flows."""


@dataclass(frozen=True)
class Refinement:
    """One kind of system dynamics, with its figures, float64[parts, figures, years]."""

    key: str
    name: str
    words: str
    figures: Array


def refine(
    model: Model, course: Course, policy: Policy | None, figures: tuple[str, ...], system: MakeSystem | None = None
) -> list[Refinement]:
    """Return the kinds of system dynamics, from one stock for each state on, each a refinement of the one before.

    `system` makes the system's own behaviours; that kind is left out if there is none.
    """
    stages = stages_of(model, course)
    told = "; ".join(stage.words for stage in stages)
    plain, ages = stocks_of(model, course, by_age=False), stocks_of(model, course, by_age=True)
    in_stages = replace(plain, stages=stages)
    all_of_it = replace(ages, stages=stages)
    kinds: list[tuple[str, str, str, Stocks, MakeSystem | None]] = [
        ("one_stock", "one stock for each state", "exponential stays, no ages", plain, None),
        ("stages", "stays in stages", told or "no stay differs enough from exponential", in_stages, None),
        ("ages", "and a stock for each age band", "children grow through five age bands", all_of_it, None),
    ]
    if system is not None:
        kinds.append(
            ("behaviours", "and the system's own behaviours", "the same links as in the simulation", all_of_it, system)
        )
    journey = journey_of(model.journey, MARKOV)
    base = model.parameters.checked(model.journey)
    scenario, factors = model.scenario, [base.multipliers]
    if policy is not None:
        under = policy.on(base, journey, scenario.first_year, scenario.n_years).checked(model.journey)
        factors.append(under.multipliers)
    out = []
    for key, name, words, stocks, make in kinds:
        courses = [run_compartments(journey, stocks, factors[0], scenario.n_weeks)]
        if make is None:
            courses += [run_compartments(journey, stocks, f, scenario.n_weeks) for f in factors[1:]]
        else:
            # On its own course without them the behaviours change nothing.
            courses += [
                run_compartments(journey, stocks, f, scenario.n_weeks, make(stocks.start.sum(axis=0), *courses[0]))
                for f in factors[1:]
            ]
        made = [np.stack([evaluate(output_named(f), journey, *course) for f in figures]) for course in courses]
        out.append(Refinement(key, name, words, np.stack([made[0], *(m - made[0] for m in made[1:])])))
    return out


def stocks_of(model: Model, course: Course, *, by_age: bool) -> Stocks:
    """Return the rates and stocks of system dynamics, with an age for each band or one for all."""
    tables, field, scenario = model.journey.tables, course.field, model.scenario
    averaged = leave_out(model, course, Kept(False, by_age, False, False, dates=False))
    ages = range(N_AGES) if by_age else range(1)
    rates = averaged.parameters.rates[:, [group_of(a, 0, 0) for a in ages], 0].T
    leaves_at_once = tables.at_once[tables.source]
    columns = children_of(model, field)
    inflow = np.zeros((scenario.n_years, N_AGES, tables.n_edges))
    for name in ("born", "moved_in", "came_alone"):
        if name not in model.journey.transition_index:
            continue
        edge, entering = model.journey.edges_of(name)[0], getattr(columns, name)
        for week in range(0, len(entering), WEEKS_PER_YEAR // 4):
            band = _band(week - columns.birth_week)
            quarter = entering[week : week + WEEKS_PER_YEAR // 4].sum(axis=0)
            inflow[week // WEEKS_PER_YEAR, :, edge] += np.bincount(band, quarter, N_AGES)
    start = np.asarray(field.summing @ (columns.mass @ np.eye(N_AGES)[_band(-columns.birth_week)])).T
    if not by_age:
        inflow, start = inflow.sum(axis=1, keepdims=True), start.sum(axis=0, keepdims=True)
    return Stocks(
        np.where(leaves_at_once, 0.0, np.minimum(rates, _LARGEST)), np.where(leaves_at_once, rates, 0.0), inflow, start,
        np.isin(np.arange(tables.n_edges), list(course.dated)), (), _histories(course),
    )  # fmt: skip


def _band(age: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the age band of ages in weeks; those not yet born count to the first."""
    return np.clip(np.searchsorted(AGE_EDGES_WEEKS, np.maximum(age, 0), side="right") - 1, 0, N_AGES - 1)


def _histories(course: Course) -> Array:
    """Return float64[E, 3]: of those who flow along the course, the shares by history."""
    flows = course.flows.sum(axis=(0, 1))
    out = np.zeros((flows.shape[1], N_HISTORIES))
    for stratum in range(N_STRATA):
        alone = stratum == UNACCOMPANIED_STRATUM
        out[:, N_HISTORIES - 1 if alone else stratum % N_HISTORIES] += flows[stratum]
    total = out.sum(axis=1, keepdims=True)
    return np.where(total > 0, out / np.maximum(total, 1e-300), 1.0 / N_HISTORIES)


def stages_of(model: Model, course: Course) -> tuple[Stages, ...]:
    """Return how stays are divided, from how the chance of leaving changes with the time spent, over all children."""
    journey = model.journey
    out = []
    for clock, name in DIVIDED:
        states = [s.key for s in journey.states if (s.clock or s.key) == clock and not s.at_once]
        if not states:
            continue
        cv2 = variance_of_stays(model, course, states)
        if cv2 < NEAR_ONE[0]:
            out.append(erlang(states, min(max(round(1 / cv2), 2), LONGEST_CHAIN), name))
        elif cv2 > NEAR_ONE[1]:
            out.append(two_kinds(states, cv2, name))
    return tuple(out)


def variance_of_stays(model: Model, course: Course, states: Sequence[str]) -> float:
    """Return the variance over mean^2 of stays in some states with one clock; a move between them goes on with it."""
    journey, tables = model.journey, model.journey.tables
    timed = leave_out(model, course, Kept(True, False, False, False))
    weeks = course.weeks.sum(axis=(0, 1, 2))
    inside = [journey.state_index[s] for s in states]
    dated = course.dated
    bands = journey.states[inside[0]].bands
    leaving = np.zeros(len(bands))
    for s in inside:
        for e in range(tables.first[s], tables.first[s + 1]):
            if int(tables.target[e]) not in inside and e not in dated:
                leaving += np.minimum(timed.parameters.rates[e, 0, : len(bands)], _LARGEST) * weeks[s, : len(bands)]
    here = weeks[inside, : len(bands)].sum(axis=0)
    hazard = leaving / np.maximum(here, 1e-300)
    return variance_from_hazards(bands, hazard)


def variance_from_hazards(bands: Sequence[int], per_year: Array) -> float:
    """Return variance over mean^2 of a stay whose hazard a year is constant in each band of weeks."""
    ends = [*bands[1:], np.inf]
    stayed, mean, square = 1.0, 0.0, 0.0
    for start, end, hazard in zip(bands, ends, per_year / WEEKS_PER_YEAR, strict=True):
        h, width = max(float(hazard), _LEAST), end - start
        left = float(np.exp(-h * width))
        # The integrals of S(t) and of 2 t S(t) over the band.
        whole = (1 - left) / h
        end_part = 0.0 if left == 0 else width * left
        mean += stayed * whole
        square += 2 * stayed * (start * whole + (whole - end_part) / h)
        stayed *= left
    return square / mean**2 - 1
