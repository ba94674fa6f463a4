"""The children of a scenario as columns of a mean field: a column for each block of birth weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, MeanField
from abm.pathway import AGE_EDGES_WEEKS, N_HISTORIES, N_RISKS, WEEKS_PER_YEAR
from abm.population import Population
from abm.scenario import DayOne, Scenario
from abm.trajectory import Columns, Diary

Array = NDArray[np.float64]


def spread_over_pieces(day_one: DayOne, field: MeanField) -> Array:
    """Return float64[C, K]: the share of each day-one cell that lies in each piece of the grid."""
    grid = field.grid
    out = np.zeros((day_one.state.size, grid.n_pieces))
    longest = grid.piece_at.shape[1] - 1
    for c in range(day_one.state.size):
        weeks = np.arange(day_one.clock_from[c], day_one.clock_to[c] + 1)
        pieces = grid.piece_at[day_one.state[c], np.minimum(weeks, longest)]
        np.add.at(out[c], pieces, 1.0 / weeks.size)
    return out


def columns_of(scenario: Scenario, field: MeanField, block: int = 13) -> Columns:
    """Return the expected children of a scenario in columns of `block` birth weeks (a divisor of 52).

    Counts are of the whole area. Those born in a block are all given the birthday in its middle.
    """
    plan, n_years = scenario.plan, scenario.n_years
    blocks = WEEKS_PER_YEAR // block
    middle = (block - 1) // 2
    first = -18 * WEEKS_PER_YEAR
    n_columns = (18 + n_years) * blocks
    birth_week = first + np.arange(n_columns) * block + middle
    mass = np.zeros((field.grid.n_cells, n_columns))
    spread = spread_over_pieces(scenario.day_one, field)
    k = field.grid.n_pieces
    for age in range(18):
        column = (17 - age) * blocks
        for risk in range(N_RISKS):
            chance = scenario.day_one.chance[age, risk]
            for history in range(N_HISTORIES):
                mine = (chance * (scenario.day_one.history == history)) @ spread
                rows = slice((risk * N_HISTORIES + history) * k, (risk * N_HISTORIES + history + 1) * k)
                children = plan.ages[age] * plan.risk_shares[risk] / blocks
                mass[rows, column : column + blocks] = (mine * children)[:, None]
        rows = slice(UNACCOMPANIED_STRATUM * k, N_STRATA * k)
        alone = scenario.day_one.unaccompanied[age] @ spread * plan.unaccompanied[age] / blocks
        mass[rows, column : column + blocks] = alone[:, None]
    shape = (n_years * WEEKS_PER_YEAR, n_columns)
    born, moved_in, came_alone, moved_away = (np.zeros(shape) for _ in range(4))
    for year in range(n_years):
        weeks = np.arange(year * WEEKS_PER_YEAR, (year + 1) * WEEKS_PER_YEAR)
        newborn = (18 + year) * blocks
        born[weeks, newborn + (weeks - weeks[0]) // block] = plan.births[year] / WEEKS_PER_YEAR
        age_then = (weeks[:, None] - birth_week) // WEEKS_PER_YEAR
        share = np.where((age_then >= 0) & (age_then < 18), plan.arrival_ages[np.clip(age_then, 0, 17)], 0.0)
        came_alone[weeks] = share * plan.arrivals[year] / WEEKS_PER_YEAR / blocks
        for age in range(18):
            column = (17 - age + year) * blocks
            mine = slice(column, column + blocks)
            move = plan.moves[year, age] / WEEKS_PER_YEAR / blocks
            (moved_in if move > 0 else moved_away)[weeks, mine] += abs(move)
    return Columns(birth_week, mass, plan.risk_shares, born, moved_in, came_alone, moved_away)


@dataclass(frozen=True)
class LifeCourse:
    """What a cohort lives through from birth to 18 under unchanging chances, and those who come alone.

    stocks  float64[2, 18, S]   mean over the weeks of each year of age: of one child born; of all who came alone
    flows   float64[2, 18, E]   events in each year of age, likewise
    cells   float64[18, cells]  mean over the weeks of each year of age; those who came alone are a stratum
    last    float64[cells]      on the 18th birthday
    """

    stocks: Array
    flows: Array
    cells: Array
    last: Array

    def per_year(self, ages: Array) -> tuple[Array, Array]:
        """Return (stocks [2, 18, S], flows a year [2, 18, E]) of a population with this many children of each age.

        The first entry is of children born in the area, the second of those who came alone.
        """
        weight = np.stack([ages, np.ones(18)])[:, :, None]
        return self.stocks * weight, self.flows * weight


def life_course(
    field: MeanField, thresholds: NDArray[np.uint64], risk_shares: Array, arrivals: float, arrival_ages: Array
) -> LifeCourse:
    """Follow a birth cohort, and the arrivals of unaccompanied children, from birth to 18.

    thresholds  uint64[E, G, B]
    arrivals    unaccompanied children a year, spread over `arrival_ages`
    """
    journey, grid, k = field.journey, field.grid, field.grid.n_pieces
    tables = journey.tables
    mass = np.zeros(grid.n_cells)
    home = int(grid.piece_at[journey.state_index["at_home"], 0])
    mass[np.arange(N_RISKS) * N_HISTORIES * k + home] = risk_shares
    nothing = np.zeros((1, 1))
    diary = Diary(field, Columns(np.zeros(1, int), mass[:, None], risk_shares, nothing, nothing, nothing, nothing))
    parts = np.zeros((2, grid.n_cells))
    parts[0, : UNACCOMPANIED_STRATUM * k] = parts[1, UNACCOMPANIED_STRATUM * k :] = 1.0
    stocks, flows = np.zeros((2, 18, tables.n_states)), np.zeros((2, 18, tables.n_edges))
    cells = np.zeros((18, grid.n_cells))
    for age in range(18):
        if age * WEEKS_PER_YEAR in AGE_EDGES_WEEKS:
            band = AGE_EDGES_WEEKS.index(age * WEEKS_PER_YEAR)
            step, count = field.matrices(thresholds, band)
            landing, made = diary.landing("came_alone", thresholds, band)
        # Those who came alone are counted as they stand at any time: all weeks of age side by side.
        coming = arrivals * arrival_ages[age] / WEEKS_PER_YEAR**2
        before, after = np.zeros(grid.n_cells), np.zeros(grid.n_cells)
        for _ in range(WEEKS_PER_YEAR):
            before += mass
            mass = step @ mass + landing * coming
            after += mass
        cells[age] = after / WEEKS_PER_YEAR
        for part, weeks in ((0, WEEKS_PER_YEAR), (1, 1)):
            stocks[part, age] = field.summing @ (after * parts[part]) / weeks
            flows[part, age] = count @ (before * parts[part]) * (WEEKS_PER_YEAR if part else 1)
        flows[1, age] += made * arrivals * arrival_ages[age]
    return LifeCourse(stocks, flows, cells, mass)


def columns_of_population(population: Population, field: MeanField, n_weeks: int) -> Columns:
    """Return the children of one simulated population, a column for each birth week: for the exact form.

    Those meant to move away do so here in proportion to all who are at home, which is not exact: leave them out of an
    exact comparison.
    """
    journey, grid = field.journey, field.grid
    birth_week, column = np.unique(population.birth_week.astype(np.int64), return_inverse=True)
    mass = np.zeros((grid.n_cells, birth_week.size))
    there = population.enter_edge < 0
    clock = np.minimum(-1 - population.since_week[there], grid.piece_at.shape[1] - 1)
    piece = grid.piece_at[population.state[there], clock]
    stratum = np.where(
        population.uasc[there],
        UNACCOMPANIED_STRATUM,
        population.risk[there].astype(np.int64) * N_HISTORIES + population.history[there],
    )
    np.add.at(mass, (stratum * grid.n_pieces + piece, column[there]), 1.0)
    shape = (-(-n_weeks // WEEKS_PER_YEAR) * WEEKS_PER_YEAR, birth_week.size)
    entering = {}
    for name in ("born", "moved_in", "came_alone"):
        mine = np.isin(population.enter_edge, journey.edges_of(name) if name in journey.transition_index else [])
        entering[name] = np.zeros((*shape, N_RISKS))
        np.add.at(entering[name], (population.enter_week[mine], column[mine], population.risk[mine]), 1.0)
    moved_away = np.zeros(shape)
    leaving = population.leave_week < n_weeks
    np.add.at(moved_away, (population.leave_week[leaving], column[leaving]), 1.0)
    risk = sum(counts.sum(axis=(0, 1)) for name, counts in entering.items() if name != "came_alone")
    born, moved_in, came_alone = (counts.sum(axis=2) for counts in entering.values())
    shares = np.asarray(risk) / max(np.sum(risk), 1.0)
    return Columns(birth_week, mass, shares, born, moved_in, came_alone, moved_away)
