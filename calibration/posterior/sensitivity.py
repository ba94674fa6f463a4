"""Of what figures leave open, what matters: Sobol indices of the fast model.

Every lever is moved in all years together, every form by itself, each as widely as its draws are, independently of the
others. The total index of a figure is the share of its variance that would be left if all but this one were known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.draws import generator
from calibration.levers import LEVERS
from calibration.posterior.emulator import Emulator
from calibration.posterior.forms import FORMS
from calibration.posterior.frame import N_FORMS, N_LEVERS
from calibration.posterior.likelihood import Seen

Array = NDArray[np.float64]
WATCHED = ("referrals", "cpp_at_31_march", "cla_started", "cla_ceased", "cla_at_31_march")
N_POINTS = 256
LEAST = 0.02
"""Smaller indices are not told."""


def sensitivity(seen: Seen, emulator: Emulator, x: Array, seed: int) -> dict[str, dict[str, float]]:
    """Return total Sobol indices by figure of the last fitted year, largest first: {figure: {lever or form: index}}."""
    from scipy import stats

    last = max(year for year, _ in seen.names)
    columns = {name: k for k, (year, name) in enumerate(seen.names) if year == last and name in WATCHED}
    columns = {name: k for name, k in columns.items() if not seen.hidden[k]}
    if not columns:
        return {}
    factors = x[:, :-N_FORMS].reshape(len(x), -1, N_LEVERS)
    spread = np.r_[factors.mean(axis=1).std(axis=0), x[:, -N_FORMS:].std(axis=0)]
    n_years, centre = factors.shape[1], x.mean(axis=0)

    def figures(z: Array) -> Array:
        step = z.T * spread
        at = centre + np.concatenate([np.tile(step[:, :N_LEVERS], (1, n_years)), step[:, N_LEVERS:]], axis=1)
        out: Array = emulator.figures(at)[:, list(columns.values())].T
        return out

    normal: Any = stats.norm()
    found = stats.sobol_indices(func=figures, n=N_POINTS, dists=[normal] * spread.size, rng=generator(seed))
    names = [lever.key for lever in LEVERS] + [form.key for form in FORMS]
    total = np.atleast_2d(found.total_order)
    out = {}
    for row, figure in zip(total, columns, strict=True):
        order = np.argsort(-row, kind="stable")
        out[figure] = {names[k]: round(float(row[k]), 2) for k in order if row[k] >= LEAST}
    return out
