"""Cells that a spreadsheet would run as a formula, made harmless before they are written to CSV."""

from __future__ import annotations

import polars as pl

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: str) -> str:
    """Return a cell with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def harmless_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose text cells are all harmless; numbers stay as they are."""
    return frame.with_columns(pl.col(pl.String).str.replace(r"^([=+\-@\t\r])", "'$1"))
