"""Forms: shapes and levels of rates that yearly figures hardly tell, and that the draws vary within a prior.

A form is one number for the whole run, 0 as the area was fitted. Where it is v, rates are multiplied by exp(v x tilt),
with a tilt of its own for each edge, group and band of time. Day one stays as it is: the form says what happens from
then on.

A form that tells children apart (by history, by family, by time) says nothing of how many events there are: its tilt is
0 on the mean over the events that the children of day one would have. So it does not stand in for a yearly factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.pathway import AGE_EDGES_WEEKS, N_HISTORIES, N_RISKS, UNACCOMPANIED_GROUP, WEEKS_PER_YEAR, Journey, group_of
from abm.scenario import Scenario
from calibration.aims import BACK, EXITS
from calibration.rates import RateBook

Array = NDArray[np.float64]
Tilt = Callable[[Journey, RateBook, Array], None]
"""Adds to float64[E, G, B], the logarithm of what one unit of a form multiplies rates by."""

HISTORY_OF_GROUP = np.arange(UNACCOMPANIED_GROUP) % N_HISTORIES
RISK_OF_GROUP = np.arange(UNACCOMPANIED_GROUP) // N_HISTORIES % N_RISKS


@dataclass(frozen=True)
class Form:
    """One thing that figures hardly tell.

    `sd` is the standard deviation of its prior, which is normal around 0, in the unit of the form; `neutral` says that
    it moves no totals; `label` and `source` are read by people.
    """

    key: str
    label: str
    sd: float
    source: str
    tilt: Tilt
    neutral: bool = False


def _level(*transitions: str) -> Tilt:
    def tilt(journey: Journey, _book: RateBook, out: Array) -> None:
        for name in transitions:
            out[journey.edges_of(name)] += 1.0

    return tilt


def _history(journey: Journey, _book: RateBook, out: Array) -> None:
    known = np.flatnonzero(HISTORY_OF_GROUP > 0)
    for edge in journey.edges_of("was_referred"):
        out[edge, known] += 1.0


def _frailty(journey: Journey, book: RateBook, out: Array) -> None:
    for edge in journey.edges_of("was_referred"):
        out[edge, :UNACCOMPANIED_GROUP] += np.log(book.risk[edge])[RISK_OF_GROUP][:, None]


def _time_in_care(journey: Journey, _book: RateBook, out: Array) -> None:
    for edge in (edge for name in EXITS.values() for edge in journey.edges_of(name)):
        starts = np.array(journey.states[journey.tables.source[edge]].bands)
        # 0 for the band that begins at a year; the later, the more.
        out[edge, :UNACCOMPANIED_GROUP, : starts.size] += np.log((starts + 13) / (WEEKS_PER_YEAR + 13))


FORMS = (
    Form(
        "history",
        "How much more often children known before are referred",
        0.35,
        "assumed: half to twice the fitted ratio, as declared for these rates, is the 95% range",
        _history,
        neutral=True,
    ),
    Form(
        "frailty",
        "How far families differ in their chance of a referral (1: the square of the assumed ratios)",
        0.25,
        "assumed: the form of frailty is not identified by published figures",
        _frailty,
        neutral=True,
    ),
    Form(
        "time_in_care",
        "How leaving care depends on time in care, more than England's durations say",
        0.1,
        "assumed: areas may differ by a tenth in the power of time",
        _time_in_care,
        neutral=True,
    ),
    Form(
        "back_into_care",
        "Coming back into care",
        0.4,
        "literature: of children who returned home, 11% to 59% came back into care, by authority (NSPCC analysis, "
        "quoted by Children and Young People Now, 27 July 2015): 0.5 in the logarithm of the hazard if these "
        "are two standard deviations off, of which a part is chance",
        _level(*BACK),
    ),
    Form(
        "need_ended",
        "Child in need plans ended",
        0.3,
        "assumed: areas may differ by a factor of 0.55 to 1.8 (95%)",
        _level("child_in_need_plan_ended"),
    ),
)
"""What every area's draws vary besides yearly factors."""


def tilts(journey: Journey, book: RateBook, scenario: Scenario) -> Array:
    """Return float64[forms, E, G, B]: the logarithm of what one unit of each form multiplies rates by."""
    rates = book.rates()
    out = np.zeros((len(FORMS), *rates.shape))
    events = _events(journey, rates, scenario)
    for tilt, form in zip(out, FORMS, strict=True):
        form.tilt(journey, book, tilt)
        if form.neutral:
            touched = tilt.any(axis=(1, 2))
            weight = events[touched]
            tilt[touched, :UNACCOMPANIED_GROUP] -= (weight * tilt[touched]).sum() / max(weight.sum(), 1e-300)
    return out


def _events(journey: Journey, rates: Array, scenario: Scenario) -> Array:
    """Return float64[E, G, B]: events a year of the children of day one, by edge; none of those who came alone."""
    tables, day_one, plan = journey.tables, scenario.day_one, scenario.plan
    children = np.zeros((tables.n_states, rates.shape[1], rates.shape[2]))
    middle = np.minimum((day_one.clock_from + day_one.clock_to) // 2, tables.band.shape[1] - 1)
    band = tables.band[day_one.state, middle]
    for age, count in enumerate(plan.ages):
        age_band = int(np.searchsorted(AGE_EDGES_WEEKS, age * WEEKS_PER_YEAR, side="right")) - 1
        for risk in range(N_RISKS):
            group = np.array([group_of(age_band, risk, int(history)) for history in day_one.history])
            here = count * plan.risk_shares[risk] * day_one.chance[age, risk]
            np.add.at(children, (day_one.state, group, band), here)
    finite = np.where(np.isfinite(rates), rates, 0.0)
    out: Array = children[tables.source] * finite
    return out


def formed(rates: Array, tilt: Array, values: Array) -> Array:
    """Return float64[E, G, B]: rates where the forms have these values, float64[forms]; `tilt` is of `tilts`."""
    if not values.any():
        return rates
    out: Array = rates * np.exp(np.tensordot(values, tilt, axes=1))
    return out
