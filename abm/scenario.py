"""What is simulated: an area, its dates, its children on day one and those to come. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.pathway import WEEKS_PER_YEAR


@dataclass(frozen=True)
class PopulationPlan:
    """Children expected in an area; all counts are of the whole area, before any sampling.

    ages                float64[18]     children on day one by age, without unaccompanied children
    births              float64[Y]      births a model year
    moves               float64[Y, 18]  arrivals less departures and deaths a model year, by age at its start
    unaccompanied       float64[18]     unaccompanied children on day one, by age
    arrivals            float64[Y]      unaccompanied children who arrive in a model year
    arrival_ages        float64[18]     shares of arrivals by age
    risk_shares         float64[4]      shares of families by risk class
    family_sizes        float64[k]      shares of families with 1, 2, ... k children
    spacing_weeks       float64         mean gap between brothers and sisters; the least gap is 40 weeks
    """

    ages: NDArray[np.float64]
    births: NDArray[np.float64]
    moves: NDArray[np.float64]
    unaccompanied: NDArray[np.float64]
    arrivals: NDArray[np.float64]
    arrival_ages: NDArray[np.float64]
    risk_shares: NDArray[np.float64]
    family_sizes: NDArray[np.float64]
    spacing_weeks: float


@dataclass(frozen=True)
class DayOne:
    """Where children are on day one, and for how long they have been there.

    Cells are (state, history, weeks on the clock): a child in cell c has spent a whole number of weeks in
    clock_from[c] .. clock_to[c] (inclusive), each equally likely.

    state, history       uint8[C]
    clock_from, clock_to int32[C]
    chance               float64[18, 4, C]  chance of each cell given age and risk class; sums to 1 over cells
    unaccompanied        float64[18, C]     the same for unaccompanied children by age; all 0 for ages without any
    """

    state: NDArray[np.uint8]
    history: NDArray[np.uint8]
    clock_from: NDArray[np.int32]
    clock_to: NDArray[np.int32]
    chance: NDArray[np.float64]
    unaccompanied: NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """One area from 1 April before `first_year` on, for `n_weeks`.

    `first_year` is the year ending 31 March that week 0 belongs to. Of every `sample` children one is simulated;
    counts in results are of simulated children, and `sample` scales them up.
    """

    area_code: str
    area_name: str
    first_year: int
    n_weeks: int
    sample: int
    plan: PopulationPlan
    day_one: DayOne

    @property
    def n_years(self) -> int:
        """Model years, the last one possibly begun only."""
        return -(-self.n_weeks // WEEKS_PER_YEAR)

    @property
    def years(self) -> tuple[int, ...]:
        """The years ending 31 March that are simulated."""
        return tuple(range(self.first_year, self.first_year + self.n_years))
