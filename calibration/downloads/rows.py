"""What each row of a file is about: an area and a year; or the reason that it is left out.

Columns that are added to the text of a file begin with "_", as no folded name of a column does.
"""

from __future__ import annotations

import polars as pl

from calibration.downloads.reading import ROW, Sheet, refuse
from calibration.downloads.recognising import LAYOUTS
from calibration.downloads.rules import FileRule
from calibration.downloads.years import year_of
from calibration.refusals import SUPPRESSION_MARKS
from calibration.statistics import ENGLAND

CODE, NAME, YEAR, WHY = "_code", "_name", "_year", "_why"
"""Columns that are added: code and name of the area, the year, and why a row is left out (null if it is not)."""

_CODE = r"E\d{8}"
_SEVERAL = r"^E\d{8}( ?[/,&;] ?E\d{8})+$"
_AUTHORITY = r"E(06|08|09|10)\d{6}"


def with_areas(sheet: Sheet, rule: FileRule) -> pl.DataFrame:
    """Return the text of a file with CODE, NAME and WHY."""
    layout, text = LAYOUTS[rule.layout], sheet.text
    if rule.layout == "nomis":
        codes = pl.col(layout.codes).str.to_uppercase()
        why = (
            pl.when(codes == ENGLAND).then(None)
            .when(codes.str.contains(f"^{_AUTHORITY}$")).then(None)
            .when(codes.str.contains(r"^[A-Z]\d{8}$")).then(pl.lit("areas that are neither England nor an authority"))
            .when(codes == "").then(pl.lit("rows without a code of an area"))
            .otherwise(None)
        )  # fmt: skip
        rows = text.with_columns(codes.alias(CODE), pl.col(layout.names).alias(NAME), why.alias(WHY))
    else:
        level = pl.col("geographic_level").str.to_lowercase().str.replace_all(r"[\s_]+", " ")
        blank = [mark for mark in SUPPRESSION_MARKS if mark]
        national, local = level == "national", level == "local authority"
        country = pl.col("country_code").str.to_uppercase()
        if rule.areas == "england":
            code, name = country, pl.lit("England")
        else:
            own = pl.col(layout.codes).str.to_uppercase()
            code = pl.when(national).then(country).otherwise(own)
            names = pl.col(layout.names) if layout.names in sheet.header else pl.lit("")
            name = pl.when(national).then(pl.lit("England")).otherwise(names)
        why = (
            pl.when(national & country.str.contains(f"^{_CODE}$|^[KWSN]\\d{{8}}$") & (country != ENGLAND))
            .then(pl.lit("rows of another country than England"))
            .when(national | (local & (rule.areas == "england"))).then(None)
            .when(local & (code.str.to_lowercase().is_in(blank) | (code == "")))
            .then(pl.lit("rows without a code of an area"))
            .when(local & code.str.contains(_SEVERAL)).then(pl.lit("rows of two authorities together"))
            .when(local).then(None)
            .otherwise(pl.format("rows of the level '{}'", pl.col("geographic_level")))
        )  # fmt: skip
        rows = text.with_columns(code.alias(CODE), name.alias(NAME), why.alias(WHY))
    wrong = rows.filter(pl.col(WHY).is_null() & ~pl.col(CODE).str.contains(f"^{_CODE}$"))
    if not wrong.is_empty():
        column = layout.codes if rule.areas == "authorities" else "country_code"
        refuse(
            sheet, wrong[ROW][0], column, "This is no code of an area",
            "A code is E and eight digits, such as E06000009: have two columns changed places?",
        )  # fmt: skip
    return rows


def with_years(sheet: Sheet, rule: FileRule, rows: pl.DataFrame) -> pl.DataFrame:
    """Add YEAR, the year ending 31 March or the year of the day that the rule stands for; and WHY, where it is none."""
    layout = LAYOUTS[rule.layout]
    column = next(name for name in layout.years if name in sheet.header)
    period = pl.col(layout.period) if layout.period in sheet.header else pl.lit("")
    rows = rows.with_columns(period.alias("_period"))
    years: list[tuple[str, str, int | None, str | None]] = []
    for text, kind in rows.select(column, "_period").unique(maintain_order=True).iter_rows():
        found = year_of(text, kind, rule.stands_for)
        if isinstance(found, str):
            years.append((text, kind, None, found))
        elif found is None:
            concerned = rows.filter((pl.col(column) == text) & (pl.col("_period") == kind) & pl.col(WHY).is_null())
            if not concerned.is_empty():
                refuse(
                    sheet, concerned[ROW][0], column, f"The year '{text[:40]}' has a form that we do not know",
                    f"It should say the year that ends on {rule.stands_for}, as 2020"
                    + (", 201920, 2019-20 or 31 March 2020" if rule.stands_for == "31 March" else "")
                    + ": have two columns changed places?",
                )  # fmt: skip
            years.append((text, kind, None, "rows that are left out anyway"))
        else:
            years.append((text, kind, found, None))
    known = pl.DataFrame(
        years, schema={column: pl.String, "_period": pl.String, YEAR: pl.Int32, "_other": pl.String}, orient="row"
    )
    joined = rows.join(known, on=[column, "_period"], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(WHY, "_other").alias(WHY))
