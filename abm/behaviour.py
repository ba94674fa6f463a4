"""The system's own behaviours as data: links between what a system is like and what it does, with loops they close.

A link says that one thing answers to another: by how much, how late, and on what evidence. Together they are a causal
loop diagram that can be run (`abm.behaviour_system`). Everything is told as a departure from a course without
behaviours, the reference (docs/decisions/0011), so a link answers to change alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.pathway import Journey

Array = NDArray[np.float64]

LOOPS = {
    "R1": "Workload, quality and return",
    "R2": "Drift and delay",
    "R3": "Turnover trap",
    "R4": "Anxiety ratchet",
    "R5": "Budget squeeze",
    "R6": "Scarcity and cost",
    "R7": "Carers who leave",
    "R8": "Unsupported return home",
    "B1": "Agency cover",
    "B2": "Anxiety fades",
    "B3": "Scarcity and thresholds",
    "B5": "Vacancies are filled",
}
"""The loops by their names: R reinforces a change, B balances it."""

FORMS = {
    "elasticity": "a source that is 1% higher makes the target so many percent higher (-: lower)",
    "definition": "the target is made of the source: as elasticity 1, or one unit for one unit",
    "weight": "children in states, or events of transitions, counted with this weight",
    "share": "one unit of the source adds so much to the target (to its logarithm, where it is an index)",
    "per year": "so much of the source is made up for in a year",
    "fading": "what is above normal fades at a rate of 1 over the delay",
}
"""How a link's strength is meant."""

EVIDENCE = ("definition", "published", "computed", "literature", "assumed")
"""On what a strength rests."""

HISTORY_WORDS = {
    "": (0, 1, 2), "referred before": (1,), "planned for or looked after before": (2,), "known before": (1, 2),
}  # fmt: skip
"""Which children a link to transitions concerns, by their history."""

STOCKS = ("permanent_workers", "agency_workers", "workers", "agency_share", "anxiety")
"""Variables that have an equation of their own, beside the links into them."""

ADDITIVE = ("permanent_workers", "agency_workers", "vacancies", "agency_share")
"""Variables told as a difference from the reference, in permanent posts filled then; the others are ratios to it."""


@dataclass(frozen=True)
class Link:
    """One thing answers to another.

    source       a variable; or states or transitions that are counted (form "weight")
    target       a variable; or transitions
    histories    of a link to transitions: the histories of the children concerned
    sign         +1: more makes more; -1: more makes less
    delay_weeks  mean weeks until the answer (first-order smoothing); 0 for none
    strength     in the unit of the form; 0 switches the link off
    low, high    plausible range of the strength
    loops        keys of LOOPS; none for a link outside all loops
    """

    key: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    histories: tuple[int, ...]
    sign: int
    delay_weeks: int
    strength: float
    low: float
    high: float
    form: str
    unit: str
    loops: tuple[str, ...]
    evidence: str
    reference: str
    note: str

    @property
    def effect(self) -> float:
        """The strength with its sign."""
        return self.sign * self.strength


@dataclass(frozen=True)
class Behaviours:
    """The links of a causal loop diagram, in the order of their table."""

    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        """Refuse links of one name."""
        keys = [link.key for link in self.links]
        for key in keys:
            if keys.count(key) > 1:
                raise CareError(f"The link '{key}' is there twice", "behaviours", "Give each link a name of its own")

    def __getitem__(self, key: str) -> Link:
        """Return the link of a name."""
        by_key = {link.key: link for link in self.links}
        if key not in by_key:
            raise CareError(f"There is no link '{key}'", "behaviours", did_you_mean(key, by_key) or "See its table")
        return by_key[key]

    def loops(self) -> tuple[str, ...]:
        """Return the loops that are on, in the order of LOOPS: some link of that loop alone (or any, if none is) is."""
        out = []
        for loop in LOOPS:
            mine = [k for k in self.links if loop in k.loops]
            own = [k for k in mine if len(k.loops) == 1] or mine
            if any(k.strength for k in own):
                out.append(loop)
        return tuple(out)

    def without(self, *loops: str) -> Behaviours:
        """Return these behaviours with some loops off: a link is off when all its loops are."""
        off = set(_known(loops))
        return self._kept(lambda link: not link.loops or not set(link.loops) <= off)

    def only(self, *loops: str) -> Behaviours:
        """Return these behaviours with all loops off but some; links outside all loops stay."""
        on = set(_known(loops))
        return self._kept(lambda link: not link.loops or bool(set(link.loops) & on))

    def none(self) -> Behaviours:
        """Return the same links, all without strength."""
        return self._kept(lambda link: False)

    def with_strengths(self, **strengths: float) -> Behaviours:
        """Return these behaviours with other strengths, by the keys of links."""
        for key, strength in strengths.items():
            link = self[key]
            if not 0 <= strength < float("inf"):
                raise CareError(
                    f"The strength {strength} of '{link.key}' is not possible", "behaviours", "Use 0 or more"
                )
        return Behaviours(tuple(replace(k, strength=strengths.get(k.key, k.strength)) for k in self.links))

    def _kept(self, on: object) -> Behaviours:
        assert callable(on)
        return Behaviours(tuple(link if on(link) else replace(link, strength=0.0) for link in self.links))

    @property
    def digest(self) -> str:
        """What these behaviours are, in 16 hexadecimal digits, for a manifest."""
        parts = [
            f"{k.key} {k.source} {k.target} {k.histories} {k.sign} {k.delay_weeks} {k.strength!r} {k.form}"
            for k in self.links
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _known(loops: Iterable[str]) -> list[str]:
    loops = list(loops)
    for loop in loops:
        if loop not in LOOPS:
            remedy = did_you_mean(loop, LOOPS) or f"Loops: {', '.join(LOOPS)}"
            raise CareError(f"There is no loop '{loop}'", "behaviours", remedy)
    return loops


@dataclass(frozen=True)
class Workforce:
    """The social workers of an area as a run begins.

    permanent, agency  full-time equivalents
    vacancies          full-time equivalents of posts that no permanent worker fills
    turnover           permanent workers who leave in a year, as a share of those in post
    caseload           cases for each worker who holds cases
    told               what a reader must know about these figures: year, source, what was borrowed
    """

    permanent: float
    agency: float
    vacancies: float
    turnover: float
    caseload: float
    told: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a workforce that nothing can start from."""
        for name, least in (
            ("permanent", 1e-9),
            ("agency", 0.0),
            ("vacancies", 0.0),
            ("turnover", 0.0),
            ("caseload", 0),
        ):
            value = getattr(self, name)
            if not least <= value < float("inf"):
                raise CareError(f"The workforce has {value} for '{name}'", "workforce", "Give a figure of 0 or more")


@dataclass(frozen=True)
class Reference:
    """The mean course of an area without behaviours, which behaviours answer to departures from.

    stocks  float64[weeks, S]  children in each state as each week begins
    flows   float64[weeks, E]  events of the week before; 0 in the first

    Numbers are rounded to 2^-20 of a child, so that they are the same wherever they were worked out.
    """

    stocks: Array
    flows: Array

    def __post_init__(self) -> None:
        """Round, and refuse what is no course."""
        if self.stocks.shape[0] != self.flows.shape[0] or not self.stocks.size:
            raise CareError("The reference has stocks and flows of other weeks", "reference", "Give both for each week")
        for name in ("stocks", "flows"):
            rounded = np.floor(getattr(self, name) * 2.0**20 + 0.5) / 2.0**20
            if not np.isfinite(rounded).all():
                raise CareError(f"The reference has {name} that are no numbers", "reference", "Give finite numbers")
            object.__setattr__(self, name, rounded)

    @classmethod
    def of_course(cls, start: Array, stocks: Array, flows: Array) -> Reference:
        """Return the reference of a course: stocks on day one [S], after each week [weeks, S], flows [weeks, E]."""
        return cls(np.vstack([start, stocks[:-1]]), np.vstack([np.zeros(flows.shape[1]), flows[:-1]]))

    @property
    def n_weeks(self) -> int:
        """The weeks it is known for."""
        return int(self.stocks.shape[0])

    @property
    def digest(self) -> str:
        """What it is, in 16 hexadecimal digits, for a manifest."""
        whole = hashlib.sha256(np.ascontiguousarray(self.stocks).tobytes())
        whole.update(np.ascontiguousarray(self.flows).tobytes())
        return whole.hexdigest()[:16]


@dataclass(frozen=True)
class Incident:
    """A child has died or been seriously harmed, and it is known: anxiety rises by `size` of its normal, in one week.

    The default is that of 2008 in England: care applications rose from 496 a month before the trial to 739 in March
    2009, by 49%. How far each transition follows is the strength of its link from `anxiety`.
    """

    week: int
    size: float = 0.49


@dataclass(frozen=True)
class Demand:
    """From a week on, some transitions happen more often or less often by a factor; before `until_week`, if it ends."""

    transitions: tuple[str, ...]
    factor: float
    from_week: int = 0
    until_week: int | None = None


@dataclass(frozen=True)
class StaffTime:
    """From a week on, the same workers have more or less time for families by a factor; it may end before a week."""

    factor: float
    from_week: int = 0
    until_week: int | None = None


Shock = Incident | Demand | StaffTime


def lasts(shock: Demand | StaffTime, week: int) -> bool:
    """Tell whether a shock is there in a week."""
    return shock.from_week <= week and (shock.until_week is None or week < shock.until_week)


def checked_shocks(shocks: Iterable[Shock], journey: Journey) -> tuple[Shock, ...]:
    """Return the shocks, or raise CareError for one that cannot be."""
    shocks = tuple(shocks)
    for shock in shocks:
        week = shock.week if isinstance(shock, Incident) else shock.from_week
        size = shock.size if isinstance(shock, Incident) else shock.factor
        least = 1 / 16 if isinstance(shock, StaffTime) else 0.0
        if week < 0 or not least <= size <= 16:
            raise CareError(
                f"A shock of {size} in week {week} is not possible", "shocks", f"Use {least} to 16, from week 0"
            )
        if not isinstance(shock, Incident) and shock.until_week is not None and shock.until_week <= week:
            raise CareError(
                f"A shock from week {week} cannot end before week {shock.until_week}", "shocks", "Let it end later"
            )
        for name in shock.transitions if isinstance(shock, Demand) else ():
            if name not in journey.transition_index:
                remedy = did_you_mean(name, journey.transition_index)
                raise CareError(f"There is no transition '{name}'", "shocks", remedy or "See the reference pages")
    return shocks
