"""Children and families as a struct of arrays: who is there on day one, who is born, who arrives and who moves away."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.draws import area_seed
from abm.errors import CareError, did_you_mean
from abm.families import families_and_sizes
from abm.moving import WITHIN_AGE, come_alone, leave_weeks, move_in
from abm.ordering import choices, draws, order_by_draw
from abm.pathway import N_RISKS, WEEKS_PER_YEAR, Journey
from abm.placing import N_AGES_YEARS, choose, place_on_day_one
from abm.scenario import PopulationPlan, Scenario

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
    made: dict[str, Any] = {
        name: np.broadcast_to(columns.get(name, usual.get(name, 0)), n).astype(kind) for name, kind in known.items()
    }
    return Population(**made)


def make_population(scenario: Scenario, seed: int, journey: Journey) -> Population:
    """Return the children of a scenario: on day one, to be born, to arrive; the same for the same seed, bit for bit.

    Numbers of children are the plan's, divided by the scenario's `sample` and rounded so that running totals are
    right to half a child. Which child it is that moves or is in care is decided by draws keyed by seed and area.

    Errors
    ------
    CareError
        For a plan that is too short for the scenario, negative counts, or a journey without the diary transitions
        that the plan needs.
    """
    _check(scenario)
    seed = area_seed(seed, scenario.area_code)
    plan, weeks = scenario.plan, scenario.n_weeks
    n_years = scenario.n_years
    present = _rounded(plan.ages / scenario.sample)
    alone = _rounded(plan.unaccompanied / scenario.sample)
    births = _rounded(np.repeat(plan.births[:n_years], WEEKS_PER_YEAR) / WEEKS_PER_YEAR / scenario.sample)[:weeks]
    comers = _rounded(np.repeat(plan.arrivals[:n_years], WEEKS_PER_YEAR) / WEEKS_PER_YEAR / scenario.sample)[:weeks]
    moves = _rounded(plan.moves[:n_years].ravel() / scenario.sample).reshape(n_years, N_AGES_YEARS)

    # In this order: there on day one, there on day one and alone, born, moved in, came alone.
    own, there = int(present.sum()), int(present.sum() + alone.sum())
    born = there + int(births.sum())
    arrivals = np.maximum(moves, 0)
    moved_birth, moved_enter = move_in(seed, born, arrivals, weeks)
    came_birth, came_enter = come_alone(seed, born + int(arrivals.sum()), comers, plan.arrival_ages)
    moved = born + moved_birth.size
    n = moved + came_birth.size
    birth, enter = np.empty(n, np.int32), np.zeros(n, np.int32)
    birth[:there], begin = choices(seed, there, WITHIN_AGE, WEEKS_PER_YEAR), 0
    for age, size in [*enumerate(present.tolist()), *enumerate(alone.tolist())]:
        here = birth[begin : begin + size]
        np.subtract(-WEEKS_PER_YEAR * age - 1, here, out=here)  # day one ends the week before week 0
        begin += size
    birth[there:born] = enter[there:born] = np.repeat(np.arange(weeks, dtype=np.int32), births)
    birth[born:moved], enter[born:moved] = moved_birth, moved_enter
    birth[moved:], enter[moved:] = came_birth, came_enter
    uasc = np.zeros(n, np.bool_)
    uasc[own:there] = uasc[moved:] = True

    family, sizes = _families(seed, plan, birth, own, there, moved)
    risk = np.empty(n, np.uint8)
    look_up(_risks(seed, sizes, plan.risk_shares), family, risk)
    leave = leave_weeks(seed, there, family, birth, enter, uasc, np.maximum(-moves, 0), weeks)

    state, history, since = np.zeros(n, np.uint8), np.zeros(n, np.uint8), enter.copy()
    placed = place_on_day_one(scenario.day_one, seed, journey, birth[:there], risk[:there], uasc[:there])
    state[:there], history[:there], since[:there] = placed
    edge = np.full(n, -1, np.int16)
    for begin, end, name in ((there, born, "born"), (born, moved, "moved_in"), (moved, n, "came_alone")):
        if end > begin:
            edge[begin:end] = _edge_into(journey, name)
            state[begin:end] = journey.tables.source[edge[begin]]
    per_1000 = choices(seed, n, "population: sex", 1000)
    sex = per_1000 < BOYS_PER_1000
    for alone_too in (slice(own, there), slice(moved, n)):
        np.less(per_1000[alone_too], BOYS_PER_1000_ALONE, out=sex[alone_too])
    return Population(
        child=np.arange(n, dtype=np.int32), family=family, birth_week=birth, sex=sex.view(np.uint8), risk=risk,
        uasc=uasc, enter_week=enter, enter_edge=edge, leave_week=leave, state=state, history=history, since_week=since,
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


def _families(
    seed: int, plan: PopulationPlan, birth: NDArray[np.int32], own: int, there: int, moved: int
) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """Return the family of each child and the size of each family.

    Children from `own` to before `there` and from `moved` on came alone: families of one, after all others.
    """
    joined, sizes = families_and_sizes(
        np.concatenate([birth[:own], birth[there:moved]]), seed, plan.family_sizes, plan.spacing_weeks
    )
    family = np.empty(birth.size, np.int32)
    family[:own], family[there:moved] = joined[:own], joined[own:]
    n_alone = birth.size - joined.size
    alone = np.arange(sizes.size, sizes.size + n_alone, dtype=np.int32)
    family[own:there], family[moved:] = alone[: there - own], alone[there - own :]
    return family, np.concatenate([sizes, np.ones(n_alone, np.int16)])


def _risks(seed: int, size: NDArray[np.int16], shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the risk class of each family: in the order of a keyed draw, so that shares hold in each family size."""
    if shares.shape != (N_RISKS,) or shares.sum() <= 0:
        raise CareError(f"The population plan needs {N_RISKS} shares of families by risk class, not all 0")
    order, _ = order_by_draw(size, draws(seed, size.size, "family: risk"), int(size.max(initial=0)) + 1)
    # The rarest class first: see placing.choose_cells.
    by_size = np.argsort(shares, kind="stable")
    chance = (shares / shares.sum())[None, by_size]
    risk = choose(seed, "family: risk", order, np.array([size.size]), chance, np.arange(N_RISKS))
    return by_size.astype(np.uint8)[risk]


@compiled(nogil=True)
def look_up(of_family: Any, family: Any, out: Any) -> Any:
    """Fill `out` with what is told of each child's family."""
    for i in range(out.size):
        out[i] = of_family[family[i]]
