"""What diversions change: futures that share a past, the same in hindsight, and what system dynamics makes of it.

Each run is forked as the diversions begin. Every child meets the same luck in all futures, so a difference between two
has a cause, and its error over the seeds is far smaller than that of either. Every child in them is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.checkpoint import begin
from abm.classic import run_classic
from abm.errors import CareError
from abm.forks import fork
from abm.journey import JOURNEY
from abm.outputs import CARE, evaluate, output_named
from abm.parameters import Parameters
from abm.pathway import WEEKS_PER_YEAR, Journey
from abm.prepared import Prepared, prepare
from abm.run import Run
from abm.scenario import Scenario
from calibration.fit import Fitted
from calibration.levers import multipliers
from calibration.system import SystemFit
from experiments.diversion import LONG, LOOKED_AFTER, SHORT, Diversion, find_share
from experiments.run import side_by_side
from experiments.stays import ENTRY

Array = NDArray[np.float64]
AS_BEFORE = "as before"
"""The future without a diversion."""
HINDSIGHT = {SHORT: "short, in hindsight", LONG: "long, in hindsight"}
SYSTEM_DYNAMICS = "system dynamics"
_WEEK_BITS, _WEEK = 16, 0xFFFF


def futures(
    scenario: Scenario, parameters: Parameters, diversions: Mapping[str, Diversion], seed: int, *,
    journey: Journey = JOURNEY, prepared: Prepared | None = None, log: bool = True,
) -> dict[str, Run]:  # fmt: skip
    """Return the run AS_BEFORE and one for each diversion, by its name; they share the past before it begins.

    `prepared` is what `prepare(parameters, journey)` returned, to spare doing it again. Each is a whole run, the same
    as `simulate` gives with the chances of the diversion.
    """
    begun: dict[int, dict[str, Diversion]] = {}
    for name, diversion in diversions.items():
        begun.setdefault(diversion.start_week, {})[name] = diversion
    engine = begin(scenario, prepared or prepare(parameters, journey), seed, log=log)
    out: dict[str, Run] = {}
    for week, here in sorted(begun.items()):
        engine.advance(week - engine.week)
        for name, diversion in here.items():
            future = fork(engine, diversion.prepared)
            future.advance(future.n_weeks)
            out[name] = future.run(scenario)
    engine.advance(engine.n_weeks)
    return {AS_BEFORE: engine.run(scenario), **{name: out[name] for name in diversions}}


# In hindsight --------------------------------------------------------------------------------------------------------


def stays_of(run: Run) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (week of the entry, week of leaving care) of every stay that began with ENTRY, in the order of the log.

    For a stay that is still open when the run ends, the second is a week after any run.
    """
    tables, rows = run.journey.tables, run.rows
    homes = np.zeros(tables.n_states, bool)
    homes[[run.journey.state_index[s] for s in CARE]] = True
    entering = np.isin(np.arange(tables.n_edges), run.journey.edges_of(ENTRY))
    leaving = homes[tables.source] & ~homes[tables.target]
    begun, ended = (
        rows.child[which].astype(np.int64) << _WEEK_BITS | rows.week[which]
        for which in (entering[rows.edge], leaving[rows.edge])
    )
    ended = np.sort(ended)
    place = np.searchsorted(ended, begun, side="right")
    end = np.append(ended, -1)[place]
    same = end >> _WEEK_BITS == begun >> _WEEK_BITS
    return begun & _WEEK, np.where(same, end & _WEEK, _WEEK)


def in_hindsight(run: Run, diversion: Diversion) -> Array:
    """Return float64[years]: children looked after at 31 March if the stays that proved shortest, or longest, were not.

    Of the entries of each year from the diversion's first on, as many as it takes away go: those who then stayed in
    care for the shortest (longest) time; stays that are still open at the end of the run are taken as the longest. All
    else stays as it was in the run. Nobody could have known. `run` is the future AS_BEFORE, with its log.
    """
    usual = evaluate(output_named(LOOKED_AFTER), run.journey, run.stocks, run.flows)
    came, left = stays_of(run)
    ends = np.arange(1, usual.size + 1) * WEEKS_PER_YEAR - 1
    spared = np.zeros(usual.size)
    for begin_week in range(diversion.start_week, run.scenario.n_weeks, WEEKS_PER_YEAR):
        year = np.flatnonzero((came >= begin_week) & (came < begin_week + WEEKS_PER_YEAR))
        stay = np.where(left[year] < run.scenario.n_weeks, left[year] - came[year], _WEEK)
        order = year[np.argsort(-stay if diversion.who == LONG else stay, kind="stable")]
        mine = order[: round(diversion.share * year.size)]
        spared += ((came[mine][:, None] <= ends) & (ends < left[mine][:, None])).sum(axis=0)
    return (usual - spared) * run.scenario.sample


# Many seeds ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effects:
    """Futures of several seeds, in children of the whole area.

    looked_after  by future: float64[seeds, years], children looked after at 31 March
    entries       by future: float64[seeds, years], entries by ENTRY; what is in hindsight has none
    """

    years: tuple[int, ...]
    first_year: int
    seeds: tuple[int, ...]
    looked_after: dict[str, Array]
    entries: dict[str, Array]

    def change(self, future: str, year: int) -> tuple[float, float]:
        """Return by how many more children are looked after at 31 March of a year than AS_BEFORE, and its error.

        The mean of the paired differences, and its standard error over the seeds.
        """
        place = self.years.index(year)
        difference = self.looked_after[future][:, place] - self.looked_after[AS_BEFORE][:, place]
        return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(self.seeds)))

    def usual(self, year: int) -> float:
        """Return the mean of children looked after at 31 March of a year, AS_BEFORE."""
        return float(self.looked_after[AS_BEFORE][:, self.years.index(year)].mean())


def effects(
    scenario: Scenario, parameters: Parameters, diversions: Mapping[str, Diversion], seeds: Sequence[int], *,
    workers: int = 1, journey: Journey = JOURNEY,
) -> Effects:  # fmt: skip
    """Simulate the futures of each seed, and what the diversions to SHORT and LONG would be in hindsight.

    Errors
    ------
    CareError
        For no diversion, diversions that begin in different years, or fewer than two seeds: then no error is known.
    """
    seeds, first_years = tuple(seeds), {diversion.first_year for diversion in diversions.values()}
    if len(seeds) < 2:
        raise CareError("The error of a difference needs several runs", remedy="Ask for at least two seeds")
    if len(first_years) != 1:
        raise CareError(
            "Diversions are compared that begin in the same year", remedy="Give one or more of one first year"
        )
    prepared = prepare(parameters, journey)
    edges = journey.edges_of(ENTRY)

    def one(seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
        runs = futures(scenario, parameters, diversions, seed, journey=journey, prepared=prepared)
        there = {
            name: evaluate(output_named(LOOKED_AFTER), journey, run.stocks, run.flows) * scenario.sample
            for name, run in runs.items()
        }
        hindsight = [d for d in diversions.values() if d.who in HINDSIGHT]
        there |= {HINDSIGHT[d.who]: in_hindsight(runs[AS_BEFORE], d) for d in hindsight}
        came = {name: _by_year(run.flows[:, edges].sum(axis=1)) * scenario.sample for name, run in runs.items()}
        return there, came

    with closing(side_by_side(one, seeds, workers)) as found:
        made = list(found)
    looked_after = {name: np.stack([there[name] for there, _ in made]) for name in made[0][0]}
    entries = {name: np.stack([came[name] for _, came in made]) for name in made[0][1]}
    return Effects(scenario.years, first_years.pop(), seeds, looked_after, entries)


def _by_year(weekly: NDArray[np.int64]) -> Array:
    n_years = weekly.size // WEEKS_PER_YEAR
    return np.asarray(weekly[: n_years * WEEKS_PER_YEAR].reshape(n_years, WEEKS_PER_YEAR).sum(axis=1), np.float64)


# System dynamics -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Classic:
    """Classic system dynamics by year, float64[years] each: children looked after at 31 March, and entries by ENTRY."""

    usually: Array
    looked_after: Array
    usual_entries: Array
    entries: Array


def classic_effect(fitted: Fitted, system: SystemFit, expected: Array, journey: Journey = JOURNEY) -> Classic:
    """Return classic system dynamics with a diversion, and without one.

    expected  float64[years]  entries as a share of those without the diversion: all that it can be told of one

    Its yearly factor of coming into care is moved until its own entries are these shares of those that it has without.
    """
    n_years, edges = fitted.scenario.n_years, journey.edges_of(ENTRY)
    column = journey.transition_index[ENTRY]
    # Its rates hold the mean of the simulation's factors.
    inside = np.log(multipliers(journey, fitted.logs, len(fitted.logs))).mean(axis=0)
    factors = multipliers(journey, system.logs, n_years) / np.exp(inside)

    def follow(year: int, start: Array, kept: float) -> tuple[Array, float, float]:
        """Return the stocks at the end of a year, the children looked after then, and the year's entries."""
        inflow = system.rates.inflow[min(year, len(system.rates.inflow) - 1)][None]
        now = factors[year].copy()
        now[column] *= kept
        rates = replace(system.rates, start=start, inflow=inflow)
        stocks, flows = run_classic(journey, rates, now[None], WEEKS_PER_YEAR)
        there = evaluate(output_named(LOOKED_AFTER), journey, stocks, flows)[-1]
        return stocks[-1], float(there), float(flows[:, edges].sum())

    out, cut = np.zeros((4, n_years)), 0.0
    usual = fewer = system.rates.start
    for year in range(n_years):
        usual, out[0, year], out[2, year] = follow(year, usual, 1.0)
        goal = expected[year] * out[2, year]

        def gap(
            cut: float, year: int = year, fewer: Array = fewer, goal: float = goal
        ) -> tuple[float, tuple[Array, float, float]]:
            found = follow(year, fewer, 1 - cut)
            return found[2] / goal - 1, found

        cut, _, (fewer, out[1, year], out[3, year]) = find_share(gap, cut or 1 - expected[year], 1.0, near=1e-9)
    return Classic(*out)


# Side by side --------------------------------------------------------------------------------------------------------


def compared(
    simulated: Effects, classic: Classic, after: Sequence[int] = (1, 2, 5, 10)
) -> pl.DataFrame:  # fmt: skip
    """Return what diversions change, some years after they begin, as a table.

    Columns: future (of the simulation, or SYSTEM_DYNAMICS), after (years), year, change (children looked after at
    31 March, against AS_BEFORE), error (standard error of it; none for SD), percent and percent_error (of AS_BEFORE).

    Errors
    ------
    CareError
        When the runs do not reach so far.
    """
    last = simulated.years[-1] - simulated.first_year + 1
    if max(after) > last:
        raise CareError(f"The runs end {last} years after the diversions begin", remedy=f"Look at 1 to {last}")
    rows = []
    for name in (SYSTEM_DYNAMICS, *simulated.looked_after):
        for years in after if name != AS_BEFORE else ():
            year = simulated.first_year + years - 1
            place = simulated.years.index(year)
            if name == SYSTEM_DYNAMICS:
                usual, error = float(classic.usually[place]), None
                change = float(classic.looked_after[place]) - usual
            else:
                (change, error), usual = simulated.change(name, year), simulated.usual(year)
            share = None if error is None else 100 * error / usual
            rows.append((name, years, year, change, error, 100 * change / usual, share))
    columns = ["future", "after", "year", "change", "error", "percent", "percent_error"]
    kinds = [pl.String, pl.Int64, pl.Int64, *[pl.Float64] * 4]
    return pl.DataFrame(rows, dict(zip(columns, kinds, strict=True)), orient="row")
