"""What is run in every setting: areas with their scenario and rates, read from one file, so that all get the same bits.

The file is made once, by one process. Nothing of it is worked out again in the settings: a fit goes through sums of
floating point that may differ from machine to machine, and only a run *given its parameters* is promised.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.factors import UNIT, System
from abm.family_life import FamilyLife
from abm.journey import JOURNEY
from abm.parameters import Parameters
from abm.pathway import N_HISTORIES
from abm.prepared import Prepared, prepare
from abm.scenario import DayOne, PopulationPlan, Scenario

SEEDS = (1, 2**64 - 1)
FAMILIES = FamilyLife(
    together={"was_referred": 0.5, "came_into_care": 0.5},
    follows={"referred": 0.9, "entering_care": 0.7},
    born_into={"in_need": 0.5, "foster": 0.5},
    hazard={"was_referred": (2.0, 4.0), "child_in_need_plan_ended": (0.8, 0.5)},
    per_year={"family_came_under_strain": 0.3, "family_came_into_crisis": 0.5, "family_came_out_of_crisis": 2.0,
              "family_coped_again": 0.8},
    helped=1.5, helping=("in_need", "protected"), kin=0.4, kin_weight={"placed_with_kinship_carers": 5.0},
)  # fmt: skip
"""A family life in which everything happens."""


class Busy:
    """A system in which a busy area looks away sooner: every third factor rises with a load that fades."""

    names = ("load",)

    def __init__(self) -> None:
        self.limits = np.full((len(JOURNEY.transitions), N_HISTORIES), 3 * UNIT, np.int64)
        self.conditions = np.zeros(1)

    def factors(self, week: int, stocks: NDArray[np.float64], flows: NDArray[np.float64]) -> NDArray[np.int64]:
        load = 0.9 * float(self.conditions[0]) + float(flows.sum()) / float(stocks.sum() + 1.0)
        self.conditions = np.array([load])
        answer = np.full(self.limits.shape, UNIT, np.int64)
        answer[::3] = min(3 * UNIT, int(UNIT * (0.5 + 20.0 * load)))
        return answer


@dataclass(frozen=True)
class Subject:
    """One area, to be run with some seeds."""

    name: str
    scenario: Scenario
    parameters: Parameters
    seeds: tuple[int, ...] = SEEDS
    coupled: bool = False

    def system(self) -> System | None:
        return Busy() if self.coupled else None

    @cached_property
    def prepared(self) -> Prepared:
        return prepare(self.parameters, JOURNEY)


def save(scenario: Scenario, parameters: Parameters, path: Path) -> None:
    """Write a scenario and its parameters (without the declared numbers, which a run does not read) as plain arrays."""
    whole = {"rates": parameters.rates, "multipliers": parameters.multipliers}
    for part in (scenario, scenario.plan, scenario.day_one):
        name = type(part).__name__
        whole |= {f"{name}.{f.name}": np.asarray(getattr(part, f.name)) for f in fields(part) if _plain(part, f.name)}
    np.savez(path, **whole)


def _plain(part: Any, field: str) -> bool:
    return field not in ("plan", "day_one")


def load(path: Path) -> tuple[Scenario, Parameters]:
    """Read what `save` wrote."""
    with np.load(path, allow_pickle=False) as whole:
        held = {name: whole[name] for name in whole.files}

    def part(kind: type) -> dict[str, Any]:
        mine = {name.split(".")[1]: held[name] for name in held if name.startswith(f"{kind.__name__}.")}
        return {name: array if array.ndim else array.item() for name, array in mine.items()}

    plan, day_one = PopulationPlan(**part(PopulationPlan)), DayOne(**part(DayOne))
    return Scenario(**part(Scenario), plan=plan, day_one=day_one), Parameters(held["rates"], held["multipliers"])


def busy(parameters: Parameters) -> Parameters:
    """Return rates under which much happens, made of whole numbers and one exact division each."""
    size = parameters.rates.size
    mixed = (np.arange(size, dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(8)) % np.uint64(1024)
    rates = (mixed.astype(np.float64) + 32) / 512
    return Parameters(rates.reshape(parameters.rates.shape), parameters.multipliers)


def subjects(path: Path) -> dict[str, tuple[Subject, ...]]:
    """Return what each group of cells runs.

    small  four made-up areas of some hundred children with the whole span of weeks, one of them with busy rates
    tiny   two areas small enough for plain Python
    coupled  an area with families that live and a system that answers
    living   two areas with such families small enough for plain Python, one of them with a system
    whole  all children of the area in the file
    """
    scenario, parameters = load(path)
    # Fewer years of multipliers make smaller tables; the last of them serves for the weeks after.
    few = replace(parameters, multipliers=parameters.multipliers[:2])
    half = min(scenario.n_weeks, max(scenario.n_weeks // 2, 60))

    def made_up(number: int, children: int, n_weeks: int, rates: Parameters = few) -> Subject:
        sample = max(1, round(float(scenario.plan.ages.sum()) / children))
        code = f"E0999900{number}"
        area = replace(scenario, area_code=code, area_name=f"Area {number}", n_weeks=n_weeks, sample=sample)
        return Subject(code, area, rates)

    lively = busy(few)
    living = replace(few, families=FAMILIES)
    livelier = replace(lively, families=FAMILIES)
    return {
        "small": (
            made_up(1, 900, scenario.n_weeks),
            made_up(2, 600, half),
            made_up(3, 300, scenario.n_weeks),
            made_up(4, 250, half, lively),
        ),
        "tiny": (made_up(5, 60, min(half, 104)), made_up(6, 40, min(half, 104), lively)),
        "coupled": (replace(made_up(7, 400, half, living), coupled=True),),
        "living": (
            replace(made_up(8, 50, min(half, 104), livelier), coupled=True),
            made_up(9, 60, min(half, 104), livelier),
        ),
        "whole": (Subject(scenario.area_code, scenario, parameters, SEEDS[:1]),),
    }
