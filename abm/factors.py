"""Chances of one week under factors that the system's own behaviour sets, and what is asked of such a system.

A factor is a whole number of 1/1024, for each transition and history of the child; 1024 leaves the table of
thresholds as it is, bit for bit. Other factors are applied where a chance is needed: to the hazard of a weekly edge, to
the weights of the outcomes of a state that is left at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.errors import CareError
from abm.exact import kernel_fires
from abm.parameters import CERTAIN, STEPS_PER_UNIT, Parameters, expm1_exact, threshold
from abm.pathway import N_HISTORIES, UNACCOMPANIED_GROUP, WEEKS_PER_YEAR, Journey

UNIT = STEPS_PER_UNIT
"""The factor that changes nothing."""
NO_FACTOR = UNIT * UNIT
"""The product of two such factors: what the system answers, and what the child's family makes of it."""
LARGEST = 64 * UNIT
MEMO = 1 << 13
"""Chances under factors that are kept to be read again: most children of a week share theirs with others."""
_WHOLE, _STEPS = np.uint64(CERTAIN), np.uint64(UNIT)
_PLACE, _SLOT, _SPREAD = np.uint64(32), np.uint64(64 - 13), np.uint64(0x9E3779B97F4A7C15)
_UNIT, _NO_FACTOR, _CERTAIN = float(UNIT), float(NO_FACTOR), float(CERTAIN)


class System(Protocol):
    """What answers to the stocks and flows of an area, once a week.

    limits      int64[T, 3]  by transition and history, the largest factor that it may answer
    conditions  float64[K]   where it stands; a checkpoint keeps them and puts them back
    names       what the conditions are
    """

    limits: NDArray[np.int64]
    conditions: NDArray[np.float64]
    names: tuple[str, ...]

    def factors(self, week: int, stocks: NDArray[np.float64], flows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Move the conditions on by a week and return int64[T, 3], the factors of this week.

        stocks  float64[S]  children of the whole area in each state after the week before
        flows   float64[E]  events of the week before; 0 at week 0
        """
        ...


@dataclass(frozen=True)
class Environment:
    """What was beside the children, week by week.

    names       what the conditions are
    conditions  float64[weeks, K]
    factors     int32[weeks, T, 3]  by transition and history, in 1/1024
    """

    names: tuple[str, ...]
    conditions: NDArray[np.float64]
    factors: NDArray[np.int32]


def environment(n_weeks: int, journey: Journey, names: tuple[str, ...]) -> Environment:
    """Return the environment of weeks that are still to come."""
    factors = np.full((n_weeks, len(journey.transitions), N_HISTORIES), UNIT, np.int32)
    return Environment(names, np.zeros((n_weeks, len(names))), factors)


def no_factors(journey: Journey) -> NDArray[np.int64]:
    """Return factors, or limits of factors, that change nothing, int64[T, H]."""
    return np.full((len(journey.transitions), N_HISTORIES), UNIT, np.int64)


def strengths(parameters: Parameters, journey: Journey) -> NDArray[np.float64]:
    """Return what factors act on, float64[Y, G, B, E]: a week's hazard of weekly edges, the weight of outcomes."""
    mine, tables = parameters.checked(journey), journey.tables
    factor = mine.multipliers[:, tables.transition][:, :, None, None]
    with np.errstate(invalid="ignore"):
        out = np.where(factor > 0, mine.rates[None] * factor, 0.0)
    out[:, tables.weekly] /= WEEKS_PER_YEAR
    return np.ascontiguousarray(out.transpose(0, 2, 3, 1))


def largest_thresholds(
    thresholds: NDArray[np.uint64], strength: NDArray[np.float64], limit: NDArray[np.float64], journey: Journey
) -> NDArray[np.uint64]:
    """Return the thresholds of weekly edges under the largest factors, of each group's history, uint64[Y, E, G, B].

    limit  float64[E, H]  the largest factors, 1 and below 1 for none
    """
    out, most = thresholds.copy(), np.maximum(limit, 1.0)
    # Groups are told apart by history last; those who came alone are not told apart by it.
    of_group = np.concatenate([np.tile(np.arange(N_HISTORIES), UNACCOMPANIED_GROUP // N_HISTORIES), [-1, -1]])
    by_group = np.where(of_group >= 0, most[:, of_group], most.max(axis=1)[:, None])
    for e in np.flatnonzero(journey.tables.weekly & (by_group > 1).any(axis=1)):
        under = threshold(-expm1_exact(-strength[..., e] * by_group[e][:, None]))
        out[:, e] = np.maximum(out[:, e], under)
    return out


def checked_limits(system: System, journey: Journey) -> NDArray[np.int64]:
    """Return a copy of a system's limits, or raise CareError for limits or conditions of another form."""
    limits, conditions = np.array(system.limits), np.asarray(system.conditions)
    shape = (len(journey.transitions), N_HISTORIES)
    if limits.shape != shape or limits.dtype.kind not in "iu" or (limits < 0).any():
        raise CareError(f"Limits are {limits.dtype}{list(limits.shape)}", "behaviour", f"Give whole numbers {shape}")
    if conditions.shape != (len(system.names),) or conditions.dtype != np.float64:
        raise CareError(
            f"There are {len(system.names)} names for conditions {conditions.dtype}{list(conditions.shape)}",
            "behaviour",
            "Give one float64 for each name",
        )
    return limits.astype(np.int64)


def checked_factors(factors: NDArray[np.int64], limits: NDArray[np.int64], journey: Journey, week: int) -> None:
    """Raise CareError for factors of another form, below 0 or above their limits."""
    shape = (len(journey.transitions), N_HISTORIES)
    if factors.shape != shape or factors.dtype.kind not in "iu":
        raise CareError(f"Factors are {factors.dtype}{list(factors.shape)}", "behaviour", f"Give whole numbers {shape}")
    wrong = (factors < 0) | (factors > np.minimum(limits, LARGEST))
    for t, history in np.argwhere(wrong) if wrong.any() else ():
        raise CareError(
            f"In week {week} the factor of '{journey.transitions[t].key}' is {factors[t, history] / UNIT:.3f}, beyond "
            f"its limit of {min(int(limits[t, history]), LARGEST) / UNIT:.3f}",
            "behaviour",
            "Keep factors within their limits, or declare a higher limit",
        )


@compiled(inline=True)
def kernel_under(strength: Any, factor: Any) -> Any:
    """Return the threshold, uint64, of a weekly edge under a product of two factors, in 1/NO_FACTOR."""
    if factor == 0:
        return np.uint64(0)
    return np.uint64(math.floor(kernel_fires(strength * (factor / _NO_FACTOR)) * _CERTAIN + 0.5))


@compiled(inline=True)
def kernel_under_again(strength: Any, factor: Any, place: Any, memo: Any) -> Any:
    """Return `kernel_under`, from `memo` if it was worked out there before.

    place  where in the table the strength stands
    memo   uint64[2, MEMO]  what was asked and what was found; begun with zeros
    """
    asked = (np.uint64(place) << _PLACE) | np.uint64(factor)
    slot = (asked * _SPREAD) >> _SLOT
    if memo[0, slot] != asked:
        memo[0, slot], memo[1, slot] = asked, kernel_under(strength, factor)
    return memo[1, slot]


@compiled(inline=True)
def kernel_of_weights(weight: Any, left: Any) -> Any:
    """Return the threshold, uint64, of an outcome with this weight where outcomes of these weights are left."""
    if left <= 0.0:
        return np.uint64(0)
    return np.uint64(math.floor((weight / left) * _CERTAIN + 0.5))


@compiled(inline=True)
def kernel_of_family(threshold: Any, factor: Any) -> Any:
    """Return the threshold, uint64, of an outcome under a family's factor: on the chance, so that its mean stays.

    What is certain, because nothing else is left, stays certain.
    """
    if factor == UNIT or threshold >= _WHOLE:
        return threshold
    return min((threshold * np.uint64(factor)) // _STEPS, _WHOLE)


def outcome_under(weights: NDArray[np.float64], factors: NDArray[np.int64]) -> list[int]:
    """Return the thresholds of a state's outcomes under factors of a system, in order: the loop's readable form."""
    weighed = [float(w) * (int(f) / _UNIT) for w, f in zip(weights, factors, strict=True)]
    out, left = [], 0.0
    for weight in reversed(weighed):
        left += weight
        out.append(int(kernel_of_weights(weight, left)))
    return out[::-1]
