"""Day one of an area: its children by age, where they are, and for how long they have been there.

The steady life course under the area's rates says how age, risk, history and time already spent go together; the
published stocks of 31 March say how many there are. The cells are scaled to the stocks, one margin after another, and
children at home take up what is left, so that nobody is added or lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.cohorts import LifeCourse
from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, MeanField
from abm.outputs import CARE, CHILDRENS_HOMES, FOSTER, ON_A_PLAN
from abm.pathway import N_AGES, N_HISTORIES, N_RISKS, Journey
from abm.scenario import DayOne, PopulationPlan, Scenario
from calibration.aims import AGE_KEYS
from calibration.census import Ages
from calibration.national import RISK_SHARES, arrival_ages
from calibration.stationary import BAND_OF_AGE, Children
from calibration.statistics import Area

Array = NDArray[np.float64]
FAMILY_SIZES = np.array([0.45, 0.40, 0.11, 0.03, 0.01])
"""Shares of families with one to five children. Assumed (about the shares of families with dependent children)."""
SPACING_WEEKS = 150.0
"""Mean gap between brothers and sisters. Assumed, range 110 to 200."""
HOMES = (
    FOSTER,
    CHILDRENS_HOMES,
    ("supported_accommodation",),
    ("with_parents",),
    ("placed_for_adoption",),
    ("other_placement",),
)
HOME_FIGURES = (
    "cla_foster_at_31_march",
    "cla_childrens_home_at_31_march",
    "cla_supported_at_31_march",
    "cla_with_parents_at_31_march",
    "cla_placed_for_adoption_at_31_march",
    "cla_other_at_31_march",
)
ROUNDS = 60


def unaccompanied_plan(figures: dict[int, dict[str, float]], years: tuple[int, ...]) -> Array:
    """Return arrivals of unaccompanied children in each model year; ahead, the mean of the last two published years."""
    known = {year: f["uasc_started"] for year, f in figures.items() if "uasc_started" in f}
    last = sorted(known)[-2:]
    ahead = float(np.mean([known[y] for y in last])) if last else 0.0
    return np.array([known.get(year, ahead) for year in years])


def population_plan(
    ages: Ages, first: dict[str, float], arrivals: Array, shape: dict[str, Any], course: LifeCourse
) -> PopulationPlan:
    """Return the children expected; those who came alone are taken out of the census and planned apart."""
    shares = arrival_ages(shape)
    by_age = course.cells[:, UNACCOMPANIED_STRATUM * (course.cells.shape[1] // N_STRATA) :].sum(axis=1)
    alone = first.get("uasc_at_31_march", 0.0) * by_age / max(by_age.sum(), 1e-12)
    moves = ages.net_moves.copy()
    # Arrivals become a year older, move on and turn 18 within years; what they add to a cohort is near their number.
    moves -= arrivals[:, None] * np.where(np.arange(18) < 17, shares, 0.0)
    return PopulationPlan(
        ages=np.maximum(ages.counts[0] - alone, 0.0),
        births=ages.births,
        moves=moves,
        unaccompanied=alone,
        arrivals=arrivals,
        arrival_ages=shares,
        risk_shares=RISK_SHARES,
        family_sizes=FAMILY_SIZES,
        spacing_weeks=SPACING_WEEKS,
    )


def day_one(
    journey: Journey,
    field: MeanField,
    course: LifeCourse,
    plan: PopulationPlan,
    first: dict[str, float],
    plan_durations: Array | None,
) -> DayOne:
    """Return where children are on day one: the life course, scaled to the figures of that 31 March.

    first           figures of the 31 March by name
    plan_durations  float64[5], shares of plans at 31 March by time already spent, or None if not published
    """
    grid = field.grid
    k = grid.n_pieces
    cells = course.cells[:, : UNACCOMPANIED_STRATUM * k].reshape(18, N_RISKS, N_HISTORIES, k)
    share = cells / np.maximum(cells.sum(axis=(2, 3), keepdims=True), 1e-300)
    total = (plan.ages[:, None] * plan.risk_shares)[:, :, None, None]
    alone = course.cells[:, UNACCOMPANIED_STRATUM * k :]
    alone = alone / np.maximum(alone.sum(axis=1, keepdims=True), 1e-300)
    mass = _scaled(journey, field, share * total, total, first, plan.unaccompanied[:, None] * alone, plan_durations)
    chance = (mass / np.maximum(total, 1e-300)).reshape(18, N_RISKS, -1)
    history = np.repeat(np.arange(N_HISTORIES), k)
    last = np.where(grid.width == 0, grid.start, grid.start + grid.width - 1)
    alone_cells = np.zeros((18, N_HISTORIES * k))
    alone_cells[:, (N_HISTORIES - 1) * k :] = alone
    return DayOne(
        state=np.tile(grid.state, N_HISTORIES).astype(np.uint8),
        history=history.astype(np.uint8),
        clock_from=np.tile(grid.start, N_HISTORIES).astype(np.int32),
        clock_to=np.tile(last, N_HISTORIES).astype(np.int32),
        chance=chance,
        unaccompanied=alone_cells,
    )


def _scaled(
    journey: Journey,
    field: MeanField,
    mass: Array,
    total: Array,
    first: dict[str, float],
    alone: Array,
    plan_durations: Array | None,
) -> Array:
    """Scale the mass [18, risk, history, pieces] to the published margins, with children at home as the balance.

    alone  float64[18, pieces]  children who came alone: they are part of the published figures and stay where they are
    """
    grid = field.grid
    state = {key: journey.state_index[key] for key in (*CARE, *ON_A_PLAN, "at_home")}
    in_care = np.isin(grid.state, [state[h] for h in CARE])
    masks, wanted = [], []

    def meet(figure: str, where: NDArray[np.bool_], ages: NDArray[np.bool_]) -> None:
        masks.append(np.broadcast_to(ages[:, None, None, None] & where, mass.shape))
        wanted.append(max(first[figure] - alone[ages][:, where].sum(), 0.0))

    every_age = np.ones(18, bool)
    for homes, figure in zip(HOMES, HOME_FIGURES, strict=True):
        if figure in first:
            meet(figure, np.isin(grid.state, [state[h] for h in homes]), every_age)
    for band in range(N_AGES):
        figure = f"cla_age_{AGE_KEYS[band]}_at_31_march"
        if figure in first:
            meet(figure, in_care, np.equal(BAND_OF_AGE, band))
    meet("cla_at_31_march", in_care, every_age)
    if plan_durations is not None:
        protected = mass[..., grid.state == state["protected"]].sum()
        ratio = first["cpp_at_31_march"] / max(
            mass[..., np.isin(grid.state, [state[s] for s in ON_A_PLAN])].sum(), 1e-12
        )
        for band, part in enumerate(plan_durations):
            masks.append(np.broadcast_to((grid.state == state["protected"]) & (grid.band == band), mass.shape))
            wanted.append(part * protected * ratio)
    masks.append(np.broadcast_to(np.isin(grid.state, [state[s] for s in ON_A_PLAN]), mass.shape))
    wanted.append(first["cpp_at_31_march"])
    home = np.broadcast_to(grid.state == state["at_home"], mass.shape)
    for _ in range(ROUNDS):
        for mask, target in zip(masks, wanted, strict=True):
            now = mass[mask].sum()
            if now > 0:
                mass = np.where(mask, mass * (target / now), mass)
        at_home = np.where(home, mass, 0.0).sum(axis=(2, 3), keepdims=True)
        elsewhere = mass.sum(axis=(2, 3), keepdims=True) - at_home
        mass = np.where(home, mass * np.maximum(total - elsewhere, 0.0) / np.maximum(at_home, 1e-300), mass)
    return mass


def make_scenario(
    area: Area, plan: PopulationPlan, start: DayOne, first_year: int, n_weeks: int, sample: int
) -> Scenario:
    """Return the scenario of an area from day one on."""
    return Scenario(area.code, area.name, first_year, n_weeks, sample, plan, start)


def children_of(ages: Array, arrivals: float, shape: dict[str, Any]) -> Children:
    """Return the children of the steady state before day one."""
    return Children(ages, RISK_SHARES, arrivals, arrival_ages(shape))
