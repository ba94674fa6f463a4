"""Small SSDA903 files for tests: a row of episodes is written as one line of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from calibration.returns.findings import Findings
from calibration.returns.ssda903 import read_care
from calibration.returns.tables import CareTables

HEADER = "CHILD,SEX,DOB,ETHNIC,UPN,MOTHER,MC_DOB"
EPISODES = "CHILD,DECOM,RNE,LS,CIN,PLACE,PLACE_PROVIDER,DEC,REC,REASON_PLACE_CHANGE,HOME_POST,PL_POST,URN"
OF_A = "A,1,05/06/2012,WBRI,UN1,,"


def write(
    folder: Path, episodes: Mapping[int, Sequence[str]], headers: Mapping[int, Sequence[str]] | None = None
) -> Path:
    """Write an Episodes and a Header file for each year; the header of child A where none is given.

    A row of episodes is "CHILD DECOM RNE LS CIN PLACE PROVIDER DEC REC", with - for a blank cell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for year, rows in episodes.items():
        lines = [",".join("" if cell == "-" else cell for cell in row.split()) + ",,,," for row in rows]
        (folder / f"episodes_{year}.csv").write_text("\n".join([EPISODES, *lines]) + "\n")
        told = (headers or {}).get(year, [OF_A] if headers is None else [])
        (folder / f"header_{year}.csv").write_text("\n".join([HEADER, *told]) + "\n")
    return folder


def read(folder: Path) -> tuple[CareTables, Findings]:
    """Read a folder."""
    findings = Findings()
    return read_care([folder], findings), findings


def line(tables: CareTables) -> list[tuple[str, str, str, str]]:
    """Return child, start, end, rec of every episode as text, "-" for a blank."""
    rows = tables.episodes.select(
        "child",
        pl.col("start").cast(pl.String),
        pl.col("end").cast(pl.String).fill_null("-"),
        pl.col("rec").fill_null("-"),
    )
    return rows.rows()


def told(findings: Findings, rule: str) -> list[tuple[str, int | None, str]]:
    """Return file, row, column of the findings of a rule."""
    return findings.frame().filter(pl.col("rule") == rule).select("file", "row", "column").rows()
