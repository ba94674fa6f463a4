"""From a table of text to figures: whose, when, what, how many; and, cell by cell, why one is left out.

Every cell of a declared column of figures is either a figure, or hidden by a mark of the publisher, or left out for a
reason that is counted: nothing else can happen to it. A cell that can be none of these refuses the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

import polars as pl

from abm.errors import CareError
from calibration.downloads.reading import AGAIN, Sheet
from calibration.downloads.recognising import GEOGRAPHY, LAYOUTS, column_of
from calibration.downloads.rules import Figure, FileRule, folded
from calibration.downloads.years import year_of
from calibration.refusals import SUPPRESSION_MARKS
from calibration.statistics import ENGLAND

MARKS = {
    "c": "small, hidden by the publisher (c)",
    "*": "small, hidden by the publisher (*)",
    "k": "above zero, but rounds to it (k)",
    "low": "above zero, but rounds to it (low)",
    "u": "too unreliable to be given (u)",
    "x": "not available (x)",
    "z": "not applicable (z)",
    "..": "not available (..)",
    ":": "not available (:)",
    "-": "no figure (-)",
    "": "blank",
}
"""What each mark of a publisher stands for; see `calibration.refusals.SUPPRESSION_MARKS`."""

HIDING = ("c", "*", "k", "low")
"""Marks of a figure that exists; it stays hidden, even where an older release shows it."""

CELLS = {
    "area_code": pl.String, "area_name": pl.String, "year": pl.Int32, "measure": pl.String, "breakdown": pl.String,
    "unit": pl.String, "value": pl.Float64, "mark": pl.String, "row": pl.UInt32, "column": pl.String,
}  # fmt: skip
"""Columns of figures found: value is null where there is a mark."""

_CODE = r"E\d{8}"
_SEVERAL = r"^E\d{8}( ?[/,&;] ?E\d{8})+$"
_AUTHORITY = r"E(06|08|09|10)\d{6}"
_TIME = r"^(\d{1,2}):(0\d|1[01])$"
_ENGLISH_ROUNDING = 10.0


@dataclass(frozen=True)
class Found:
    """What one file holds.

    Attributes
    ----------
    sheet, rule
        The file and what it is.
    release
        The last year in it.
    cells
        Columns CELLS: a row for each figure, hidden ones included.
    left_out
        Reason -> cells that are in none of these rows.
    n_cells
        Cells of all columns of figures: `cells` and `left_out` together.
    unused
        Column that is not used -> why.
    """

    sheet: Sheet
    rule: FileRule
    release: int
    cells: pl.DataFrame = field(repr=False)
    left_out: dict[str, int]
    n_cells: int
    unused: dict[str, str]

    @property
    def source_id(self) -> str:
        """The source_id of its figures."""
        return self.rule.source_id(self.release)


def find(sheet: Sheet, rule: FileRule) -> Found:
    """Return what a file holds.

    Raises
    ------
    CareError
        When a cell cannot be understood: it says which, and what to do.
    """
    rows = _with_years(sheet, rule, _with_areas(sheet, rule))
    labels = {name: there for name in rule.label_columns() if (there := column_of(sheet, rule, name))}
    for name in labels.values():
        _refuse_a_blank_label(sheet, rows, name)
    kept = rows.filter(pl.col("why").is_null())
    if kept.is_empty():
        whys = ", ".join(sorted(rows["why"].unique()))
        raise CareError(f"No row is about England or a local authority and a whole year ({whys})", sheet.place(), AGAIN)
    by_column: dict[str, list[tuple[Figure, bool]]] = {}
    for figure in rule.figures:
        for column, is_percent in ((figure.column, False), (figure.percent, True)):
            there_as = column_of(sheet, rule, column) if column else None
            if there_as is not None:
                by_column.setdefault(there_as, []).append((figure, is_percent))
    left_out: dict[str, int] = {}
    for why, n in rows.filter(pl.col("why").is_not_null()).group_by("why").len().iter_rows():
        left_out[why] = n * len(by_column)
    found: list[pl.DataFrame] = []
    for name, figures in by_column.items():
        read = _read(sheet, kept, name, any(figure.form == "years:months" for figure, _ in figures))
        rest = pl.lit(value=True)
        for figure, is_percent in figures:
            chosen = read.filter(_where(sheet, figure, labels, kept))
            rest = rest & ~_where(sheet, figure, labels, kept)
            found.append(_named(sheet, rule, figure, is_percent, chosen, labels))
        for label, n in _labels_of(read.filter(rest), figures, labels):
            why = f"of a label that is not declared ({label})"
            left_out[why] = left_out.get(why, 0) + n
    cells = pl.concat(found)
    _refuse_more_than_the_whole(sheet, rule, kept)
    release = int(kept["year"].max())  # type: ignore[arg-type]
    used = {*by_column, *labels.values(), *GEOGRAPHY}
    unused = {name: _why_unused(rule, name) for key, name in sheet.header.items() if key not in used}
    return Found(sheet, rule, release, cells, left_out, rows.height * len(by_column), unused)


# What a row is about --------------------------------------------------------------------------------------------------


def _with_areas(sheet: Sheet, rule: FileRule) -> pl.DataFrame:
    """Add area_code, area_name and why: the reason that a row is left out, or null."""
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
        rows = text.with_columns(codes.alias("area_code"), pl.col(layout.names).alias("area_name"), why.alias("why"))
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
        rows = text.with_columns(code.alias("area_code"), name.alias("area_name"), why.alias("why"))
    wrong = rows.filter(pl.col("why").is_null() & ~pl.col("area_code").str.contains(f"^{_CODE}$"))
    if not wrong.is_empty():
        column = layout.codes if rule.areas == "authorities" else "country_code"
        _refuse(
            sheet, wrong["row"][0], column, "This is no code of an area",
            "A code is E and eight digits, such as E06000009: have two columns changed places?",
        )  # fmt: skip
    return rows


def _with_years(sheet: Sheet, rule: FileRule, rows: pl.DataFrame) -> pl.DataFrame:
    """Add year, the year ending 31 March or the year of the day that the rule stands for."""
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
            concerned = rows.filter((pl.col(column) == text) & (pl.col("_period") == kind) & pl.col("why").is_null())
            if not concerned.is_empty():
                _refuse(
                    sheet, concerned["row"][0], column, f"The year '{text[:40]}' has a form that we do not know",
                    f"It should say the year that ends on {rule.stands_for}, as 2020"
                    + (", 201920, 2019-20 or 31 March 2020" if rule.stands_for == "31 March" else "")
                    + ": have two columns changed places?",
                )  # fmt: skip
            years.append((text, kind, None, "rows that are left out anyway"))
        else:
            years.append((text, kind, found, None))
    known = pl.DataFrame(
        years, schema={column: pl.String, "_period": pl.String, "year": pl.Int32, "_why": pl.String}, orient="row"
    )
    joined = rows.join(known, on=[column, "_period"], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("why", "_why").alias("why"))


# What is counted ------------------------------------------------------------------------------------------------------


def _read(sheet: Sheet, rows: pl.DataFrame, name: str, has_times: bool) -> pl.DataFrame:
    """Add value and mark of a column of figures; refuse a cell that is neither. `has_times`: 02:03 is 27 months."""
    text = pl.col(name)
    mark = text.str.to_lowercase()
    # Where a semicolon stands between cells, a comma may stand before decimals.
    thousands = pl.lit(sheet.delimiter != ";") & text.str.contains(r"^\d{1,3}(,\d{3})+(\.\d+)?$")
    number = pl.when(thousands).then(text.str.replace_all(",", "")).otherwise(text).cast(pl.Float64, strict=False)
    if has_times:
        parts = text.str.extract_groups(_TIME)
        months = 12 * parts.struct.field("1").cast(pl.Float64) + parts.struct.field("2").cast(pl.Float64)
        number = pl.when(text.str.contains(_TIME)).then(months).otherwise(number)
    marked = mark.is_in(list(MARKS))
    read = rows.with_columns(
        pl.when(marked).then(None).otherwise(number).alias("value"),
        pl.when(marked).then(mark).otherwise(None).alias("mark"),
    )
    wrong = read.filter(pl.col("mark").is_null() & (pl.col("value").is_null() | ~pl.col("value").is_finite()))
    if not wrong.is_empty():
        _refuse(
            sheet, wrong["row"][0], name, f"'{wrong[name][0][:40]}' is neither a number nor a mark such as c or x",
            "Write digits, with a point for decimals; leave the cell blank if the figure is not known",
        )  # fmt: skip
    below = read.filter(pl.col("value") < 0)
    if not below.is_empty():
        remedy = "A count cannot be less than 0: correct it, or leave the cell blank"
        _refuse(sheet, below["row"][0], name, f"The value {below[name][0][:40]} is negative", remedy)
    return read


def _where(sheet: Sheet, figure: Figure, labels: dict[str, str], rows: pl.DataFrame) -> pl.Expr:
    """Return which rows a figure is about."""
    mask = pl.lit(value=True)
    for column, pattern in figure.where.items():
        if column in labels:
            name = labels[column]
            ours = [label for label in rows[name].unique() if re.fullmatch(pattern, _spaced(label), re.IGNORECASE)]
            mask = mask & pl.col(name).is_in(ours)
    return mask


def _named(
    sheet: Sheet, rule: FileRule, figure: Figure, is_percent: bool, rows: pl.DataFrame, labels: dict[str, str]
) -> pl.DataFrame:
    """Return the figures of one declaration with measure, breakdown and unit."""
    column = (figure.percent or "") if is_percent else figure.column
    name = column_of(sheet, rule, column) or column
    if figure.form == "years:months":
        wrong = rows.filter(pl.col("value").is_not_null() & ~pl.col(name).str.contains(_TIME))
        if not wrong.is_empty():
            remedy = "Write it as 02:03, or leave the cell blank"
            _refuse(sheet, wrong["row"][0], name, f"'{wrong[name][0][:40]}' is no time in years and months", remedy)
    unit = figure.percent_unit if is_percent else figure.unit or rule.unit
    parts: list[pl.Expr] = []
    for part in re.split(r"(\{\w+\})", figure.breakdown or rule.breakdown):
        if part.startswith("{"):
            label = part[1:-1]
            known = {text: _renamed(text, rule.rename.get(label, {})) for text in rows[labels[label]].unique()}
            parts.append(pl.col(labels[label]).replace_strict(known, return_dtype=pl.String))
        elif part:
            parts.append(pl.lit(part))
    if unit.startswith(("percent", "%")):
        above = rows.filter(pl.col("value") > 100)
        if not above.is_empty():
            remedy = "Correct the cell; have two columns changed places?"
            _refuse(sheet, above["row"][0], name, f"The value {above[name][0][:40]} is above 100 percent", remedy)
    return rows.with_columns(
        measure=pl.lit(figure.measure or rule.measure), breakdown=pl.concat_str(parts), unit=pl.lit(unit),
        column=pl.lit(sheet.header[name]),
    ).select(pl.col(key).cast(kind) for key, kind in CELLS.items())  # fmt: skip


def _renamed(label: str, names: dict[str, str]) -> str:
    label = _spaced(label)
    for pattern, name in names.items():
        if match := re.fullmatch(pattern, label, re.IGNORECASE):
            return match.expand(name)
    return label


def _spaced(label: str) -> str:
    return " ".join(label.split())


def _labels_of(rows: pl.DataFrame, figures: list[tuple[Figure, bool]], labels: dict[str, str]) -> list[tuple[str, int]]:
    """Return the labels by which rows are left out, and how many rows each has."""
    if rows.is_empty():
        return []
    columns = list(dict.fromkeys(labels[c] for figure, _ in figures for c in figure.where if c in labels))
    counted = rows.group_by(columns).len().sort(columns)
    return [(", ".join(str(part) for part in row[:-1])[:80], int(row[-1])) for row in counted.iter_rows()]


# Refusals -------------------------------------------------------------------------------------------------------------


def _refuse(sheet: Sheet, row: int, column: str, what: str, remedy: str) -> NoReturn:
    raise CareError(what, sheet.place(row, column), remedy)


def _refuse_a_blank_label(sheet: Sheet, rows: pl.DataFrame, name: str) -> None:
    blank = rows.filter(pl.col("why").is_null() & (pl.col(name) == ""))
    if not blank.is_empty():
        _refuse(sheet, blank["row"][0], name, "The label is blank", f"Fill it in, or {AGAIN.lower()}")


def _refuse_more_than_the_whole(sheet: Sheet, rule: FileRule, rows: pl.DataFrame) -> None:
    """Refuse a part above its whole, which is what two columns that changed places look like."""
    for whole, parts in rule.at_most.items():
        of = column_of(sheet, rule, whole)
        for part in parts:
            name = column_of(sheet, rule, part)
            if name is None or of is None:
                continue
            slack = pl.when(pl.col("area_code") == ENGLAND).then(_ENGLISH_ROUNDING).otherwise(0.0)
            numbers = rows.with_columns(
                _part=pl.col(name).cast(pl.Float64, strict=False), _whole=pl.col(of).cast(pl.Float64, strict=False)
            )
            wrong = numbers.filter(pl.col("_part") > pl.col("_whole") + slack)
            if not wrong.is_empty():
                _refuse(
                    sheet, wrong["row"][0], name,
                    f"The value {wrong[name][0][:40]} is more than that of column {sheet.header[of]}, "
                    f"{wrong[of][0][:40]}",
                    "Correct the cell; have two columns changed places?",
                )  # fmt: skip


def _why_unused(rule: FileRule, column: str) -> str:
    for pattern, why in rule.unused.items():
        if re.fullmatch(pattern, column, re.IGNORECASE) or folded(pattern) == folded(column):
            return why
    return "not declared" if folded(column) != "category" else "says what the file is"
