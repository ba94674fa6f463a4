"""From a table of text to figures: whose, when, what, how many; and, cell by cell, why one is left out.

Every cell of a declared column of figures is either a figure, or hidden by a mark of the publisher, or left out for a
reason that is counted: nothing else can happen to it. A cell that can be none of these refuses the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import polars as pl

from abm.errors import CareError
from calibration.downloads.reading import AGAIN, ROW, Sheet, refuse
from calibration.downloads.recognising import GEOGRAPHY, column_of
from calibration.downloads.rows import CODE, NAME, WHY, YEAR, with_areas, with_years
from calibration.downloads.rules import Figure, FileRule, folded
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

CELLS = pl.Schema(
    {
        "area_code": pl.String, "area_name": pl.String, "year": pl.Int32, "measure": pl.String, "breakdown": pl.String,
        "unit": pl.String, "value": pl.Float64, "mark": pl.String, "row": pl.UInt32, "column": pl.String,
    }
)  # fmt: skip
"""Columns of figures found: value is null where there is a mark."""

VALUE, MARK = "_value", "_mark"
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
    rows = with_years(sheet, rule, with_areas(sheet, rule))
    labels = {name: there for name in rule.label_columns() if (there := column_of(sheet, rule, name))}
    for name in labels.values():
        _refuse_a_blank_label(sheet, rows, name)
    kept = rows.filter(pl.col(WHY).is_null())
    if kept.is_empty():
        whys = ", ".join(sorted(rows[WHY].unique()))
        raise CareError(f"No row is about England or a local authority and a whole year ({whys})", sheet.place(), AGAIN)
    by_column: dict[str, list[tuple[Figure, bool]]] = {}
    for figure in rule.figures:
        for column, is_percent in ((figure.column, False), (figure.percent, True)):
            there_as = column_of(sheet, rule, column) if column else None
            if there_as is not None:
                by_column.setdefault(there_as, []).append((figure, is_percent))
    left_out: dict[str, int] = {}
    for why, n in rows.filter(pl.col(WHY).is_not_null()).group_by(WHY).len().iter_rows():
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
    release = int(kept[YEAR].max())  # type: ignore[arg-type]
    used = {*by_column, *labels.values(), *GEOGRAPHY}
    unused = {name: _why_unused(rule, name) for key, name in sheet.header.items() if key not in used}
    return Found(sheet, rule, release, cells, left_out, rows.height * len(by_column), unused)


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
        pl.when(marked).then(None).otherwise(number).alias(VALUE),
        pl.when(marked).then(mark).otherwise(None).alias(MARK),
    )
    wrong = read.filter(pl.col(MARK).is_null() & (pl.col(VALUE).is_null() | ~pl.col(VALUE).is_finite()))
    if not wrong.is_empty():
        refuse(
            sheet, wrong[ROW][0], name, f"'{wrong[name][0][:40]}' is neither a number nor a mark such as c or x",
            "Write digits, with a point for decimals; leave the cell blank if the figure is not known",
        )  # fmt: skip
    below = read.filter(pl.col(VALUE) < 0)
    if not below.is_empty():
        remedy = "A count cannot be less than 0: correct it, or leave the cell blank"
        refuse(sheet, below[ROW][0], name, f"The value {below[name][0][:40]} is negative", remedy)
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
        wrong = rows.filter(pl.col(VALUE).is_not_null() & ~pl.col(name).str.contains(_TIME))
        if not wrong.is_empty():
            remedy = "Write it as 02:03, or leave the cell blank"
            refuse(sheet, wrong[ROW][0], name, f"'{wrong[name][0][:40]}' is no time in years and months", remedy)
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
        above = rows.filter(pl.col(VALUE) > 100)
        if not above.is_empty():
            remedy = "Correct the cell; have two columns changed places?"
            refuse(sheet, above[ROW][0], name, f"The value {above[name][0][:40]} is above 100 percent", remedy)
    return rows.select(
        area_code=CODE, area_name=NAME, year=YEAR, measure=pl.lit(figure.measure or rule.measure),
        breakdown=pl.concat_str(parts), unit=pl.lit(unit), value=VALUE, mark=MARK, row=ROW,
        column=pl.lit(sheet.header[name]),
    ).cast(CELLS)  # fmt: skip


def _renamed(label: str, names: dict[str, str]) -> str:
    label = _spaced(label)
    for pattern, name in names.items():
        if match := re.fullmatch(pattern, label, re.IGNORECASE):
            return match.expand(name)
    return label


def _spaced(label: str) -> str:
    """Return a label with one space where there is anything that is not seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in label).split())


def _labels_of(rows: pl.DataFrame, figures: list[tuple[Figure, bool]], labels: dict[str, str]) -> list[tuple[str, int]]:
    """Return the labels by which rows are left out, and how many rows each has."""
    if rows.is_empty():
        return []
    columns = list(dict.fromkeys(labels[c] for figure, _ in figures for c in figure.where if c in labels))
    counted = rows.group_by(columns).len().sort(columns)
    return [(", ".join(str(part) for part in row[:-1])[:80], int(row[-1])) for row in counted.iter_rows()]


# Refusals -------------------------------------------------------------------------------------------------------------


def _refuse_a_blank_label(sheet: Sheet, rows: pl.DataFrame, name: str) -> None:
    blank = rows.filter(pl.col(WHY).is_null() & (pl.col(name) == ""))
    if not blank.is_empty():
        refuse(sheet, blank[ROW][0], name, "The label is blank", f"Fill it in, or {AGAIN.lower()}")


def _refuse_more_than_the_whole(sheet: Sheet, rule: FileRule, rows: pl.DataFrame) -> None:
    """Refuse a part above its whole, which is what two columns that changed places look like."""
    for whole, parts in rule.at_most.items():
        of = column_of(sheet, rule, whole)
        for part in parts:
            name = column_of(sheet, rule, part)
            if name is None or of is None:
                continue
            slack = pl.when(pl.col(CODE) == ENGLAND).then(_ENGLISH_ROUNDING).otherwise(0.0)
            numbers = rows.with_columns(
                _part=pl.col(name).cast(pl.Float64, strict=False), _whole=pl.col(of).cast(pl.Float64, strict=False)
            )
            wrong = numbers.filter(pl.col("_part") > pl.col("_whole") + slack)
            if not wrong.is_empty():
                refuse(
                    sheet, wrong[ROW][0], name,
                    f"The value {wrong[name][0][:40]} is more than that of column {sheet.header[of]}, "
                    f"{wrong[of][0][:40]}",
                    "Correct the cell; have two columns changed places?",
                )  # fmt: skip


def _why_unused(rule: FileRule, column: str) -> str:
    for pattern, why in rule.unused.items():
        if re.fullmatch(pattern, column, re.IGNORECASE) or folded(pattern) == folded(column):
            return why
    return "not declared" if folded(column) != "category" else "says what the file is"
