"""What published files hold: the declarations of `calibration/published/downloads.toml`, whose head tells their form.

A file is known by its columns and, where several files have the same columns, by labels in them. Names of columns and
labels are compared without capitals, and without signs other than letters, digits and `+`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from abm.errors import CareError
from calibration.statistics import PUBLISHED

SHIPPED = PUBLISHED / "downloads.toml"
"""The declarations that come with the project."""


def folded(name: str) -> str:
    """Return a name of a column or a label as it is compared: `1-10_days` and `1 - 10 days` are the same."""
    return re.sub(r"[^a-z0-9+]+", "_", name.strip().casefold().replace("\u2019", "")).strip("_")


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as fault:
        raise ValueError(f"'{text}' is no regular expression: {fault}") from fault
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Strict):
    """One figure of every row: a column with what it counts, and maybe one with the same in percent."""

    column: str
    also: tuple[str, ...] = ()
    percent: str | None = None
    also_percent: tuple[str, ...] = ()
    measure: str = ""
    breakdown: str = ""
    unit: str = ""
    percent_unit: str = "percent"
    where: dict[str, Expression] = {}
    optional: bool = False
    form: Literal["number", "years:months"] = "number"


class FileRule(_Strict):
    """What one published file holds; the head of the declarations tells each entry."""

    key: str
    name: str
    title: str
    source: str
    page: str
    publisher: str = ""
    layout: Literal["ees", "nomis"] = "ees"
    areas: Literal["authorities", "england"] = "authorities"
    known_by: tuple[str, ...]
    held_in: dict[str, tuple[str, ...]] = {}
    seen: tuple[int, ...]
    columns: dict[str, tuple[str, ...]] = {}
    rename: dict[str, dict[Expression, str]] = {}
    may_lack: tuple[str, ...] = ()
    stands_for: Literal["31 March", "30 June", "30 September"] = "31 March"
    at_most: dict[str, tuple[str, ...]] = {}
    unused: dict[Expression, str] = {}
    measure: str = ""
    breakdown: str = "total"
    unit: str = "number"
    figures: tuple[Figure, ...]

    @model_validator(mode="after")
    def _every_figure_is_of_a_measure(self) -> FileRule:
        nameless = [figure.column for figure in self.figures if not (figure.measure or self.measure)]
        if nameless:
            raise ValueError(f"the figure of column '{nameless[0]}' has no measure")
        return self

    def names_of(self, column: str) -> tuple[str, ...]:
        """Return every name a column had, the present one first."""
        others = {figure.column: figure.also for figure in self.figures}
        others |= {figure.percent: figure.also_percent for figure in self.figures if figure.percent}
        return (column, *self.columns.get(column, ()), *others.get(column, ()))

    def labels_of(self, figure: Figure) -> tuple[str, ...]:
        """Return the columns whose labels stand in a figure's breakdown."""
        return tuple(re.findall(r"\{(\w+)\}", figure.breakdown or self.breakdown))

    def label_columns(self) -> tuple[str, ...]:
        """Return every column of labels that a figure looks at."""
        used = [name for figure in self.figures for name in (*self.labels_of(figure), *figure.where)]
        return tuple(dict.fromkeys((*used, *self.held_in)))

    def needed(self) -> tuple[str, ...]:
        """Return the columns that a file of this kind must have."""
        figures = [c for figure in self.figures if not figure.optional for c in (figure.column, figure.percent) if c]
        labels = [name for name in self.label_columns() if name not in self.may_lack]
        return tuple(dict.fromkeys((*self.known_by, *labels, *figures)))

    def source_id(self, release: int) -> str:
        """Return the source_id of a release."""
        return self.source.format(yy=f"{release % 100:02}")


class Break(_Strict):
    """A year in which a series is not what it was before, or stands out."""

    measure: Expression
    breakdown: Expression = ".*"
    year: int
    note: str


class Defaults(_Strict):
    """What holds of every file that says nothing else."""

    publisher: str
    licence: str


class Rules(_Strict):
    """All declarations."""

    defaults: Defaults
    file: tuple[FileRule, ...]
    breaks: tuple[Break, ...] = ()

    @model_validator(mode="after")
    def _keys_are_different(self) -> Rules:
        keys = [rule.key for rule in self.file]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ValueError(f"the key '{twice[0]}' is there twice")
        return self


def read_rules(path: str | Path | None = None) -> Rules:
    """Read declarations of published files.

    Parameters
    ----------
    path
        A file of the form of `calibration/published/downloads.toml`; None for that file.

    Raises
    ------
    CareError
        When it cannot be read or an entry is not understood; it says which.
    """
    path = SHIPPED if path is None else Path(path)
    remedy = "Compare it with calibration/published/downloads.toml"
    try:
        told = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as fault:
        raise CareError("The declarations of files cannot be read", str(path), "Check the path") from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise CareError(f"The declarations of files are not TOML: {fault}", str(path), remedy) from fault
    told["breaks"] = told.pop("break", [])
    try:
        return Rules.model_validate(told)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise CareError(f"A declaration is not understood: {first['msg']}", f"{path}, {place}", remedy) from fault
