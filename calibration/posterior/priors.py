"""What is believed of factors and forms before an area's figures are seen.

* National: how factors differ between areas and move over the years, estimated over all areas (`calibration.pooling`),
  with the area's own scales. It centres an area's factors on what all areas share; where forms are not 0, on what
  makes up for them (see `frame`).
* Literature and assumption: the forms, each with its source in `forms.FORMS`.
* Judgement: what a workshop says of a lever's mean factor over some years, or of a form (`calibration.elicit`). Its
  mean and spread on the log scale enter as one more datum of the Gaussian; what its distribution has besides is given
  to the draws as they move (`more`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from calibration.elicit import Judgement, Pool, pooled
from calibration.fit import FIRST_YEAR
from calibration.levers import LEVERS
from calibration.pooling import Process
from calibration.posterior.forms import FORMS
from calibration.posterior.frame import Belief

Array = NDArray[np.float64]
LEVER_KEYS, FORM_KEYS = [lever.key for lever in LEVERS], [form.key for form in FORMS]
JUDGED = (*LEVER_KEYS, *FORM_KEYS)
"""What a judgement may be about."""


@dataclass(frozen=True)
class Judged:
    """One judged number, whose logarithm is `row` @ x, and the pool of what was said."""

    row: Array
    pool: Pool

    def log(self, x: Array) -> Array:
        """Return the logarithm of the number at x float64[..., n]."""
        log: Array = x @ self.row
        return log


def belief_of(
    process: Process,
    n_years: int,
    area: str,
    scale: Array | None,
    judgements: Sequence[Judgement] = (),
    makes_up: Array | None = None,
) -> tuple[Belief, Callable[[Array], Array] | None]:
    """Return the Gaussian prior of x, and what judgements have besides it (None without judgements).

    `makes_up` is that of `frame.Expected`; 0 if None.
    """
    prior = process.prior(n_years, area=area, scale=scale)
    n = n_years * len(LEVERS)
    mean = np.r_[prior.mean.ravel(), np.zeros(len(FORMS))]
    covariance = np.zeros((mean.size, mean.size))
    covariance[:n, :n] = prior.covariance
    covariance[n:, n:] = np.diag([form.sd**2 for form in FORMS])
    makes_up = np.zeros((n, len(FORMS))) if makes_up is None else makes_up
    judged = [Judged(row_of(pool, n_years, makes_up), pool) for pool in pooled(judgements)]
    for each in judged:
        middle, spread = each.pool.on_log_scale
        across = covariance @ each.row
        gain = across / (each.row @ across + spread**2)
        mean = mean + gain * (middle - each.row @ mean)
        covariance = covariance - np.outer(gain, across)
    belief = Belief(mean, (covariance + covariance.T) / 2)
    if not judged:
        return belief, None

    def more(x: Array) -> Array:
        out = np.zeros(x.shape[:-1])
        for each in judged:
            log = each.log(x)
            middle, spread = each.pool.on_log_scale
            # A density of the number times the number is one of its logarithm.
            out += each.pool.log_density(np.exp(log)) + log + ((log - middle) / spread) ** 2 / 2
        return out

    return belief, more


def row_of(judged: Judgement | Pool, n_years: int, makes_up: Array) -> Array:
    """Return float64[n]: the logarithm of the judged number is this @ x.

    Errors
    ------
    CareError
        When it is about what there is not, or about a year that is not fitted.
    """
    where = judged.where if isinstance(judged, Judgement) else judged.judgements[0].where
    n = n_years * len(LEVERS)
    row = np.zeros(n + len(FORMS))
    if judged.about in FORM_KEYS:
        if judged.years:
            raise CareError(f"'{judged.about}' is one number for all years", where, "Leave out the years")
        row[n + FORM_KEYS.index(judged.about)] = 1.0
        return row
    if judged.about not in LEVER_KEYS:
        raise CareError(f"'{judged.about}' cannot be judged", where, f"Use one of: {', '.join(JUDGED)}")
    years = judged.years or tuple(range(FIRST_YEAR, FIRST_YEAR + n_years))
    outside = [year for year in years if not FIRST_YEAR <= year < FIRST_YEAR + n_years]
    if outside:
        last = FIRST_YEAR + n_years - 1
        raise CareError(
            f"The judgement of '{judged.about}' is about {outside[0]}, which is not a fitted year", where,
            f"Use years from {FIRST_YEAR} to {last}",
        )  # fmt: skip
    places = [(year - FIRST_YEAR) * len(LEVERS) + LEVER_KEYS.index(judged.about) for year in years]
    row[places] = 1.0 / len(places)
    row[n:] = makes_up[places].mean(axis=0)
    return row
