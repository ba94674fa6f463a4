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

from abm.journey import JOURNEY
from abm.parameters import Parameters
from abm.prepared import Prepared, prepare
from abm.scenario import DayOne, PopulationPlan, Scenario

SEEDS = (1, 2**64 - 1)


@dataclass(frozen=True)
class Subject:
    """One area, to be run with some seeds."""

    name: str
    scenario: Scenario
    parameters: Parameters
    seeds: tuple[int, ...] = SEEDS

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
    return {
        "small": (
            made_up(1, 900, scenario.n_weeks),
            made_up(2, 600, half),
            made_up(3, 300, scenario.n_weeks),
            made_up(4, 250, half, lively),
        ),
        "tiny": (made_up(5, 60, min(half, 104)), made_up(6, 40, min(half, 104), lively)),
        "whole": (Subject(scenario.area_code, scenario, parameters, SEEDS[:1]),),
    }
