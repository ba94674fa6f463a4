"""What a family is to the journeys of its children: its circumstances, what happens together, and kin who step in.

A family's own life is a journey like a child's, declared below: weeks in which it copes, is strained, or is in crisis.
Its circumstances act on the hazards of its children, and help for a child helps the family out of them. What happens
to one child may happen to a brother or sister in the same week, by a declared chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.pathway import WEEKS_PER_YEAR, Journey, State, Transition

CIRCUMSTANCES = Journey(
    states=(
        State("coping", "Coping", "", "#8fb339", "home", quiet=True),
        State("strained", "Under strain", "", "#f2c14e", "home", quiet=True),
        State("in_crisis", "In crisis", "", "#d1495b", "home", quiet=True),
    ),
    transitions=(
        Transition("family_came_under_strain", ("coping",), "strained", "Things became harder for the family."),
        Transition("family_came_into_crisis", ("strained",), "in_crisis", "The family came into crisis."),
        Transition("family_came_out_of_crisis", ("in_crisis",), "strained", "The family came out of the crisis."),
        Transition("family_coped_again", ("strained",), "coping", "Things became easier for the family."),
    ),
)
"""A family's circumstances, and how they move."""

WORSE = ("family_came_under_strain", "family_came_into_crisis")
BETTER = ("family_came_out_of_crisis", "family_coped_again")
N_CIRCUMSTANCES = len(CIRCUMSTANCES.states)
_STAGES = ("front_door", "plan", "care", "after_care")
WEEKS_SINCE = ((0, 8), (8, 60), (0, 208), (52, 364))
"""First and last week since a referral in which children mostly are at the front door and on a plan; since coming into
care, in which they are in care and home from it. Assumed, from published durations: an assessment takes six weeks,
plans half a year to one, care two to four years."""


@dataclass(frozen=True)
class FamilyLife:
    """What families do to the journeys of their children.

    together      by transition, the chance that a brother or sister in the same state has it in the same week
    follows       by state that is left at once, the chance that what follows for one follows for those who joined in
    born_into     by state of a brother or sister, the chance that a baby is referred in the week of its birth
    hazard        by transition, its hazard or weight under strain and in crisis, relative to coping
    per_year      by transition of CIRCUMSTANCES, its hazard per year
    helped        factor on hazards of getting better while a child of the family is in one of the states `helping`
    helping       states in which a family is helped
    kin           chance that a family has kin who would take a child in
    kin_weight    by transition, its hazard or chance with such kin, relative to without
    referral      transition by which children come to be known; a baby is referred by it in the week of its birth
    into_care     transition by which they come to be looked after

    Every hazard is taken relative to its mean over the families concerned, so that little of this changes what happens
    on average: families that are known were more often strained or in crisis, as those hazards say (by Bayes), and
    families of looked-after children once more; then circumstances move on as they do.
    """

    together: Mapping[str, float] = field(default_factory=dict)
    follows: Mapping[str, float] = field(default_factory=dict)
    born_into: Mapping[str, float] = field(default_factory=dict)
    hazard: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    per_year: Mapping[str, float] = field(default_factory=dict)
    helped: float = 1.0
    helping: tuple[str, ...] = ()
    kin: float = 0.0
    kin_weight: Mapping[str, float] = field(default_factory=dict)
    referral: str = "was_referred"
    into_care: str = "came_into_care"

    def __post_init__(self) -> None:
        """Check chances and rates, which need no journey."""
        chances = {**self.together, **self.follows, **self.born_into, "kin": self.kin}
        for name, chance in chances.items():
            if not 0 <= chance <= 1:
                raise CareError(f"The chance of '{name}' is {chance:g}", "family life", "Give a chance from 0 to 1")
        least = {**self.kin_weight, **self.per_year, "helped": self.helped}
        least |= {name: min(pair) for name, pair in self.hazard.items()}
        for name, value in least.items():
            if not 0 <= value < np.inf:
                raise CareError(f"A number of '{name}' is {value:g}", "family life", "Give a number of 0 or more")
        for name in self.per_year:
            if name not in CIRCUMSTANCES.transition_index:
                raise CareError(
                    f"A family's circumstances do not move by '{name}'", "family life",
                    did_you_mean(name, list(CIRCUMSTANCES.transition_index)),
                )  # fmt: skip
        for up, down in zip(WORSE, reversed(BETTER), strict=True):
            if self.per_year.get(up, 0.0) > 0 and not self.per_year.get(down, 0.0) > 0:
                raise CareError(f"There is '{up}' but not '{down}'", "family life", f"Give '{down}' a rate above 0")

    @property
    def shares(self) -> tuple[float, float, float]:
        """Families that cope, are strained and are in crisis where none is helped."""
        (strain, crisis), (out_of_crisis, coping) = ([self.per_year.get(k, 0.0) for k in w] for w in (WORSE, BETTER))
        # As many come under strain (or into crisis) as come out of it; where nobody does, nobody is there.
        strained = strain / coping if strain > 0 else 0.0
        return _shares(1.0, strained, strained * crisis / out_of_crisis if crisis > 0 else 0.0)

    def shares_where(self, stage: str) -> tuple[float, float, float]:
        """Return the shares of families whose children are in states of a stage, over the time they mostly are.

        Sums are spelled out, in order: they decide to the last bit.
        """
        if stage not in _STAGES:
            return self.shares
        plain = (1.0, 1.0)
        known, taken = (self.hazard.get(name, plain) for name in (self.referral, self.into_care))
        cope, strained, crisis = self.shares
        strained, crisis = strained * known[0], crisis * known[1]
        if stage in ("care", "after_care"):
            strained, crisis = strained * taken[0], crisis * taken[1]
        (up, down), (out, back) = ([self.per_year.get(k, 0.0) / WEEKS_PER_YEAR for k in w] for w in (WORSE, BETTER))
        if stage == "plan":
            out, back = out * self.helped, back * self.helped
        begin, end = WEEKS_SINCE[_STAGES.index(stage)]
        now, total = _shares(cope, strained, crisis), (0.0, 0.0, 0.0)
        for week in range(end):
            if week >= begin:
                total = (total[0] + now[0], total[1] + now[1], total[2] + now[2])
            rise, fall = now[0] * up - now[1] * back, now[1] * down - now[2] * out
            now = (now[0] - rise, now[1] + rise - fall, now[2] + fall)
        return _shares(*total)

    def of_edges(self, helped: bool) -> NDArray[np.float64]:
        """Return the factor on each edge of CIRCUMSTANCES, while a child of the family is helped or while none is."""
        keys = [CIRCUMSTANCES.transitions[t].key for t in CIRCUMSTANCES.tables.transition]
        return np.array([self.helped if helped and key in BETTER else 1.0 for key in keys])

    def hazards(self) -> NDArray[np.float64]:
        """Return the hazard per year of each edge of CIRCUMSTANCES."""
        keys = [CIRCUMSTANCES.transitions[t].key for t in CIRCUMSTANCES.tables.transition]
        return np.array([self.per_year.get(key, 0.0) for key in keys])


def _shares(cope: float, strained: float, crisis: float) -> tuple[float, float, float]:
    total = cope + strained + crisis
    return cope / total, strained / total, crisis / total
