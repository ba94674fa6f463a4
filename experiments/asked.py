"""Which mechanisms are switched on for a run, and what befalls the area: said in a plan, or by --with.

Years are those that end on 31 March, as everywhere; week 1 is the first of April.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abm.behaviour import Demand, Incident, Shock, StaffTime, checked_shocks
from abm.errors import CareError, did_you_mean
from abm.journey import JOURNEY
from abm.pathway import WEEKS_PER_YEAR

FAMILIES, BEHAVIOURS, PLACES, CLOCKS = "families", "behaviours", "places", "clocks"
MECHANISMS = (FAMILIES, BEHAVIOURS, PLACES, CLOCKS)
"""What may be switched on, in the order in which it is told."""
SHOCK = "shock"
FIRST_YEAR = 2021
"""The first simulated year, that ends on 31 March of it; `calibration.fit` has it too, and takes long to load."""
MONTHS = (
    "april", "may", "june", "july", "august", "september", "october", "november", "december", "january", "february",
    "march",
)  # fmt: skip
KINDS = {
    "incident": ("year", "month", "week", "size"),
    "demand": ("from", "to", "transition", "factor"),
    "staff_time": ("from", "to", "factor"),
}
"""Kinds of shock, and what a plan may say of each."""
NEEDED = {"incident": ("year",), "demand": ("from", "factor"), "staff_time": ("from", "factor")}
REFERRED = "was_referred"


@dataclass(frozen=True)
class Asked:
    """What is switched on.

    tables  by mechanism, its table; None for the shipped one
    shocks  what befalls the area
    """

    tables: Mapping[str, Path | None] = field(default_factory=dict)
    shocks: tuple[Shock, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything is on."""
        return bool(self.tables or self.shocks)

    def also(self, names: Iterable[str]) -> Asked:
        """Return this with further mechanisms on; one that has a table already keeps it."""
        tables = {**dict.fromkeys(names), **self.tables}
        return Asked({name: tables[name] for name in MECHANISMS if name in tables}, self.shocks)

    def checked(self, last_year: int, where: str = "") -> Asked:
        """Return this, or raise CareError for a shock that cannot be, or that nothing answers to."""
        checked_shocks(self.shocks, JOURNEY)
        n_weeks = (last_year - FIRST_YEAR + 1) * WEEKS_PER_YEAR
        for number, shock in enumerate(self.shocks, start=1):
            place = f"{where}, shock {number}" if where else f"shock {number}"
            if first_week(shock) >= n_weeks:
                raise CareError(
                    f"This shock comes after the end of the run, 31 March {last_year}", place,
                    "Let it come earlier, or simulate to a later year",
                )  # fmt: skip
            if not isinstance(shock, Demand) and BEHAVIOURS not in self.tables:
                kind = "incident" if isinstance(shock, Incident) else "staff_time"
                raise CareError(
                    f"A shock of the kind {kind} acts through behaviours alone, which are off", place,
                    "Add behaviours = true to the plan, or --with behaviours",
                )  # fmt: skip
        return self


def first_week(shock: Shock) -> int:
    """Return the week of the run in which a shock comes."""
    return shock.week if isinstance(shock, Incident) else shock.from_week


def names_in(words: Sequence[str]) -> tuple[str, ...]:
    """Return the mechanisms that --with names, several in a word with commas between them."""
    found = []
    for name in (part.strip() for word in words for part in word.split(",")):
        if name.lower() not in MECHANISMS:
            known = f"Mechanisms: {', '.join(MECHANISMS)}"
            raise CareError(f"There is no mechanism '{name}'", "--with", f"{did_you_mean(name, MECHANISMS)}{known}")
        found.append(name.lower())
    return tuple(found)


# Plans ---------------------------------------------------------------------------------------------------------------


def read_asked(told: Mapping[str, Any], folder: Path) -> tuple[Asked, list[str]]:
    """Return what a plan asks for, paths taken from its folder, and what is wrong with it, in words."""
    tables: dict[str, Path | None] = {}
    problems: list[str] = []
    for name in MECHANISMS:
        value = told.get(name, False)
        if isinstance(value, str):
            tables[name] = folder / value
            if not (folder / value).is_file():
                problems.append(f"no file '{value}' for '{name}' (paths are taken from the plan's own folder)")
        elif value is True:
            tables[name] = None
        elif value is not False:
            problems.append(f"{value!r} for '{name}', which must be true, false or the path of a table in quotes")
    listed = told.get(SHOCK, [])
    if not isinstance(listed, list) or not all(isinstance(shock, dict) for shock in listed):
        return Asked(tables), [*problems, f"'{SHOCK}' as something else than tables, which begin with [[{SHOCK}]]"]
    shocks: list[Shock] = []
    for number, entries in enumerate(listed, start=1):
        wrong = _wrong(entries)
        if not wrong:
            shocks.append(_shock(entries))
        problems += [f"in shock {number}, {what}" for what in wrong]
    return Asked(tables, tuple(shocks)), problems


def _wrong(entries: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the entries of a shock."""
    kind = entries.get("kind")
    if kind not in KINDS:
        near = _near(str(kind), KINDS) if kind is not None else ""
        what = "no 'kind'" if kind is None else f"the kind {kind!r}{near}"
        return [f"{what}; kinds are {', '.join(KINDS)}"]
    may_say = ("kind", *KINDS[kind])
    strangers = [name for name in entries if name not in may_say]
    out = [f"an entry '{name}', which means nothing there{_near(name, may_say)}" for name in strangers]
    out += [f"no '{name}', which {kind} needs" for name in NEEDED[kind] if name not in entries]
    for name in ("year", "from", "to"):
        if name in entries and not _whole(entries[name], FIRST_YEAR, 2040):
            out.append(f"{entries[name]!r} for '{name}', which must be a year from {FIRST_YEAR} to 2040")
    if "week" in entries and not _whole(entries["week"], 1, WEEKS_PER_YEAR):
        out.append(f"{entries['week']!r} for 'week', which must be a week of the year from 1 (April) to 52 (March)")
    if "month" in entries and _month(entries["month"]) is None:
        said = str(entries["month"])
        out.append(f"{entries['month']!r} for 'month', which must be a month such as \"October\"{_near(said, MONTHS)}")
    if {"week", "month"} <= entries.keys():
        out.append("both 'week' and 'month'")
    for name in ("size", "factor"):
        if name in entries and (isinstance(entries[name], bool) or not isinstance(entries[name], int | float)):
            out.append(f"{entries[name]!r} for '{name}', which must be a number")
    transitions = entries.get("transition", REFERRED)
    listed = [transitions] if isinstance(transitions, str) else transitions
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
        out.append(f"{transitions!r} for 'transition', which must be the name of one in quotation marks, or a list")
    else:
        known = JOURNEY.transition_index
        strangers = [name for name in listed if name not in known]
        out += [f"the transition '{name}', which there is not{_near(name, known)}" for name in strangers]
    if _whole(entries.get("from"), 0, 9999) and _whole(entries.get("to"), 0, 9999) and entries["to"] < entries["from"]:
        out.append("an end before its beginning")
    return out


def _shock(entries: Mapping[str, Any]) -> Shock:
    if entries["kind"] == "incident":
        week = int(entries.get("week", 1)) - 1
        if "month" in entries:
            month = _month(entries["month"])
            assert month is not None
            week = month * WEEKS_PER_YEAR // len(MONTHS)
        size = {"size": float(entries["size"])} if "size" in entries else {}
        return Incident((int(entries["year"]) - FIRST_YEAR) * WEEKS_PER_YEAR + week, **size)
    begins = (int(entries["from"]) - FIRST_YEAR) * WEEKS_PER_YEAR
    ends = (int(entries["to"]) - FIRST_YEAR + 1) * WEEKS_PER_YEAR if "to" in entries else None
    if entries["kind"] == "staff_time":
        return StaffTime(float(entries["factor"]), begins, ends)
    named = entries.get("transition", REFERRED)
    return Demand((named,) if isinstance(named, str) else tuple(named), float(entries["factor"]), begins, ends)


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _month(value: Any) -> int | None:
    """Return the place of a month after April, by name or its first letters; None for anything else."""
    if not isinstance(value, str) or len(value) < 3:
        return None
    return next((place for place, name in enumerate(MONTHS) if name.startswith(value.lower())), None)


def _near(name: str, known: Iterable[str]) -> str:
    near = did_you_mean(name, known).strip(" ?").lower()
    return f" ({near}?)" if near else ""


# Shocks as plain data, and in words ----------------------------------------------------------------------------------


def shock_facts(shock: Shock) -> dict[str, Any]:
    """Return a shock as plain data."""
    if isinstance(shock, Incident):
        return {"kind": "incident", "week": shock.week, "size": shock.size}
    told = {"from_week": shock.from_week, "until_week": shock.until_week, "factor": shock.factor}
    if isinstance(shock, Demand):
        return {"kind": "demand", "transitions": list(shock.transitions), **told}
    return {"kind": "staff_time", **told}


def shock_of(told: Mapping[str, Any]) -> Shock:
    """Return the shock that `shock_facts` gave."""
    if told["kind"] == "incident":
        return Incident(int(told["week"]), float(told["size"]))
    until = None if told["until_week"] is None else int(told["until_week"])
    if told["kind"] == "demand":
        return Demand(tuple(told["transitions"]), float(told["factor"]), int(told["from_week"]), until)
    return StaffTime(float(told["factor"]), int(told["from_week"]), until)


def in_words(shock: Shock) -> str:
    """Return a sentence on a shock."""
    year, week = divmod(first_week(shock), WEEKS_PER_YEAR)
    year += FIRST_YEAR
    if isinstance(shock, Incident):
        return (
            f"Week {week + 1} of the year to 31 March {year}: a child has died or been seriously harmed, and anxiety "
            f"rises by {100 * shock.size:.0f}% of its normal."
        )
    until = "" if shock.until_week is None else f", to the year to 31 March {FIRST_YEAR + shock.until_week // 52 - 1}"
    when = f"From the year to 31 March {year}{until}"
    if isinstance(shock, Demand):
        names = " and ".join(f"'{name}'" for name in shock.transitions)
        return f"{when}: {names} {shock.factor:g} times as often."
    return f"{when}: workers have {shock.factor:g} times the time for families."
