"""Which table of SSDA903 a file holds, and of which year: told by its columns and its names, never by its dates.

The table is told by its columns, whatever the file is called. The year (ending 31 March) is told, in this order, by a
column YEAR, by the name of the sheet, of the file, of its folders, by the other files of its folder, or by whoever
asks. "2023-24", "2023_24" and "23-24" are the year that ends in 2024; "2024" alone is that year too. It is never read
off the latest date: a year without new episodes, or a file made later, would be put wrong. But a file whose episodes
begin after the end of its year is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_files import files_of, holds, tables_in, years_of
from calibration.returns.reading_table import TextTable, header_key
from calibration.returns.reading_years import years_in

SPEC = "SSDA903, tables and columns"
COLUMNS: dict[str, tuple[str, ...]] = {
    "Episodes": (
        "CHILD", "DECOM", "RNE", "LS", "CIN", "PLACE", "PLACE_PROVIDER", "DEC", "REC", "REASON_PLACE_CHANGE",
        "HOME_POST", "PL_POST", "URN",
    ),
    "UASC": ("CHILD", "SEX", "DOB", "DUC"),
    "Reviews": ("CHILD", "DOB", "REVIEW", "REVIEW_CODE"),
    "OC2": (
        "CHILD", "DOB", "SDQ_SCORE", "SDQ_REASON", "CONVICTED", "HEALTH_CHECK", "IMMUNISATIONS", "TEETH_CHECK",
        "HEALTH_ASSESSMENT", "SUBSTANCE_MISUSE", "INTERVENTION_RECEIVED", "INTERVENTION_OFFERED",
    ),
    "OC3": ("CHILD", "DOB", "IN_TOUCH", "ACTIV", "ACCOM"),
    "AD1": ("CHILD", "DOB", "DATE_INT", "DATE_MATCH", "FOSTER_CARE", "NB_ADOPTR", "SEX_ADOPTR", "LS_ADOPTR"),
    "PlacedAdoption": ("CHILD", "DOB", "DATE_PLACED", "DATE_PLACED_CEASED", "REASON_PLACED_CEASED"),
    "PrevPerm": ("CHILD", "DOB", "PREV_PERM", "LA_PERM", "DATE_PERM"),
    "Missing": ("CHILD", "DOB", "MISSING", "MIS_START", "MIS_END"),
    "SWEpisodes": ("CHILD", "DOB", "SW_ID", "SW_DECOM", "SW_DEC", "SW_REASON"),
    "DoLo": ("CHILD", "DOB", "DOLO_START", "DOLO_END"),
    "Header": ("CHILD", "SEX", "DOB", "ETHNIC", "UPN", "MOTHER", "MC_DOB"),
}  # fmt: skip
"""Columns of each table, those of all years since 2015; a column added by a regional platform (LA, YEAR) may follow."""

ALSO: dict[str, tuple[str, ...]] = {
    "CHILD": ("CHILD ID", "CHILD IDENTIFIER", "CHILD NUMBER"),
    "DECOM": ("DATE EPISODE COMMENCED",),
    "RNE": ("REASON FOR NEW EPISODE",),
    "LS": ("LEGAL STATUS",),
    "CIN": ("CATEGORY OF NEED",),
    "PLACE": ("PLACEMENT", "PLACEMENT TYPE"),
    "PLACE_PROVIDER": ("PLACEMENT PROVIDER",),
    "DEC": ("DATE EPISODE CEASED",),
    "REC": ("REASON EPISODE CEASED",),
    "REASON_PLACE_CHANGE": ("REASON FOR PLACEMENT CHANGE",),
    "DOB": ("DATE OF BIRTH",),
    "SEX": ("GENDER",),
    "DUC": ("DATE UASC STATUS CEASED",),
}
"""Other headers by which columns go."""

_MANY = 20
_OF_A_YEAR = ("Episodes", "Header")
NEEDED = {"Episodes": ("CHILD", "DECOM"), "Header": ("CHILD", "DOB"), "UASC": ("CHILD",)}
READ = {
    "Episodes": COLUMNS["Episodes"][:10],
    "Header": ("CHILD", "SEX", "DOB"),
    "UASC": COLUMNS["UASC"],
}
"""Columns that the journey is made of; the others are known and not used."""

_OWN_TO = {name: frozenset(map(header_key, columns)) - {"CHILD", "DOB", "SEX"} for name, columns in COLUMNS.items()}
_EVERY = frozenset(key for columns in COLUMNS.values() for key in columns) | {
    a for names in ALSO.values() for a in names
}

NOT_OURS = Rule("903-not-a-table", "The table is none of SSDA903.", "It was not used.", SPEC, "left out")
NOT_NEEDED = Rule(
    "903-table-not-needed",
    "The table says nothing that the journey is made of.",
    "Dates of birth were taken from it where the Header lacks a child; the rest was not used.",
    SPEC,
)
YEAR_UNREADABLE = Rule(
    "903-year-column",
    "The cell of the column YEAR is no year.",
    "The row was not used.",
    "Regional data platforms add YEAR, the year ending 31 March",
    "left out",
)
NOTHING_IN_YEAR = Rule(
    "903-nothing-in-year",
    "No episode of the file begins or ends in the year of the file.",
    "It was read as of that year: check the name of the file.",
    SPEC,
)
PART_OF_YEAR = Rule(
    "903-part-of-year",
    "No episode begins or ends in the last two months of the year of the file.",
    "It was read as of the whole year: if it was made earlier, what is open is not known to be so on 31 March.",
)
TWO_FILES = Rule(
    "903-two-files",
    "Another file has the same table of the same year.",
    "Both were read: where they tell of the same episode otherwise, the one that lasts longer was used.",
)


@dataclass(frozen=True)
class Part:
    """A table of one file: frame with its columns as text, then file u16, row u32, year i32."""

    table: str
    text: TextTable
    frame: pl.DataFrame


def table_of(text: TextTable) -> str | None:
    """Return which table of SSDA903 this is, by its columns; None for another table."""
    other = {header_key(alias): name for name, aliases in ALSO.items() for alias in aliases}
    keys = {header_key(other.get(key, key)) for key in text.keys}
    if "SWDECOM" in keys or "SWDEC" in keys:
        return "SWEpisodes"
    # Other returns have columns of these names too, but not with these two.
    if keys & {"DECOM", "RNE"} and len(keys & _OWN_TO["Episodes"]) >= 4:
        return "Episodes"
    for name, own in _OWN_TO.items():
        if name != "Episodes" and keys & own and ("CHILD" in keys or len(keys & own) >= 3):
            return name
    return "Header" if {"CHILD", "DOB", "SEX"} <= keys else None


def recognises(path: Path) -> bool:
    """Tell whether a file holds a table of SSDA903, by its columns."""
    return holds(path, table_of, _EVERY)


def read_parts(
    paths: Iterable[Path], findings: Findings, year: int | None = None, *, named_by_start: bool = False
) -> list[Part]:
    """Read every table of SSDA903 in these files and folders, with the year of each row.

    Parameters
    ----------
    year
        The year ending 31 March of files that do not tell theirs.
    named_by_start
        A name with one year ("2023") means the year that begins on 1 April of it, not the one that ends on 31 March.

    Raises
    ------
    CareError
        When there is no Episodes or Header, when the year of a table cannot be told, when a file is of another year
        than it says, and for files that cannot be opened.
    """
    found = [
        one for path, name in files_of(paths) for one in tables_in(path, name, table_of, _EVERY, NOT_OURS, findings)
    ]
    for needed in ("Episodes", "Header"):
        if not any(one.table == needed for one in found):
            raise CareError(
                f"No {needed} table of SSDA903 was found",
                ", ".join(source.name for source in findings.sources[:5]),
                f"It has the columns {', '.join(COLUMNS[needed][:6])}, in a CSV or Excel file.",
            )
    told = years_of(found, lambda text: str(text.path.parent), named_by_start=named_by_start)
    parts = [_part(one.text, one.table, known or year, findings) for one, known in zip(found, told, strict=True)]
    seen: set[tuple[str, int]] = set()
    for part in parts:
        for one in part.frame["year"].drop_nulls().unique(maintain_order=True).to_list():
            if (part.table, one) in seen and part.table in READ:
                findings.add(TWO_FILES, part.text.file)
            seen.add((part.table, one))
    return parts


def _part(text: TextTable, table: str, year: int | None, findings: Findings) -> Part:
    wanted = READ.get(table, ("CHILD",))
    # A date of birth is worth having wherever it stands, but only the Header must have it.
    wanted += tuple(name for name in ("DOB",) if name not in wanted and _has(text, name))
    own = {name: ALSO.get(name, ()) for name in wanted}
    if table not in READ:
        findings.add(NOT_NEEDED, text.file)
    not_used = {*COLUMNS[table], "SEX", "LA", "YEAR"} - set(wanted)
    frame = text.without({header_key(name) for name in not_used}).take(own, findings, needed=NEEDED.get(table, ()))
    if "YEAR" in text.frame.columns:
        frame = _with_years(frame, text, findings)
    elif year is None and table in _OF_A_YEAR:
        raise CareError(
            f"The year of this {table} table cannot be told",
            text.place,
            "Name the file or its folder with the year, such as 'episodes_2023-24.csv', add a column YEAR, or give the "
            "year that ends on 31 March.",
        )
    else:
        frame = frame.with_columns(pl.lit(year, pl.Int32).alias("year"))
    if "LA" in text.frame.columns and text.frame["LA"].drop_nulls().n_unique() > 1:
        raise CareError("The table holds several authorities", f"{text.place}, column LA", "Give one authority's rows.")
    years = frame["year"].unique().to_list()
    findings.know(text.file, table, years[0] if len(years) == 1 else year)
    return Part(table, text, frame)


def _has(text: TextTable, name: str) -> bool:
    return any(header_key(key) in text.frame.columns for key in (name, *ALSO.get(name, ())))


def _with_years(frame: pl.DataFrame, text: TextTable, findings: Findings) -> pl.DataFrame:
    frame = frame.with_columns(years_in(text.frame["YEAR"]).alias("year"))
    findings.add_rows(YEAR_UNREADABLE, frame.filter(pl.col("year").is_null()))
    return frame.drop_nulls("year")


def refuse_another_year(frame: pl.DataFrame, findings: Findings) -> None:
    """Raise CareError for a file many of whose episodes begin after its year; tell one with none in (all of) its year.

    Parameters
    ----------
    frame
        Episodes with DECOM and DEC as dates, file, year.
    """
    after = pl.col("DECOM") > last_day(pl.col("year"))
    first = pl.date(pl.col("year") - 1, 4, 1)
    inside = pl.any_horizontal(pl.col("DECOM", "DEC").is_between(first, last_day(pl.col("year"))).fill_null(False))
    days = [pl.when(pl.col(name) <= last_day(pl.col("year"))).then(pl.col(name)) for name in ("DECOM", "DEC")]
    by_file = frame.group_by("file", "year", maintain_order=True).agg(
        pl.len().alias("rows"), after.sum().alias("after"), inside.sum().alias("inside"),
        pl.max_horizontal(days).max().alias("latest"),
    )  # fmt: skip
    empty = by_file.filter((pl.col("inside") == 0) & (pl.col("rows") >= _MANY))
    if by_file.height > 1 and empty.height == by_file.height:
        raise CareError(
            "In no file does an episode begin or end in the file's year",
            findings.sources[empty["file"][0]].name,
            "Name files by the year they are of, the one that ends on 31 March; if it was said that they are named by "
            "the year in which it begins, do not say so.",
        )
    for file, year, rows, late, within, latest in by_file.iter_rows():
        if late > 5 and late > 0.05 * rows:
            raise CareError(
                f"{100 * late / rows:.0f}% of the episodes begin after 31 March {year}, the end of the file's year",
                findings.sources[file].name,
                f"Name it by the year it is of: '{year}-{(year + 1) % 100:02}' is the one that ends in {year + 1}. If "
                "all your files are named by the year in which they begin, say so (named by start).",
            )
        if not within and rows >= _MANY:
            findings.add(NOTHING_IN_YEAR, file)
        # By luck alone, none of 50 falls into two months once in ten thousand times.
        elif within >= 50 and (end_of(year) - latest).days > 60:
            findings.add(PART_OF_YEAR, file)


def last_day(year: pl.Expr) -> pl.Expr:
    """Return 31 March of a year."""
    return pl.date(year, 3, 31)


def end_of(year: int) -> date:
    """Return 31 March of a year."""
    return date(year, 3, 31)
