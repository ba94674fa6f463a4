"""Any file of a return as tables of text: every cell trimmed, with the file and the row it stands in.

Text in UTF-8 (with or without mark), UTF-16, or else Windows-1252; cells parted by comma, semicolon or tab; workbooks
(.xlsx, .xlsm) with every sheet a table. Capitals, spaces and signs in a header do not matter: `header_key`. Rows are
counted as a spreadsheet counts them, so that a person finds the cell. A row that is wider or narrower than the header
is a finding. A file that cannot be opened stops with a CareError; one that holds no table is a finding. Cells stay
text: `reading_dates` makes dates of them.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_books import OTHER_BOOKS, WORKBOOKS, sheets_of
from calibration.returns.reading_table import TextTable, header_key
from calibration.returns.reading_text import BLANKS, cells_of, decoded, rows_of, trimmed

_SEARCHED, _BEGINNING, _ZIP = 30, 100_000, b"PK\x03\x04"

NO_TABLE = Rule("file-no-table", "The file or sheet holds no table.", "It was not used.", effect="left out")
NOT_UTF8 = Rule(
    "file-not-utf8",
    "The text is not UTF-8 or UTF-16.",
    "It was read as Windows-1252, which Excel writes.",
    effect="mended",
)
UNEVEN_QUOTES = Rule(
    "file-quotes",
    "A quotation mark is opened and never closed.",
    "Quotation marks of this file were read as plain signs and taken off the ends of cells.",
    effect="mended",
)
LONG_ROW = Rule(
    "row-too-long",
    "The row has more cells than the header.",
    "The cells past the last column were not used.",
    effect="left out",
)
SHORT_ROW = Rule("row-too-short", "The row has fewer cells than the header.", "Missing cells were read as blank.")
COLUMN_TWICE = Rule("column-twice", "Two columns have the same name.", "The first was used.", effect="left out")


def read_tables(
    path: Path, findings: Findings, *, name: str = "", known: Collection[str] = (), beginning: bool = False
) -> list[TextTable]:
    """Read every table of a file as text.

    Parameters
    ----------
    name
        What the file is called in findings; its name where left out.
    known
        Headers that may be met. The header row is the one of the first 30 that has most of them, the first that is not
        blank where none has any: so titles above a table do no harm.
    beginning
        Read no more than the first rows, to see what a file is.

    Raises
    ------
    CareError
        When the file cannot be opened or is damaged.
    """
    name, keys = name or path.name, {header_key(header) for header in known}
    try:
        with path.open("rb") as file:
            is_book = path.suffix.lower() in WORKBOOKS | OTHER_BOOKS or file.peek(4)[:4] == _ZIP
            data = file.read(_BEGINNING if beginning and not is_book else -1)
    except OSError as fault:
        raise CareError(
            f"The file '{path.name}' cannot be read: {fault.strerror or fault}", str(path.parent), "Check its rights."
        ) from fault
    if len(data) < 2:
        findings.add(NO_TABLE, findings.file(name))
        return []
    if is_book:
        rows = 2 * _SEARCHED if beginning else None
        tables = [_table(path, name, sheet, cells, findings, keys) for sheet, cells in sheets_of(path, data, rows)]
    else:
        tables = [_text_table(path, findings.file(name), data, findings, keys)]
    return [table for table in tables if table is not None]


# Text -----------------------------------------------------------------------------------------------------------------


def _text_table(path: Path, file: int, data: bytes, findings: Findings, keys: set[str]) -> TextTable | None:
    text, mended = decoded(data)
    if mended:
        findings.add(NOT_UTF8, file)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    beginning = text[:200_000].split("\n")[:_SEARCHED]
    if not any(line.strip(BLANKS + ",;") for line in beginning):
        findings.add(NO_TABLE, file)
        return None
    cut = max(",;\t", key=lambda mark: max(line.count(mark) for line in beginning))
    quoted = '"' in text
    if quoted and text.count('"') % 2:
        findings.add(UNEVEN_QUOTES, file)
        quoted = False
    at = _header_row((cells_of(line, cut, quoted) for line in beginning), keys)
    body = io.BytesIO("\n".join(text.split("\n", at + 1)[at + 1 :]).encode())
    header = [cell or "" for cell in cells_of(beginning[at], cut, quoted)]
    del text
    frame, widths = rows_of(body, cut, len(header), quoted)
    frame = _numbered(frame.with_columns(widths.alias("width")), file, at)
    findings.add_rows(LONG_ROW, frame.filter(pl.col("width") > len(header)))
    findings.add_rows(SHORT_ROW, frame.filter(pl.col("width") < len(header)))
    return _named(path, file, "", frame.drop("width"), header, findings)


def _header_row(lines: Iterable[Sequence[str | None]], keys: set[str]) -> int:
    """Return the line that has most of the known headers; the first that is not blank where none has any."""
    best, most, first = 0, 0, None
    for i, line in enumerate(lines):
        if first is None and any(line):
            first = i
        hits = len({header_key(cell) for cell in line if cell} & keys)
        if hits > most:
            best, most = i, hits
    return best if most else first or 0


# Workbooks ------------------------------------------------------------------------------------------------------------


def _table(
    path: Path, name: str, sheet: str, cells: pl.DataFrame, findings: Findings, keys: set[str]
) -> TextTable | None:
    file = findings.file(f"{name}, sheet {sheet}")
    cells = cells.with_columns(trimmed(cells.columns))
    if not any(cells[column].count() for column in cells.columns):
        findings.add(NO_TABLE, file)
        return None
    at = _header_row(cells.head(_SEARCHED).rows(), keys)
    header = [cell or "" for cell in cells.row(at)]
    body = cells[at + 1 :].rename({old: f"c{i}" for i, old in enumerate(cells.columns)})
    return _named(path, file, sheet, _numbered(body, file, at), header, findings)


# Both -----------------------------------------------------------------------------------------------------------------


def _numbered(frame: pl.DataFrame, file: int, header: int) -> pl.DataFrame:
    """Add file and row, and leave out rows without any cell."""
    blank = pl.all_horizontal(pl.col("^c[0-9]+$").is_null())
    row = pl.int_range(header + 2, header + 2 + frame.height, dtype=pl.UInt32).alias("row")
    return frame.with_columns(pl.lit(file, pl.UInt16).alias("file"), row).filter(~blank)


def _named(
    path: Path, file: int, sheet: str, frame: pl.DataFrame, header: Sequence[str], findings: Findings
) -> TextTable:
    """Give the columns their names; one without a name is left out if blank, and named by its place if not."""
    names: dict[str, str] = {}
    for i, cell in enumerate(header):
        key = header_key(cell)
        if not key and frame[f"c{i}"].count() == 0:
            continue
        if key in names.values():
            findings.add(COLUMN_TWICE, file, None, "", f"Column {i + 1} was not used: an earlier one has its name.")
            continue
        # A lower-case letter keeps it apart from every key.
        names[f"c{i}"] = key or f"column{i + 1}"
    known = findings.sources[file]
    findings.sources[file] = type(known)(known.name, known.table, known.year, frame.height)
    return TextTable(path, file, sheet, frame.select(pl.col(list(names)).name.map(names.__getitem__), "file", "row"))
