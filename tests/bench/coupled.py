"""The full model: families, limited places and the system's own behaviours, at their shipped strengths."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from abm.behaviour import Reference
from abm.behaviour_course import mean_course
from abm.behaviour_system import care_system
from abm.factors import System
from abm.journey import JOURNEY
from abm.parameters import Parameters
from abm.places_rules import Supply
from abm.population import Population, make_population
from abm.prepared import Prepared, prepare
from abm.scenario import Scenario
from abm.simulate import Engine
from calibration.behaviours import read_behaviours
from calibration.family_life import read_family_life
from calibration.places import place_rules, plan_places
from calibration.statistics import ENGLAND, read_statistics
from calibration.workforce import workforce_of
from tests.bench.case import FIRST_YEAR, england


@cache
def supply() -> Supply:
    """Return England's homes for as many children as there are; bounds that are published by area are left out."""
    plan = plan_places(read_statistics(), ENGLAND, FIRST_YEAR - 1)
    return Supply(replace(plan, approved=None, located=None), place_rules(bands=plan.bands))


@cache
def _course() -> Reference:
    return mean_course(*england(), JOURNEY)


def system_of(scenario: Scenario) -> System:
    """Return behaviours for an area that is England made smaller."""
    whole, course = england()[0].plan, _course()
    part = float(scenario.plan.ages.sum() / whole.ages.sum())
    workers = workforce_of(ENGLAND)
    workers = replace(
        workers, permanent=workers.permanent * part, agency=workers.agency * part, vacancies=workers.vacancies * part
    )
    reference = Reference(course.stocks * part, course.flows * part)
    return care_system(JOURNEY, read_behaviours(), reference, workers, n_weeks=scenario.n_weeks)


@dataclass(frozen=True)
class Coupling:
    """One mechanism, or several: what runs share, and the system of a run."""

    name: str
    prepared: Prepared
    system: Callable[[Scenario], System] | None = None


def couplings(parameters: Parameters) -> list[Coupling]:
    """Return the journey alone, each mechanism with it, and all."""
    plain, families = prepare(parameters, JOURNEY), replace(parameters, families=read_family_life())
    return [
        Coupling("the journey alone", plain),
        Coupling("families", prepare(families, JOURNEY)),
        Coupling("limited places", prepare(parameters, JOURNEY, supply())),
        Coupling("behaviours", plain, system_of),
        full(parameters),
    ]


def full(parameters: Parameters) -> Coupling:
    """Return the full model."""
    families = replace(parameters, families=read_family_life())
    return Coupling("families, places and behaviours", prepare(families, JOURNEY, supply()), system_of)


def seconds(coupling: Coupling, scenario: Scenario, rounds: int, population: Population | None = None) -> float:
    """Return the seconds of processor of a run with its log in memory, children given; the best of some rounds."""
    children = population or make_population(scenario, 1, JOURNEY)
    best = float("inf")
    for _ in range(rounds + 1):
        system = coupling.system(scenario) if coupling.system else None
        began = time.process_time()
        engine = Engine(coupling.prepared, children, scenario.n_weeks, 1, True, scenario.area_code, system)
        engine.advance(scenario.n_weeks)
        engine.run(scenario)
        best = min(best, time.process_time() - began)
    return best


def coupled_seconds(scenario: Scenario, parameters: Parameters, rounds: int) -> dict[str, float]:
    """Return the seconds of the journey alone, with each mechanism and with all."""
    children = make_population(scenario, 1, JOURNEY)
    return {each.name: seconds(each, scenario, rounds, children) for each in couplings(parameters)}
