"""Starsim, where it is installed: one module whose states are Starsim's arrays, stepped every week by Starsim's loop.

Whether anything happens to a child in a week is decided by Starsim's own draws, which are kept for each agent. Which
of several things it is, a rare question, is asked of numpy. Children are agents from the week they come until they
leave.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.pathway import WEEKS_PER_YEAR, WEEKS_TO_18
from abm.population import Population
from tests.bench.rivals.lookup import ALONE, Lookup, Told, codes

INSTALLED = find_spec("starsim") is not None
COLUMNS = ("number", "birth", "leave", "place", "since", "code", "past")

Ints = NDArray[np.int64]


def make_module(lookup: Lookup, population: Population, n_weeks: int, seed: int) -> Any:
    """Return the journey as a Starsim module."""
    import starsim as ss

    rng = np.random.default_rng(seed)
    order = np.argsort(np.where(population.enter_edge < 0, -1, population.enter_week), kind="stable")
    edge_in = population.enter_edge[order].astype(np.int64)
    weeks = np.where(edge_in < 0, -1, population.enter_week[order])
    upto = np.searchsorted(weeks, np.arange(-1, n_weeks), side="right")
    values = (
        population.child, population.birth_week, population.leave_week, population.state, population.since_week,
        codes(population), population.history,
    )  # fmt: skip
    columns = {name: value[order].astype(np.int64) for name, value in zip(COLUMNS, values, strict=True)}

    class Journeys(ss.Module):
        def __init__(self) -> None:
            super().__init__()
            self.define_states(*(ss.IntArr(name, default=0) for name in COLUMNS))
            self.anything = ss.random()
            self.log: list[tuple[Ints, int, int, Ints]] = []
            self.stocks = np.zeros((n_weeks, lookup.n_states), np.int64)
            self.now_in = np.bincount(population.state, minlength=lookup.n_states)

        def init_post(self) -> None:
            super().init_post()
            self._fill(self.sim.people.auids, slice(0, upto[0]))

        def _fill(self, uids: Any, rows: slice) -> None:
            for name in COLUMNS:
                getattr(self, name)[uids] = columns[name][rows]

        def step(self) -> None:
            week, people = int(self.ti), self.sim.people
            year = min(week // WEEKS_PER_YEAR, lookup.n_years - 1)
            uids, state, code = people.auids, self.place.values, self.code.values
            age, leave = week - self.birth.values, self.leave.values
            age_band = lookup.age_band[np.minimum(age, WEEKS_TO_18)]
            group = lookup.group[code, age_band]
            band = lookup.band[state, np.minimum(week - 1 - self.since.values, lookup.n_clock - 1)]
            chance = lookup.chance[year, state, group, band]
            fires = self.anything.rvs(uids) < chance
            grown, leaving = age >= WEEKS_TO_18, (leave == week) & (lookup.departure[state] >= 0)
            at = np.flatnonzero(fires | grown | leaving)
            edge = pick(lookup.shares[year, state[at], group[at], band[at]], lookup.edges[state[at]])
            by_plan = np.where(leaving[at], lookup.departure[state[at]], edge)
            edge = np.where(grown[at], lookup.birthday[state[at]], by_plan).astype(np.int64)
            self.follow(uids[at], edge, week)
            rows = slice(upto[week], upto[week + 1])
            if rows.stop > rows.start:
                new = people.grow(rows.stop - rows.start)
                self._fill(new, rows)
                self.follow(new, edge_in[rows], week)
            self.stocks[week] = self.now_in

        def follow(self, uids: Any, edge: Ints, week: int) -> None:
            year = min(week // WEEKS_PER_YEAR, lookup.n_years - 1)
            group = lookup.group[self.code[uids], lookup.age_band[np.minimum(week - self.birth[uids], WEEKS_TO_18)]]
            everybody, step = uids, 0
            while len(uids):
                self.log.append((self.number[uids], week, step, edge))
                before, after = self.place[uids], lookup.target[edge]
                self.now_in += np.bincount(after, minlength=lookup.n_states)
                self.now_in -= np.bincount(before, minlength=lookup.n_states)
                anew = lookup.clock[after] != lookup.clock[before]
                self.since[uids[anew]] = week - lookup.clock_at[edge[anew]]
                self.place[uids] = after
                past = self.past[uids]
                history = np.maximum(past, lookup.history[edge])
                code = self.code[uids]
                self.code[uids] = code + np.where(code == ALONE, 0, history - past)
                self.past[uids] = history
                on = lookup.at_once[after]
                uids, group, after = uids[on], group[on], after[on]
                edge = pick(lookup.outcomes[year, after, group], lookup.outcome_edges[after])
                step += 1
            self.sim.people.request_removal(everybody[lookup.gone[self.place[everybody]]])

    def pick(shares: NDArray[np.float64], edges: NDArray[np.int16]) -> Ints:
        place = (shares <= rng.random(len(shares))[:, None]).sum(axis=1)
        return edges[np.arange(len(edges)), place].astype(np.int64)

    return Journeys()


class StarsimDense:
    """All children of an area as one Starsim simulation."""

    def __init__(self, lookup: Lookup, population: Population, n_weeks: int, seed: int) -> None:
        import starsim as ss

        self.module = make_module(lookup, population, n_weeks, seed)
        there = int((population.enter_edge < 0).sum())
        # The last point of time is stepped too.
        self.sim = ss.Sim(
            n_agents=there, modules=self.module, dt=ss.weeks(1), dur=ss.weeks(n_weeks - 1), start=0, verbose=0,
            rand_seed=seed, copy_inputs=False,
        )  # fmt: skip
        self.sim.init()

    def run(self) -> Told:
        """Simulate all weeks."""
        self.sim.run()
        log = self.module.log
        size = [len(part[0]) for part in log]
        child, edge = (np.concatenate([np.asarray(part[k]) for part in log]) for k in (0, 3))
        week, step = (np.repeat(np.array([part[k] for part in log]), size) for k in (1, 2))
        return Told(child, week, step, edge, self.module.stocks)
