"""What was found to be wrong in a return, and what was done about it: where it stands, never what it says.

A `Rule` is what can be wrong; a finding is a rule and a place: file, row, column. Cells of returns are personal (a
child's number, date of birth, the date of an event), so nothing here takes or keeps the value of a cell.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

Effect = Literal["noted", "mended", "left out", "repeated"]
"""What a finding did to the data: nothing; a cell or row was read as something else; a row or cell was not used; a row
was not used because another says the same, so that nothing is lost."""

SCHEMA = {"file": pl.String, "row": pl.UInt32, "column": pl.String, "rule": pl.String, "what_was_done": pl.String}
"""Columns of `Findings.frame`; `row` is null where a whole file is meant."""


@dataclass(frozen=True)
class Rule:
    """Something that can be wrong in a return.

    Attributes
    ----------
    code
        Short name, unique over all readers: "903-dec-before-decom".
    sentence
        What is wrong, as a full sentence without a value: "The episode ends before it begins."
    action
        What is done where nothing else is said, as a full sentence: "The end was read as blank."
    reference
        The rule of the Department for Education or the section of a specification, if there is one.
    effect
        What it does to the data.
    """

    code: str
    sentence: str
    action: str
    reference: str = ""
    effect: Effect = "noted"


@dataclass(frozen=True)
class Source:
    """A file, or a sheet of a workbook, that was read.

    Attributes
    ----------
    name
        What it is called, relative to the folder that was given.
    table
        The table of the return it was read as; "" where it was not used.
    year
        The year ending 31 March it is of; None where that means nothing.
    rows
        Rows that hold anything, the header left out.
    """

    name: str
    table: str = ""
    year: int | None = None
    rows: int = 0


@dataclass(frozen=True)
class _Batch:
    rule: Rule
    column: str
    action: str
    places: pl.DataFrame


@dataclass
class Findings:
    """All findings of one reading, with the files they stand in.

    Attributes
    ----------
    sources
        The files read, in the order in which they were met; the number of a file is its place here.
    """

    sources: list[Source] = field(default_factory=list)
    _batches: list[_Batch] = field(default_factory=list, repr=False)
    _rules: dict[str, Rule] = field(default_factory=dict, repr=False)

    def file(self, name: str, table: str = "", year: int | None = None, rows: int = 0) -> int:
        """Give a file (or a sheet) its number."""
        self.sources.append(Source(name, table, year, rows))
        return len(self.sources) - 1

    def know(self, file: int, table: str, year: int | None = None) -> None:
        """Note what a file turned out to be."""
        told = self.sources[file]
        self.sources[file] = Source(told.name, table, year, told.rows)

    def add(self, rule: Rule, file: int, row: int | None = None, column: str = "", what_was_done: str = "") -> None:
        """Add one finding; without a row it is about the whole file."""
        self.add_rows(rule, pl.DataFrame({"file": [file], "row": [row]}), column, what_was_done)

    def add_rows(self, rule: Rule, rows: pl.DataFrame, column: str = "", what_was_done: str = "") -> None:
        """Add a finding for every row of a frame.

        Parameters
        ----------
        rows
            Columns `file` (number of a source) and `row` (as a spreadsheet counts: the header is mostly row 1); others
            are left alone.
        column
            Column of the return, or "" where the row as a whole is meant. Only a name that the specification has: a
            header found in a file could be a cell of a file without header.
        what_was_done
            Full sentence; the action of the rule where left out.
        """
        if self._rules.setdefault(rule.code, rule) != rule:
            raise ValueError(f"two rules are called {rule.code}")
        if rows.height:
            places = rows.select(pl.col("file").cast(pl.UInt16), pl.col("row").cast(pl.UInt32))
            self._batches.append(_Batch(rule, column, what_was_done or rule.action, places))

    def counts(self) -> dict[str, int]:
        """Return the code of every rule that was broken -> number of findings, in the order of the codes."""
        found: Counter[str] = Counter()
        for batch in self._batches:
            found[batch.rule.code] += batch.places.height
        return dict(sorted(found.items()))

    def rule(self, code: str) -> Rule:
        """Return the rule of a code that occurs."""
        return self._rules[code]

    def frame(self) -> pl.DataFrame:
        """Return all findings, columns as in SCHEMA, ordered by rule, file (as met), row, column."""
        if not self._batches:
            return pl.DataFrame(schema=SCHEMA)
        names = pl.DataFrame(
            {"file": range(len(self.sources)), "name": [source.name for source in self.sources]},
            schema={"file": pl.UInt16, "name": pl.String},
        )
        parts = [
            batch.places.with_columns(
                pl.lit(batch.column).alias("column"),
                pl.lit(batch.rule.code).alias("rule"),
                pl.lit(batch.action).alias("what_was_done"),
            )
            for batch in self._batches
        ]
        found = pl.concat(parts).sort("rule", "file", "row", "column", "what_was_done", maintain_order=True)
        found = found.join(names, on="file", how="left", maintain_order="left")
        return found.select(pl.col("name").alias("file"), "row", "column", "rule", "what_was_done")

    def __len__(self) -> int:
        """Return the number of findings."""
        return sum(batch.places.height for batch in self._batches)

    def __bool__(self) -> bool:
        """Return True: findings without any are findings all the same."""
        return True
