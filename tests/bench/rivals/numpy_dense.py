"""numpy, dense: every child in the area, every week, by operations on whole arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.pathway import WEEKS_PER_YEAR, WEEKS_TO_18
from abm.population import Population
from tests.bench.rivals.lookup import ALONE, Lookup, Told, codes

Ints = NDArray[np.int64]


class NumpyDense:
    """All children of an area; those who have left for good are dropped from the arrays now and then."""

    def __init__(self, lookup: Lookup, population: Population, n_weeks: int, seed: int) -> None:
        self.lookup, self.n_weeks, self.rng = lookup, n_weeks, np.random.default_rng(seed)
        self.stocks = np.bincount(population.state, minlength=lookup.n_states)
        order = np.argsort(np.where(population.enter_edge < 0, -1, population.enter_week), kind="stable")
        self.child = population.child[order].astype(np.int32)
        self.edge_in = population.enter_edge[order]
        weeks = np.where(self.edge_in < 0, -1, population.enter_week[order])
        self.upto = np.searchsorted(weeks, np.arange(n_weeks), side="right")
        self.birth, self.leave = population.birth_week[order], population.leave_week[order]
        self.state, self.since = population.state[order].astype(np.int32), population.since_week[order].copy()
        self.code, self.history = codes(population)[order].astype(np.int32), population.history[order].astype(np.int32)
        self.here = np.flatnonzero(weeks < 0)
        self.log: list[tuple[Ints, int, int, Ints]] = []
        # One flat cell for each (state, code, age band, band of time), so that a chance is one look-up.
        lookup_cells = lookup.chance[:, :, lookup.group]
        self.chance = np.ascontiguousarray(lookup_cells).reshape(lookup.n_years, -1)
        self.n_codes, self.n_ages, self.n_bands = *lookup.group.shape, lookup.chance.shape[3]
        self.band, self.age_band = lookup.band.astype(np.int32).ravel(), lookup.age_band.astype(np.int32)

    def run(self) -> Told:
        """Simulate all weeks."""
        stocks = np.zeros((self.n_weeks, self.lookup.n_states), np.int64)
        came = self.here.size
        for week in range(self.n_weeks):
            self._step(week)
            newcomers = np.arange(came, self.upto[week])
            if newcomers.size:
                came = self.upto[week]
                self._follow(newcomers, self.edge_in[newcomers].astype(np.int64), week)
                self.here = np.concatenate([self.here, newcomers])
            stocks[week] = self.stocks
            if week % 13 == 12:
                self.here = self.here[~self.lookup.gone[self.state[self.here]]]
        return self._told(stocks)

    def _step(self, week: int) -> None:
        lookup, here = self.lookup, self.here
        year = min(week // WEEKS_PER_YEAR, lookup.n_years - 1)
        state = self.state[here]
        age = week - self.birth[here]
        clock = np.minimum(week - 1 - self.since[here], lookup.n_clock - 1)
        band = self.band[state * lookup.n_clock + clock]
        age_band = self.age_band[np.minimum(age, WEEKS_TO_18)]
        cell = ((state * self.n_codes + self.code[here]) * self.n_ages + age_band) * self.n_bands + band
        fires = self.rng.random(here.size) < self.chance[year][cell]
        # Birthdays and planned moves come before chances.
        fires |= (age >= WEEKS_TO_18) | (week == self.leave[here])
        which = np.flatnonzero(fires)
        who = here[which]
        state, grown = state[which].astype(np.int64), age[which] >= WEEKS_TO_18
        group = lookup.group[self.code[who], age_band[which]]
        edge = self._pick(lookup.shares[year, state, group, band[which]], lookup.edges[state])
        leaving = (self.leave[who] == week) & (lookup.departure[state] >= 0)
        # A planned move that finds the child elsewhere than at home does not happen; chances count as in other weeks.
        by_plan = (self.leave[who] == week) & ~leaving & ~grown
        edge = np.where(grown, lookup.birthday[state], np.where(leaving, lookup.departure[state], edge))
        happens = edge >= 0
        if by_plan.any():
            chance = lookup.chance[year, state, group, band[which]]
            happens &= ~by_plan | (self.rng.random(who.size) < chance)
        self._follow(who[happens], edge[happens], week)

    def _pick(self, shares: NDArray[np.float64], edges: NDArray[np.int16]) -> Ints:
        place = (shares <= self.rng.random(len(shares))[:, None]).sum(axis=1)
        return edges[np.arange(len(edges)), place].astype(np.int64)

    def _follow(self, who: Ints, edge: Ints, week: int) -> None:
        """Let children take their edges, and what follows at once."""
        lookup = self.lookup
        year = min(week // WEEKS_PER_YEAR, lookup.n_years - 1)
        group = lookup.group[self.code[who], self.age_band[np.minimum(week - self.birth[who], WEEKS_TO_18)]]
        step = 0
        while who.size:
            self.log.append((who, week, step, edge))
            before, after = self.state[who], lookup.target[edge]
            self.stocks += np.bincount(after, minlength=lookup.n_states)
            self.stocks -= np.bincount(before, minlength=lookup.n_states)
            anew = lookup.clock[after] != lookup.clock[before]
            self.since[who[anew]] = week - lookup.clock_at[edge[anew]]
            self.state[who] = after
            history = np.maximum(self.history[who], lookup.history[edge])
            self.code[who] += np.where(self.code[who] == ALONE, 0, history - self.history[who]).astype(np.int32)
            self.history[who] = history
            on = lookup.at_once[after]
            who, group, after = who[on], group[on], after[on]
            edge = self._pick(lookup.outcomes[year, after, group], lookup.outcome_edges[after])
            step += 1

    def _told(self, stocks: NDArray[np.int64]) -> Told:
        size = [len(part[0]) for part in self.log]
        child = self.child[np.concatenate([part[0] for part in self.log])] if self.log else np.zeros(0, np.int32)
        edge = np.concatenate([part[3] for part in self.log]) if self.log else np.zeros(0, np.int64)
        week = np.repeat(np.array([part[1] for part in self.log], np.int64), size)
        step = np.repeat(np.array([part[2] for part in self.log], np.int64), size)
        return Told(child, week, step, edge, stocks)
