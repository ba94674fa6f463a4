"""Where moves begin: three roads to the posterior, of which two say how near they came by themselves.

* `abc`   a sequential ABC run (pyABC) on forms and leading directions, the others given the forms
* `npe`   a network taught on made-up figures (neural posterior estimation, BayesFlow)
* `none`  Laplace's Gaussian

Moves end in the same place (`moves`). ABC and the network are two ways to get there that rest on made-up figures
instead of a likelihood, and are held against the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from calibration.posterior.emulator import Emulator
from calibration.posterior.frame import N_FORMS
from calibration.posterior.likelihood import Seen
from calibration.posterior.matching import Matched

Array = NDArray[np.float64]
By = Literal["abc", "npe", "none"]
WAYS: tuple[By, ...] = get_args(By)


def way_of(name: str) -> By:
    """Return the way of this name, once it is known that its library is there: it is needed minutes later.

    Errors
    ------
    CareError
        When there is no such way, or when its library is not installed.
    """
    from calibration.posterior.neural_library import check_library
    from calibration.posterior.sequential import check_pyabc

    for way in WAYS:
        if way == name:
            if way == "npe":
                check_library()
            elif way == "abc":
                check_pyabc()
            return way
    raise CareError(
        f"Draws cannot be begun by '{name}'", "--by", f"{did_you_mean(name, WAYS)}Use one of: {', '.join(WAYS)}"
    )


@dataclass(frozen=True)
class Begun:
    """Where moves begin.

    x        float64[D, n]
    told     how it went, as plain data
    alone    draws float64[E, n] and weights float64[E] of what the way found by itself, if it says more than `x`
    """

    x: Array
    told: dict[str, Any]
    alone: tuple[Array, Array] | None = None


def begun(
    by: By, emulator: Emulator, seen: Seen, noise: Array, matched: Matched, n_draws: int, luck: np.random.Generator,
    seed: int, more: Callable[[Array], Array] | None = None,
) -> Begun:  # fmt: skip
    """Return where moves begin; `seed` is that of the library, `more` as in `moves`."""
    if by == "none":
        return Begun(emulator.scattered(n_draws, luck), {"abc": None})
    if by == "npe":
        from calibration.posterior.neural import neural

        learnt = neural(emulator, seen, noise, seed, more=more)
        return Begun(learnt.chosen(n_draws, luck), {"abc": None, "npe": learnt.told()}, (learnt.x, learnt.weights))
    from calibration.posterior.sequential import given_forms, sequential

    found = sequential(emulator, seen, noise, matched, seed)
    asked = found.asked[luck.choice(len(found.weights), n_draws, p=found.weights)]
    v, lead = asked[:, :N_FORMS], asked[:, N_FORMS:]
    b = given_forms(emulator, seen.value, v, luck)
    b[:, : lead.shape[1]] = lead
    x = np.column_stack([emulator.directions.mean + b @ emulator.directions.logs.T, v])
    return Begun(x, {"abc": found.told()})
