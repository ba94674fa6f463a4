"""What the rungs need of the rest of the model: the system's own behaviours, statutory clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from abm.behaviour import Reference
from abm.behaviour_system import care_system
from abm.clocks import Rule, with_clocks
from abm.factors import System
from calibration.behaviours import read_behaviours
from calibration.statutory import read_rules
from calibration.workforce import workforce_of
from experiments.compare.ladder.averages import journey_of
from experiments.compare.ladder.course import MARKOV, Course, Model, children_of
from experiments.compare.ladder.paired import Given, Pair

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


def _same(model: Model) -> Model:
    return model


def _behaviours(model: Model, course: Course) -> tuple[Callable[[Model], Model], Given]:
    """Behaviours answer to departures from the expected course of the model: there every factor is 1."""
    start = np.asarray(course.field.summing @ children_of(model, course.field).mass.sum(axis=1)).ravel()
    reference = Reference.of_course(start, course.path.stocks, course.path.flows)
    behaviours, workforce = read_behaviours(), workforce_of(model.scenario.area_code)
    n_weeks = model.scenario.n_weeks
    return _same, lambda: {"system": care_system(model.journey, behaviours, reference, workforce, n_weeks=n_weeks)}


def system_of(model: Model) -> Callable[[Array, Array, Array], System]:
    """Return what makes the same behaviours for system dynamics, which answer to departures from its own course."""
    behaviours, workforce = read_behaviours(), workforce_of(model.scenario.area_code)
    journey = journey_of(model.journey, MARKOV)

    def make(start: Array, stocks: Array, flows: Array) -> System:
        return care_system(journey, behaviours, Reference.of_course(start, stocks, flows), workforce)

    return make


BEHAVIOURS = Pair("the links of the shipped causal loop diagram, each at its middle strength", _behaviours)
