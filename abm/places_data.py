"""Homes, who lives where, and the rules, as the loops over them read them: arrays and whole numbers only.

See `abm.places` for what is modelled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_KINDS, N_BANDS, N_WANTS, MOST_BEDS, N_PROFILES = 4, 3, 3, 8, 4
N_CLASSES = N_KINDS * N_BANDS
MOST_OPENED = 128
"""Homes of a kind that can open in one week; at the largest expected number, 50, more are needed never."""
NEVER_CLOSES = 1 << 30
IN_KIND, OUT_OF_KIND, EMERGENCY, WAITS = 0, 1, 2, 3
REQUEST, HOME_CLOSED, OFF_THE_LIST = 0, 1, 2
STAYS, IN_EMERGENCY = 1, 2
"""Of a child on the waiting list: lives somewhere meanwhile; is in an emergency home, and takes any other."""

TALLY = (
    "requests",
    "placed_in_kind",
    "placed_out_of_kind",
    "dearer",
    "emergency",
    "began_to_wait",
    "placed_off_the_list",
    "weeks_waited",
    "home_closed",
    "settled",
    "placed_together",
    "joined",
    "split",
    "in_the_area",
    "up_to_20_miles",
    "farther",
)
"""What is counted of a week beside the homes: children, but for the weeks that those now placed in kind had waited.

`dearer` are those placed out of kind in a children's home; `split` those whose group no home had beds for; the last
three are all who were placed, by distance.
"""


class Homes(NamedTuple):
    """The homes, arrays of the room there is for H of them; a home's number is its row.

    key       uint32  what its luck is keyed by
    kind      uint8   see abm.places.KINDS
    band      uint8   distance: 0 in the area, 1 up to 20 miles, 2 farther
    beds      int16
    age_from  int16   youngest age taken, in weeks
    age_to    int16   first age no longer taken
    opened    int32   first week in which it takes children
    stops     int32   first week in which it takes no more, NEVER_CLOSES if none
    closed    int32   first week in which nobody can live there
    first     int32   its first bed in `lives`
    living    int16   children living there
    """

    key: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    band: NDArray[np.uint8]
    beds: NDArray[np.int16]
    age_from: NDArray[np.int16]
    age_to: NDArray[np.int16]
    opened: NDArray[np.int32]
    stops: NDArray[np.int32]
    closed: NDArray[np.int32]
    first: NDArray[np.int32]
    living: NDArray[np.int16]


class Who(NamedTuple):
    """Who lives where and who waits.

    lives    int32[B]  by bed: the child, -1 if it is free
    home     int32[N]  by child: the home, -1 if none of these
    want     int8[N]   kind of home needed (0 foster, 1 children's home, 2 supported), -1 if none of these
    since    int32[N]  week from which the child waits for it; of no meaning for others
    waits    uint8[N]  0, STAYS or IN_EMERGENCY
    needing  int64[3]  children by `want`
    """

    lives: NDArray[np.int32]
    home: NDArray[np.int32]
    want: NDArray[np.int8]
    since: NDArray[np.int32]
    waits: NDArray[np.uint8]
    needing: NDArray[np.int64]


class Kin(NamedTuple):
    """What is known of the children, by number; it never changes.

    family  int32[N]   need  uint8[N], more is more urgent   birth  int32[N], week of birth
    first   int32[F+1], child  int32[N]  the children of family f are child[first[f] : first[f+1]]
    """

    family: NDArray[np.int32]
    birth: NDArray[np.int32]
    need: NDArray[np.uint8]
    first: NDArray[np.int32]
    child: NDArray[np.int32]


class Numbers(NamedTuple):
    """The rules as the loops read them; arrays by kind of home, unless said otherwise.

    loss         float64[4]        homes that stop, a year
    stress       float64[4]        how much more stop where homes are fuller than the target
    at_once      uint64[4]         threshold: children must leave on the day
    recruit      float64[4]        homes that begin, a year, for each there was on day one
    target       float64[4]        occupancy aimed at
    adjust       float64[4]        weeks in which a gap to the need is closed; 0 for kinds that do not follow need
    notice       float64[4]        share of a change in need that is noticed in a week
    delay        int64[4]          weeks from the decision to the first child
    mean_beds    float64[4]
    bands        uint64[4, 3]      running thresholds of a new home's distance
    beds         uint64[4, 3, 8]   and of its beds, by distance
    ages         uint64[4, 4]      and of its range of ages
    age_from, age_to  int16[4, 4]
    tiers        int64[3, 12]      by kind needed: classes (kind x 3 + band) in order, those of the kind needed first
    n_in_kind, n_tiers  int64[3]   how many are of the kind needed, and how many there are
    together     uint64            threshold: the plan is that brothers and sisters live together
    settles      int64             weeks after which a child who waits stays where it is
    """

    loss: NDArray[np.float64]
    stress: NDArray[np.float64]
    at_once: NDArray[np.uint64]
    recruit: NDArray[np.float64]
    target: NDArray[np.float64]
    adjust: NDArray[np.float64]
    notice: NDArray[np.float64]
    delay: NDArray[np.int64]
    mean_beds: NDArray[np.float64]
    bands: NDArray[np.uint64]
    beds: NDArray[np.uint64]
    ages: NDArray[np.uint64]
    age_from: NDArray[np.int16]
    age_to: NDArray[np.int16]
    tiers: NDArray[np.int64]
    n_in_kind: NDArray[np.int64]
    n_tiers: NDArray[np.int64]
    together: np.uint64
    settles: int


class Listed(NamedTuple):
    """Children who are looked for a home for, in the order of their numbers.

    child    int32[R]  avoid  int32[R], the home they move from   roofless  bool[R]   why  uint8[R]
    to       int32[R], outcome  uint8[R]   what came of it
    """

    child: NDArray[np.int32]
    avoid: NDArray[np.int32]
    roofless: NDArray[np.bool_]
    why: NDArray[np.uint8]
    to: NDArray[np.int32]
    outcome: NDArray[np.uint8]
