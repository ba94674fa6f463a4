"""What is told of an area's draws: what figures identify, how far the fast model is off, what cannot be met."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.fit import FIRST_YEAR
from calibration.levers import FITTED_FIGURES, LEVERS
from calibration.posterior.emulator import Emulator
from calibration.posterior.forms import FORMS
from calibration.posterior.frame import N_FORMS, N_LEVERS, Frame
from calibration.posterior.likelihood import Seen, published
from calibration.posterior.matching import CUT, Matched, implausibility

Array = NDArray[np.float64]
LEVELS = (50, 80, 95)
N_PREDICTED = 20
"""Made-up sets of figures for each draw."""


def identified(frame: Frame, x: Array) -> dict[str, Any]:
    """Return, by lever and fitted year and by form, the share of the prior variance that is gone in the draws."""
    # A few hundred draws can be wider than the prior by chance.
    share = np.maximum(1.0 - x.var(axis=0) / np.diag(frame.prior.covariance), 0.0)
    factors = np.round(share[:-N_FORMS].reshape(-1, N_LEVERS), 2)
    years = range(FIRST_YEAR, FIRST_YEAR + len(factors))
    return {
        "levers": {
            lever.key: dict(zip(map(str, years), factors[:, k].tolist(), strict=True)) for k, lever in enumerate(LEVERS)
        },
        "forms": dict(zip([form.key for form in FORMS], np.round(share[-N_FORMS:], 2).tolist(), strict=True)),
    }


def told_of(seen: Seen, emulator: Emulator, matched: Matched, frame: Frame, started: Array, x: Array) -> dict[str, Any]:
    """Return what was found on the way, as plain data; nothing of cells that are not published."""
    off = implausibility(emulator, seen.value, x)
    missed = [
        {"year": year, "figure": name, "least": round(float(least), 1)}
        for (year, name), least, hidden in zip(seen.names, off.min(axis=0), seen.hidden, strict=True)
        if least > CUT and not hidden
    ]
    information = emulator.directions.information
    told = np.cumsum(information) / max(float(information.sum()), 1e-12)
    spread = x.std(axis=0)
    begun = (started.mean(axis=0) - x.mean(axis=0)) / np.maximum(spread, 1e-12)
    return {
        "figures": int(seen.value.size),
        "misfit": round(frame.left[0], 1),
        "from_prior": round(frame.left[1], 1),
        "fast_model": {
            "error": round(emulator.error, 3),
            "moved": round(emulator.moved, 3),
            "directions_for_half": int(np.searchsorted(told, 0.5) + 1),
            "directions_for_ninety_percent": int(np.searchsorted(told, 0.9) + 1),
        },
        "history_matching": {
            "share_of_forms": round(matched.share_forms, 4),
            "log10_share_of_prior": round(matched.share, 1),
            "cut": round(matched.cut, 2),
            "not_met": missed,
        },
        "begun_less_moved": round(float(np.sqrt((begun**2).mean())), 2),
    }


def made_up(seen: Seen, emulator: Emulator, noise: Array, x: Array, luck: np.random.Generator, n: int = 1) -> Array:
    """Return float64[n x draws, K]: figures as they might have been published, `n` for each draw float64[D, n].

    noise   float64[K, K]  covariance of errors on the steady scale
    """
    root, steady = np.linalg.cholesky(noise + 1e-9 * np.diag(np.diag(noise))), emulator.frame.steady
    expected = np.repeat(steady.expected(emulator.figures(x)), n, axis=0)
    return published(seen, steady.back(expected + luck.standard_normal(expected.shape) @ root.T))


def predicted(seen: Seen, emulator: Emulator, noise: Array, x: Array, luck: np.random.Generator) -> dict[str, Any]:
    """Return, by figure and of all, the share of published figures inside central intervals of made-up ones."""
    figures = made_up(seen, emulator, noise, x, luck, N_PREDICTED)
    inside: dict[str, list[list[bool]]] = defaultdict(list)
    for column, ((_year, name), hidden) in enumerate(zip(seen.names, seen.hidden, strict=True)):
        if hidden:
            continue
        value = float(seen.value[column])
        bounds = [np.quantile(figures[:, column], [0.5 - level / 200, 0.5 + level / 200]) for level in LEVELS]
        inside[name].append([bool(low <= value <= high) for low, high in bounds])

    def shares(rows: list[list[bool]]) -> dict[str, float]:
        means = np.mean(rows, axis=0)
        return {str(level): round(float(mean), 3) for level, mean in zip(LEVELS, means, strict=True)}

    return {
        "all": shares([row for rows in inside.values() for row in rows]),
        "figures": {name: shares(inside[name]) for name in FITTED_FIGURES if name in inside},
    }
