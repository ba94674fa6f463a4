"""What to run: an area or a plan, how often, from which seed, how far; checked, and refused in plain words."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from abm.errors import CareError, did_you_mean
from calibration.statistics import ENGLAND, Area, Statistics
from experiments.asked import MECHANISMS, SHOCK, Asked, names_in, read_asked

RUNS, RUNS_OF_SEVERAL, SEED, LAST_YEAR, WORKERS = 20, 10, 1, 2030, 2
MOST_RUNS, MOST_SEED, MOST_WORKERS = 10_000, 2**63, 256
DRAWS, MOST_DRAWS = 100, 10_000
"""How many draws of an area's parameters are made if nothing is said, and the most that can be."""
ALL = "england"
"""Every authority in the table."""
YEARS = (2025, 2040)
"""The first and the last year to which an area can be simulated."""
ENTRIES = ("area", "areas", "runs", "seed", "years", *MECHANISMS, SHOCK)
"""What a plan may say."""
FITTED_TO = (2022, 2025)
"""The first and the last year to which an area can be fitted."""


@dataclass(frozen=True)
class Plan:
    """What to run: areas by code or name, or ALL; this many runs of each, seeds from `seed` on, to 31 March of `years`.

    `asked` says which mechanisms are on. Without a number of runs it is RUNS for one area and RUNS_OF_SEVERAL for more.
    """

    areas: tuple[str, ...]
    runs: int = 0
    seed: int = SEED
    years: int = LAST_YEAR
    asked: Asked = field(default_factory=Asked)

    def __post_init__(self) -> None:
        """Choose the number of runs if none is said."""
        if self.runs == 0:
            object.__setattr__(self, "runs", RUNS_OF_SEVERAL if self.several else RUNS)

    @property
    def england(self) -> bool:
        """Whether every authority is meant."""
        return len(self.areas) == 1 and is_all(self.areas[0])

    @property
    def several(self) -> bool:
        """Whether the results are those of several areas."""
        return len(self.areas) > 1 or self.england

    def checked(self, where: str = "") -> Plan:
        """Return the plan, or raise CareError with what is out of range."""
        whole_number("runs", self.runs, 1, MOST_RUNS, where)
        whole_number("seed", self.seed, 0, MOST_SEED - self.runs, where)
        whole_number("years", self.years, *YEARS, where)
        return self

    @property
    def seeds(self) -> range:
        """The seeds of the runs."""
        return range(self.seed, self.seed + self.runs)


def whole_number(name: str, value: int, least: int, most: int, where: str = "") -> None:
    """Raise CareError unless a number lies in its range."""
    if not least <= value <= most:
        place = f"{where}, {name}" if where else f"--{name}"
        raise CareError(f"{name} cannot be {value}", place, f"Use a whole number from {least} to {most}")


def is_all(what: str) -> bool:
    """Tell whether these words mean every authority."""
    return what.strip().casefold() == ALL


def plan_of(
    words: Sequence[str], runs: int | None, seed: int | None, years: int | None, with_: Sequence[str] = ()
) -> Plan:
    """Return the plan that is meant: a .toml file that is there, or else areas; options beat what the file says.

    `with_` names mechanisms that are switched on as well.

    Errors
    ------
    CareError
        For a plan that cannot be read, an entry that is not one, or a number out of range.
    """
    if runs is not None:
        whole_number("runs", runs, 1, MOST_RUNS)
    given = {"runs": runs, "seed": seed, "years": years}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    also = names_in(with_)
    endings = {Path(word).suffix.lower() for word in words}
    if ".parquet" in endings:
        raise CareError(
            "Plans as Parquet come with a later version", " ".join(words), "Write the plan as .toml, or name an area"
        )
    if ".toml" not in endings:
        return Plan(tuple(words), **options, asked=Asked().also(also)).checked()
    if len(words) > 1:
        raise CareError("A plan stands alone", " ".join(words), 'Write the areas into it: areas = ["...", "..."]')
    path = Path(words[0])
    if not path.is_file():
        raise CareError("There is no such plan", words[0], "Check the path and its spelling, or name an area")
    plan = read_plan(path)
    plan = replace(plan, **options, asked=plan.asked.also(also)).checked()
    plan.asked.checked(plan.years, str(path))
    return plan


def read_plan(path: Path) -> Plan:
    """Read a plan: TOML with `area` or `areas` and, if wanted, `runs`, `seed`, `years`, mechanisms and shocks.

    Errors
    ------
    CareError
        With everything that is wrong, in one sentence.
    """
    from pydantic import BaseModel, ConfigDict, ValidationError

    class Entries(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
        area: str = ""
        areas: list[str] = []
        runs: int | None = None
        seed: int = SEED
        years: int = LAST_YEAR

    example = 'Write lines such as: area = "E06000009"'
    needs = f"A plan has area (or areas), runs, seed, years, {', '.join(MECHANISMS)}; only area or areas is needed"
    try:
        told = tomllib.loads(path.read_bytes().decode("utf-8"))
        missing = [] if told.keys() & {"area", "areas"} else ["no 'area'"]
        asked, wrong = read_asked(told, path.parent)
        try:
            plan = Entries.model_validate({name: told[name] for name in told if name not in (*MECHANISMS, SHOCK)})
            problems = missing
        except ValidationError as fault:
            problems = [*missing, *(_problem(dict(error)) for error in fault.errors())]
    except OSError as fault:
        raise CareError("The plan cannot be read", str(path), "Ask its owner for the right to read it") from fault
    except UnicodeDecodeError as fault:
        raise CareError("The plan is not text in UTF-8", str(path), example) from fault
    except tomllib.TOMLDecodeError as fault:
        raise CareError(f"The plan is not TOML: {fault}", str(path), example) from fault
    problems = [*problems, *wrong]
    if {"area", "areas"} <= told.keys():
        problems.append("both 'area' and 'areas'")
    if told.get("areas") == []:
        problems.append("no area in 'areas'")
    if problems:
        raise CareError(f"The plan has {'; '.join(problems)}", str(path), needs)
    if plan.runs is not None:
        whole_number("runs", plan.runs, 1, MOST_RUNS, str(path))
    areas = tuple(plan.areas) or (plan.area,)
    return Plan(areas, plan.runs or 0, plan.seed, plan.years, asked).checked(str(path))


def _problem(error: dict[str, object]) -> str:
    """Return what is wrong with one entry, in words."""
    location = error["loc"]
    name = ".".join(str(part) for part in location) if isinstance(location, tuple) else str(location)
    if error["type"] == "extra_forbidden":
        near = did_you_mean(name, ENTRIES).strip(" ?").lower()
        return f"an entry '{name}', which means nothing" + (f" ({near}?)" if near else "")
    if name.startswith("areas"):
        kind = 'a list such as ["E06000009", "E10000007"]'
    else:
        kind = "text in quotation marks" if name == "area" else "a whole number"
    return f"{error['input']!r} for '{name}', which must be {kind}"


def area_of(statistics: Statistics, what: str) -> Area:
    """Return the area with a code or name.

    'england' means every authority in the table, never England as one area: no spelling of it may slip from one to the
    other.

    Errors
    ------
    CareError
        For an area that is not in the table, and for 'england'.
    """
    if is_all(what):
        raise CareError(
            f"'{what}' means every authority in the table, one beside the other, and stands alone: journeys run {ALL}",
            "",
            f"For England as one area use its code, {ENGLAND}",
        )
    return statistics.area(what)


def areas_of(statistics: Statistics, plan: Plan, *, england_too: bool = False) -> list[Area]:
    """Return the areas of a plan, by their codes; ALL is every authority in the table.

    With `england_too`, England as one area may stand beside others.

    Errors
    ------
    CareError
        For an area that is not in the table or is named twice, and for England as one area beside others.
    """
    if plan.england:
        return [Area(code, name) for code, name in sorted(statistics.authorities())]
    found: dict[str, Area] = {}
    for what in plan.areas:
        area = area_of(statistics, what)
        if area.code in found:
            raise CareError(f"{area.name} ({area.code}) is named twice", "", "Name each area once")
        found[area.code] = area
    if ENGLAND in found and len(found) > 1 and not england_too:
        raise CareError(
            f"{ENGLAND} is England as one area, which holds all others, so it cannot be added to them",
            "",
            "Run it by itself, or leave it out",
        )
    return [found[code] for code in sorted(found)]
