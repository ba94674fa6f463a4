"""The course of a model: where its children are week by week, which is what a mean over children is weighed by."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abm.cohorts import columns_of
from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, Grid, MeanField, Values
from abm.parameters import Parameters
from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_AGES,
    N_HISTORIES,
    N_RISKS,
    WEEKS_PER_YEAR,
    WEEKS_TO_18,
    Journey,
)
from abm.places_rules import Supply
from abm.scenario import Scenario
from abm.trajectory import Columns, Diary, Trajectory, run_columns

Array = NDArray[np.float64]
FINENESS, FINENESS_OF_STAYS = 8, 32
"""A piece of the clock is as long as one part in so many of the weeks before it, and at least a week; finer for plans
and care, where a coarse clock would blur who stays and pass over the week of a review."""
_STAYS = ("plan", "care")
BLOCK = 26
"""Birth weeks in a column, whose children all turn 18 together."""
MOVED_AT_A_RATE = "moved_away_at_a_rate"
"""The transition of children who move away where nobody ages: by chance, not as the population plan tells by age."""


@dataclass(frozen=True)
class Kept:
    """What children are told apart by.

    `dates` says whether children turn 18 and move away on dates, or at rates; as `age` if nothing is said.
    """

    time: bool = True
    age: bool = True
    frailty: bool = True
    history: bool = True
    dates: bool | None = None

    @property
    def by_date(self) -> bool:
        """Whether children turn 18 and move away on dates."""
        return self.age if self.dates is None else self.dates

    @property
    def all(self) -> bool:
        """Whether nothing is left out."""
        return self.time and self.age and self.frailty and self.history and self.by_date


MARKOV = Kept(False, False, False, False)
"""Classic system dynamics: all children of a state are alike."""


@dataclass(frozen=True)
class Model:
    """A journey with its parameters and the children of an area: all that expected values are made of.

    Homes, if they are limited, are of runs alone: expected values do not know them.
    """

    journey: Journey
    parameters: Parameters
    scenario: Scenario
    kept: Kept = Kept()
    homes: Supply | None = None


@dataclass(frozen=True)
class Course:
    """Children-weeks of a model by state and band of time, and the dated events that a model without ages has as rates.

    weeks      float64[Y, 5, strata, S, B]  children-weeks at the beginning of a week, by age band
    birthdays  the same shape               children who turn 18 in the week, before anything else
    moved      the same shape               children who move away in the week, before anything else
    flows      float64[Y, 5, strata, E]     all other events
    """

    field: MeanField
    path: Trajectory
    weeks: Array
    birthdays: Array
    moved: Array
    flows: Array

    @property
    def there(self) -> Array:
        """Children-weeks of those to whom anything else may happen."""
        return self.weeks - self.birthdays - self.moved

    @property
    def dated(self) -> dict[int, Array]:
        """Dated events by edge, float64[Y, 5, strata, B]."""
        journey = self.field.journey
        out = {int(e): self.birthdays[:, :, :, s] for s, e in enumerate(journey.tables.birthday) if e >= 0}
        for e in moves_away(journey):
            out[e] = self.moved[:, :, :, int(journey.tables.source[e])]
        return out


def moves_away(journey: Journey) -> list[int]:
    """Return the edges by which children move away as planned."""
    return journey.edges_of("moved_away") if "moved_away" in journey.transition_index else []


def ladder_grid(journey: Journey) -> Grid:
    """Return a grid whose pieces grow with the time already spent; see FINENESS."""
    tables = journey.tables
    state, start, width, band = [], [], [], []
    piece_at = np.full(tables.band.shape, -1)
    for s, declared in enumerate(journey.states):
        if tables.at_once[s] or not (tables.weekly[tables.first[s] : tables.first[s + 1]].any() or declared.at_18):
            continue
        fineness = FINENESS_OF_STAYS if declared.stage in _STAYS else FINENESS
        for b, (low, high) in enumerate(itertools.pairwise([*declared.bands, declared.bands[-1] + 1])):
            last, first = b == len(declared.bands) - 1, low
            while first < high:
                step = 1 if last else min(max(1, first // fineness), high - first)
                state.append(s)
                start.append(first)
                width.append(0 if last else step)
                band.append(b)
                piece_at[s, first:] = len(state) - 1
                first += step
    return Grid(np.array(state), np.array(start), np.array(width), np.array(band), piece_at)


def children_of(model: Model, field: MeanField) -> Columns:
    """Return the children of a model, a column for each half year of birth.

    Those who are not told apart stand together: in one column where nobody has birthdays, in one risk class or history
    where these are left out.
    """
    columns, kept = columns_of(model.scenario, field, block=BLOCK), model.kept
    if not (kept.frailty and kept.history):
        apart = columns.mass.reshape(N_STRATA, field.grid.n_pieces, -1)
        together = np.zeros_like(apart)
        for stratum in range(UNACCOMPANIED_STRATUM):
            risk, history = divmod(stratum, N_HISTORIES)
            together[risk * kept.frailty * N_HISTORIES + history * kept.history] += apart[stratum]
        together[UNACCOMPANIED_STRATUM] = apart[UNACCOMPANIED_STRATUM]
        risk_shares = columns.risk if kept.frailty else np.eye(N_RISKS)[0] * columns.risk.sum()
        columns = replace(columns, mass=together.reshape(columns.mass.shape), risk=risk_shares)
    if kept.by_date:
        return columns

    def in_one(values: Array) -> Array:
        return np.asarray(values.sum(axis=1, keepdims=True))

    entering = {name: in_one(getattr(columns, name)) for name in ("born", "moved_in", "came_alone", "moved_away")}
    return Columns(np.zeros(1, np.int64), in_one(columns.mass), columns.risk, **entering)


class Walk:
    """The expected course of a model, which a policy may leave at the beginning of some year."""

    def __init__(self, model: Model, field: MeanField, fork: int = 0) -> None:
        """Walk a model to its end; `fork` is the model year whose beginning is remembered."""
        self.model, self.field = model, field
        self.columns = children_of(model, field)
        self.week = fork * WEEKS_PER_YEAR
        self.cache: dict[int, Values] = {}
        thresholds = self._thresholds(model.parameters)
        self._fill(thresholds, self.cache)
        parts, self.there = [], self.columns
        if self.week:
            before = run_columns(field, thresholds, self.columns, self.week, cache=self.cache)
            parts, self.there = [before], replace(self.columns, mass=before.mass)
        self.before = parts
        self.stocks, self.flows = self._on(thresholds, self.cache)

    def under(self, parameters: Parameters) -> tuple[Array, Array]:
        """Return stocks and flows under parameters that are the model's until the fork."""
        year = self.week // WEEKS_PER_YEAR
        cache = {y: values for y, values in self.cache.items() if y < year}
        thresholds = self._thresholds(parameters)
        self._fill(thresholds, cache)
        return self._on(thresholds, cache)

    def _thresholds(self, parameters: Parameters) -> NDArray[np.uint64]:
        return parameters.thresholds(self.model.journey)

    def _fill(self, thresholds: NDArray[np.uint64], cache: dict[int, Values]) -> None:
        """Give all age bands the same chances where age is left out, without working them out for each."""
        if self.model.kept.age:
            return
        for year in range(min(self.model.scenario.n_years, len(thresholds))):
            if year not in cache:
                step, flow = self.field.values(thresholds[year], 0)
                cache[year] = np.repeat(step[:, None], N_AGES, 1), np.repeat(flow[:, None], N_AGES, 1)

    def _on(self, thresholds: NDArray[np.uint64], cache: dict[int, Values]) -> tuple[Array, Array]:
        rest = self.model.scenario.n_weeks - self.week
        last = run_columns(self.field, thresholds, self.there, rest, self.week, cache)
        paths = [*self.before, last]
        return np.vstack([path.stocks for path in paths]), np.vstack([path.flows for path in paths])


def follow(model: Model, field: MeanField | None = None) -> Course:
    """Run a model in which children have birthdays and note where its children are."""
    journey, scenario = model.journey, model.scenario
    field = field or MeanField(journey, ladder_grid(journey))
    columns = children_of(model, field)
    has_birthday = journey.tables.birthday[np.tile(field.grid.state, N_STRATA)] >= 0
    shape = (scenario.n_years, N_AGES, field.grid.n_cells)
    weeks, birthdays, moved = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    young = np.ones(columns.birth_week.size, bool)

    def watch(week: int, mass: Array) -> None:
        year, age = week // WEEKS_PER_YEAR, week - columns.birth_week
        band = np.clip(np.searchsorted(AGE_EDGES_WEEKS, np.maximum(age, 0), side="right") - 1, 0, N_AGES - 1)
        for a in range(N_AGES):
            # Columns are in the order of birth, so that those of an age band stand side by side.
            mine = np.flatnonzero(band == a)
            if mine.size:
                weeks[year, a] += mass[:, mine[0] : mine[-1] + 1].sum(axis=1)
        for j in np.flatnonzero((age >= WEEKS_TO_18) & young):
            young[j] = False
            birthdays[year, -1] += mass[:, j] * has_birthday
        going = np.flatnonzero((columns.moved_away[week] > 0) & young)
        if going.size:
            share = columns.moved_away[week, going] / np.maximum(mass[:, going].sum(axis=0), 1e-300)
            leave = mass[np.ix_(field.home_cells, going)] * np.minimum(share, 1.0)
            for a in np.unique(band[going]):
                moved[year, a, field.home_cells] += leave[:, band[going] == a].sum(axis=1)

    cache: dict[int, Values] = {}
    thresholds = model.parameters.thresholds(journey)
    path = run_columns(field, thresholds, columns, scenario.n_weeks, cache=cache, watch=watch)
    there = weeks - birthdays - moved
    flows = np.stack([_flows(field, there[y], cache[min(y, len(thresholds) - 1)]) for y in range(scenario.n_years)])
    _add_arrivals(field, columns, thresholds, flows)
    return Course(field, path, _by_band(field, weeks), _by_band(field, birthdays), _by_band(field, moved), flows)


def _by_band(field: MeanField, cells: Array) -> Array:
    """Return float64[Y, 5, strata, S, B] from float64[Y, 5, cells]."""
    grid, tables = field.grid, field.journey.tables
    years, ages, _ = cells.shape
    place = grid.state * tables.max_bands + grid.band
    # Pieces stand in the order of states and bands.
    found, first = np.unique(place, return_index=True)
    out = np.zeros((years, ages, N_STRATA, tables.n_states * tables.max_bands))
    out[..., found] = np.add.reduceat(cells.reshape(years, ages, N_STRATA, grid.n_pieces), first, axis=-1)
    return out.reshape(years, ages, N_STRATA, tables.n_states, tables.max_bands)


def _flows(field: MeanField, weeks: Array, values: Values) -> Array:
    """Return float64[5, strata, E]: events of a year by age band and stratum."""
    pattern, n_edges = field.flow, field.journey.tables.n_edges
    row = np.repeat(np.arange(n_edges), np.diff(pattern.indptr))
    place = (pattern.indices // field.grid.n_pieces) * n_edges + row
    out = np.zeros((N_AGES, N_STRATA * n_edges))
    for a in range(N_AGES):
        out[a] = np.bincount(place, values[1][:, a] * weeks[a, pattern.indices], N_STRATA * n_edges)
    return out.reshape(N_AGES, N_STRATA, n_edges)


def _add_arrivals(field: MeanField, columns: Columns, thresholds: NDArray[np.uint64], flows: Array) -> None:
    """Add what follows at once on arrival for those who come alone."""
    if not columns.came_alone.any():
        return
    diary = Diary(field, columns)
    for year in range(len(flows)):
        for week in range(year * WEEKS_PER_YEAR, (year + 1) * WEEKS_PER_YEAR):
            coming = columns.came_alone[week]
            age = np.maximum(week - columns.birth_week, 0)
            band = np.clip(np.searchsorted(AGE_EDGES_WEEKS, age, side="right") - 1, 0, N_AGES - 1)
            for a in np.unique(band[coming > 0]):
                _, made = diary.landing("came_alone", thresholds[min(year, len(thresholds) - 1)], int(a))
                flows[year, a, UNACCOMPANIED_STRATUM] += made * coming[band == a].sum()


def without_birthdays(journey: Journey) -> Journey:
    """Return the journey in which turning 18 and moving away happen by chance, as anything else does."""
    states = tuple(replace(state, at_18="") for state in journey.states)
    moves = tuple(replace(t, key=MOVED_AT_A_RATE) if t.key == "moved_away" else t for t in journey.transitions)
    return replace(journey, states=states, transitions=moves)


def without_moves(scenario: Scenario) -> Scenario:
    """Return the scenario whose plan tells of nobody who moves away."""
    return replace(scenario, plan=replace(scenario.plan, moves=np.maximum(scenario.plan.moves, 0.0)))


Say = Callable[[str, float], None]
