"""The sheets of a workbook as text; one that would fill the memory is refused before it is opened.

What reads workbooks makes room for every cell from the first to the farthest. A damaged or hostile file can put one
cell beyond thousands of millions of others, or unpack to a thousand times its size, and then the whole program ends
without a word. So the parts of the file are looked through first, a piece at a time.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import fastexcel
import polars as pl

from abm.errors import CareError

WORKBOOKS, OTHER_BOOKS = frozenset({".xlsx", ".xlsm"}), frozenset({".xls", ".xlsb", ".ods"})
"""Ends of names of workbooks that are read, and of those that are not."""

MOST_CELLS, MOST_BYTES, MOST_STRINGS = 50_000_000, 4_000_000_000, 50_000_000
"""A sheet of a million rows has some 13 million cells, and unpacks to some 500 million bytes."""

_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
"""What a damaged archive ends in."""

_PIECE, _OVERLAP = 1 << 24, 200
# What a sheet says of its own size is not gone by, so only rows and cells are looked at.
_PLACE = re.compile(rb"""[\s:]r\s*=\s*["']([A-Za-z]*)(\d+)["']""")
_COUNT = re.compile(rb"""[\s:](?:uniqueCount|count)\s*=\s*["'](\d+)["']""")


def sheets_of(path: Path, data: bytes, rows: int | None) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield name and cells of each sheet, all as text, without a header.

    Parameters
    ----------
    rows
        The most rows of a sheet; None for all.

    Raises
    ------
    CareError
        When the workbook is of another kind, damaged or too large.
    """
    if path.suffix.lower() in OTHER_BOOKS:
        raise CareError(
            f"The workbook '{path.name}' is of a kind that we do not read",
            str(path.parent),
            "Save it as .xlsx or as CSV.",
        )
    try:
        _refuse_a_book_too_large(path, data)
        book = fastexcel.read_excel(data)
        for name in book.sheet_names:
            # Blank rows at the top are kept, so that rows are counted as Excel counts them.
            sheet = book.load_sheet(name, header_row=None, skip_rows=0, n_rows=rows, dtypes="string")
            yield name, sheet.to_polars()
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, *_BAD_ZIP) as fault:
        raise CareError(
            f"The workbook '{path.name}' cannot be opened",
            str(path.parent),
            "It is damaged, has a password, or is no workbook: save it again from Excel, or as CSV.",
        ) from fault


def _refuse_a_book_too_large(path: Path, data: bytes) -> None:
    """Raise CareError when a sheet reaches too far, or the file unpacks to too much.

    Raises
    ------
    CareError
        As said.
    zipfile.BadZipFile and others of _BAD_ZIP
        For a file that is no archive.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        parts = book.infolist()
        if sum(part.file_size for part in parts) > MOST_BYTES:
            raise _too_large(path, f"unpacks to more than {MOST_BYTES // 10**9} GB")
        for part in parts:
            if part.filename.lower().endswith(".xml"):
                _look_through(path, book, part)


def _look_through(path: Path, book: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    rows = columns = 1
    kept = b""
    with book.open(part) as file:
        while piece := file.read(_PIECE):
            text = kept + piece
            # A place that is cut by the end of a piece is whole in the next.
            kept = text[-_OVERLAP:]
            found = set(_PLACE.findall(text))
            rows = max([rows, *(_bounded(row) for _, row in found)])
            columns = max([columns, *(_column(letters) for letters in {letters for letters, _ in found})])
            if rows * columns > MOST_CELLS:
                raise _too_large(path, f"has a sheet of {rows:,} rows and {columns:,} columns")
            if max((_bounded(count) for count in _COUNT.findall(text)), default=0) > MOST_STRINGS:
                raise _too_large(path, "says that it holds more text than a workbook can")


def _bounded(digits: bytes) -> int:
    return int(digits[:20])


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters[:8].upper():
        number = 26 * number + letter - 64
    return number


def _too_large(path: Path, why: str) -> CareError:
    return CareError(
        f"The workbook '{path.name}' {why}",
        str(path.parent),
        "It is damaged, or has a cell far outside its table: save it again from Excel, or as CSV.",
    )
