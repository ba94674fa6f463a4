"""What the rungs need of the rest of the model: the system's own behaviours, statutory clocks."""

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
from calibration.behaviours import read_behaviours
from calibration.family_life import read_family_life
from calibration.statutory import read_rules
from calibration.workforce import workforce_of
from experiments.compare.ladder.averages import journey_of
from experiments.compare.ladder.course import MARKOV, Model
from experiments.compare.ladder.paired import Given, Pair, nothing

Array = NDArray[np.float64]


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


def _families(model: Model, _course: tuple[Array, Array, Array]) -> tuple[Callable[[Model], Model], Given]:
    life = read_family_life()
    return lambda one: replace(one, parameters=replace(one.parameters, families=life)), nothing


def _behaviours(model: Model, course: tuple[Array, Array, Array]) -> tuple[Callable[[Model], Model], Given]:
    """Behaviours answer to departures from the mean course of the runs without them: there every factor is 1."""
    reference, journey, n_weeks = Reference.of_course(*course), model.journey, model.scenario.n_weeks
    behaviours, workforce = read_behaviours(), workforce_of(model.scenario.area_code)

    def given() -> Mapping[str, Any]:
        return {"system": care_system(journey, behaviours, reference, workforce, n_weeks=n_weeks)}

    return lambda one: one, given


def system_of(model: Model) -> Callable[[Array, Array, Array], System]:
    """Return what makes the same behaviours for system dynamics, which answer to departures from its own course."""
    behaviours, workforce = read_behaviours(), workforce_of(model.scenario.area_code)
    journey = journey_of(model.journey, MARKOV)

    def make(start: Array, stocks: Array, flows: Array) -> System:
        return care_system(journey, behaviours, Reference.of_course(start, stocks, flows), workforce)

    return make


FAMILIES = Pair("the shipped table of family life: events together, circumstances, babies, kin", _families)
BEHAVIOURS = Pair("the links of the shipped causal loop diagram, each at its middle strength", _behaviours)
