"""Children and families as a struct of arrays: who is there on day one, who is born, who arrives and who moves away."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.draws import choice, words
from abm.errors import CareError, did_you_mean
from abm.families import families_of
from abm.pathway import N_RISKS, WEEKS_PER_YEAR, WEEKS_TO_18, Journey, purpose_of
from abm.placing import N_AGES_YEARS, choose, place_on_day_one
from abm.scenario import Scenario

COLUMNS = (
    ("child", np.int32, "number of the child, from 0"),
    ("family", np.int32, "number of the family; brothers and sisters share it"),
    ("birth_week", np.int32, "week of birth; negative before day one"),
    ("sex", np.uint8, "0 female, 1 male"),
    ("risk", np.uint8, "risk class of the family"),
    ("uasc", np.bool_, "came to the country alone"),
    ("enter_week", np.int32, "week of birth or arrival; 0 for those there on day one"),
    ("enter_edge", np.int16, "edge by which the child enters; -1 for those there on day one"),
    ("leave_week", np.int32, "week of a planned move away; the number of weeks if none"),
    ("state", np.uint8, "state before enter_week, or on day one"),
    ("history", np.uint8, "history at that time"),
    ("since_week", np.int32, "week the child's clock began"),
)
"""Every column of the population: name, dtype, meaning."""

BOYS_PER_1000 = 512
"""Boys among 1,000 children (ONS births: 105 boys to 100 girls)."""
BOYS_PER_1000_ALONE = 960
"""Boys among 1,000 unaccompanied children (DfE, Children looked after in England, 2021 to 2025: 95 to 97 percent)."""


@dataclass(frozen=True)
class Population:
    """The children of one run, arrays of N as COLUMNS says."""

    child: NDArray[np.int32]
    family: NDArray[np.int32]
    birth_week: NDArray[np.int32]
    sex: NDArray[np.uint8]
    risk: NDArray[np.uint8]
    uasc: NDArray[np.bool_]
    enter_week: NDArray[np.int32]
    enter_edge: NDArray[np.int16]
    leave_week: NDArray[np.int32]
    state: NDArray[np.uint8]
    history: NDArray[np.uint8]
    since_week: NDArray[np.int32]

    def __post_init__(self) -> None:
        """Check lengths and kinds against COLUMNS."""
        for name, kind, _ in COLUMNS:
            column = getattr(self, name)
            if column.dtype != kind or column.shape != self.child.shape:
                raise CareError(
                    f"Column '{name}' of the population is {column.dtype}{column.shape}",
                    remedy=f"It must be {np.dtype(kind)} with one number for each of {self.child.size} children",
                )

    def __len__(self) -> int:
        """Return the number of children."""
        return int(self.child.size)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name, in the order of COLUMNS."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def population_of(**columns: Any) -> Population:
    """Return a population from columns by name, with the declared dtypes; for tests and for hand-made cases.

    What is left out is: child numbered from 0, a family each, girls of risk 0 and history 0, there on day one, born
    and with a clock begun a week before it, with no planned move (a leave_week no run reaches).
    """
    known = {name: kind for name, kind, _ in COLUMNS}
    for name in columns:
        if name not in known:
            raise CareError(f"A population has no column '{name}'", remedy=did_you_mean(name, known))
    n = max((np.size(column) for column in columns.values()), default=0)
    usual: dict[str, Any] = {
        "child": np.arange(n), "family": np.arange(n), "birth_week": -1, "enter_edge": -1, "since_week": -1,
        "leave_week": 1 << 30,
    }  # fmt: skip
    return Population(
        **{
            name: np.broadcast_to(np.asarray(columns.get(name, usual.get(name, 0))).astype(kind), n).copy()
            for name, kind in known.items()
        }
    )


def make_population(scenario: Scenario, seed: int, journey: Journey) -> Population:
    """Return the children of a scenario: on day one, to be born, to arrive; the same for the same seed, bit for bit.

    Numbers of children are the plan's, divided by the scenario's `sample` and rounded so that running totals are
    right to half a child. Which child it is that moves or is in care is decided by keyed draws.

    Errors
    ------
    CareError
        For a plan that is too short for the scenario, negative counts, or a journey without the diary transitions
        that the plan needs.
    """
    _check(scenario)
    plan, weeks = scenario.plan, scenario.n_weeks
    n_years = scenario.n_years
    present = _rounded(plan.ages / scenario.sample)
    alone = _rounded(plan.unaccompanied / scenario.sample)
    births = _rounded(np.repeat(plan.births[:n_years], WEEKS_PER_YEAR) / WEEKS_PER_YEAR / scenario.sample)[:weeks]
    comers = _rounded(np.repeat(plan.arrivals[:n_years], WEEKS_PER_YEAR) / WEEKS_PER_YEAR / scenario.sample)[:weeks]
    moves = _rounded(plan.moves[:n_years].ravel() / scenario.sample).reshape(n_years, N_AGES_YEARS)

    # In this order: there on day one, there on day one and alone, born, moved in, came alone.
    ages = np.arange(N_AGES_YEARS)
    arrivals = np.maximum(moves, 0)
    sizes = [int(part.sum()) for part in (present, alone, births, arrivals, comers)]
    part = np.repeat(np.arange(5), sizes)
    child = np.arange(part.size, dtype=np.int32)
    in_year = choice(seed, child, "population: week within the year of age", WEEKS_PER_YEAR)
    birth, enter = np.zeros(child.size, np.int64), np.zeros(child.size, np.int64)

    there = part < 2
    age = np.concatenate([np.repeat(ages, present), np.repeat(ages, alone)])
    birth[there] = -WEEKS_PER_YEAR * age - in_year[there] - 1  # day one ends the week before week 0
    born = part == 2
    birth[born] = enter[born] = np.repeat(np.arange(weeks), births)
    moved = part == 3
    year = np.repeat(np.arange(n_years), arrivals.sum(axis=1)) * WEEKS_PER_YEAR
    age = np.concatenate([np.repeat(ages, row) for row in arrivals]) if n_years else np.zeros(0, np.int64)
    birth[moved] = year - WEEKS_PER_YEAR * age - in_year[moved] - 1
    enter[moved] = year + choice(seed, child[moved], "population: week of a move", WEEKS_PER_YEAR)
    came = part == 4
    enter[came] = np.repeat(np.arange(weeks), comers)
    birth[came] = enter[came] - WEEKS_PER_YEAR * _shared(seed, child[came], plan.arrival_ages) - in_year[came]

    # A move planned for after the end of the run does not happen, nor one after the 18th birthday.
    stays = (enter < weeks) & (there | (enter - birth < WEEKS_TO_18))
    part, birth, enter = part[stays], birth[stays], enter[stays]
    child = np.arange(part.size, dtype=np.int32)
    uasc = (part == 1) | (part == 4)

    family = np.empty(child.size, np.int32)
    family[~uasc] = families_of(birth[~uasc].astype(np.int32), seed, plan.family_sizes, plan.spacing_weeks)
    n_families = int(family[~uasc].max(initial=-1)) + 1
    family[uasc] = n_families + np.arange(uasc.sum())
    risk = _risks(seed, np.bincount(family), plan.risk_shares)[family]
    since_when = np.where(part < 2, -1, enter)
    leave = _departures(seed, family, birth, since_when, uasc, np.maximum(-moves, 0), weeks)

    day_one = part < 2
    state, history, since = place_on_day_one(scenario.day_one, seed, journey, child, birth, risk, uasc, day_one)
    boys = np.where(uasc, BOYS_PER_1000_ALONE, BOYS_PER_1000)
    sex = choice(seed, child, "population: sex", 1000) < boys
    edge = np.full(child.size, -1, np.int16)
    for number, name in ((2, "born"), (3, "moved_in"), (4, "came_alone")):
        if (part == number).any():
            edge[part == number] = _edge_into(journey, name)
    if (edge >= 0).any():
        state[edge >= 0] = journey.tables.source[edge[edge >= 0]]
    since[edge >= 0] = enter[edge >= 0]
    return population_of(
        child=child, family=family, birth_week=birth, sex=sex, risk=risk, uasc=uasc, enter_week=enter,
        enter_edge=edge, leave_week=leave, state=state, history=history, since_week=since,
    )  # fmt: skip


def _check(scenario: Scenario) -> None:
    plan, years = scenario.plan, scenario.n_years
    if scenario.sample < 1 or scenario.n_weeks < 1:
        raise CareError(f"A scenario of {scenario.n_weeks} weeks and one child in {scenario.sample} cannot be run")
    for name, shape in (("births", (years,)), ("arrivals", (years,)), ("moves", (years, N_AGES_YEARS))):
        have = getattr(plan, name).shape
        if len(have) != len(shape) or have[0] < years or have[1:] != shape[1:]:
            raise CareError(
                f"The population plan has '{name}' of the shape {have}", scenario.area_code,
                f"{years} model years need at least {shape}",
            )  # fmt: skip
    for name in ("ages", "births", "unaccompanied", "arrivals", "arrival_ages", "risk_shares"):
        if not (getattr(plan, name) >= 0).all():
            raise CareError(f"The population plan has a negative number in '{name}'", scenario.area_code)


def _edge_into(journey: Journey, transition: str) -> int:
    if transition not in journey.transition_index:
        raise CareError(
            f"The population plan needs the transition '{transition}', which is not declared",
            journey.file,
            "Declare it",
        )
    return journey.edges_of(transition)[0]


def _rounded(expected: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round numbers so that every running total is right to half a child."""
    return np.diff(np.floor(np.cumsum(expected) + 0.5), prepend=0.0).astype(np.int64)


def _shared(seed: int, child: NDArray[np.int32], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a keyed choice of age by its shares."""
    if child.size == 0:
        return np.zeros(0, np.int64)
    if shares.sum() <= 0:
        raise CareError("Unaccompanied children arrive but 'arrival_ages' has no shares")
    bounds = np.floor(np.cumsum(shares / shares.sum()) * 2.0**32)
    drawn = words(seed, child, 0, purpose_of("population: age on arrival"))
    age: NDArray[np.int64] = np.searchsorted(bounds, drawn, side="right").astype(np.int64)
    return np.minimum(age, int(np.flatnonzero(shares)[-1]))


def _departures(
    seed: int, family: NDArray[np.int32], birth: NDArray[np.int64], enter: NDArray[np.int64], uasc: NDArray[np.bool_],
    counts: NDArray[np.int64], n_weeks: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Return the leave week of each child: of each cohort, those of families with the smallest draws move first.

    So brothers and sisters mostly move together, in the same week, as far as the net moves of their ages allow it.
    `enter` is -1 for children who are there on day one; `counts` are departures by model year and age at its start.
    """
    leave = np.full(family.size, n_weeks, np.int64)
    if not counts.any():
        return leave
    turn = words(seed, family, 0, purpose_of("population: turn to move away"))
    # The cohort is the model year before which the child was aged 0: 52y - birth lies in [1, 52] for it.
    cohort = np.where(uasc, np.iinfo(np.int64).min, birth // WEEKS_PER_YEAR + 1)
    order = np.lexsort((np.arange(family.size), turn, cohort))
    ranked = cohort[order]
    for year, age in zip(*np.nonzero(counts), strict=True):
        start = WEEKS_PER_YEAR * int(year)
        here = order[np.searchsorted(ranked, year - age) : np.searchsorted(ranked, year - age, side="right")]
        here = here[(leave[here] == n_weeks) & (enter[here] < start)]
        goes = here[: counts[year, age]]
        leave[goes] = start + choice(seed, family[goes], "population: week of a move", WEEKS_PER_YEAR, start)
    return np.minimum(leave, n_weeks)


def _risks(seed: int, size: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the risk class of each family: in the order of a keyed draw, so that shares hold in each family size."""
    if shares.shape != (N_RISKS,) or shares.sum() <= 0:
        raise CareError(f"The population plan needs {N_RISKS} shares of families by risk class, not all 0")
    family = np.arange(size.size)
    order = np.lexsort((family, words(seed, family, 0, purpose_of("family: risk")), size))
    chance = np.broadcast_to(shares / shares.sum(), (1, N_RISKS))
    risk = np.zeros(size.size, np.int64)
    # The rarest class first: see placing.choose_cells.
    by_size = np.argsort(shares, kind="stable")
    choose(seed, "family: risk", order, np.zeros(size.size, np.int64), chance[:, by_size], np.arange(N_RISKS), risk)
    return by_size[risk].astype(np.uint8)
