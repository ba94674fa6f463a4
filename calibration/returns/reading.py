"""Any file of a return as tables of text: every cell trimmed, with the file and the row it stands in.

Text in UTF-8 (with or without mark), UTF-16, or else Windows-1252; cells parted by comma, semicolon or tab; workbooks
(.xlsx, .xlsm) with every sheet a table. Capitals, spaces and signs in a header do not matter: `header_key`. Rows are
counted as a spreadsheet counts them, so that a person finds the cell. A row that is wider or narrower than the header
is a finding. A file that cannot be opened stops with a CareError; one that holds no table is a finding. Cells stay
text: `reading_dates` makes dates of them.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from abm.errors import CareError, did_you_mean
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_books import OTHER_BOOKS, WORKBOOKS, sheets_of
from calibration.returns.reading_text import BLANKS, cells_of, decoded, rows_of, trimmed

__all__ = ["OTHER_BOOKS", "TEXTS", "WORKBOOKS", "TextTable", "files_of", "header_key", "read_tables"]

TEXTS = frozenset({".csv", ".txt", ".tsv"})
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
COLUMN_UNKNOWN = Rule("column-unknown", "The table has columns that are not of the return.", "They were not used.")
COLUMN_MISSING = Rule("column-missing", "A column of the return is missing.", "Its cells were read as blank.")


@dataclass(frozen=True)
class TextTable:
    """A table as it stands in a file.

    Attributes
    ----------
    path
        The file.
    file
        Its number in the findings.
    sheet
        The sheet of a workbook; "" for text.
    frame
        Columns named by `header_key`, str, null where blank; then file u16 and row u32. Rows without any cell are left
        out.
    """

    path: Path
    file: int
    sheet: str
    frame: pl.DataFrame

    @property
    def keys(self) -> list[str]:
        """Names of the columns, by `header_key`, in their order."""
        return [name for name in self.frame.columns if name not in ("file", "row")]

    def take(
        self, columns: Mapping[str, Collection[str]], findings: Findings, *, needed: Collection[str] = ()
    ) -> pl.DataFrame:
        """Return the columns of a return by their own names, then file and row.

        Parameters
        ----------
        columns
            Name -> other headers by which it goes; the name itself always counts. The first that is there is taken.
        needed
            Names without which the table is worth nothing.

        Raises
        ------
        CareError
            When a needed column is missing.
        """
        taken, used = [], set()
        for name, others in columns.items():
            found = [key for key in map(header_key, (name, *others)) if key in self.frame.columns]
            if found:
                used.add(found[0])
                taken.append(pl.col(found[0]).alias(name))
            elif name in needed:
                # A header found could be a cell of a file without header, so it is not told: only ours are.
                near = next((key for key in self.keys if did_you_mean(name, [key])), None)
                at = f"Column {self.keys.index(near) + 1} has a name like it. " if near else ""
                raise CareError(
                    f"The column '{name}' is missing",
                    self.place,
                    f"{at}Give the file its header row; the columns of this table are {', '.join(columns)}.",
                )
            else:
                findings.add(COLUMN_MISSING, self.file, None, name)
                taken.append(pl.lit(None, pl.String).alias(name))
        unknown = [i for i, key in enumerate(self.keys, 1) if key not in used]
        if unknown:
            listed = ", ".join(map(str, unknown))
            findings.add(COLUMN_UNKNOWN, self.file, None, "", f"Not used: column{'s'[: len(unknown) > 1]} {listed}.")
        return self.frame.select(*taken, "file", "row")

    def without(self, keys: Collection[str]) -> TextTable:
        """Return the table without columns that are known and not used."""
        return TextTable(self.path, self.file, self.sheet, self.frame.drop(keys, strict=False))

    @property
    def place(self) -> str:
        """File and sheet, for messages."""
        return f"{self.path}{f', sheet {self.sheet}' if self.sheet else ''}"


def header_key(header: str) -> str:
    """Return a header without what does not matter: capitals, digits and letters alone."""
    return re.sub(r"[^A-Z0-9]", "", header.upper())


def files_of(paths: Iterable[Path], kinds: Collection[str] = TEXTS | WORKBOOKS | OTHER_BOOKS) -> list[tuple[Path, str]]:
    """Return (file, name to show) of all files given and in folders given, each once.

    Folders are walked in the order of names. The name is relative to the folder that was given, or that of the file; a
    file whose name another has is shown with its folder. Hidden files and those that Office keeps while a workbook is
    open are left alone.

    Raises
    ------
    CareError
        When a path is not there, or none of these kinds is found.
    """
    paths = list(paths)
    found: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in kinds and p.is_file()):
                if not file.name.startswith((".", "~$")):
                    found.setdefault(file.resolve(), file.relative_to(path).as_posix())
        elif path.is_file():
            found.setdefault(path.resolve(), path.name)
        else:
            raise CareError(f"There is no file or folder '{path.name}' here", str(path.parent), "Check its name.")
    if not found:
        listed = ", ".join(sorted(kinds))
        raise CareError("No file of a return was found", ", ".join(map(str, paths)), f"We read {listed}.")
    several = {name for name, n in Counter(found.values()).items() if n > 1}
    shown = {path: f"{path.parent.name}/{name}" if name in several else name for path, name in found.items()}
    return list(shown.items())


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
