"""What the rungs need of the rest of the model: families, places, the system's own behaviours, statutory clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.behaviour import Reference
from abm.behaviour_system import care_system
from abm.clocks import Rule, with_clocks
from abm.factors import System
from abm.places_rules import Supply
from calibration.behaviours import read_behaviours
from calibration.family_life import read_family_life
from calibration.places import place_rules, plan_places, read_values
from calibration.statistics import read_statistics
from calibration.statutory import read_rules
from calibration.workforce import workforce_of
from experiments.compare.ladder.averages import journey_of
from experiments.compare.ladder.course import MARKOV, Model
from experiments.compare.ladder.paired import Given, Pair, Setting, nothing

Array = NDArray[np.float64]
PLACES_KEY = "places"
TOLD_BY_HOMES = ("R6", "R7")
"""Loops of the shortage of foster carers, which limited homes tell of themselves."""


def clocks_of(model: Model) -> tuple[Model, Model]:
    """Return the model on the bands that statutory clocks need, without and with them.

    Both have the same bands, so that what differs is the clocks. The rules of the first year hold.
    """
    rules = read_rules()
    off = [replace(rule, concentration=0.0, low=0.0) for rule in rules]

    def under(those: list[Rule]) -> Model:
        journey, parameters = with_clocks(model.journey, model.parameters, those, model.scenario.first_year)
        return replace(model, journey=journey, parameters=parameters)

    return under(off), under(list(rules))


Put = tuple[Callable[[Model], Model], Given]


def _families(_setting: Setting) -> Put:
    life = read_family_life()
    return lambda one: replace(one, parameters=replace(one.parameters, families=life)), nothing


def _places(setting: Setting) -> Put:
    """Limit homes: those of the day on which the run begins, and what becomes of them."""
    scenario = setting.model.scenario
    statistics = setting.statistics or read_statistics()
    plan = plan_places(statistics, scenario.area_code, scenario.first_year - 1)
    homes = Supply(homes=plan, rules=place_rules(read_values(), plan.bands))
    return lambda one: replace(one, homes=homes), nothing


def _behaviours(setting: Setting) -> Put:
    """Behaviours answer to departures from the mean course of the runs without them: there every factor is 1."""
    journey, scenario = setting.model.journey, setting.model.scenario
    reference, workforce = Reference.of_course(*setting.course), workforce_of(scenario.area_code)
    behaviours = read_behaviours()
    if PLACES_KEY in setting.on:
        behaviours = behaviours.without(*TOLD_BY_HOMES)

    def given() -> Mapping[str, Any]:
        return {"system": care_system(journey, behaviours, reference, workforce, n_weeks=scenario.n_weeks)}

    return lambda one: one, given


def system_of(model: Model) -> Callable[[Array, Array, Array], System]:
    """Return what makes the same behaviours for system dynamics, which answer to departures from its own course."""
    behaviours, workforce = read_behaviours(), workforce_of(model.scenario.area_code)
    journey = journey_of(model.journey, MARKOV)

    def make(start: Array, stocks: Array, flows: Array) -> System:
        return care_system(journey, behaviours, Reference.of_course(start, stocks, flows), workforce)

    return make


FAMILIES = Pair("the shipped table of family life: events together, circumstances, babies, kin", _families)
PLACES = Pair("homes on day one from published figures, the shipped rules of how they fill and change", _places)
BEHAVIOURS = Pair("the links of the shipped causal loop diagram, each at its middle strength", _behaviours)
