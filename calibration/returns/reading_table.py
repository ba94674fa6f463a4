"""A table of text, and how a return takes its columns from it by the names that they go by."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from abm.errors import CareError, did_you_mean
from calibration.returns.findings import Findings, Rule

COLUMN_UNKNOWN = Rule("column-unknown", "The table has columns that are not of the return.", "They were not used.")
COLUMN_MISSING = Rule("column-missing", "A column of the return is missing.", "Its cells were read as blank.")


@dataclass(frozen=True)
class TextTable:
    """A table as it stands in a file.

    Attributes
    ----------
    path
        The file.
    file
        Its number in the findings.
    sheet
        The sheet of a workbook; "" for text.
    frame
        Columns named by `header_key`, str, null where blank; then file u16 and row u32. Rows without any cell are left
        out.
    """

    path: Path
    file: int
    sheet: str
    frame: pl.DataFrame

    @property
    def keys(self) -> list[str]:
        """Names of the columns, by `header_key`, in their order."""
        return [name for name in self.frame.columns if name not in ("file", "row")]

    def take(
        self, columns: Mapping[str, Collection[str]], findings: Findings, *, needed: Collection[str] = ()
    ) -> pl.DataFrame:
        """Return the columns of a return by their own names, then file and row.

        Parameters
        ----------
        columns
            Name -> other headers by which it goes; the name itself always counts. The first that is there is taken.
        needed
            Names without which the table is worth nothing.

        Raises
        ------
        CareError
            When a needed column is missing.
        """
        taken, used = [], set()
        for name, others in columns.items():
            found = [key for key in map(header_key, (name, *others)) if key in self.frame.columns]
            if found:
                used.add(found[0])
                taken.append(pl.col(found[0]).alias(name))
            elif name in needed:
                # A header found could be a cell of a file without header, so it is not told: only ours are.
                near = next((key for key in self.keys if did_you_mean(name, [key])), None)
                at = f"Column {self.keys.index(near) + 1} has a name like it. " if near else ""
                raise CareError(
                    f"The column '{name}' is missing",
                    self.place,
                    f"{at}Give the file its header row; the columns of this table are {', '.join(columns)}.",
                )
            else:
                findings.add(COLUMN_MISSING, self.file, None, name)
                taken.append(pl.lit(None, pl.String).alias(name))
        unknown = [i for i, key in enumerate(self.keys, 1) if key not in used]
        if unknown:
            listed = ", ".join(map(str, unknown))
            findings.add(COLUMN_UNKNOWN, self.file, None, "", f"Not used: column{'s'[: len(unknown) > 1]} {listed}.")
        return self.frame.select(*taken, "file", "row")

    def without(self, keys: Collection[str]) -> TextTable:
        """Return the table without columns that are known and not used."""
        return TextTable(self.path, self.file, self.sheet, self.frame.drop(keys, strict=False))

    @property
    def place(self) -> str:
        """File and sheet, for messages."""
        return f"{self.path}{f', sheet {self.sheet}' if self.sheet else ''}"


def header_key(header: str) -> str:
    """Return a header without what does not matter: capitals, digits and letters alone."""
    return re.sub(r"[^A-Z0-9]", "", header.upper())
