"""A policy as the ladder takes it: a yearly factor on some transitions, from a year on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from abm.errors import CareError, did_you_mean
from abm.parameters import STEPS_PER_UNIT, Parameters
from abm.pathway import Journey
from calibration.levers import LEVERS

ENTRIES = "entries_to_care"
NAMED = {
    ENTRIES: ("came_into_care", "came_back_into_care", "came_back_into_care_after_an_order"),
    **{lever.key: lever.transitions for lever in LEVERS},
}
"""Names of groups of transitions: those of the fit's yearly factors, and all ways into care but coming alone."""
LARGEST = 10.0
_FORM = "Write NAME=FACTOR@YEAR, for example entries_to_care=0.8@2026"


@dataclass(frozen=True)
class Policy:
    """A factor on some transitions in every year ending 31 March from `from_year` on.

    It is put on the rates of every rung as they are: no rung's rates are taken anew under the policy.
    """

    name: str
    transitions: tuple[str, ...]
    factor: float
    from_year: int

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        change = round(100 * (self.factor - 1), 1)
        what = self.name.replace("_", " ")
        return f"{what} {change:+g}% from 1 April {self.from_year - 1} on"

    def on(self, parameters: Parameters, journey: Journey, first_year: int, n_years: int) -> Parameters:
        """Return the parameters under the policy."""
        rows = parameters.multipliers
        factors = rows[np.minimum(np.arange(n_years), len(rows) - 1)].copy()
        here = max(0, self.from_year - first_year)
        for key in self.transitions:
            if key in journey.transition_index:
                factors[here:, journey.transition_index[key]] *= self.factor
        return replace(parameters, multipliers=factors)


def policy_of(text: str, journey: Journey, first_year: int, last_year: int) -> Policy:
    """Return the policy that a text such as 'entries_to_care=0.8@2026' tells.

    Errors
    ------
    CareError
        For another form, an unknown name, a factor that is not one, or a year that is not simulated.
    """
    found = re.fullmatch(r"\s*(\w+)\s*=\s*([^@\s]+)\s*@\s*(\d{4})\s*", text)
    if found is None:
        raise CareError(f"'{text}' is not a policy", "--policy", _FORM)
    name, said, year = found[1], found[2], int(found[3])
    known = {**{key: (key,) for key in journey.transition_index}, **NAMED}
    if name not in known:
        likely = did_you_mean(name, list(known)) or f"Names are {', '.join(NAMED)}, or a transition. "
        raise CareError(f"'{name}' is neither a group of transitions nor a transition", "--policy", likely + _FORM)
    tables = journey.tables
    if not any(tables.weekly[e] or tables.outcome[e] for e in journey.edges_of(*known[name])):
        raise CareError(f"'{name}' happens at a planned time, not by chance", "--policy", "Choose another transition")
    try:
        factor = float(said)
    except ValueError:
        factor = float("nan")
    if not (isfinite(factor) and 0 <= factor <= LARGEST):
        raise CareError(f"'{said}' is not a factor from 0 to {LARGEST:g}", "--policy", _FORM)
    if factor == 1 or round(factor * STEPS_PER_UNIT) == STEPS_PER_UNIT:
        raise CareError("A factor of 1 changes nothing", "--policy", _FORM)
    if not first_year <= year <= last_year:
        raise CareError(f"{year} is not a simulated year", "--policy", f"Use {first_year} to {last_year}")
    return Policy(name, known[name], factor, year)
