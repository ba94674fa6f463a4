"""The table of published figures made of files as they are released: built, checked, and with the sources it cites."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from abm.errors import CareError
from calibration.downloads.cells import Found, find
from calibration.downloads.merging import Revision, merge
from calibration.downloads.reading import Source, read_sheet, sources
from calibration.downloads.recognising import Unknown, recognise
from calibration.downloads.rules import FileRule, Rules, read_rules
from calibration.publications import plain, read_publications
from calibration.refusals import COLUMNS, Table, refuse_more_than_all_children
from calibration.spreadsheets import harmless
from calibration.statistics import PUBLISHED, Statistics, read_statistics

SOURCE_COLUMNS = ("source_id", "publication", "publisher", "date", "url_or_repo", "licence")
"""Columns of the publications that a table cites."""

PROJECT = "project"
"""Word for the table that comes with the project."""


@dataclass(frozen=True)
class Older:
    """A table that files are put on top of.

    Attributes
    ----------
    statistics
        The table.
    publications
        source_id -> what is known of it: the columns SOURCE_COLUMNS.
    """

    statistics: Statistics
    publications: dict[str, dict[str, str]]

    def release(self, source_id: str) -> int:
        """Return the release of a source: its last year if it is told, else the year of its date, else 0."""
        known = self.publications.get(source_id, {})
        for text, pattern in (
            (known.get("publication", ""), r"(?:reporting year |mid-)(\d{4})"),
            (known.get("date", ""), r"\b((?:19|20)\d\d)\b"),
        ):
            if years := re.findall(pattern, text):
                return max(int(year) for year in years)
        return 0


@dataclass(frozen=True)
class Built:
    """A table and how it came about.

    Attributes
    ----------
    figures
        Columns COLUMNS, sorted by area, measure, breakdown, unit and year.
    publications
        Rows of SOURCE_COLUMNS for every source of a figure.
    found
        What each file holds, in the order in which they were given.
    taken
        For each file, and last for an older table, how many figures were taken from it.
    left_out
        For each file, and last for an older table: reason -> cells that did not become a figure.
    twice
        Files with the same content as one before.
    unknown
        Files that are not declared.
    revisions
        Where releases differ.
    older
        The table that files were put on top of.
    rules
        The declarations.
    """

    figures: pl.DataFrame = field(repr=False)
    publications: list[dict[str, str]]
    found: tuple[Found, ...]
    taken: tuple[int, ...]
    left_out: tuple[dict[str, int], ...]
    twice: tuple[str, ...]
    unknown: tuple[Unknown, ...]
    revisions: tuple[Revision, ...]
    older: Older | None
    rules: Rules

    def statistics(self, path: Path) -> Statistics:
        """Return the table as `read_statistics` reads it from `path`, where it will be."""
        names = self.figures.select("area_code", "area_name").unique("area_code", keep="last", maintain_order=True)
        return Statistics(self.figures, path, dict(names.sort("area_code").iter_rows()))


def read_older(path: str | Path) -> Older:
    """Read a table to put files on top of, with the publications beside it; the word PROJECT for the project's own.

    The publications are in `NAME_sources.csv` beside `NAME.csv`, or in `sources.csv`; without them every file is newer.

    Raises
    ------
    CareError
        When the table or its publications cannot be read.
    """
    path = PUBLISHED / "statistics.csv" if str(path) == PROJECT else Path(path)
    statistics = read_statistics(path)
    beside = [sources_beside(path), path.parent / "sources.csv"]
    there = next((file for file in beside if file.is_file()), None)
    return Older(statistics, {} if there is None else read_publications(there))


def build(paths: Sequence[Path], older: Older | None = None, rules: Rules | None = None) -> Built:
    """Make one table of published files.

    Parameters
    ----------
    paths
        Files, folders of them, or archives, of any releases.
    older
        A table whose figures are kept where no file has a newer one.
    rules
        What files hold; those that are shipped if None.

    Raises
    ------
    CareError
        When a file cannot be read or understood, when none is declared, or when figures cannot be true.
    """
    rules = rules or read_rules()
    found: list[Found] = []
    twice: list[str] = []
    unknown: list[Unknown] = []
    seen: set[str] = set()
    for source in sources(paths):
        if source.digest in seen:
            twice.append(source.name)
            continue
        seen.add(source.digest)
        one = _look(source, rules)
        if isinstance(one, Unknown):
            unknown.append(one)
        else:
            found.append(one)
    if not found:
        first = unknown[0]
        remedy = f"{first.why[:1].upper()}{first.why[1:]}".rstrip("? ")
        remedy += "?" if first.why.startswith("Did you mean") else ""
        raise CareError(
            "No file is one whose columns are declared", first.name,
            f"{remedy}. Declare its columns: see docs/how_to/statistics.md",
        )  # fmt: skip
    merged = merge(found, [rule.key for rule in rules.file], None if older is None else _base(older))
    figures = _with_one_name(merged.figures)
    _refuse_more_children_than_there_are(figures, found, older)
    files = len(merged.left_out)
    counted = dict(figures.group_by("file").len().iter_rows())
    taken = tuple(counted.get(n, 0) for n in range(files))
    left_out = tuple(
        _added(found[n].left_out, late) if n < len(found) else late for n, late in enumerate(merged.left_out)
    )
    figures = figures.select(COLUMNS).sort("area_code", "measure", "breakdown", "unit", "year")
    publications = _cited(figures, found, older, rules)
    return Built(
        figures,
        publications,
        tuple(found),
        taken,
        left_out,
        tuple(twice),
        tuple(unknown),
        merged.revisions,
        older,
        rules,
    )


def _look(source: Source, rules: Rules) -> Found | Unknown:
    sheet = read_sheet(source)
    rule = recognise(sheet, rules)
    return find(sheet, rule) if isinstance(rule, FileRule) else rule


def _base(older: Older) -> pl.DataFrame:
    frame = older.statistics.frame
    releases = {source_id: older.release(source_id) for source_id in frame["source_id"].unique()}
    return frame.with_columns(release=pl.col("source_id").replace_strict(releases, return_dtype=pl.Int32))


def _with_one_name(figures: pl.DataFrame) -> pl.DataFrame:
    """Give each area the name that the newest release has for it."""
    named = figures.filter(pl.col("area_name") != "").sort("release", "file", "row", descending=[True, False, False])
    first = named.unique("area_code", keep="first", maintain_order=True)
    names = dict(first.select("area_code", "area_name").iter_rows())
    codes = figures["area_code"].unique().to_list()
    names = {code: one_line(names.get(code, code)) for code in codes}
    return figures.with_columns(
        area_name=pl.col("area_code").replace_strict(names, return_dtype=pl.String),
        breakdown=pl.col("breakdown").map_elements(one_line, return_dtype=pl.String),
    )


def one_line(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula and that steers no terminal."""
    return harmless(" ".join("".join(c if c.isprintable() else " " for c in cell).split()))


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {why: one.get(why, 0) + other.get(why, 0) for why in {**one, **other}}


class _Placed(Table):
    """Figures that know the file, row and column they were read from."""

    def place(self, row: Mapping[str, Any], column: str) -> str:
        return str(row["where"])


def _refuse_more_children_than_there_are(figures: pl.DataFrame, found: Sequence[Found], older: Older | None) -> None:
    names = [one.sheet.source.name for one in found]
    where = pl.format("{}, row {}, column {}", pl.col("file").replace_strict(dict(enumerate(names)), default=""),
                      pl.col("row"), pl.col("column"))  # fmt: skip
    old = f"{older.statistics.path}, column value" if older else ""
    text = figures.with_columns(
        where=pl.when(pl.col("file") < len(names)).then(where).otherwise(pl.lit(old)),
        value=pl.col("value").map_elements(plain, return_dtype=pl.String),
    )
    refuse_more_than_all_children(_Placed(Path(), text), figures["value"], figures["year"])


# What is cited --------------------------------------------------------------------------------------------------------


def _cited(figures: pl.DataFrame, found: Sequence[Found], older: Older | None, rules: Rules) -> list[dict[str, str]]:
    """Return what is known of every source of a figure."""
    told: dict[str, dict[str, str]] = {}
    for one in found:
        row = _publication(one, rules)
        # Several releases may go by one source_id, and one release may come in several files.
        before = told.get(one.source_id, row)
        both = {key: f"{before[key]}; {row[key]}" for key in row if before[key] != row[key]}
        told[one.source_id] = {**row, **both}
    known = older.publications if older else {}
    rows = []
    for source_id in sorted(figures["source_id"].unique()):
        row = told.get(source_id) or known.get(source_id) or {"publication": "not described"}
        rows.append({column: row.get(column, "") for column in SOURCE_COLUMNS} | {"source_id": source_id})
    return rows


def _publication(found: Found, rules: Rules) -> dict[str, str]:
    name = re.split(r"[/\\]", found.sheet.source.name)[-1].strip()
    rule = found.rule
    return {
        "publication": f"{rule.title}, reporting year {found.release}: file {name}",
        "publisher": rule.publisher or rules.defaults.publisher,
        "date": f"not in the file; its last year is {found.release}",
        "url_or_repo": f"{rule.page} ; SHA-256 of the file {found.sheet.source.digest}",
        "licence": rules.defaults.licence,
    }


def sources_beside(table: Path) -> Path:
    """Return where the publications of a table stand."""
    return table.with_name(f"{stem_of_table(table)}_sources.csv")


def stem_of_table(table: Path) -> str:
    """Return a table's name without .csv or .csv.gz."""
    return re.sub(r"\.csv(\.gz)?$", "", table.name, flags=re.IGNORECASE)
