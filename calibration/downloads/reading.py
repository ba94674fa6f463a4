"""Published files as tables of text, with the row each line has in a spreadsheet.

A file is CSV in UTF-8, with or without a byte order mark, plain or compressed with gzip, or a zip archive of such
files, which is how a whole release is downloaded. Everything stays text: no cell is guessed to be a number.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import polars as pl

from abm.errors import CareError
from calibration.downloads.rules import folded

LARGEST = 500_000_000
"""Bytes of the largest file that is read; the largest published one has 4 million."""

AGAIN = "Download it again"
_AS_UTF8 = "Save it again as 'CSV UTF-8 (comma delimited)'"
ROW = "_row"
"""Column with the number that a spreadsheet shows for a row."""


@dataclass(frozen=True)
class Source:
    """A file as it was given.

    Attributes
    ----------
    name
        The path as given; of a file in an archive, the archive and its name there.
    content
        Its bytes, no longer compressed.
    """

    name: str
    content: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Sheet:
    """A table of text.

    Attributes
    ----------
    source
        The file it was read from.
    text
        A column of text for each column of the file, under its folded name, and ROW.
    header
        Folded name -> name as it stands in the file.
    delimiter
        The sign between cells.
    """

    source: Source
    text: pl.DataFrame
    header: dict[str, str]
    delimiter: str = ","

    def place(self, row: int | None = None, column: str = "") -> str:
        """Return "FILE, row 12, column la_name"."""
        where = self.source.name if row is None else f"{self.source.name}, row {row}"
        return f"{where}, column {self.header.get(column, column)}" if column else where


def refuse(sheet: Sheet, row: int, column: str, what: str, remedy: str) -> NoReturn:
    """Refuse a file for one cell."""
    raise CareError(what, sheet.place(row, column), remedy)


def sources(paths: Iterable[Path]) -> Iterator[Source]:
    """Give every file that these paths name: files, the CSV files in folders and in zip archives.

    Raises
    ------
    CareError
        When a path leads nowhere or a file cannot be opened.
    """
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.lower().endswith((".csv", ".csv.gz", ".zip")))
            if not inside:
                raise CareError("There is no CSV file in this folder", str(path), "Name the files that you downloaded")
            yield from sources(inside)
        else:
            yield from _opened(path)


def _opened(path: Path) -> Iterator[Source]:
    try:
        if not path.is_file():
            raise CareError("There is no such file", str(path), "Check the path and its spelling")
        if path.stat().st_size > LARGEST:
            raise CareError("The file is too large to be a published table", str(path), "Name another file")
        content = path.read_bytes()
    except OSError as fault:
        remedy = "Check the path, and whether you may read it"
        raise CareError(f"The file cannot be opened: {fault.strerror or fault}", str(path), remedy) from fault
    if content.startswith(b"PK\x03\x04"):
        yield from _unpacked(path, content)
        return
    if content.startswith(b"\x1f\x8b"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(LARGEST)
        except (OSError, EOFError, zlib.error) as fault:
            raise CareError("The gzip file is damaged or cut short", str(path), AGAIN) from fault
    elif path.suffix == ".gz":
        raise CareError("The name ends in .gz but the file is not gzip", str(path), "Rename it to .csv")
    yield Source(str(path), content)


def _unpacked(path: Path, content: bytes) -> Iterator[Source]:
    found = False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in sorted(archive.infolist(), key=lambda info: info.filename):
                if not member.filename.lower().endswith(".csv"):
                    continue
                found = True
                name = f"{path}: {member.filename}"
                if member.file_size > LARGEST:
                    raise CareError("The file is too large to be a published table", name, "Leave it out")
                yield Source(name, archive.read(member))
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, ValueError, RuntimeError, NotImplementedError) as fault:
        raise CareError("The archive is damaged, cut short or locked", str(path), AGAIN) from fault
    if not found:
        remedy = "Of a workbook, save the sheet as 'CSV UTF-8 (comma delimited)'"
        raise CareError("There is no CSV file in this archive or workbook", str(path), remedy)


def read_sheet(source: Source) -> Sheet:
    """Read a file as a table of text.

    Raises
    ------
    CareError
        When it is no table in UTF-8, or a row is not as wide as the header.
    """
    text = _text(source)
    delimiter = _delimiter(text)
    rows = _rows(source, text, delimiter)
    try:
        header = next(rows)[1]
        lines = list(rows)
    except StopIteration:
        raise CareError("The file is empty", source.name, AGAIN) from None
    while header and not header[-1].strip() and all(len(cells) == len(header) and not cells[-1] for _, cells in lines):
        header, lines = header[:-1], [(row, cells[:-1]) for row, cells in lines]
    _refuse_a_header_that_is_none(source, header)
    _refuse_another_width(source, header, lines)
    again = next((row for row, cells in lines if cells == header), None)
    if again is not None:
        where = f"{source.name}, row {again}"
        raise CareError("This row repeats the header", where, "Give each file by itself, or take the row out")
    names = [folded(name) for name in header]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        which = " and ".join(f"'{header[n]}'" for n, name in enumerate(names) if name == twice)
        raise CareError(f"Two columns have one name: {which}", f"{source.name}, row 1", f"{AGAIN}, or rename one")
    if not lines:
        raise CareError("The table has a header but no rows", source.name, AGAIN)
    columns = {ROW: pl.Series([row for row, _ in lines], dtype=pl.UInt32)}
    for n, name in enumerate(names):
        cells = pl.Series([cells[n] for _, cells in lines], dtype=pl.String)
        columns[name] = cells.str.strip_chars()
    return Sheet(source, pl.DataFrame(columns), dict(zip(names, header, strict=True)), delimiter)


def _text(source: Source) -> str:
    content = source.content
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CareError("The file is UTF-16, not UTF-8", source.name, _AS_UTF8)
    if b"\0" in content:
        row = content.count(b"\n", 0, content.index(b"\0")) + 1
        remedy = "Give a table as text, such as a sheet saved as 'CSV UTF-8 (comma delimited)'"
        raise CareError("The file is not text", f"{source.name}, row {row}", remedy)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        row = content.count(b"\n", 0, fault.start) + 1
        raise CareError("The file is not UTF-8", f"{source.name}, row {row}", _AS_UTF8) from fault
    if not text.strip():
        raise CareError("The file is empty", source.name, AGAIN)
    return text


def _delimiter(text: str) -> str:
    """Return the sign between cells: the commonest of the three in the first line."""
    first = text.lstrip().splitlines()[0]
    return max(",;\t", key=lambda sign: (first.count(sign), sign == ","))


def _rows(source: Source, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Give each row that is not blank, with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as fault:
        remedy = "Look for a quotation mark without its pair; or download the file again"
        raise CareError(f"The row cannot be read: {fault}", f"{source.name}, row {number + 1}", remedy) from fault


def _refuse_a_header_that_is_none(source: Source, header: list[str]) -> None:
    if any(not name.strip().isprintable() or "\ufffd" in name for name in header):
        raise CareError("The first row is no header of text", f"{source.name}, row 1", AGAIN)
    blank = next((n for n, name in enumerate(header, start=1) if not folded(name)), None)
    if blank is not None:
        raise CareError(f"Column {blank} has no name", f"{source.name}, row 1", f"{AGAIN}, or give it a name")


def _refuse_another_width(source: Source, header: list[str], lines: list[tuple[int, list[str]]]) -> None:
    for row, cells in lines:
        if len(cells) != len(header):
            _refuse_width(source, row, len(cells), len(header))


def _refuse_width(source: Source, row: int, found: int, needed: int) -> NoReturn:
    cells = f"{found} cell{'' if found == 1 else 's'}"
    raise CareError(
        f"This row has {cells}, the header has {needed}",
        f"{source.name}, row {row}",
        f"{AGAIN}, it may be cut short; a cell with a comma must stand in quotation marks",
    )
