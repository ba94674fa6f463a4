"""Files of a CIN Census: every module as text, with the census (year ending 31 March) each row is of.

The census is told by the header (ReferenceDate, else Year), by a column YEAR, by the name of the sheet, of the file, of
its folders, by the other tables of its folder or workbook, or by whoever asks; never by its latest date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.returns import cin_flat
from calibration.returns.cin_cells import SPEC
from calibration.returns.cin_layout import MODULES
from calibration.returns.cin_xml import read_xml
from calibration.returns.findings import Findings, Rule, Source
from calibration.returns.reading_books import WORKBOOKS
from calibration.returns.reading_dates import read_dates
from calibration.returns.reading_files import Found, files_of, holds, names_of, tables_in, year_told, years_of
from calibration.returns.reading_table import TextTable
from calibration.returns.reading_text import TEXTS
from calibration.returns.reading_years import year_in, years_in

NOT_OURS = Rule("cin-not-a-table", "The table is none of the CIN Census.", "It was not used.", SPEC, "left out")
NO_CHILDREN = Rule("cin-no-children", "The file holds no Child.", "It was read as a census without children.", SPEC)
TWO_YEARS = Rule(
    "cin-header-years",
    "Year and ReferenceDate of the header are of different censuses.",
    "ReferenceDate was used.",
    f"{SPEC}, header",
)
_BEGINNING = 100_000


@dataclass(frozen=True)
class _Part:
    """A table of text of one census: `key` tells which (a file, or the folder or workbook of flat tables)."""

    table: str
    frame: pl.DataFrame
    key: str
    year: int


def recognises(path: Path) -> bool:
    """Tell whether a file holds a CIN Census or a table of one; a file that cannot be read does not.

    Only the beginning of a file of text is read.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING).replace(b"\x00", b"")
        if path.suffix.lower() == ".xml":
            is_message = re.search(rb"<(?:[\w.-]+:)?Message[\s>]", beginning, re.IGNORECASE)
            named = re.search(rb"<(?:[\w.-]+:)?(?:CINdetails|Children)[\s>]|>\s*CIN\s*<", beginning, re.IGNORECASE)
            return bool(is_message and named)
    except OSError:
        return False
    return holds(path, cin_flat.table_of, cin_flat.KNOWN)


def read_parts(
    paths: list[Path], findings: Findings, year: int | None
) -> tuple[dict[str, pl.DataFrame], tuple[int, ...]]:
    """Read every module of these files and folders, and tell the censuses whose referrals they hold.

    Returns table of `NeedTables` -> child, details and fields as text, file u16, row u32, year i32, until date (last
    day of the census), group u32 (which census).

    Raises
    ------
    CareError
        When the year of a file cannot be told, a census lacks CINdetails, and for files that cannot be opened.
    """
    parts = list(_parts(paths, findings, year))
    years = {part.year for part in parts if part.table == "referrals"}
    for part in parts:
        if part.year not in years and part.frame.height and years:
            raise CareError(
                f"The census of {part.year} has no CINdetails",
                findings.sources[part.frame["file"][0]].name,
                "Give all tables of a census, or correct the year of this one.",
            )
    return _joined(parts), tuple(sorted(years))


def _parts(paths: list[Path], findings: Findings, year: int | None) -> Iterator[_Part]:
    flat: list[Found] = []
    for path, name in files_of(paths, TEXTS | WORKBOOKS | {".xml"}):
        if path.suffix.lower() == ".xml":
            yield from _of_xml(path, name, findings, year)
        else:
            flat += tables_in(path, name, cin_flat.table_of, cin_flat.KNOWN, NOT_OURS, findings)
    yield from _of_tables(flat, findings, year)


def _of_xml(path: Path, name: str, findings: Findings, year: int | None) -> Iterator[_Part]:
    file = findings.file(name)
    census = read_xml(path, file, findings)
    told = _year_of_header(census.header, file, findings) or year_told(names_of(path, name)) or year
    if told is None:
        raise _no_year("census", str(path))
    rows = sum(frame.height for frame in census.tables.values())
    findings.sources[file] = Source(name, "CIN Census", told, rows)
    if not census.children:
        findings.add(NO_CHILDREN, file)
    for table, frame in census.tables.items():
        yield _Part(table, frame.with_columns(pl.lit(file, pl.UInt16).alias("file")), str(path), told)


def _of_tables(found: list[Found], findings: Findings, year: int | None) -> Iterator[_Part]:
    """Give flat tables their years; tables of one folder, or of one workbook, and one year are one census."""
    headers: dict[str, int] = {}
    for text in (one.text for one in found if one.table == "header"):
        cells = {
            name: text.frame[key][0] for name, key in _HEADER_KEYS.items() if key in text.keys and text.frame.height
        }
        if of_header := _year_of_header({k: v for k, v in cells.items() if v}, text.file, findings):
            headers[_key(text)] = of_header
    for one, named in zip(found, years_of(found, _key), strict=True):
        text, table = one.text, one.table
        told = headers.get(_key(text)) or named or year
        if table == "header":
            findings.know(text.file, "Header", told)
            continue
        frame = cin_flat.take(text, table, findings)
        years = _years_of_rows(text, told)
        for of_year, rows in frame.with_columns(years).partition_by("year", as_dict=True, include_key=False).items():
            if of_year[0] is None:
                raise _no_year(f"table of {table.replace('_', ' ')}", text.place)
            yield _Part(table, rows, f"{_key(text)} {of_year[0]}", int(of_year[0]))
        findings.know(text.file, next((m.element for m in MODULES if m.table == table), "Assessments"), told)


_HEADER_KEYS = {"Year": "YEAR", "ReferenceDate": "REFERENCEDATE"}


def _key(text: TextTable) -> str:
    return str(text.path if text.sheet else text.path.parent)


def _years_of_rows(text: TextTable, told: int | None) -> pl.Series:
    """Return the census of each row: of a column YEAR, which regional platforms add, else that of the table."""
    if "YEAR" not in text.frame.columns:
        return pl.Series("year", [told] * text.frame.height, dtype=pl.Int32)
    years = years_in(text.frame["YEAR"]).alias("year")
    return years if told is None else years.fill_null(told)


def _year_of_header(header: dict[str, str], file: int, findings: Findings) -> int | None:
    told = year_in(header["Year"]) if "Year" in header else None
    if "ReferenceDate" not in header:
        return told
    cell = pl.DataFrame({"ReferenceDate": [header["ReferenceDate"]], "file": [file], "row": [1]})
    day = read_dates(cell, ["ReferenceDate"], findings)["ReferenceDate"][0]
    if day is None:
        return told
    of_date = int(day.year) + ((day.month, day.day) > (3, 31))
    # The year of a census is written as the one it begins or the one it ends in.
    if told not in (None, of_date, of_date - 1):
        findings.add(TWO_YEARS, file)
    return of_date


def _no_year(what: str, where: str) -> CareError:
    return CareError(
        f"The year of this {what} cannot be told",
        where,
        "It stands in ReferenceDate of the header; or name the file or its folder with it, such as 'cin_2023-24', or "
        "give the year that ends on 31 March.",
    )


def _joined(parts: list[_Part]) -> dict[str, pl.DataFrame]:
    """Return table -> rows of all files, with year, until and group (which census)."""
    groups = {key: i for i, key in enumerate(dict.fromkeys(part.key for part in parts))}
    frames: dict[str, list[pl.DataFrame]] = {}
    for part in parts:
        frame = part.frame.with_columns(
            pl.lit(part.year, pl.Int32).alias("year"),
            pl.lit(date(part.year, 3, 31)).alias("until"),
            pl.lit(groups[part.key], pl.UInt32).alias("group"),
        )
        frames.setdefault(part.table, []).append(frame)
    whole = {table: pl.concat(found, how="diagonal") for table, found in frames.items()}
    kinds = {"file": pl.UInt16, "row": pl.UInt32, "year": pl.Int32, "until": pl.Date, "group": pl.UInt32}
    for module in MODULES:
        text = dict.fromkeys(("child", "details", *(told.name for told in module.fields)), pl.String)
        whole.setdefault(module.table, pl.DataFrame(schema={**text, **kinds}))
    if cin_flat.FACTORS in whole or "part" in whole["assessments"].columns:
        ties = {"part": pl.lit(None, pl.String)} if "part" not in whole["assessments"].columns else {}
        factors = whole.pop(cin_flat.FACTORS, whole["assessments"].clear().with_columns(**ties))
        whole["assessments"] = cin_flat.with_factors(whole["assessments"].with_columns(**ties), factors)
    return whole
