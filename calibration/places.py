"""The homes of an area on day one, from published figures and assumptions.

Nobody publishes how many places are open to the children of an area. Method:

* places open = children living in that kind of home / an assumed occupancy; for foster homes no fewer than the
  authority's own approved places, where they are published (2022 to 2025): they are never the whole;
* own foster places: the share of foster children (kin left out) who fill the authority's own places, of the nearest
  published year; no more than are approved. The rest are agencies', which nobody publishes by area;
* places in the area: England's share for the kind, moved by the odds of the area's own children (all kinds together);
  for children's homes no more than the beds located there, where they are counted. Beyond the area, near and far are
  shared as the area's children are; for children's homes, as England's.

`marks` of a plan says of each number whether it is published, derived or assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.parameters import Value
from abm.places_rules import BANDS, KINDS, NEEDS
from calibration.places_table import (
    APPROVED,
    BY_STOCK,
    DISTANCE,
    FILLED,
    HOMES,
    REGISTERED,
)
from calibration.places_values import PlaceValues, UnitCosts, place_rules, read_values, shipped_figures, unit_costs
from calibration.statistics import ENGLAND, Cell, Statistics

__all__ = [
    "PlaceValues",
    "PlacesPlan",
    "UnitCosts",
    "place_rules",
    "plan_places",
    "read_values",
    "shipped_figures",
    "unit_costs",
]

_PLACEMENT = "Placement | "
_LABELS = {
    "foster": "Foster placements",
    "childrens_home": "Secure homes and children's homes",
    "supported_accommodation": "Independent and semi-independent living arrangements/supported accommodation",
}
_INSIDE_NEAR = "1. Placed inside the LA boundary, 20 miles or less from home"
_OUTSIDE_NEAR = "2. Placed outside the LA boundary, 20 miles or less from home"
_INSIDE_FAR = "3. Placed inside the LA boundary, more than 20 miles from home"
_OUTSIDE_FAR = "4. Placed outside the LA boundary, more than 20 miles from home"
_KIN = ("1a.1 Total foster placements inside council boundary with relative or friend",
        "1b.1 Total foster placements outside council boundary with relative or friend")  # fmt: skip


@dataclass(frozen=True)
class PlacesPlan:
    """What is known and assumed of the places open to an area's children on a day.

    Attributes
    ----------
    area, year
        Code of the area; the day is 31 March of the year.
    children
        float64[3], children in each kind of home as NEEDS, published (kin left out of foster homes).
    occupancy
        Children / places.
    own_share
        Share of foster children who live with the authority's own carers.
    bands
        float64[4, 3], shares of places by kind and distance.
    approved, located
        Own approved foster places, and children's home beds in the area; None where not published.
    marks
        Number -> (status, source in words).
    """

    area: str
    year: int
    children: NDArray[np.float64]
    occupancy: float
    own_share: float
    bands: NDArray[np.float64]
    approved: float | None
    located: float | None
    marks: dict[str, tuple[str, str]]

    def places(self, children: NDArray[np.float64] | None = None, sample: int = 1) -> NDArray[np.float64]:
        """Return float64[4, 3], places open by kind and distance.

        Parameters
        ----------
        children
            float64[3], children in each kind of home, in place of the published ones.
        sample
            One in so many children is simulated: bounds are divided by it, `children` are not.
        """
        n = self.children / sample if children is None else children
        total = n / self.occupancy
        approved = np.inf if self.approved is None else self.approved / sample
        if self.approved is not None:
            total[0] = max(total[0], approved)
        own = min(self.own_share * total[0], approved)
        out = np.array([own, total[0] - own, total[1], total[2]])[:, None] * self.bands
        located = np.inf if self.located is None else self.located / sample
        beyond = max(out[2, 0] - located, 0.0)
        if beyond:
            out[2, 1:] += beyond * self.bands[2, 1:] / self.bands[2, 1:].sum()
            out[2, 0] = located
        return out

    def beds(self, children: NDArray[np.int64], sample: int = 1) -> NDArray[np.int64]:
        """Return int64[4, 3], whole beds on day one for so many simulated children by NEEDS; no fewer than children."""
        places = self.places(children.astype(np.float64), sample)
        out = np.zeros(places.shape, np.int64)
        for kinds, n in (((0, 1), children[0]), ((2,), children[1]), ((3,), children[2])):
            part = places[list(kinds)].ravel()
            # Rounded so that running totals are right to half a bed, and the whole is never below the children.
            whole = np.diff(np.floor(np.cumsum(part) + 0.5), prepend=0.0).astype(np.int64)
            whole[-1] += max(int(n) - int(whole.sum()), 0)
            out[list(kinds)] = whole.reshape(len(kinds), len(BANDS))
        return out


def plan_places(
    statistics: Statistics, area: str, year: int, figures: Statistics | None = None, values: PlaceValues | None = None
) -> PlacesPlan:
    """Return the places open to an area's children on 31 March of a year.

    Parameters
    ----------
    statistics
        Children by kind of home and distance.
    figures
        Approved and filled own places, beds located, distances; those shipped for five areas if None. A larger table
        that has both can be given twice.

    Errors
    ------
    CareError
        When there are no children by kind of home for the year at all.
    """
    figures, values = figures or shipped_figures(), values or read_values()
    code = statistics.area(area).code
    marks = {"occupancy": _mark(values["occupancy"])}
    foster, *others = (_count(statistics, code, need, year, marks) for need in NEEDS)
    kin = min(_kinship(statistics, year) * values.number("kinship_reach"), 0.9)
    marks["kin among foster children"] = ("derived" if code == ENGLAND else "assumed", "England's share (DfE)")
    children = np.array([foster * (1.0 - kin), *others])
    own_share, approved = _own(statistics, figures, code, year, values, marks)
    located = _nearest(_cells(figures, code, REGISTERED, HOMES), year)
    marks["beds located in the area"] = _known(located)
    bands = _bands(figures, code, year, values, marks)
    return PlacesPlan(
        code, year, children, values.number("occupancy"), own_share, bands,
        None if approved is None else approved[1].value, None if located is None else located[1].value, marks,
    )  # fmt: skip


def _mark(value: Value) -> tuple[str, str]:
    return value.status, value.source


def _known(found: tuple[int, Cell] | None) -> tuple[str, str]:
    return ("assumed", "not published") if found is None else ("published", f"{found[0]}, {found[1].source_id}")


def _cells(statistics: Statistics, code: str, measure: str, breakdown: str = "total") -> dict[int, Cell]:
    """Return a series, empty where the table knows no such area or measure."""
    if code not in {known for known, _ in statistics.areas()}:
        return {}
    return statistics.cells(code, measure, breakdown)


def _nearest(cells: dict[int, Cell], year: int) -> tuple[int, Cell] | None:
    """Return the figure of the nearest year, the later of two."""
    if not cells:
        return None
    nearest = min(cells, key=lambda known: (abs(known - year), -known))
    return nearest, cells[nearest]


def _count(statistics: Statistics, code: str, need: str, year: int, marks: dict[str, tuple[str, str]]) -> float:
    """Return the children in a kind of home; where the cell is not published, by England's share of all children."""
    name = _PLACEMENT + _LABELS[need]
    cells = statistics.cells(code, BY_STOCK, name, unit="number")
    if year in cells:
        marks[f"children, {need}"] = "published", cells[year].source_id
        return cells[year].value
    of_england = statistics.value(ENGLAND, BY_STOCK, year, name, unit="number")
    whole = statistics.value(ENGLAND, "cla_at_31_march", year)
    marks[f"children, {need}"] = "assumed", "not published for the area; England's share of children looked after"
    return statistics.value(code, "cla_at_31_march", year) * of_england / whole


def _kinship(statistics: Statistics, year: int) -> float:
    """Return the share of England's foster children who live with kin, of the nearest year."""
    measure = "national_cla_at_31_march_by"
    cells = [statistics.cells(ENGLAND, measure, _PLACEMENT + label, unit="number") for label in _KIN]
    whole = statistics.cells(ENGLAND, measure, _PLACEMENT + "1. Total foster placements", unit="number")
    years = [known for known in whole if all(known in one for one in cells)]
    if not years:
        raise CareError("Kinship carers' share of foster children is not in the table", str(statistics.path))
    nearest = min(years, key=lambda known: (abs(known - year), -known))
    return sum(one[nearest].value for one in cells) / whole[nearest].value


def _own(
    statistics: Statistics, figures: Statistics, code: str, year: int, values: PlaceValues,
    marks: dict[str, tuple[str, str]],
) -> tuple[float, tuple[int, Cell] | None]:  # fmt: skip
    """Return the share of foster children in the authority's own places, and its approved places, nearest year."""
    approved = _nearest(_cells(figures, code, APPROVED), year)
    marks["own approved foster places"] = _known(approved)
    filled, foster = _cells(figures, code, FILLED), statistics.cells(
        code, BY_STOCK, _PLACEMENT + "Foster placements", unit="number"
    )  # fmt: skip
    both = _nearest({known: cell for known, cell in filled.items() if known in foster}, year)
    if both is None:
        marks["own share of foster children"] = ("assumed", "England's share")
        return values.number("own_share.england"), approved
    kin = _kinship(statistics, both[0]) * values.number("kinship_reach")
    share = both[1].value / (foster[both[0]].value * (1.0 - min(kin, 0.9)))
    how = "filled own places / foster children who are not with kin"
    marks["own share of foster children"] = (
        "derived" if both[0] == year else "assumed",
        how + f", {both[0]}" + ("" if both[0] == year else f"; taken for {year} too"),
    )
    return min(share, 0.95), approved


def _bands(
    figures: Statistics, code: str, year: int, values: PlaceValues, marks: dict[str, tuple[str, str]]
) -> NDArray[np.float64]:
    """Return float64[4, 3], shares of places by kind and distance."""
    here, england = _distances(figures, code, year), _distances(shipped_figures(), ENGLAND, year)
    marks["distance"] = ("derived" if here else "assumed", "odds of all children of the area" if here else "England's")
    assert england is not None
    inside, near = here or england
    odds = (inside / (1 - inside)) / (england[0] / (1 - england[0]))
    own, share = values.number("inside.own_foster"), values.number("own_share.england")
    shares = (
        own, (values.number("inside.foster") - share * own) / (1.0 - share), values.number("inside.childrens_home"),
        values.number("inside.supported_accommodation"),
    )  # fmt: skip
    out = np.zeros((len(KINDS), len(BANDS)))
    for kind, of_england in enumerate(shares):
        mine = odds * of_england / (1.0 - of_england + odds * of_england)
        close = near
        if kind == 2:
            close = 1.0 - values.number("farther.childrens_home") / (1.0 - of_england)
        out[kind] = mine, (1.0 - mine) * close, (1.0 - mine) * (1.0 - close)
    return out


def _distances(figures: Statistics, code: str, year: int) -> tuple[float, float] | None:
    """Return the share of all children who live inside the area, and of those outside the share within 20 miles."""
    cells = [
        _cells(figures, code, BY_STOCK, f"{DISTANCE} | {label}")
        for label in (_INSIDE_NEAR, _OUTSIDE_NEAR, _OUTSIDE_FAR, _INSIDE_FAR)
    ]
    years = [known for known in cells[0] if known in cells[1] and known in cells[2]]
    if not years:
        return None
    nearest = min(years, key=lambda known: (abs(known - year), -known))
    inside, near, far = (one[nearest].value for one in cells[:3])
    # Few live far inside their area; a small cell of them is not published, and counts as none.
    inside += cells[3][nearest].value if nearest in cells[3] else 0.0
    return inside / (inside + near + far), near / (near + far)
