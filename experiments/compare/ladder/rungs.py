"""The rungs of the ladder from classic system dynamics to the simulation: one entry for each mechanism.

A rung is switched on in one of two ways. Where nothing couples one child with another its expected values are exact:
it has `switches`, by which tables are averaged or not (`averages.py`), or changed (CLOCKS). Where children are coupled
it has a `pair`: how a run is made with and without it, with the same seeds (`paired.py`). A rung with neither is not
yet in the model, and is told so.
"""

from __future__ import annotations

from dataclasses import dataclass

from experiments.compare.ladder.paired import Pair
from experiments.compare.ladder.wiring import BEHAVIOURS, FAMILIES, PLACES, PLACES_KEY

TIME, AGE, FRAILTY, HISTORY, CLOCKS = "time", "age", "frailty", "history", "clocks"
NOT_YET = "not yet in the model"


@dataclass(frozen=True)
class Rung:
    """One mechanism.

    number    its place on the ladder; 0 is classic system dynamics
    sentence  what the simulation has with it and system dynamics has not
    switches  its parts, as (key, name), where expected values are exact
    pair      how runs are made with and without it, where it couples children
    """

    number: int
    key: str
    name: str
    sentence: str
    switches: tuple[tuple[str, str], ...] = ()
    pair: Pair | None = None

    @property
    def is_there(self) -> bool:
        """Whether the model has it."""
        return bool(self.switches) or self.pair is not None


MARKOV_SENTENCE = (
    "Classic system dynamics: one stock for each state, hazards that are the same for every child and at all times, "
    "turning 18 and moving away as rates, no families, no limits."
)
RUNGS = (
    Rung(
        1, "age_and_time", "age and time in state",
        "Chances change with the time already spent in a state and with age, and children turn 18 on a date.",
        switches=((TIME, "time in state"), (AGE, "age and the 18th birthday")),
    ),
    Rung(
        2, "frailty", "risk class of the family",
        "Families differ in risk, and children who came alone differ from both.",
        switches=((FRAILTY, "risk class of the family"),),
    ),
    Rung(
        3, "siblings", "brothers and sisters",
        "What happens to one child may happen to a brother or sister in the same week, families come under strain, and "
        "kin may step in.",
        pair=FAMILIES,
    ),
    Rung(
        4, "history", "history",
        "Children who were referred, planned for or looked after before have other chances than those who were not.",
        switches=((HISTORY, "history"),),
    ),
    Rung(
        5, PLACES_KEY, "places", "Homes are limited, and a child may not find the one that would be chosen.",
        pair=PLACES,
    ),
    Rung(
        6, "behaviours", "the system's own behaviours",
        "Caseload, workforce, anxiety and budget answer to the children there are, and change what is decided.",
        pair=BEHAVIOURS,
    ),
    Rung(
        7, "clocks", "statutory clocks", "Decisions bunch at reviews and time limits.",
        switches=((CLOCKS, "statutory clocks"),),
    ),
)  # fmt: skip
"""In the order in which they are added. To add a mechanism, give it its entry here."""


def switches_of(rungs: tuple[Rung, ...] = RUNGS) -> list[str]:
    """Return the keys of all switches, in order."""
    return [key for rung in rungs for key, _ in rung.switches]
