"""How much the behaviours amplify a change: the gain of all loops and of each, and warnings when they run away.

The gain is the response of children looked after to a lasting rise of referrals by a tenth, with behaviours over
without. It is worked out by classic system dynamics, which takes a second or two, so it leaves out what age, time in
state and chance add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.behaviour import LOOPS, Behaviours, Demand, Shock, Workforce
from abm.behaviour_course import ClassicCase
from abm.behaviour_system import RANGE, care_system
from abm.errors import CareError
from abm.pathway import WEEKS_PER_YEAR

Array = NDArray[np.float64]

RISE = 1.1
"""Referrals, as a ratio to what they were."""
AT_YEAR = 10
LARGEST_GAIN = 2.0
"""A gain above this is warned of: more than half of a change in care is then the system's own making. Assumed."""
_SETTLING = 0.7
"""A gain that grows by more than so much of what it grew in as many years before settles slowly. Assumed."""
_NEAR_THE_END = 0.98
_NOT_AN_INDEX = ("permanent_workers", "agency_workers", "vacancies", "agency_share")


@dataclass(frozen=True)
class LoopGain:
    """What one loop does: the response with all loops over that without it, and that of it alone over that of none."""

    loop: str
    name: str
    in_all: float
    alone: float


@dataclass(frozen=True)
class Gains:
    """Gains of behaviours in an area.

    response_on, response_off  float64[years]  children looked after at the end of each year, as a share above the
                               course without the rise, with all behaviours and with none
    gain      at year 10: the first over the second
    loops     of each loop that has any strength
    warnings  whether they run away, in sentences; none if they do not
    """

    response_on: Array
    response_off: Array
    gain: float
    loops: tuple[LoopGain, ...]
    warnings: tuple[str, ...]


def response(case: ClassicCase, behaviours: Behaviours, workforce: Workforce, *shocks: Shock) -> Array:
    """Return float64[weeks, S]: children in each state as a share above the course without behaviours and shocks."""
    stocks, _ = case.run(care_system(case.journey, behaviours, case.reference, workforce, shocks))
    there = case.stocks > 0
    return np.where(there, stocks / np.where(there, case.stocks, 1.0) - 1.0, 0.0)


def gains(
    case: ClassicCase, behaviours: Behaviours, workforce: Workforce, *, each: bool = True, bound: float = LARGEST_GAIN
) -> Gains:
    """Return the gain of all loops and of each, and warnings.

    Parameters
    ----------
    case
        The area; of more than ten years, so that what goes on growing can be seen (20 are enough).
    each
        Whether to work out each loop too, which takes two runs for each.
    bound
        The largest gain that is not warned of.

    Errors
    ------
    CareError
        For a case of less than ten years.
    """
    n_years = case.reference.n_weeks // WEEKS_PER_YEAR
    if n_years < AT_YEAR:
        raise CareError(f"The area is followed for {n_years} years", "gains", f"Give a case of {AT_YEAR} years or more")
    rise = Demand(("was_referred",), RISE)
    care = [case.journey.state_index[s] for s in case.journey.states_of("care")]
    ends = np.arange(1, n_years + 1) * WEEKS_PER_YEAR - 1
    base = case.stocks[ends][:, care].sum(axis=1)

    def of(some: Behaviours, years: int = n_years) -> tuple[Array, NDArray[np.bool_], tuple[str, ...]]:
        system = care_system(case.journey, some, case.reference, workforce, (rise,))
        stocks, _ = case.run(system, years * WEEKS_PER_YEAR)
        n_shown = len(system.variables)
        index = np.array([name not in _NOT_AN_INDEX for name in system.variables])
        shown = system.conditions[:n_shown]
        far = np.maximum(shown, 1.0 / np.maximum(shown, 1e-300)) > RANGE * _NEAR_THE_END
        return stocks[ends[:years]][:, care].sum(axis=1) / base[:years] - 1.0, far & index, system.variables

    on, stuck, names = of(behaviours)
    off, _, _ = of(behaviours.none())
    at = AT_YEAR - 1
    gain = float(on[at] / off[at])
    found = []
    for loop in behaviours.loops() if each else ():
        without, alone = (of(some, AT_YEAR)[0][at] for some in (behaviours.without(loop), behaviours.only(loop)))
        found.append(LoopGain(loop, LOOPS[loop], float(on[at] / without), float(alone / off[at])))
    at_the_end = [name for name, is_stuck in zip(names, stuck, strict=True) if is_stuck]
    return Gains(on, off, gain, tuple(found), tuple(_warnings(on, off, gain, bound, at_the_end)))


def _warnings(on: Array, off: Array, gain: float, bound: float, at_the_end: list[str]) -> list[str]:
    out = []
    if gain > bound:
        out.append(
            f"The gain is {gain:.2f}, above {bound:g}: after ten years more of the change in children looked after is "
            "the system's own making than there is evidence for. Weaken links, or take results as a warning."
        )
    ratio = on / np.where(off > 0, off, np.nan)
    half = len(ratio) // 4
    late, before = ratio[-1] - ratio[-1 - half], ratio[-1 - half] - ratio[-1 - 2 * half]
    grew = f"the gain grew by {late:.2f} in the last {half} years and by {before:.2f} in as many before"
    if late > max(before, 0.02):
        out.append(f"The response does not settle: {grew}. These behaviours run away.")
    elif late > max(_SETTLING * before, 0.02):
        out.append(f"The response settles slowly: {grew}. It is larger after more years than are shown.")
    if at_the_end:
        out.append(
            f"At the end of its range, a third or three times of normal: {', '.join(at_the_end)}. What is shown is the "
            "bound, not the behaviour."
        )
    return out
