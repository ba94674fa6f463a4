"""The rules of limited places: kinds of home, what is needed, in which order homes are looked at, and the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.parameters import threshold
from abm.pathway import WEEKS_PER_YEAR
from abm.places_data import MOST_BEDS, N_BANDS, N_CLASSES, N_KINDS, N_PROFILES, N_WANTS, Numbers

KINDS = ("own_foster", "agency_foster", "childrens_home", "supported_accommodation")
NEEDS = ("foster", "childrens_home", "supported_accommodation")
"""Kinds of home that a child may need, named as the states of the journey."""
BANDS = ("in_the_area", "up_to_20_miles", "farther")
NEED_OF_KIND = (0, 0, 1, 2)
_OWN, _AGENCY, _CHILDRENS, _SUPPORTED = range(N_KINDS)
TIERS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((_OWN, _AGENCY), (_CHILDRENS,)),
    ((_CHILDRENS,), (_AGENCY, _SUPPORTED)),
    ((_SUPPORTED,), (_AGENCY, _CHILDRENS)),
)
"""By kind needed: the kinds that are it, and the kinds that take a child without a roof instead; the cheaper first. Of
the kinds needed, near homes of all come before farther ones; of the others, all distances of one before the next."""


@dataclass(frozen=True)
class Rules:
    """The numbers of homes and matching; each by kind of home as KINDS, unless said otherwise.

    loss_per_year      homes that stop, a year, at the target occupancy
    stress             how much the loss grows for each unit of occupancy above the target; 0 switches it off
    at_once            share of homes that stop for which the children must move on the day
    recruit_per_year   homes that begin, a year, for each there was on day one
    target             occupancy at which providers aim
    adjust_weeks       weeks in which a gap to the need is closed; 0: the kind does not follow need (foster kinds)
    notice_weeks       weeks in which a change of need is noticed
    delay_weeks        weeks from the decision to open to the first child
    beds               shares of homes with 1, 2, ... beds, by kind and distance
    bands              shares of new homes by distance as BANDS
    ages               (from, to, share) in years, by kind
    together           share of families whose brothers and sisters are to live together
    settled_weeks      weeks after which a child who waits elsewhere stays there
    """

    loss_per_year: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    stress: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    at_once: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    recruit_per_year: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    target: tuple[float, ...] = (0.92, 0.92, 0.92, 0.92)
    adjust_weeks: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    notice_weeks: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    delay_weeks: tuple[int, ...] = (0, 0, 0, 0)
    beds: tuple[tuple[tuple[float, ...], ...], ...] = (((1.0,),) * N_BANDS,) * N_KINDS
    bands: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0),) * N_KINDS
    ages: tuple[tuple[tuple[float, float, float], ...], ...] = (((0.0, 18.0, 1.0),),) * N_KINDS
    together: float = 1.0
    settled_weeks: int = 1 << 20

    def __post_init__(self) -> None:
        """Check lengths, shares and signs."""
        for name in ("loss_per_year", "stress", "at_once", "recruit_per_year", "target", "adjust_weeks", "notice_weeks",
                     "delay_weeks", "beds", "bands", "ages"):  # fmt: skip
            _check(len(getattr(self, name)) == N_KINDS, f"'{name}' needs one entry for each of {N_KINDS} kinds of home")
        for name in ("loss_per_year", "stress", "recruit_per_year", "adjust_weeks", "delay_weeks"):
            _check(min(getattr(self, name)) >= 0, f"'{name}' has a number below 0")
        _check(min(self.notice_weeks) >= 1, "'notice_weeks' has a number below 1")
        _check(0 < min(self.target) and max(self.target) <= 1, "'target' has a number outside 0 to 1")
        _check(0 <= min(self.at_once) and max(self.at_once) <= 1, "'at_once' has a number outside 0 to 1")
        _check(0 <= self.together <= 1, "'together' is outside 0 to 1")
        _check(self.settled_weeks >= 0, "'settled_weeks' is below 0")
        _check(self.adjust_weeks[:2] == (0, 0), "'adjust_weeks' of foster homes is not 0")
        for kind in range(N_KINDS):
            _check(len(self.beds[kind]) == N_BANDS and len(self.bands[kind]) == N_BANDS, "distances are not three")
            for shares in self.beds[kind]:
                _check(len(shares) <= MOST_BEDS, f"a home has more than {MOST_BEDS} beds")
                _check_shares(shares)
            _check_shares(self.bands[kind])
            _check(len(self.ages[kind]) <= N_PROFILES, f"a kind of home has more than {N_PROFILES} ranges of ages")
            _check_shares([share for _, _, share in self.ages[kind]])

    def numbers(self) -> Numbers:
        """Return the rules as the loops read them."""
        kinds = range(N_KINDS)
        age_from, age_to = np.zeros((N_KINDS, N_PROFILES), np.int16), np.zeros((N_KINDS, N_PROFILES), np.int16)
        for kind in kinds:
            for k, (begin, end, _) in enumerate(self.ages[kind]):
                age_from[kind, k], age_to[kind, k] = round(WEEKS_PER_YEAR * begin), round(WEEKS_PER_YEAR * end)
        tiers, n_in_kind, n_tiers = np.zeros((N_WANTS, N_CLASSES), np.int64), [], []
        for want, (own, other) in enumerate(TIERS):
            order = [kind * N_BANDS + band for band in range(N_BANDS) for kind in own]
            n_in_kind.append(len(order))
            order += [kind * N_BANDS + band for kind in other for band in range(N_BANDS)]
            n_tiers.append(len(order))
            tiers[want, : len(order)] = order
        mean_beds = [
            sum(
                of_band * sum(share * (n + 1) for n, share in enumerate(shares)) / sum(shares)
                for of_band, shares in zip(self.bands[kind], self.beds[kind], strict=True)
            )
            / sum(self.bands[kind])
            for kind in kinds
        ]
        return Numbers(
            loss=np.array(self.loss_per_year, np.float64),
            stress=np.array(self.stress, np.float64),
            at_once=threshold(np.array(self.at_once, np.float64)),
            recruit=np.array(self.recruit_per_year, np.float64),
            target=np.array(self.target, np.float64),
            adjust=np.array(self.adjust_weeks, np.float64),
            notice=1.0 / np.array(self.notice_weeks, np.float64),
            delay=np.array(self.delay_weeks, np.int64),
            mean_beds=np.array(mean_beds),
            bands=np.stack([_running(self.bands[kind], N_BANDS) for kind in kinds]),
            beds=np.stack([np.stack([_running(shares, MOST_BEDS) for shares in self.beds[kind]]) for kind in kinds]),
            ages=np.stack([_running([share for *_, share in self.ages[kind]], N_PROFILES) for kind in kinds]),
            age_from=age_from,
            age_to=age_to,
            tiers=tiers,
            n_in_kind=np.array(n_in_kind, np.int64),
            n_tiers=np.array(n_tiers, np.int64),
            together=np.uint64(threshold(np.array(self.together))),
            settles=int(self.settled_weeks),
        )


def _check(right: bool, what: str) -> None:
    if not right:
        raise CareError(f"The rules of places are not right: {what}", remedy="Correct them")


def _check_shares(shares: Any) -> None:
    _check(bool(shares) and min(shares) >= 0 and sum(shares) > 0, "shares are negative, or all 0")


def _running(shares: Any, length: int) -> NDArray[np.uint64]:
    """Return the running thresholds of shares; the last share above 0 and all after it are certain."""
    total, running, out = sum(shares), 0.0, np.full(length, 1 << 32, np.uint64)
    last = max(k for k, share in enumerate(shares) if share > 0)
    for k, share in enumerate(shares[:last]):
        running += share
        out[k] = threshold(np.array(running / total))
    return out


class HomesOnDayOne(Protocol):
    """What tells the beds there are for the children of day one; a dataclass, so that it can be told from others."""

    def beds(self, children: NDArray[np.int64], sample: int = 1) -> NDArray[np.int64]:
        """Return int64[4, 3], beds by kind and distance, for so many simulated children (int64[3]) by NEEDS."""
        ...


@dataclass(frozen=True)
class Supply:
    """The places open to the children of an area: homes on day one, and the rules by which they change and fill."""

    homes: HomesOnDayOne
    rules: Rules
