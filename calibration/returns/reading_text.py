"""Text with separators as rows of cells: what its bytes mean, and how wide each row is.

Rows are read by polars. It drops cells past the last column and fills up missing ones without a word, so the width of
each row is counted apart from it. Where a cell holds a line break, rows are read one by one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice

import polars as pl

TEXTS = frozenset({".csv", ".txt", ".tsv"})
"""Ends of names of files of text."""
BLANKS = " \t\r\n\f\v\u00a0\ufeff\u200b\x00"
"""Signs that are taken off the ends of a cell."""

_CHUNK = 100_000


def decoded(data: bytes) -> tuple[str, bool]:
    """Return the text of a file, and whether it had to be read as Windows-1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace"), False
    # Half of UTF-16 text in Latin letters is zero bytes, those of the high halves.
    beginning = data[:2000]
    for code, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        halves = beginning[first::2]
        if halves.count(0) > 0.8 * len(halves) and beginning[1 - first :: 2].count(0) < 0.2 * len(halves):
            return data.decode(code, "replace"), False
    try:
        return data.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        # Five bytes mean nothing in Windows-1252.
        return data.decode("cp1252", "replace"), True


def cells_of(line: str, cut: str, quoted: bool) -> list[str | None]:
    """Return the cells of one line, trimmed, None where blank."""
    if quoted:
        # A quoted cell may hold a line break; of such a line only the beginning is seen, which is enough for a header.
        cells = next(csv.reader([line], delimiter=cut), [])
    else:
        cells = [cell.strip('"') for cell in line.split(cut)]
    return [cell.strip(BLANKS) or None for cell in cells]


def rows_of(body: io.BytesIO, cut: str, n: int, quoted: bool) -> tuple[pl.DataFrame, pl.Series]:
    """Return rows of `n` cells, named c0, c1 and so on, null where blank; and how many cells each row really has.

    Parameters
    ----------
    body
        UTF-8, lines ended by a line feed, without the header.
    cut
        What stands between cells.
    quoted
        Whether quotation marks hold a cell together.
    """
    read = _rows_quickly(body, cut, n, quoted)
    if read is None:
        body.seek(0)
        read = _rows_slowly(body, cut, n)
    return read


def _rows_quickly(body: io.BytesIO, cut: str, n: int, quoted: bool) -> tuple[pl.DataFrame, pl.Series] | None:
    """Return rows and their widths; None where a cell holds a line break or polars gives up."""
    names = [f"c{i}" for i in range(n)]
    if not body.getbuffer().nbytes:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String)), pl.Series([], dtype=pl.UInt32)
    try:
        whole = {"line": pl.String}
        lines = pl.read_csv(
            body, has_header=False, separator="\x1f", quote_char=None, schema=whole, truncate_ragged_lines=True
        )["line"]
        body.seek(0)
        if quoted:
            if (lines.str.count_matches('"', literal=True) % 2 == 1).any():
                return None
            lines = lines.str.replace_all('"[^"]*"', "")
        widths = lines.str.count_matches(cut, literal=True).fill_null(0) + 1
        frame = pl.read_csv(
            body,
            has_header=False,
            separator=cut,
            quote_char='"' if quoted else None,
            schema=dict.fromkeys(names, pl.String),
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != widths.len():
        return None
    return frame.with_columns(trimmed(names, quoted)), widths


def trimmed(names: Iterable[str], quoted: bool = True) -> list[pl.Expr]:
    """Return these columns without blanks at the ends of a cell, and null where nothing is left."""
    signs = BLANKS if quoted else BLANKS + '"'
    trimmed = (pl.col(name).str.strip_chars(signs) for name in names)
    return [pl.when(cell != "").then(cell) for cell in trimmed]


def _rows_slowly(body: io.BytesIO, cut: str, n: int) -> tuple[pl.DataFrame, pl.Series]:
    """Return rows and their widths, row by row: for cells that hold line breaks."""
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.TextIOWrapper(body, "utf-8", newline=""), delimiter=cut)
    names, parts, widths = [f"c{i}" for i in range(n)], [], []
    for chunk in _chunks(reader):
        widths += [len(row) for row in chunk]
        columns = {name: [row[i] if i < len(row) else None for row in chunk] for i, name in enumerate(names)}
        parts.append(pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String)))
    frame = pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return frame.with_columns(trimmed(names)), pl.Series(widths, dtype=pl.UInt32)


def _chunks(reader: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while chunk := list(islice(reader, _CHUNK)):
        yield chunk
