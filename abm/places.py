"""Limited places for looked-after children: homes, who lives in them, and who waits.

Limited are foster homes (the authority's own and agencies'), children's homes and supported accommodation. Once a week,
between two weeks of the journey, in this order: children who need none of these homes any more leave; homes stop and
close; homes open; children without a home, children who are to move and children who wait are matched.

* A home that stops takes nobody new and closes when the last child has left; some close at once, and the children in
  them must move. Foster homes begin at a rate of their own; children's homes and supported accommodation follow the
  need, late and part by part.
* Children are served in the order of need, week from which they wait, keyed draw and number; homes in the order of tier
  (kind and distance), keyed draw of the week and number. So the order of arrays cannot matter.
* A child without a roof who finds no home of the kind needed gets one of another kind, else an emergency home that is
  none of these; and waits for the kind needed. Others wait where they live. After some time a child who waits is
  settled where it lives, and waits no more.
* Beds that are left in the matching are free from the next week on.

`tests/abm/places_twin.py` says the same week in plain Python.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.draws import area_seed, key_of
from abm.errors import CareError
from abm.pathway import WEEKS_PER_YEAR
from abm.places_data import (
    EMERGENCY,
    HOME_CLOSED,
    IN_KIND,
    MOST_BEDS,
    MOST_OPENED,
    N_BANDS,
    N_KINDS,
    N_WANTS,
    OFF_THE_LIST,
    OUT_OF_KIND,
    REQUEST,
    TALLY,
    WAITS,
    Homes,
    Kin,
    Listed,
    Who,
)
from abm.places_list import take_note
from abm.places_matching import advance_week, match
from abm.places_rules import BANDS, KINDS, NEED_OF_KIND, NEEDS, TIERS, Rules
from abm.places_supply import found_homes

__all__ = [
    "ACCOUNTS",
    "BANDS",
    "EMERGENCY",
    "HOME_CLOSED",
    "IN_KIND",
    "KINDS",
    "NEEDS",
    "NEED_OF_KIND",
    "OFF_THE_LIST",
    "OUT_OF_KIND",
    "REQUEST",
    "TIERS",
    "WAITS",
    "Answers",
    "Places",
    "Requests",
    "Rules",
    "kin_of",
]

ACCOUNTS = (
    *(f"{what}_{kind}" for what in ("homes", "places", "children", "free") for kind in KINDS),
    *(f"waiting_{need}" for need in NEEDS),
    *(f"{what}_{kind}" for what in ("opened", "closed") for kind in KINDS),
    *TALLY,
)
"""What is counted of each week, in order; `opened` counts homes decided on, before their delay."""


class Requests(NamedTuple):
    """Children for whom a home is looked for from this week on, in any order.

    child  int32[R]  their numbers, each once
    need   int8[R]   kind of home needed, place in NEEDS
    roof   bool[R]   whether the child can stay where it is until one is found: it keeps its bed, if it has one
    """

    child: NDArray[np.int32]
    need: NDArray[np.int8]
    roof: NDArray[np.bool_]


class Answers(NamedTuple):
    """What came of a week, in the order of children: new requests, children whose home closed, and the list.

    Of the list, only children for whom something changed are told.

    child    int32[A]
    home     int32[A]  the home, -1 for none of these
    kind     int8[A]   its kind, place in KINDS; -1 for none of these
    band     int8[A]   its distance, place in BANDS; -1 for none of these
    outcome  uint8[A]  IN_KIND, OUT_OF_KIND (and waits on), EMERGENCY (and waits on), WAITS (where it was)
    why      uint8[A]  REQUEST, HOME_CLOSED or OFF_THE_LIST
    """

    child: NDArray[np.int32]
    home: NDArray[np.int32]
    kind: NDArray[np.int8]
    band: NDArray[np.int8]
    outcome: NDArray[np.uint8]
    why: NDArray[np.uint8]


_MOST_A_WEEK = 25
NOBODY = Requests(np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros(0, np.bool_))


def kin_of(family: NDArray[np.int32], birth_week: NDArray[np.int32], need: NDArray[np.uint8]) -> Kin:
    """Return what is known of N children, by number: their family, week of birth, and need (more is more urgent)."""
    n_families = int(family.max(initial=-1)) + 1
    first = np.zeros(n_families + 1, np.int32)
    np.cumsum(np.bincount(family, minlength=n_families), out=first[1:])
    child = np.argsort(family, kind="stable").astype(np.int32)
    return Kin(family.astype(np.int32), birth_week.astype(np.int32), need.astype(np.uint8), first, child)


class Places:
    """The homes of an area under way.

    beds      int64[4, 3]  beds open to these children on day one, by kind and distance
    accounts  int64[weeks, K]  what ACCOUNTS names, week by week
    """

    def __init__(
        self, beds: NDArray[np.int64], rules: Rules, kin: Kin, n_weeks: int, seed: int, area: str = ""
    ) -> None:
        """Found the homes of day one, with nobody in them; `settle` lets children move in."""
        if beds.shape != (N_KINDS, N_BANDS) or beds.dtype.kind not in "iu" or (beds < 0).any():
            raise CareError("The beds of day one are not whole numbers by kind of home and distance")
        low, high = key_of(area_seed(seed, area))
        self._halves = np.uint64(low), np.uint64(high)
        self.kin, self.n_weeks, self.week = kin, n_weeks, 0
        self.rules = rules
        total, n = int(beds.sum()), kin.family.size
        self._make_room(total)
        self.n_homes, self.reference = 0, np.zeros(N_KINDS, np.int64)
        for kind in range(N_KINDS):
            begin = self.n_homes
            for band in range(N_BANDS):
                self.n_homes = found_homes(
                    *self._halves, self.n_homes, self.homes, self._numbers, kind, band, int(beds[kind, band]),
                    self.n_homes - begin,
                )  # fmt: skip
            self.reference[kind] = self.n_homes - begin
            a_week = rules.recruit_per_year[kind] * int(self.reference[kind]) / WEEKS_PER_YEAR
            if a_week > _MOST_A_WEEK:
                raise CareError(
                    f"{a_week:.0f} homes of one kind would begin in a week, more than are drawn well", area,
                    "Simulate the area as a sample of its children (England: one in twenty)",
                )  # fmt: skip
        self.who = Who(
            np.full(total, -1, np.int32), np.full(n, -1, np.int32), np.full(n, -1, np.int8), np.zeros(n, np.int32),
            np.zeros(n, np.uint8), np.zeros(N_WANTS, np.int64),
        )  # fmt: skip
        self.noticed, self.waiting = np.zeros(N_KINDS), np.zeros(0, np.int32)
        self.accounts = np.zeros((n_weeks, len(ACCOUNTS)), np.int64)
        self._reserve()

    @property
    def rules(self) -> Rules:
        """The rules; others may be set between two weeks, as an intervention does."""
        return self._rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._rules, self._numbers = rules, rules.numbers()

    def settle(self, child: NDArray[np.int32], need: NDArray[np.int8]) -> Answers:
        """Let the children of day one move into the homes, as they would have been matched.

        Whoever finds no home that takes its age gets one of the kind needed that does not; EMERGENCY tells that there
        were not enough beds.

        Parameters
        ----------
        child, need
            int32[R], int8[R], in any order: children who live in these kinds of home on day one.
        """
        if self.week or self.who.needing.any():
            raise CareError("Children can settle only once, before the first week")
        order = self._checked(Requests(child, need, np.zeros(child.size, np.bool_)))
        child, need = child[order].astype(np.int32), need[order]
        self.who.want[child], self.who.since[child] = need, -1
        self.who.needing[:] = np.bincount(need, minlength=N_WANTS)
        listed = _listed(child)
        tally = np.zeros(len(TALLY), np.int64)
        of_the_kind = self._numbers._replace(n_tiers=self._numbers.n_in_kind)
        match(*self._halves, -1, self.n_homes, self.homes, self.who, self.kin, of_the_kind, listed, tally)
        left = np.flatnonzero(listed.outcome == EMERGENCY)
        if left.size:
            again, limits = _listed(child[left]), np.iinfo(np.int16)
            any_age = self.homes._replace(
                age_from=np.full_like(self.homes.age_from, limits.min),
                age_to=np.full_like(self.homes.age_to, limits.max),
            )
            match(*self._halves, -1, self.n_homes, any_age, self.who, self.kin, of_the_kind, again, tally)
            listed.to[left], listed.outcome[left] = again.to, again.outcome
        self.waiting = take_note(-1, self.homes, self.who, listed, tally)
        self.noticed[2:] = self.who.needing[1:]
        return self._answers(listed)

    def advance(self, requests: Requests = NOBODY, left: NDArray[np.int32] = NOBODY.child) -> Answers:
        """Advance by a week: beds are freed, homes close and open, children are matched.

        Parameters
        ----------
        requests
            Children who came to need one of these homes in the week, or are to move to another.
        left
            int32[L], children who live in, or wait for, one of these homes and need none any more. Others are ignored;
            a child may be in `requests` too.
        """
        if self.week >= self.n_weeks:
            raise CareError(f"The homes were founded for {self.n_weeks} weeks", remedy="Found them for more")
        order = self._checked(requests)
        if left.size and not 0 <= left.min() <= left.max() < self.kin.family.size:
            raise CareError(f"There are children 0 to {self.kin.family.size - 1}", "those who left")
        self._reserve()
        totals, tally = np.zeros(4 * N_KINDS + N_WANTS, np.int64), np.zeros(len(TALLY), np.int64)
        opened, closed = np.zeros(N_KINDS, np.int64), np.zeros(N_KINDS, np.int64)
        self.n_homes, listed, self.waiting = advance_week(
            *self._halves, self.week, self.n_homes, self.homes, self.who, self.kin, self._numbers, self.reference,
            self.noticed, self.waiting, left, requests.child[order], requests.need[order], requests.roof[order],
            totals, opened, closed, tally,
        )  # fmt: skip
        self.accounts[self.week] = np.concatenate([totals, opened, closed, tally])
        self.week += 1
        return self._answers(listed)

    def account(self, name: str) -> NDArray[np.int64]:
        """Return one of ACCOUNTS, int64[weeks so far]."""
        return self.accounts[: self.week, ACCOUNTS.index(name)]

    def occupancy(self) -> NDArray[np.float64]:
        """Return children / places by kind, float64[weeks so far, 4]; 0 where there are no places."""
        places = self.accounts[: self.week, N_KINDS : 2 * N_KINDS]
        return self.accounts[: self.week, 2 * N_KINDS : 3 * N_KINDS] / np.maximum(places, 1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that changes, by name: what a checkpoint keeps and `restore` takes; copies."""
        n_beds = int(self.homes.beds[: self.n_homes].sum())
        homes = {f"homes {name}": column[: self.n_homes].copy() for name, column in self.homes._asdict().items()}
        who = {f"who {name}": column.copy() for name, column in self.who._asdict().items()}
        who["who lives"] = who["who lives"][:n_beds]
        return homes | who | {
            "week": np.array([self.week], np.int64),
            "reference": self.reference.copy(),
            "noticed": self.noticed.copy(),
            "waiting": self.waiting.copy(),
            "accounts": self.accounts[: self.week].copy(),
        }  # fmt: skip

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Put back what `arrays` gave; rules, children, weeks, seed and area are those that it was founded with."""
        self.n_homes, self.week = arrays["homes key"].size, int(arrays["week"][0])
        self.homes = Homes(*(arrays[f"homes {name}"].copy() for name in Homes._fields))
        self.who = Who(*(arrays[f"who {name}"].copy() for name in Who._fields))
        self.reference, self.noticed = arrays["reference"].copy(), arrays["noticed"].copy()
        self.waiting = arrays["waiting"].copy()
        self.accounts[: self.week], self.accounts[self.week :] = arrays["accounts"], 0
        self._reserve()

    def _checked(self, requests: Requests) -> NDArray[np.intp]:
        """Return the order of the requests by child, or raise for what cannot be asked."""
        order = np.argsort(requests.child)
        if order.size == 0:
            return order
        child = requests.child[order]
        if child[0] < 0 or child[-1] >= self.kin.family.size:
            raise CareError(f"There are children 0 to {self.kin.family.size - 1}", "the requests for a home")
        if (child[1:] == child[:-1]).any():
            raise CareError("A child asks for two homes in one week", "the requests for a home", "Ask once")
        if requests.need.min() < 0 or requests.need.max() >= N_WANTS:
            raise CareError("A child needs a kind of home that is not limited", "the requests for a home")
        return order

    def _answers(self, listed: Listed) -> Answers:
        told = (listed.why != OFF_THE_LIST) | (listed.outcome <= OUT_OF_KIND)
        child, home, outcome, why = listed.child[told], listed.to[told], listed.outcome[told], listed.why[told]
        found = home >= 0
        kind = np.where(found, self.homes.kind[home].astype(np.int8), np.int8(-1))
        band = np.where(found, self.homes.band[home].astype(np.int8), np.int8(-1))
        return Answers(child, home, kind, band, outcome, why)

    def _make_room(self, n: int) -> None:
        """Make empty rows for n homes."""
        kinds: dict[str, Any] = {
            "key": np.uint32, "kind": np.uint8, "band": np.uint8, "beds": np.int16, "age_from": np.int16,
            "age_to": np.int16, "opened": np.int32, "stops": np.int32, "closed": np.int32, "first": np.int32,
            "living": np.int16,
        }  # fmt: skip
        self.homes = Homes(**{name: np.zeros(n, kind) for name, kind in kinds.items()})

    def _reserve(self) -> None:
        """Make sure that as many homes can open in a week as ever do."""
        if self.homes.key.size < self.n_homes + N_KINDS * MOST_OPENED:
            old, n = self.homes, self.n_homes
            self._make_room(2 * n + 2 * N_KINDS * MOST_OPENED)
            for name in Homes._fields:
                getattr(self.homes, name)[:n] = getattr(old, name)[:n]
        last = self.n_homes - 1
        n_beds = int(self.homes.first[last]) + int(self.homes.beds[last]) if last >= 0 else 0
        if self.who.lives.size < n_beds + N_KINDS * MOST_OPENED * MOST_BEDS:
            lives = np.full(2 * n_beds + 2 * N_KINDS * MOST_OPENED * MOST_BEDS, -1, np.int32)
            lives[:n_beds] = self.who.lives[:n_beds]
            self.who = self.who._replace(lives=lives)


def _listed(child: NDArray[np.int32]) -> Listed:
    """Return children, in the order of their numbers, who have no home and leave none."""
    n = child.size
    return Listed(
        child, np.full(n, -1, np.int32), np.ones(n, np.bool_), np.zeros(n, np.uint8), np.full(n, -1, np.int32),
        np.full(n, WAITS, np.uint8),
    )  # fmt: skip
