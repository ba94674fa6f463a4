"""numpy, event driven: the next event of each child is sampled ahead, for a block of children at a time.

Each child has an exponential budget, spent along the weeks ahead piece by piece with unchanging chances (between
birthdays, years and bands of time); where it is used up, something happens. Children do not touch one another, so the
n-th events of all children of a block are worked out together, whatever their weeks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.pathway import AGE_EDGES_WEEKS, WEEKS_PER_YEAR, WEEKS_TO_18
from abm.population import Population
from tests.bench.rivals.lookup import ALONE, Lookup, Told, codes

Ints = NDArray[np.int64]
BLOCK = 8_192
"""Children worked on together; of 2,000 to 100,000, this was the fastest."""


class NumpyEvents:
    """All children of an area."""

    def __init__(self, lookup: Lookup, population: Population, n_weeks: int, seed: int) -> None:
        self.lookup, self.population, self.n_weeks = lookup, population, n_weeks
        self.rng = np.random.default_rng(seed)
        with np.errstate(divide="ignore"):
            hazard = -np.log1p(-lookup.chance[:, :, lookup.group])
        self.hazard = np.ascontiguousarray(hazard).ravel()
        self.n_codes, self.n_ages = lookup.group.shape
        self.n_bands = lookup.chance.shape[3]
        self.band, self.until = lookup.band.ravel(), lookup.band_until.ravel()
        self.age_until = np.array(AGE_EDGES_WEEKS[1:])
        self.log: list[tuple[Ints, Ints, NDArray[np.int64], Ints]] = []

    def run(self) -> Told:
        """Simulate all weeks."""
        for begin in range(0, len(self.population), BLOCK):
            self._block(slice(begin, begin + BLOCK))
        child, week, step, edge = (np.concatenate(parts) for parts in zip(*self.log, strict=True))
        order = np.argsort(week.astype(np.int16), kind="stable")
        lookup, shape = self.lookup, (self.n_weeks, self.lookup.n_states)
        n = shape[0] * shape[1]
        change = np.bincount(week * shape[1] + lookup.target[edge], minlength=n)
        change -= np.bincount(week * shape[1] + lookup.source[edge], minlength=n)
        start = np.bincount(self.population.state, minlength=lookup.n_states)
        return Told(child[order], week[order], step[order], edge[order], start + change.reshape(shape).cumsum(axis=0))

    def _block(self, part: slice) -> None:
        population = self.population
        self.child, self.birth = population.child[part], population.birth_week[part].astype(np.int64)
        self.leave, self.code = population.leave_week[part].astype(np.int64), codes(population)[part]
        self.state, self.history = population.state[part].astype(np.int64), population.history[part].astype(np.int64)
        self.since = population.since_week[part].astype(np.int64)
        edge_in = population.enter_edge[part].astype(np.int64)
        self.week = np.where(edge_in < 0, 0, population.enter_week[part]).astype(np.int64)
        entering = np.flatnonzero(edge_in >= 0)
        entering = entering[self.week[entering] < self.n_weeks]
        self._follow(entering, edge_in[entering])
        waiting = np.flatnonzero((self.week < self.n_weeks) & ~self.lookup.gone[self.state])
        budget = self.rng.standard_exponential(waiting.size)
        while waiting.size:
            waiting, budget = self._on(waiting, budget)

    def _on(self, who: Ints, budget: NDArray[np.float64]) -> tuple[Ints, NDArray[np.float64]]:
        """Go on to each child's next event or change of chances; return who still waits, and their budgets."""
        lookup, last = self.lookup, self.lookup.n_years - 1
        week, state, birth, leave = self.week[who], self.state[who], self.birth[who], self.leave[who]
        age, since = week - birth, self.since[who]
        year = np.minimum(week // WEEKS_PER_YEAR, last)
        age_band = lookup.age_band[np.minimum(age, WEEKS_TO_18)]
        clock = state * lookup.n_clock + np.minimum(week - since - 1, lookup.n_clock - 1)
        band = self.band[clock]
        end = np.minimum(birth + self.age_until[age_band], since + 1 + self.until[clock])
        end = np.minimum(end, np.where(year < last, (year + 1) * WEEKS_PER_YEAR, self.n_weeks))
        end = np.minimum(end, self.n_weeks)
        leaves = (lookup.departure[state] >= 0) & (leave >= week)
        end = np.where(leaves, np.minimum(end, leave), end)
        code = self.code[who]
        cell = ((year * lookup.n_states + state) * self.n_codes + code) * self.n_ages + age_band
        hazard = self.hazard[cell * self.n_bands + band]
        grown, going = age >= WEEKS_TO_18, leaves & (leave == week)
        planned = grown | going
        with np.errstate(invalid="ignore"):
            spent = np.where(planned, 0.0, hazard * (end - week))
        fires = budget < spent
        happens = fires | planned
        self.week[who] = np.where(happens, week, end)
        if happens.any():
            at = np.flatnonzero(happens)
            by_chance = at[fires[at]]
            whole = (budget[by_chance] / hazard[by_chance]).astype(np.int64)
            self.week[who[by_chance]] = np.minimum(week[by_chance] + whole, end[by_chance] - 1)
            edge = np.where(grown, lookup.birthday[state], lookup.departure[state]).astype(np.int64)
            s, group = state[by_chance], lookup.group[code[by_chance], age_band[by_chance]]
            edge[by_chance] = self._pick(lookup.shares[year[by_chance], s, group, band[by_chance]], lookup.edges[s])
            self._follow(who[at], edge[at])
        budget = budget - np.where(happens, 0.0, spent)
        budget[happens] = self.rng.standard_exponential(int(happens.sum()))
        stays = (self.week[who] < self.n_weeks) & ~lookup.gone[self.state[who]]
        return who[stays], budget[stays]

    def _pick(self, shares: NDArray[np.float64], edges: NDArray[np.int16]) -> Ints:
        place = (shares <= self.rng.random(len(shares))[:, None]).sum(axis=1)
        return edges[np.arange(len(edges)), place].astype(np.int64)

    def _follow(self, who: Ints, edge: Ints) -> None:
        """Let children take their edges in their weeks, and what follows at once; their next week is the one after."""
        lookup, everybody = self.lookup, who
        week = self.week[who]
        year = np.minimum(week // WEEKS_PER_YEAR, lookup.n_years - 1)
        group = lookup.group[self.code[who], lookup.age_band[np.minimum(week - self.birth[who], WEEKS_TO_18)]]
        step = 0
        while who.size:
            self.log.append((self.child[who], week, np.full(who.size, step), edge))
            before, after = self.state[who], lookup.target[edge]
            anew = lookup.clock[after] != lookup.clock[before]
            self.since[who[anew]] = week[anew] - lookup.clock_at[edge[anew]]
            self.state[who] = after
            history = np.maximum(self.history[who], lookup.history[edge])
            self.code[who] += np.where(self.code[who] == ALONE, 0, history - self.history[who])
            self.history[who] = history
            on = lookup.at_once[after]
            who, week, year, group, after = who[on], week[on], year[on], group[on], after[on]
            edge = self._pick(lookup.outcomes[year, after, group], lookup.outcome_edges[after])
            step += 1
        self.week[everybody] += 1
