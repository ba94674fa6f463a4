"""Numbers of a run: hazards and shares by transition, group and band of time, and how they move over the years.

Chances become 32-bit thresholds here, outside every loop over children, by an exponential made of + - x / alone:
the same numbers give the same bits on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.family_life import FamilyLife
from abm.pathway import N_GROUPS, WEEKS_PER_YEAR, Journey

CERTAIN = 1 << 32
"""The threshold of an event that is sure to happen; a draw is a 32-bit number below it."""
STEPS_PER_UNIT = 1024
"""Multipliers are rounded to 1/1024, so that a multiplier of 1 is exactly none."""

STATUSES = ("published", "literature", "derived", "fitted", "assumed")


@dataclass(frozen=True)
class Value:
    """One declared number: what it is, its unit, plausible range, and where it comes from.

    `status` is one of STATUSES; a number without a source is `assumed` and is marked so wherever it is shown.
    """

    key: str
    value: float
    unit: str
    low: float
    high: float
    status: str
    source: str

    def __post_init__(self) -> None:
        """Check range, status and source."""
        if self.status not in STATUSES:
            raise CareError(
                f"Value '{self.key}' has the status '{self.status}'",
                remedy=f"{did_you_mean(self.status, list(STATUSES))}Use one of: {', '.join(STATUSES)}",
            )
        if not self.low <= self.value <= self.high:
            raise CareError(
                f"Value '{self.key}' is {self.value:g}, outside its plausible range {self.low:g} to {self.high:g}",
                remedy="Correct the value or the range",
            )
        if not self.source:
            raise CareError(f"Value '{self.key}' has no source", remedy="Name one, or say what makes you assume it")


@dataclass(frozen=True)
class Parameters:
    """What a run needs to know of numbers.

    rates        float64[E, G, B]  hazards per year of weekly edges (inf: certain); weights of outcomes
    multipliers  float64[Y, T]     by model year and transition, on hazards and weights; 1 leaves the rate as it is
    values       the declared numbers that went into them, for reports
    families     what families do to the journeys of their children; None: nothing

    Errors
    ------
    CareError
        For a shape that does not fit the journey, a rate or multiplier that is negative or not a number, or an outcome
        of infinite weight.
    """

    rates: NDArray[np.float64]
    multipliers: NDArray[np.float64]
    values: tuple[Value, ...] = ()
    families: FamilyLife | None = None

    def checked(self, journey: Journey) -> Parameters:
        """Return these parameters, with multipliers rounded to 1/1024, or raise if they do not fit the journey."""
        tables = journey.tables
        shape = (tables.n_edges, N_GROUPS, tables.max_bands)
        if self.rates.shape != shape:
            raise CareError(f"Rates have the shape {self.rates.shape}, the journey needs {shape}")
        if self.multipliers.ndim != 2 or self.multipliers.shape[1] != len(journey.transitions):
            raise CareError(
                f"Multipliers have the shape {self.multipliers.shape}, "
                f"the journey needs (years, {len(journey.transitions)})"
            )
        for e in np.flatnonzero(~(self.rates >= 0).all(axis=(1, 2))):
            name = journey.transitions[tables.transition[e]].key
            raise CareError(f"A rate of '{name}' is negative or not a number", remedy="Rates are 0 or more")
        for e in np.flatnonzero(tables.outcome & ~np.isfinite(self.rates).all(axis=(1, 2))):
            name = journey.transitions[tables.transition[e]].key
            raise CareError(f"A weight of '{name}' is infinite", remedy="Give the other outcomes the weight 0 instead")
        if not (np.isfinite(self.multipliers) & (self.multipliers >= 0)).all():
            raise CareError("A multiplier is negative or not a number", remedy="Multipliers are 0 or more")
        return replace(self, multipliers=np.round(self.multipliers * STEPS_PER_UNIT) / STEPS_PER_UNIT)

    def thresholds(self, journey: Journey) -> NDArray[np.uint64]:
        """Return uint64[Y, E, G, B]: an event happens when its 32-bit draw is below its threshold.

        Weekly edges: the chance 1 - exp(-rate x multiplier / 52). Outcomes: in the order of declaration, the chance
        of this outcome given that none before it was taken; the last one with any weight is certain.
        """
        mine = self.checked(journey)
        tables = journey.tables
        factor = mine.multipliers[:, tables.transition][:, :, None, None]
        out = np.zeros((mine.multipliers.shape[0], *mine.rates.shape), np.uint64)
        weekly = tables.weekly
        with np.errstate(invalid="ignore"):
            hazard = np.where(factor > 0, mine.rates[None] * factor, 0.0)[:, weekly]
        out[:, weekly] = threshold(-expm1_exact(-hazard / WEEKS_PER_YEAR))
        for s in np.flatnonzero(tables.at_once):
            edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.outcome[e]]
            weight = mine.rates[None, edges] * factor[:, edges]
            left = np.cumsum(weight[:, ::-1], axis=1)[:, ::-1]
            with np.errstate(invalid="ignore", divide="ignore"):
                chance = np.where(left > 0, weight / left, 0.0)
            # What is left for the last one with any weight is its own weight, so its chance is exactly 1.
            out[:, edges] = threshold(chance)
        return out


def threshold(chance: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return the 32-bit threshold of a chance in [0, 1]: draws below it fire, with an error below 2**-33."""
    return np.floor(chance * CERTAIN + 0.5).astype(np.uint64)


_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_TERMS = 14


def expm1_exact(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(x) - 1 for x <= 0 (-inf gives -1), with + - x / and table look-ups only.

    Method: x = k ln 2 + r with |r| <= ln 2 / 2, a Taylor series of 14 terms in Horner's form for exp(r) - 1, then
    scaled by an exact power of two. The error is below 2e-16 of exp(x) + 1e-16; no library function is called, so
    the bits do not depend on the machine.
    """
    bounded = np.maximum(x, -60.0)
    k = np.floor(bounded * _LOG2_E + 0.5)
    r = (bounded - k * _LN2_HIGH) - k * _LN2_LOW
    series = np.zeros_like(r)
    for term in range(_TERMS, 0, -1):
        series = (series + 1.0) * (r / term)
    power = _POWERS[(-k).astype(np.int64)]
    out: NDArray[np.float64] = series * power + (power - 1.0)
    return np.where(x < -60.0, -1.0, out)


_POWERS = np.array([2.0 ** (-k) for k in range(90)])
