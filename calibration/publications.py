"""A table of published figures cut out of a larger one, and the publications that its figures cite.

Figures and publications stand in two CSV files beside one another; a figure's `source_id` leads to its publication.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from abm.errors import CareError, did_you_mean
from calibration.refusals import COLUMNS
from calibration.statistics import Statistics

AREAS = ("E92000001", "E06000004", "E06000009", "E08000022", "E10000007")
"""England, Stockton-on-Tees, Blackpool, North Tyneside, Derbyshire: those whose figures come with the project."""
Wanted = tuple[str, str, str, int]
"""A measure, breakdown and unit as regular expressions that must match the whole breakdown and a part of the unit, and
the first year."""


def chosen(statistics: Statistics, areas: Sequence[str], wanted: Iterable[Wanted]) -> pl.DataFrame:
    """Return the rows of some areas and measures, sorted.

    Raises
    ------
    CareError
        When a measure has no row.
    """
    rows = statistics.frame.filter(pl.col("area_code").is_in(list(areas)))
    kept = []
    for measure, breakdown, unit, first_year in wanted:
        found = rows.filter(
            (pl.col("measure") == measure)
            & pl.col("breakdown").str.contains(f"^({breakdown})$")
            & pl.col("unit").str.contains(f"(?i){unit}")
            & (pl.col("year") >= first_year)
        )
        if found.is_empty():
            remedy = did_you_mean(measure, statistics.measures())
            raise CareError(
                f"The measure '{measure}' has no rows", str(statistics.path), remedy + "Use a fuller table."
            )
        kept.append(found)
    return pl.concat(kept).sort("area_code", "measure", "breakdown", "unit", "year")


def plain(value: float) -> str:
    """Return 12 for 12.0 and 22.6 for 22.6."""
    return str(int(value)) if value.is_integer() else repr(value)


def read_publications(path: Path) -> dict[str, dict[str, str]]:
    """Return source_id -> what is known of the publication, by column.

    Raises
    ------
    CareError
        When the file cannot be read, has no column source_id, or a row of another length than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as fault:
        raise CareError("The sources cannot be read", str(path), "Give a CSV file in UTF-8.") from fault
    if "source_id" not in header:
        remedy = f"{did_you_mean('source_id', header)}Found: {', '.join(header)}."
        raise CareError("There is no column 'source_id'", f"{path}, row 1", remedy)
    column = header.index("source_id")
    for number, row in enumerate(rows, start=2):
        if row and len(row) != len(header):
            where = f"{path}, row {number}"
            raise CareError(f"This row has {len(row)} cells, the header has {len(header)}", where, "Correct the row.")
    return {row[column]: dict(zip(header, row, strict=True)) for row in rows if row}


def write_cut(figures: pl.DataFrame, sources: Path, table: Path, cited: Path) -> None:
    """Write figures, and of the publications in `sources` those that they cite; nothing unless both can be.

    Raises
    ------
    CareError
        When the publications cannot be read, or a figure has none.
    """
    publications = read_publications(sources)
    used = sorted(set(figures["source_id"]))
    unknown = [source_id for source_id in used if source_id not in publications]
    if unknown:
        remedy = did_you_mean(unknown[0] or "", publications) + "Add its row to the sources."
        raise CareError(f"The source '{unknown[0]}' is used but not described", f"{sources}, column source_id", remedy)
    table.parent.mkdir(parents=True, exist_ok=True)
    rows = figures.select(COLUMNS).iter_rows()
    _write(table, COLUMNS, ([plain(cell) if isinstance(cell, float) else cell for cell in row] for row in rows))
    told: Mapping[str, str] = next(iter(publications.values()), {})
    _write(cited, tuple(told), (publications[source_id].values() for source_id in used))


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
