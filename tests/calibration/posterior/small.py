"""What tests of an area's draws share: two years of Blackpool's point fit, posed and with its fast model, made once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from calibration.fit import FIRST_YEAR, Fitted
from calibration.posterior.area import Problem, posed
from calibration.posterior.emulator import Emulator, learnt
from calibration.posterior.fast import FastYears
from calibration.posterior.likelihood import Seen
from tests.calibration.areas import BLACKPOOL, fitted, mean_field

QUICK = 3


@cache
def fast(n_years: int = 2) -> FastYears:
    fit = fitted(BLACKPOOL, QUICK)
    return FastYears(mean_field(), fit.book, fit.scenario, n_years)


@cache
def two_years() -> Fitted:
    fit = fitted(BLACKPOOL, QUICK)
    targets = tuple(target for target in fit.targets if target.year <= FIRST_YEAR + 1)
    return replace(fit, logs=fit.logs[:2], correction=fit.correction[:2], targets=targets, fitted_to=FIRST_YEAR + 1)


@cache
def problem() -> Problem:
    return posed(two_years(), n_runs=QUICK)


@cache
def emulator() -> Emulator:
    return learnt(problem().expected, problem().frame)


def noise() -> np.ndarray:
    return problem().frame.steady.covariance


def seen() -> Seen:
    return problem().seen
