"""Statutory clocks as a table: time limits and reviews with their sources, and what each does when clocks are on."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from abm.clocks import MARKS, Rule
from abm.errors import CareError, did_you_mean
from calibration.rates import PUBLISHED

RULES = PUBLISHED / "statutory_rules.csv"
SOURCES = PUBLISHED / "statutory_sources.csv"
FACTS = ("key", "event", "rule", "begins", "until", "mark", "sources", "model")
WORDS = ("clock", "transitions", "basis")
WEEKS = ("first_week", "every_weeks", "last_week", "before_weeks", "after_weeks")
SHARES = ("concentration", "low", "high")


@dataclass(frozen=True)
class Statute:
    """One rule as it is told, and what it does when clocks are on.

    event, rule    what it is about, and what it says
    begins, until  first and last day in force, where that was seen
    mark           "seen", "unverified" or "computed"
    sources        numbers of rows of the table of sources
    model          what the model does when clocks are off
    clock          what it does when they are on; None for nothing
    """

    key: str
    event: str
    rule: str
    begins: date | None
    until: date | None
    mark: str
    sources: tuple[int, ...]
    model: str
    clock: Rule | None


@dataclass(frozen=True)
class Source:
    """Where rules were read."""

    number: int
    words: str
    url: str


def read_rules(path: Path = RULES, sources: Path = SOURCES) -> tuple[Rule, ...]:
    """Return the rules that do something when clocks are on, of all times: see `abm.clocks.with_clocks`."""
    return tuple(statute.clock for statute in read_statutes(path, sources) if statute.clock is not None)


def read_statutes(path: Path = RULES, sources: Path = SOURCES) -> tuple[Statute, ...]:
    """Read the table of statutory clocks.

    Errors
    ------
    CareError
        For a file that cannot be read, a missing column, an unknown mark, a rule that is marked as seen without a
        source, a source that is not in the table of sources, a date or number that is not one, a rule that is only
        half a clock, or a key that stands twice; each names the row.
    """
    known = {source.number: source for source in read_sources(sources)}
    out: list[Statute] = []
    for number, row in _rows(path, (*FACTS, *WORDS, *WEEKS, *SHARES)):
        where = f"{path.name}, row {number}"
        if any(row["key"] == other.key for other in out):
            raise CareError(f"The rule '{row['key']}' stands twice", where, "Remove one of the two rows")
        out.append(_statute(row, known, where))
    return tuple(out)


def read_sources(path: Path = SOURCES) -> tuple[Source, ...]:
    """Read where rules were seen; errors as for `read_statutes`."""
    rows = _rows(path, ("number", "source", "url"))
    return tuple(Source(_whole(r, "number", f"{path.name}, row {n}"), r["source"], r["url"]) for n, r in rows)


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                raise CareError(f"The column '{missing[0]}' is missing", path.name, f"Columns: {', '.join(columns)}")
            rows = list(enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CareError("The table of statutory clocks cannot be read", path.name, "Give a CSV in UTF-8") from error
    for number, row in rows:
        if None in row:
            remedy = "Put a text with a comma in it between quotation marks"
            raise CareError("There are more cells than columns", f"{path.name}, row {number}", remedy)
    return rows


def _statute(row: dict[str, str], known: dict[int, Source], where: str) -> Statute:
    mark, named = row["mark"], tuple(_whole({"source": n}, "source", where) for n in row["sources"].split())
    if mark not in MARKS:
        remedy = f"{did_you_mean(mark, MARKS)}Marks: {', '.join(MARKS)}"
        raise CareError(f"The rule '{row['key']}' has the mark '{mark}'", where, remedy)
    for number in named:
        if number not in known:
            raise CareError(f"There is no source {number}", where, f"Add it to {SOURCES.name}")
    if mark == "seen" and not named:
        raise CareError(f"The rule '{row['key']}' is marked as seen, but names no source", where, "Name it")
    begins, until = (_date(row, column, where) for column in ("begins", "until"))
    source = "; ".join(known[number].words for number in named) or "from memory"
    clock = _clock(row, begins, until, source, where) if row["clock"] else None
    given = [column for column in (*WORDS, *WEEKS, *SHARES) if row[column]]
    if clock is None and given:
        raise CareError(f"The rule '{row['key']}' has '{given[0]}' but no clock", where, "Name its clock, or clear it")
    return Statute(row["key"], row["event"], row["rule"], begins, until, mark, named, row["model"], clock)


def _clock(row: dict[str, str], begins: date | None, until: date | None, source: str, where: str) -> Rule:
    empty = [column for column in (*WORDS, *WEEKS, *SHARES) if not row[column]]
    if empty:
        raise CareError(f"The rule '{row['key']}' has a clock but no '{empty[0]}'", where, "Give all, or none")
    weeks = {column: _whole(row, column, where) for column in WEEKS}
    concentration, low, high = (_share(row, column, where) for column in SHARES)
    try:
        return Rule(
            row["key"], row["clock"], tuple(row["transitions"].split()), **weeks, concentration=concentration,
            low=low, high=high, mark=row["mark"], source=source, basis=row["basis"], begins=begins, until=until,
        )  # fmt: skip
    except CareError as error:
        raise CareError(error.what, where, error.remedy) from error


def _whole(row: dict[str, str], column: str, where: str) -> int:
    if not row[column].isdecimal():
        raise CareError(f"'{row[column]}' in the column '{column}' is not a whole number", where, "Write digits")
    return int(row[column])


def _share(row: dict[str, str], column: str, where: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise CareError(f"'{row[column]}' in the column '{column}' is not a number", where, "Write digits") from error


def _date(row: dict[str, str], column: str, where: str) -> date | None:
    try:
        return date.fromisoformat(row[column]) if row[column] else None
    except ValueError as error:
        raise CareError(
            f"'{row[column]}' in the column '{column}' is not a date", where, "Write it as 2014-04-22"
        ) from error
