"""Draws of a fitted area's parameters, as runs have them in turn: the one place that says how they are made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from calibration.fit import Fitted
from calibration.posterior.draws import AreaDraws

STEP = "draws"
"""What making draws says of itself."""
SEED = 1
"""Of the draws; that of the runs has nothing to do with it."""


def draws_of(fitted: Fitted, n: int, say: Callable[[str, float], None], *, workers: int = 1) -> AreaDraws:
    """Return `n` draws of equal weight of the parameters of a fitted area, its years ahead among them."""
    from calibration.pooling import process_until
    from calibration.pooling_evidence import evidence_at, laplace_draws
    from calibration.posterior.forms import FORMS

    say(STEP, 0.0)
    process = process_until(fitted.fitted_to)
    evidence = evidence_at(fitted)
    say(STEP, 0.9)
    logs = laplace_draws(process, evidence, fitted.scenario.n_years, n, SEED)
    told = {
        "how": "Gaussian around the fit, by the derivatives of the figures, with the prior that all areas give",
        "ahead": f"factors move as those of {process.n_areas} areas did up to {process.until}",
    }
    return AreaDraws(fitted, logs, np.zeros((n, len(FORMS))), np.full(n, 1 / n), SEED, told)
