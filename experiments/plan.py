"""What to run: an area or a plan, how often, from which seed, how far; checked, and refused in plain words."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from abm.errors import CareError, did_you_mean
from calibration.statistics import ENGLAND, Area, Statistics

RUNS, SEED, LAST_YEAR, WORKERS = 20, 1, 2030, 2
MOST_RUNS, MOST_SEED, MOST_WORKERS = 10_000, 2**63, 256
YEARS = (2025, 2040)
"""The first and the last year to which an area can be simulated."""
FITTED_TO = (2022, 2025)
"""The first and the last year to which an area can be fitted."""


@dataclass(frozen=True)
class Plan:
    """What to run: an area by code or name, this many runs with seeds from `seed` on, to 31 March of `years`."""

    area: str
    runs: int = RUNS
    seed: int = SEED
    years: int = LAST_YEAR

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


def plan_of(what: str, runs: int | None, seed: int | None, years: int | None) -> Plan:
    """Return the plan that is meant: a .toml file that is there, or else an area; options beat what the file says.

    Errors
    ------
    CareError
        For a plan that cannot be read, an entry that is not one, or a number out of range.
    """
    path = Path(what)
    given = {"runs": runs, "seed": seed, "years": years}
    options = {name: value for name, value in given.items() if value is not None}
    if path.suffix.lower() == ".parquet":
        raise CareError("Plans as Parquet come with a later version", what, "Write the plan as .toml, or name an area")
    if path.suffix.lower() != ".toml":
        return Plan(what, **options).checked()
    if not path.is_file():
        raise CareError("There is no such plan", what, "Check the path and its spelling, or name an area")
    plan = read_plan(path)
    return Plan(**{**vars(plan), **options}).checked()


def read_plan(path: Path) -> Plan:
    """Read a plan: TOML with `area` and, if wanted, `runs`, `seed` and `years`.

    Errors
    ------
    CareError
        With everything that is wrong, in one sentence.
    """
    from pydantic import BaseModel, ConfigDict, ValidationError

    class Entries(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
        area: str
        runs: int = RUNS
        seed: int = SEED
        years: int = LAST_YEAR

    example = 'Write lines such as: area = "E06000009"'
    try:
        plan = Entries.model_validate(tomllib.loads(path.read_bytes().decode("utf-8")))
    except OSError as fault:
        raise CareError("The plan cannot be read", str(path), "Ask its owner for the right to read it") from fault
    except UnicodeDecodeError as fault:
        raise CareError("The plan is not text in UTF-8", str(path), example) from fault
    except tomllib.TOMLDecodeError as fault:
        raise CareError(f"The plan is not TOML: {fault}", str(path), example) from fault
    except ValidationError as fault:
        problems = "; ".join(_problem(dict(error)) for error in fault.errors())
        raise CareError(
            f"The plan has {problems}", str(path), "A plan has area, runs, seed and years; only area is needed"
        ) from fault
    return Plan(**plan.model_dump()).checked(str(path))


def _problem(error: dict[str, object]) -> str:
    """Return what is wrong with one entry, in words."""
    location = error["loc"]
    name = ".".join(str(part) for part in location) if isinstance(location, tuple) else str(location)
    if error["type"] == "extra_forbidden":
        near = did_you_mean(name, vars(Plan(""))).strip(" ?").lower()
        return f"an entry '{name}', which means nothing" + (f" ({near}?)" if near else "")
    if error["type"] == "missing":
        return f"no '{name}'"
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
    if what.strip().casefold() == "england":
        raise CareError(
            f"'{what}' means every authority in the table, one beside the other, which comes with the next version",
            "",
            f"For England as one area use its code, {ENGLAND}",
        )
    return statistics.area(what)
