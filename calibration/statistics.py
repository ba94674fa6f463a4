"""Published figures: reading them, finding an area, taking a series.

A table of published figures has one row for each figure: area, year, measure, breakdown, value, unit, source. Ours is
`calibration/published/statistics.csv`; `read_statistics(path)` reads another of the same form, plain or compressed with
gzip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from abm.errors import CareError, did_you_mean
from calibration import refusals
from calibration.refusals import COLUMNS, Table

PUBLISHED = Path(__file__).parent / "published"
"""The figures that come with the project."""

ENGLAND = "E92000001"
"""England as one area."""


@dataclass(frozen=True)
class Area:
    """An area of England that figures are published for.

    Attributes
    ----------
    code
        Code of the Office for National Statistics: E and eight digits.
    name
        Name as it stands in the table.
    """

    code: str
    name: str


@dataclass(frozen=True)
class Cell:
    """One published figure.

    Attributes
    ----------
    value
        In the unit of its series.
    source_id
        Key of `published/sources.csv`.
    """

    value: float
    source_id: str


Series = dict[int, Cell]
_Units = dict[str, Series]
_AreaIndex = dict[str, dict[str, _Units]]


@dataclass(frozen=True)
class Statistics:
    """A checked table of published figures; made by `read_statistics`.

    Attributes
    ----------
    frame
        area_code str, area_name str, year i32 (the year it ends in: 2021 for 2020-21), measure str, breakdown str,
        value f64, unit str, source_id str.
    path
        The file it was read from.
    """

    frame: pl.DataFrame
    path: Path
    _names: dict[str, str] = field(repr=False, compare=False)
    # Filled area by area: a search through all rows for each of some hundred series would be slow.
    _index: dict[str, _AreaIndex] = field(default_factory=dict, repr=False, compare=False)
    _breakdowns: dict[str, dict[int, set[str]]] = field(default_factory=dict, repr=False, compare=False)

    def areas(self) -> list[tuple[str, str]]:
        """Return (code, name) of every area that exists today: England first, then by code.

        An area exists when the latest year of `population_0_17` has it; authorities that were dissolved stay in the
        table and can be asked for by their code.
        """
        found = [(code, self._names[code]) for code in self._current]
        return sorted(found, key=lambda area: (area[0] != ENGLAND, area[0]))

    def authorities(self) -> list[tuple[str, str]]:
        """Return (code, name) of every area of `areas` but England itself."""
        return [area for area in self.areas() if area[0] != ENGLAND]

    def area(self, code_or_name: str | Area) -> Area:
        """Return the area with this code or name; capitals do not matter.

        Raises
        ------
        CareError
            When the table has no such area.
        """
        if isinstance(code_or_name, Area):
            code_or_name = code_or_name.code
        if code_or_name in self._names:
            return Area(code_or_name, self._names[code_or_name])
        wanted = code_or_name.strip().casefold()
        codes = [code for code, name in self._names.items() if wanted in (code.casefold(), name.casefold())]
        if len(codes) > 1:
            codes = self._latest_of(codes)
        if not codes:
            remedy = did_you_mean(code_or_name.strip(), [*self._names.values(), *self._names])
            raise CareError(
                f"There is no area '{code_or_name}'",
                f"{self.path}, columns area_code and area_name",
                f"{remedy}'journeys areas' lists all {len(self.areas())}.",
            )
        return Area(codes[0], self._names[codes[0]])

    def series(
        self, area: str | Area, measure: str, breakdown: str = "total", unit: str | None = None
    ) -> dict[int, float]:
        """Return year -> value; empty where none is published.

        A year ends on 31 March; population and births are of the middle of the year.

        Parameters
        ----------
        area
            Code, name or `Area`.
        measure, breakdown
            As in the table. "total" also stands for the only breakdown of a measure that has no total.
        unit
            As in the table; without it the count is taken, not the percent or the rate.

        Raises
        ------
        CareError
            When the area or the measure is not in the table, or the unit is not clear.
        """
        if measure not in self.measures():
            remedy = did_you_mean(measure, self.measures())
            raise CareError(
                f"There is no measure '{measure}'", f"{self.path}, column measure", remedy + "Check its name."
            )
        return {year: cell.value for year, cell in self.cells(area, measure, breakdown, unit).items()}

    def value(
        self, area: str | Area, measure: str, year: int, breakdown: str = "total", unit: str | None = None
    ) -> float:
        """Return one figure; see `series`.

        Raises
        ------
        CareError
            When it is not in the table.
        """
        series = self.series(area, measure, breakdown, unit)
        if year not in series:
            where = f"{self.path}, {self.area(area).name}"
            years = f"Years that are: {min(series)} to {max(series)}." if series else "No year of it is."
            raise CareError(f"'{measure}', '{breakdown}' of {year} is not published", where, years)
        return series[year]

    def cells(self, area: str | Area, measure: str, breakdown: str = "total", unit: str | None = None) -> Series:
        """Return the series with the source of each figure; empty also for a measure that is not in the table."""
        units = self._units(self._area_index(self.area(area).code).get(measure, {}), breakdown)
        if not units:
            return {}
        return units.get(unit, {}) if unit else units[self._count_unit(units, measure, breakdown)]

    def breakdowns(self, measure: str) -> dict[int, set[str]]:
        """Return year -> the breakdowns that any area has: tells a suppressed cell from one that does not exist."""
        if measure not in self._breakdowns:
            found = self._breakdowns.setdefault(measure, {})
            rows = self.frame.filter(pl.col("measure") == measure).select("year", "breakdown").unique()
            for year, breakdown in rows.iter_rows():
                found.setdefault(year, set()).add(breakdown)
        return self._breakdowns[measure]

    def measures(self) -> frozenset[str]:
        """Return the names of all measures in the table."""
        return self._measures

    @cached_property
    def _measures(self) -> frozenset[str]:
        return frozenset(self.frame["measure"].unique())

    def _area_index(self, code: str) -> _AreaIndex:
        if code not in self._index:
            index: _AreaIndex = {}
            rows = self.frame.filter(pl.col("area_code") == code).sort("year")
            columns = rows.select("measure", "breakdown", "unit", "year", "value", "source_id")
            for measure, breakdown, unit, year, value, source_id in columns.iter_rows():
                units = index.setdefault(measure, {}).setdefault(breakdown, {})
                units.setdefault(unit, {})[year] = Cell(value, source_id)
            self._index[code] = index
        return self._index[code]

    @staticmethod
    def _units(breakdowns: dict[str, _Units], breakdown: str) -> _Units:
        if breakdown == "total" and "total" not in breakdowns and len(breakdowns) == 1:
            return next(iter(breakdowns.values()))
        return breakdowns.get(breakdown, {})

    def _count_unit(self, units: _Units, measure: str, breakdown: str) -> str:
        """Return the unit that counts, or the only unit."""
        if len(units) == 1:
            return next(iter(units))
        counts = [unit for unit in units if not unit.lower().startswith(("%", "percent", "rate"))]
        if len(counts) != 1:
            listed = ", ".join(f"'{unit}'" for unit in sorted(units))
            where = f"{self.path}, column unit"
            raise CareError(f"'{measure}', '{breakdown}' has several units", where, f"Name one of {listed}.")
        return counts[0]

    @cached_property
    def _current(self) -> frozenset[str]:
        population = self.frame.filter(pl.col("measure") == "population_0_17")
        if population.is_empty():
            return frozenset(self._names)
        return frozenset(population.filter(pl.col("year") == pl.col("year").max())["area_code"].unique())

    def _latest_of(self, codes: list[str]) -> list[str]:
        """Return the one code to use of several with one name, which an authority keeps when its border moves."""
        n_rows = {code: self.frame.filter(pl.col("area_code") == code).height for code in codes}
        return [max(codes, key=lambda code: (code in self._current, n_rows[code], code))]


def read_statistics(path: str | Path | None = None) -> Statistics:
    """Read and check a table of published figures.

    Parameters
    ----------
    path
        A .csv or .csv.gz of the form of `published/statistics.csv`; None for that file.

    Raises
    ------
    CareError
        When it cannot be read or a check of `calibration.refusals` fails.
    """
    table = _read_text(PUBLISHED / "statistics.csv" if path is None else Path(path))
    refusals.refuse_a_table_without_rows(table)
    refusals.refuse_an_area_code_of_the_wrong_form(table)
    refusals.refuse_a_blank_cell(table)
    years = refusals.refuse_an_unknown_year(table)
    value = table.text["value"].cast(pl.Float64, strict=False)
    refusals.refuse_a_suppression_mark(table, value)
    refusals.refuse_a_value_that_is_not_a_number(table, value)
    refusals.refuse_a_negative_count(table, value)
    refusals.refuse_a_percent_above_100(table, value)
    year = table.text["year"].replace_strict(years, return_dtype=pl.Int32)
    refusals.refuse_a_year_twice(table, year)
    refusals.refuse_more_than_all_children(table, value, year)
    names = table.text.select("area_code", "area_name").unique(subset="area_code", keep="last", maintain_order=True)
    frame = table.text.select(COLUMNS).with_columns(value, year)
    by_code = {code: name or code for code, name in names.iter_rows()}
    return Statistics(frame, table.path, dict(sorted(by_code.items())))


def _read_text(path: Path) -> Table:
    """Read the file as text, so that no cell is guessed to be a number before it is checked."""
    refusals.refuse_a_missing_file(path)
    refusals.refuse_a_folder(path)
    refusals.refuse_an_empty_file(path)
    try:
        with path.open("rb") as file:
            beginning = file.read(2)
        refusals.refuse_a_file_that_is_not_gzip(path, beginning)
        refusals.refuse_utf_16(path, beginning)
        text = pl.read_csv(path, infer_schema=False, row_index_name="row", row_index_offset=2)
    except (OSError, pl.exceptions.PolarsError) as fault:
        refusals.refuse_text_that_cannot_be_read(path, fault)
        raise
    if not set(COLUMNS) <= set(text.columns):
        refusals.refuse_a_header_that_is_no_text(path, text.columns[1:])
    refusals.refuse_a_missing_column(path, text.columns[1:])
    # Cells that a row lacks are read as blank ones, from the last column on.
    if text[text.columns[-1]].has_nulls():
        refusals.refuse_a_row_of_the_wrong_width(path)
    text = text.select("row", *COLUMNS)
    # Blank lines, which spreadsheets leave at the end, read as rows without a cell.
    return Table(path, text.filter(~pl.all_horizontal(pl.col(COLUMNS).is_null())))
