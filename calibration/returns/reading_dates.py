"""Dates that stand in a table of text, in any of the forms that returns have.

ISO, day first with four or two digits of the year, and the numbers that Excel keeps, in any mixture within a column;
never month first. What is no date is a finding and read as blank; a file with many of them in a column that is needed
is refused, since dates with the month first, or in a form we do not know, would be read as no date or as another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

import polars as pl

from abm.errors import CareError
from calibration.returns.findings import Findings, Rule

LATEST, EARLIEST = date(2099, 12, 31), date(1900, 1, 1)
"""A date outside stands for none: 31/12/9999 is how some systems write "still open"."""

BAD_DATE = Rule(
    "date-not-read", "The cell is not a date of a form we know.", "It was read as blank.", effect="left out"
)
FAR_DATE = Rule("date-impossible", "The date is before 1900 or after 2099.", "It was read as blank.", effect="left out")
MONTH_ONLY = Rule(
    "date-month-only", "The date has a month and no day.", "The first of the month was used.", effect="mended"
)
TWO_DIGITS = Rule(
    "date-two-digit-year",
    "The year has two digits.",
    "00 to 69 were read as 2000 to 2069, 70 to 99 as 1970 to 1999.",
    effect="mended",
)

MANY, MANY_OF = 5, 0.05
"""More bad cells than so many, and than this share of those that are filled, are no slips."""
_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$"
_EXCEL_DAY_0 = date(1899, 12, 30)


def read_dates(
    frame: pl.DataFrame, columns: Iterable[str], findings: Findings, *, months: bool = False,
    needed: Collection[str] = (),
) -> pl.DataFrame:  # fmt: skip
    """Return the frame with these columns of text as dates, null where blank or not legible.

    Known are 2024-03-31, 31/03/2024, 31/03/24 (also with . or - and without zeros), 20240331, 31-Mar-2024 and what
    Excel keeps (45382), with a time of day or without. With `months`, 2024-03 is its first day.

    Parameters
    ----------
    frame
        Also has file and row.
    needed
        Columns that the journey hangs on.

    Raises
    ------
    CareError
        When more than MANY_OF of the cells of a needed column of a file are no dates.
    """
    for column in columns:
        # Few dates are different, and each is taken apart once.
        told = frame[column].drop_nulls().unique()
        known = pl.DataFrame({column: told}).with_columns(_date_of(pl.col(column), months))
        frame = frame.join(known, on=column, how="left", maintain_order="left")
        filled = pl.col(column).is_not_null()
        if column in needed:
            _refuse_many(frame.filter(filled), column, findings)
        findings.add_rows(BAD_DATE, frame.filter(filled & pl.col("_date").is_null()), column)
        findings.add_rows(FAR_DATE, frame.filter(~pl.col("_date").is_between(EARLIEST, LATEST)), column)
        findings.add_rows(MONTH_ONLY, frame.filter("_month_only"), column)
        for (file,), rows in frame.filter("_two_digits").group_by("file", maintain_order=True):
            findings.add(TWO_DIGITS, int(str(file)), None, column, f"{TWO_DIGITS.action} So in {rows.height} rows.")
        day = pl.when(pl.col("_date").is_between(EARLIEST, LATEST)).then(pl.col("_date"))
        frame = frame.with_columns(day.alias(column)).drop("_date", "_month_only", "_two_digits")
    return frame


def many_before(frame: pl.DataFrame, start: str, end: str) -> list[int]:
    """Return the files in many of whose rows one date is before another that it should not be before."""
    both = frame.drop_nulls([start, end]).group_by("file", maintain_order=True)
    counts = both.agg(pl.len().alias("rows"), (pl.col(end) < pl.col(start)).sum().alias("wrong"))
    wrong = counts.filter((pl.col("wrong") > MANY) & (pl.col("wrong") > MANY_OF * pl.col("rows")))
    return wrong["file"].to_list()


def _refuse_many(filled: pl.DataFrame, column: str, findings: Findings) -> None:
    bad = pl.col("_date").is_null()
    parts = pl.col(column).str.extract_groups(r"^(\d{1,2})[-/. ](\d{1,2})[-/. ]\d{2,4}")
    first, second = (parts.struct.field(i).cast(pl.Int32, strict=False) for i in "12")
    american = bad & first.is_between(1, 12) & second.is_between(13, 31)
    by_file = filled.group_by("file", maintain_order=True).agg(
        pl.len().alias("cells"), bad.sum().alias("bad"), american.sum().alias("american")
    )
    for file, cells, wrong, month_first in by_file.iter_rows():
        if wrong > MANY and wrong > MANY_OF * cells:
            asked = "Month first? " if month_first > wrong / 2 else ""
            raise CareError(
                f"{100 * wrong / cells:.0f}% of the dates in the column '{column}' cannot be read",
                findings.sources[file].name,
                f"{asked}Write them as 2024-03-31 or, day first, as 31/03/2024.",
            )


def _date_of(text: pl.Expr, months: bool) -> tuple[pl.Expr, ...]:
    """Return the date that stands in a text, and whether its day or its century does not."""
    iso = text.str.extract_groups(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _TIME)
    solid = text.str.extract_groups(r"^((?:19|20)\d{2})(\d{2})(\d{2})$")
    ours = text.str.extract_groups(r"^(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})" + _TIME)
    short = text.str.extract_groups(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{2})" + _TIME)
    month = text.str.extract_groups(r"^(\d{4})-(\d{1,2})$")
    named = text.str.extract_groups(r"(?i)^(\d{1,2})[- ]([a-z]{3})[a-z]*[- ](\d{4})$")
    serial = text.str.extract(r"^(\d{5})(?:\.\d+)?$").cast(pl.Int32)
    two = short.struct.field("3").cast(pl.Int32)
    months_of_year = {name: f"{i:02}" for i, name in enumerate(_MONTHS, 1)}
    by_name = named.struct.field("2").str.to_lowercase().replace_strict(months_of_year, default=None)
    day = pl.coalesce(
        _date_in(iso, "123"),
        _date_in(solid, "123"),
        _date_in(ours, "321"),
        _day(
            (two + pl.when(two < 70).then(2000).otherwise(1900)).cast(pl.String), *(short.struct.field(i) for i in "21")
        ),
        _day(named.struct.field("3"), by_name, named.struct.field("1")),
        pl.lit(_EXCEL_DAY_0) + pl.duration(days=serial),
        _day(month.struct.field("1"), month.struct.field("2"), pl.lit("01")) if months else None,
    )
    return (
        day.alias("_date"),
        (month.struct.field("1").is_not_null() & months & day.is_not_null()).alias("_month_only"),
        (two.is_not_null() & day.is_not_null()).alias("_two_digits"),
    )


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _day(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    parts = pl.concat_str(year, month.str.zfill(2), day.str.zfill(2), separator="-")
    return parts.str.to_date("%Y-%m-%d", strict=False)


def _date_in(groups: pl.Expr, order: str) -> pl.Expr:
    year, month, day = (groups.struct.field(i) for i in order)
    return _day(year, month, day)
