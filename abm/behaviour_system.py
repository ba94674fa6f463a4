"""The system's own behaviours at work: conditions move on week by week, and set a factor for every transition.

A variable is told as the logarithm of its ratio to the reference (workers as a difference in posts), so it is 0 on the
reference course and links add up. A week has four steps: count children against the reference, work out each variable
from the links into it, set the factors, and move on what takes time. Only + - x / and `abm.exact`: the same bits on
every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.behaviour import (
    ADDITIVE,
    STOCKS,
    Behaviours,
    Demand,
    Incident,
    Link,
    Reference,
    Shock,
    StaffTime,
    Workforce,
    checked_shocks,
    lasts,
)
from abm.behaviour_checks import check, in_order, waits
from abm.errors import CareError
from abm.exact import exp, log
from abm.factors import UNIT
from abm.pathway import N_HISTORIES, WEEKS_PER_YEAR, Journey

RANGE = 3.0
"""No index goes beyond three times its reference, or below a third of it: beyond, nothing is known. Assumed."""
LARGEST_ANSWER = 4.0
"""No factor goes beyond this, or below one over it, by the behaviours together. Assumed."""
LEAST_WORKERS = -0.9
"""Permanent workers lost at most, as a share of those of the reference. Assumed."""
MOST_WORKERS = 1.0
"""Permanent workers added at most, as a share of those of the reference. Assumed."""
_LOG_RANGE = log(RANGE)
_LOG_ANSWER = log(LARGEST_ANSWER)


@dataclass(frozen=True)
class _Part:
    """A link at work: effect x value of variable `source`, as it is now (`lag` -1) or as kept at `lag` of the state."""

    effect: float
    source: int
    lag: int


@dataclass(frozen=True)
class _Count:
    """A weight at work: places to count (states, or edges), the weight, where the two smoothed counts are kept."""

    weight: float
    places: tuple[int, ...]
    of_flows: bool
    delay: int
    kept: int


class CareSystem:
    """Conditions of a system and the factors they set: `abm.factors.System`. It serves one run at a time.

    limits      int64[T, 3]  largest factors, in 1/1024
    conditions  float64[K]   first the variables as people read them, then the memory of the links
    names       of the conditions. Variables are ratios to the reference; `permanent_workers`, `agency_workers` and
                `vacancies` are full-time equivalents, `agency_share` a share of all workers
    """

    limits: NDArray[np.int64]
    conditions: NDArray[np.float64]
    names: tuple[str, ...]

    def __init__(
        self, journey: Journey, behaviours: Behaviours, reference: Reference, workforce: Workforce,
        shocks: Sequence[Shock] = (),
    ) -> None:  # fmt: skip
        """Lay out the links; raises CareError for a link or shock that cannot be."""
        check(behaviours, journey)
        self.journey, self.behaviours, self.reference, self.workforce = journey, behaviours, reference, workforce
        self.shocks = checked_shocks(shocks, journey)
        shape = (len(journey.states), journey.tables.n_edges)
        if (reference.stocks.shape[1], reference.flows.shape[1]) != shape:
            raise CareError("The reference is of another journey", "reference", "Work it out with this journey")
        self._agency = workforce.agency / workforce.permanent
        self._vacant = workforce.vacancies / workforce.permanent
        self._lay_out()
        self._lay_out_factors()
        self.conditions = np.array([*self._shown([0.0] * len(self.variables)), *([0.0] * self._n_state)])

    def _lay_out(self) -> None:
        """Order the variables, and give every link that takes time a place in the state."""
        # Links without strength keep their memory too, so that a fork may give them some.
        links = self.behaviours.links
        acting = self.journey.transition_index
        named = {k.target[0] for k in links if k.target[0] not in acting} | set(STOCKS)
        listed = [k.target[0] for k in links if k.target[0] in named]
        order, _ = in_order([*dict.fromkeys([*listed, *STOCKS])], waits(links))
        self.variables = tuple(order)
        self._number = {name: i for i, name in enumerate(order)}
        state = ["permanent_workers", "anxiety_above_normal"]
        self._into: dict[str, list[_Part]] = {name: [] for name in order}
        self._counts: dict[str, list[_Count]] = {name: [] for name in order}
        self._hiring: list[_Part] = []
        self._lags: list[tuple[int, int, float]] = []
        self._fading = 0.0
        self._to_transitions: list[tuple[Link, _Part]] = []
        for link in links:
            if link.form == "weight":
                self._counts[link.target[0]].append(self._count(link, len(state)))
                if link.delay_weeks:
                    state += [f"{link.key}, counted", f"{link.key}, expected"]
                continue
            if link.form == "fading":
                self._fading = link.strength / link.delay_weeks
                continue
            source, lag = self._number[link.source[0]], -1
            if link.delay_weeks:
                lag = len(state)
                state.append(f"{link.key}, as felt")
                self._lags.append((lag, source, 1.0 / link.delay_weeks))
            part = _Part(link.effect, source, lag)
            if not link.strength:
                continue
            if link.target[0] in acting:
                self._to_transitions.append((link, part))
            elif link.form == "per year":
                self._hiring.append(part)
            else:
                self._into[link.target[0]].append(part)
        self._n_state = len(state)
        self.names = (*self.variables, *(f"memory: {name}" for name in state))

    def _count(self, link: Link, kept: int) -> _Count:
        of_flows = link.source[0] in self.journey.transition_index
        places = self.journey.edges_of(*link.source) if of_flows else [self.journey.state_index[s] for s in link.source]
        return _Count(link.effect, tuple(places), of_flows, link.delay_weeks, kept)

    def _lay_out_factors(self) -> None:
        """Group the transitions and histories that answer to the same links, and work out their limits."""
        by_cell: dict[tuple[int, int], list[_Part]] = {}
        for link, part in self._to_transitions:
            for name in link.target:
                for history in link.histories:
                    by_cell.setdefault((self.journey.transition_index[name], history), []).append(part)
        groups: dict[tuple[_Part, ...], list[tuple[int, int]]] = {}
        for cell, answers in sorted(by_cell.items()):
            groups.setdefault(tuple(answers), []).append(cell)
        self._groups = [(parts, tuple(np.array(cells).T)) for parts, cells in groups.items()]
        # Which group's answer each transition and history takes; the last is that of those that answer to nothing.
        self._answer = np.full((len(self.journey.transitions), N_HISTORIES), len(groups), np.intp)
        for group, (_, cells) in enumerate(self._groups):
            self._answer[cells] = group
        self._demand = [
            (s, self.journey.transition_index[t])
            for s in self.shocks if isinstance(s, Demand) for t in s.transitions
        ]  # fmt: skip
        most = np.ones((len(self.journey.transitions), N_HISTORIES))
        for parts, cells in self._groups:
            reach = math.fsum(
                abs(p.effect) * (1.0 if self.variables[p.source] in ADDITIVE else _LOG_RANGE) for p in parts
            )
            most[cells] = exp(min(reach, _LOG_ANSWER))
        for shock, transition in self._demand:
            most[transition] *= max(shock.factor, 1.0)
        if most.max() > LARGEST_ANSWER * 16:
            raise CareError("Changes of demand add up to more than 16 times", "shocks", "Give smaller factors")
        self.limits = np.where(most > 1, np.ceil(most * UNIT) + 1, UNIT).astype(np.int64)
        self.limits = np.minimum(self.limits, 64 * UNIT)

    @property
    def manifest(self) -> dict[str, Any]:
        """What it takes to get this system again, and to know that it is the same."""
        return {
            "behaviours": self.behaviours.digest,
            "loops": list(self.behaviours.loops()),
            "reference": self.reference.digest,
            "workforce": asdict(self.workforce),
            "shocks": [{type(shock).__name__: asdict(shock)} for shock in self.shocks],
        }

    def factors(self, week: int, stocks: NDArray[np.float64], flows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Move the conditions on by a week and return int64[T, 3], the factors of this week."""
        if week >= self.reference.n_weeks:
            raise CareError(
                f"The reference ends after {self.reference.n_weeks} weeks", "reference", "Work it out for the whole run"
            )
        n_shown = len(self.variables)
        state = [0.0] * self._n_state if week == 0 else self.conditions[n_shown:].tolist()
        seen = (stocks.tolist(), flows.tolist())
        expected = (self.reference.stocks[week].tolist(), self.reference.flows[week].tolist())
        for shock in self.shocks:
            if isinstance(shock, Incident) and shock.week == week:
                state[1] += shock.size
        values = self._values(week, state, seen, expected)
        out = self._factors(week, values, state)
        self._move_on(values, state)
        self.conditions = np.array([*self._shown(values), *state])
        return out

    def _values(
        self, week: int, state: list[float], seen: tuple[list[float], ...], expected: tuple[list[float], ...]
    ) -> list[float]:
        """Work out every variable from the links into it."""
        values = [0.0] * len(self.variables)
        for number, name in enumerate(self.variables):
            total = _total(self._into[name], values, state)
            if self._counts[name]:
                total += _departure(self._counts[name], week, state, seen, expected)
            values[number] = self._own(name, total, values, state, week)
        return values

    def _own(self, name: str, total: float, values: list[float], state: list[float], week: int) -> float:
        """Return the value of a variable, given what the links into it add up to."""
        agency = self._agency
        if name == "permanent_workers":
            return state[0]
        if name == "agency_workers":
            return max(total, -agency)
        if name == "vacancies":
            return max(total, -self._vacant)
        if name == "agency_share":
            permanent = 1.0 + values[self._number["permanent_workers"]]
            return (agency + total) / (permanent + agency + total) - agency / (1.0 + agency)
        if name == "workers":
            time = 1.0
            for shock in self.shocks:
                if isinstance(shock, StaffTime) and lasts(shock, week):
                    time *= shock.factor
            total = log(max((1.0 + agency + total) / (1.0 + agency) * time, 1e-3))
        if name == "anxiety":
            total += log(1.0 + state[1])
        return float(min(max(total, -_LOG_RANGE), _LOG_RANGE))

    def _factors(self, week: int, values: list[float], state: list[float]) -> NDArray[np.int64]:
        answers = [UNIT] * (len(self._groups) + 1)
        for group, (parts, _) in enumerate(self._groups):
            total = min(max(_total(parts, values, state), -_LOG_ANSWER), _LOG_ANSWER)
            answers[group] = math.floor(exp(total) * UNIT + 0.5)
        out = np.array(answers, np.int64)[self._answer]
        for shock, transition in self._demand:
            if lasts(shock, week):
                out[transition] = [math.floor(int(f) * shock.factor + 0.5) for f in out[transition]]
        return out

    def _move_on(self, values: list[float], state: list[float]) -> None:
        """Let workers leave and join, anxiety fade, and every delayed link feel a little more of its source."""
        leaving = exp(-_total(self._into["permanent_workers"], values, state))
        gone = self.workforce.turnover * (1.0 - leaving * (1.0 + state[0]))
        change = (gone + _total(self._hiring, values, state)) / WEEKS_PER_YEAR
        state[0] = min(max(state[0] + change, LEAST_WORKERS), MOST_WORKERS)
        state[1] -= state[1] * self._fading
        for lag, source, rate in self._lags:
            state[lag] += (values[source] - state[lag]) * rate

    def _shown(self, values: list[float]) -> list[float]:
        """Return the variables as people read them."""
        posts, agency = self.workforce.permanent, self._agency
        added = {"permanent_workers": 1.0, "agency_workers": agency, "vacancies": self._vacant}
        out = []
        for name, value in zip(self.variables, values, strict=True):
            if name == "agency_share":
                out.append(agency / (1.0 + agency) + value)
            elif name in added:
                out.append((added[name] + value) * posts)
            else:
                out.append(exp(value))
        return out


def _total(parts: Sequence[_Part], values: list[float], state: list[float]) -> float:
    total = 0.0
    for part in parts:
        total += part.effect * (state[part.lag] if part.lag >= 0 else values[part.source])
    return total


def _departure(
    counts: Sequence[_Count], week: int, state: list[float], seen: tuple[list[float], ...],
    expected: tuple[list[float], ...],
) -> float:  # fmt: skip
    """Return the logarithm of what is counted over what is expected, with one child of mean weight added to both.

    The one child keeps the ratio of small numbers in bounds.
    """
    above = below = one = 0.0
    for count in counts:
        here, there = 0.0, 0.0
        for place in count.places:
            here += seen[count.of_flows][place]
            there += expected[count.of_flows][place]
        if count.delay:
            if week == 0:
                state[count.kept], state[count.kept + 1] = here, there
            state[count.kept] += (here - state[count.kept]) / count.delay
            state[count.kept + 1] += (there - state[count.kept + 1]) / count.delay
            here, there = state[count.kept], state[count.kept + 1]
        above += count.weight * here
        below += count.weight * there
        one += count.weight / len(counts)
    if one == 0.0:
        return 0.0
    return float(log(max(above + one, 1e-300) / (below + one)))


def care_system(
    journey: Journey,
    behaviours: Behaviours,
    reference: Reference,
    workforce: Workforce,
    shocks: Sequence[Shock] = (),
    n_weeks: int | None = None,
) -> CareSystem:
    """Return a fresh system for one run.

    Parameters
    ----------
    reference
        The mean course of the same area under the same parameters, uncoupled (`abm.behaviour_course.mean_course`).
    shocks
        What befalls it: incidents, changes of demand or of staff time.
    n_weeks
        Weeks of the run, to be refused now and not in the last week if the reference is shorter.

    Errors
    ------
    CareError
        For a link or shock that cannot be, or a reference of another journey or too short.
    """
    if n_weeks is not None and n_weeks > reference.n_weeks:
        raise CareError(
            f"The reference has {reference.n_weeks} weeks, the run {n_weeks}",
            "reference",
            "Work it out for the whole run",
        )
    return CareSystem(journey, behaviours, reference, workforce, shocks)
