"""The numbers of limited places with their sources, the rules made of them, and published unit costs."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.parameters import Value
from abm.places_rules import KINDS, Rules
from calibration.places_table import FOSTERING_COST, RESIDENTIAL_COST
from calibration.statistics import ENGLAND, PUBLISHED, Statistics, read_statistics

FIGURES = PUBLISHED / "places_figures.csv"
VALUES = PUBLISHED / "places.csv"


class PlaceValues(dict[str, Value]):
    """The numbers of `published/places.csv` by key; an unknown key says which one may be meant."""

    def __missing__(self, key: str) -> Value:
        """Raise the sentence a person needs."""
        raise CareError(f"There is no value '{key}'", str(VALUES), f"{did_you_mean(key, self)}Add its row.")

    def number(self, key: str) -> float:
        """Return the number of a key."""
        return self[key].value

    def shares(self, stem: str) -> dict[str, float]:
        """Return the numbers whose keys begin with `stem` and a full stop, by what follows it, in the file's order."""
        found = {key[len(stem) + 1 :]: value.value for key, value in self.items() if key.startswith(f"{stem}.")}
        return found or {stem: self.number(stem)}


def read_values(path: Path = VALUES) -> PlaceValues:
    """Read the numbers of places, each with range, status and source, or raise CareError with the row."""
    values = PlaceValues()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                try:
                    numbers = (float(row["value"]), row["unit"], float(row["low"]), float(row["high"]))
                except (TypeError, ValueError) as fault:
                    raise CareError("A number cannot be read", f"{path}, row {number}", "Write digits") from fault
                values[row["key"]] = Value(row["key"], *numbers, row["status"], row["source"])
    except (OSError, UnicodeDecodeError, KeyError) as fault:
        raise CareError("The numbers of places cannot be read", str(path), "Compare it with places.csv") from fault
    return values


@cache
def shipped_figures() -> Statistics:
    """Return the figures about places that come with the project: England and four authorities."""
    return read_statistics(FIGURES)


def place_rules(values: PlaceValues | None = None, bands: NDArray[np.float64] | None = None) -> Rules:
    """Return the rules of places from their numbers; `bands` float64[4, 3] as those of a PlacesPlan."""
    values = values or read_values()
    elsewhere = tuple([0.0] * (round(values.number("beds_open_elsewhere")) - 1) + [1.0])

    def by_kind(stem: str, without: float = 0.0) -> tuple[float, ...]:
        known = values.shares(stem)
        return tuple(known.get(kind, without) for kind in KINDS)

    beds = []
    for kind in KINDS:
        shares = tuple(values.shares(f"beds.{kind}").values())
        beds.append((shares,) * 3 if kind in KINDS[:2] else (shares, elsewhere, elsewhere))
    ages = []
    for kind in KINDS:
        ranges = [(key.split("_to_"), share) for key, share in values.shares(f"ages.{kind}").items()]
        ages.append(tuple((float(begin), float(end), share) for (begin, end), share in ranges))
    rules = Rules(
        loss_per_year=by_kind("loss_per_year"),
        stress=by_kind("stress"),
        at_once=by_kind("at_once"),
        recruit_per_year=by_kind("recruit_per_year"),
        target=(values.number("occupancy"),) * len(KINDS),
        adjust_weeks=by_kind("adjust_weeks"),
        notice_weeks=by_kind("notice_weeks", 1.0),
        delay_weeks=tuple(round(weeks) for weeks in by_kind("delay_weeks")),
        beds=tuple(beds),
        ages=tuple(ages),
        together=values.number("together"),
        settled_weeks=round(values.number("settled_weeks")),
    )
    if bands is None:
        return rules
    return replace(rules, bands=tuple(tuple(float(share) for share in row) for row in bands))


@dataclass(frozen=True)
class UnitCosts:
    """What a child's week in each kind of home cost, in pounds of the year; None where nothing is published."""

    year: int
    by_kind: tuple[Value | None, ...]

    def of(self, children: NDArray[np.int64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Return the cost of each week for int64[weeks, 4] children, float64[weeks], and the kinds it leaves out."""
        known = [0.0 if value is None else value.value for value in self.by_kind]
        left_out = tuple(kind for kind, value in zip(KINDS, self.by_kind, strict=True) if value is None)
        return children @ np.array(known), left_out


def unit_costs(area: str, year: int, figures: Statistics | None = None) -> UnitCosts:
    """Return published weekly unit costs of an area (of England, where the area has none) in a financial year's prices.

    The figures are averages of all fostering, own and agencies' alike, and of all residential care. For supported
    accommodation there is none. `year` is the year in which the financial year ends.
    """
    figures = figures or shipped_figures()
    known = {code for code, _ in figures.areas()}
    code = area if area in known else ENGLAND
    found: list[Value | None] = []
    for measure in (FOSTERING_COST, FOSTERING_COST, RESIDENTIAL_COST):
        cells = figures.cells(code, measure)
        if year not in cells:
            raise CareError(f"'{measure}' of {year} is not published", str(figures.path), f"Use {sorted(cells)}")
        cell = cells[year]
        name = KINDS[len(found)]
        source = (
            f"Section 251 outturn {year - 1}-{year % 100:02}, DfE LAIT ({cell.source_id}), {figures.area(code).name}"
        )
        found.append(Value(f"cost_per_week.{name}", cell.value, "pounds", cell.value, cell.value, "published", source))
    return UnitCosts(year, (*found, None))
