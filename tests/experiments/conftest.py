"""A fit that takes seconds: Blackpool's real children and figures under England's rates, with nothing fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from abm.journey import JOURNEY
from calibration import fit as fit_module
from calibration import system as system_module
from calibration.fit import Fitted, fit_area
from calibration.fitted import SavedFit, new_fit
from calibration.levers import LEVERS
from calibration.national import BASE_YEARS, base_figures
from calibration.pooling import keyed_normals
from calibration.posterior.draws import AreaDraws
from calibration.posterior.forms import FORMS
from calibration.rates import read_rates
from calibration.statistics import Statistics, read_statistics
from calibration.system import fit_system
from experiments import jobs, parameter_draws
from experiments.run import Simulated, simulate_area, system_figures

BLACKPOOL = "E06000009"
SAMPLE = 10


def unfitted_levels(statistics: Statistics, area: Any, *_rest: Any) -> Any:
    """In place of `fit_levels`: England's rates as they are."""
    return read_rates(JOURNEY), {"referrals": (1.0, 1.0)}, base_figures(statistics, area.code, BASE_YEARS)


def unsolved(model: Any, start: Any, *_rest: Any, **_named: Any) -> Any:
    """In place of `solve`: the start."""
    return start, None, None


def quick_fit(statistics: Statistics, fitted_to: int = 2025, last_year: int = 2030) -> SavedFit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_module, "fit_levels", unfitted_levels)
        patch.setattr(fit_module, "solve", unsolved)
        patch.setattr(fit_module, "simulate_many", lambda *_a, **_k: iter(()))
        patch.setattr(system_module, "solve", unsolved)
        fitted = fit_area(statistics, statistics.area(BLACKPOOL), fitted_to=fitted_to, last_year=last_year)
        # One in ten children is enough for tests, and shows that counts are scaled up.
        scenario = replace(fitted.scenario, sample=SAMPLE)
        fitted = replace(fitted, scenario=scenario, correction=np.ones_like(fitted.correction))
        return new_fit(fitted, fit_system(fitted), statistics)


REAL_DRAWS_OF = parameter_draws.draws_of
"""What the session replaces by `quick_draws`."""


def quick_draws(fitted: Fitted, n: int, say: Any, **_rest: Any) -> AreaDraws:
    """In place of `parameter_draws.draws_of`: draws that differ a little, by their number alone."""
    say(parameter_draws.STEP, 0.0)
    logs = 0.1 * keyed_normals(1, n, fitted.scenario.n_years, len(LEVERS), "quick draws")
    return AreaDraws(fitted, logs, np.zeros((n, len(FORMS))), np.full(n, 1 / n), 1, {"how": "in no time"})


@pytest.fixture(scope="session", autouse=True)
def _nothing_shipped_and_quick_draws() -> Iterator[None]:
    """Let runs make their own fits (which tests replace by quick ones) and quick draws; other tests undo this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "shipped_fit", lambda *_a: None)
        patch.setattr(parameter_draws, "draws_of", quick_draws)
        patch.setattr(parameter_draws, "quick_draws_of", quick_draws)
        yield


@pytest.fixture(scope="session")
def statistics() -> Statistics:
    return read_statistics()


@pytest.fixture(scope="session")
def quick(statistics: Statistics) -> SavedFit:
    """Return a fit of Blackpool that nobody fitted."""
    return quick_fit(statistics)


@pytest.fixture(scope="session")
def simulated(quick: SavedFit) -> Simulated:
    """Return three runs of it, on two threads."""
    return simulate_area(quick.fitted, range(5, 8), workers=2)


@pytest.fixture(scope="session")
def system_lines(quick: SavedFit) -> dict[str, Any]:
    return system_figures(quick.system)


@pytest.fixture
def rng() -> Iterator[np.random.Generator]:
    return np.random.default_rng(11)
