"""Broken SSDA903 files end in tables or in one clear error: no traceback, no hang, no child's number in a message."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import xlsxwriter

from abm.errors import CareError
from calibration.returns.findings import Findings
from calibration.returns.quality_page import quality_page
from calibration.returns.ssda903 import read_care, recognises
from calibration.returns.tables import CareTables
from tests.calibration.returns.breaking import broken
from tests.calibration.returns.files_903 import EPISODES, HEADER, write

ROWS = {
    2022: [
        "QCHILD1 10/05/2021 S C2 N1 U6 PR1 10/06/2021 X1", "QCHILD1 10/06/2021 P C2 N1 T3 - 15/06/2021 X1",
        "QCHILD1 15/06/2021 P C2 N1 U6 PR1 - -", "QCHILD2 01/02/2021 P V2 N4 K2 PR4 - -",
        "QCHILD3 01/02/2021 S V3 N2 U4 PR1 03/02/2021 E4A",
    ],
    2023: ["QCHILD1 15/06/2021 P C2 N1 U6 PR1 10/10/2022 E4B", "QCHILD2 01/02/2021 P V2 N4 K2 PR4 - -"],
}  # fmt: skip
PEOPLE = {year: [f"QCHILD{i},{1 + i % 2},0{i}/06/2012,WBRI,QUPN{i},," for i in (1, 2, 3)] for year in ROWS}
LONGEST = 20.0
"""Seconds after which a reader counts as hanging: some hundred times what a sound set takes."""


def workbook(path: Path) -> None:
    book = xlsxwriter.Workbook(str(path))
    for table, lines in (
        ("Episodes", [EPISODES, *(r.replace(" ", ",") for r in ROWS[2022])]),
        ("Header", [HEADER, *PEOPLE[2022]]),
    ):
        sheet = book.add_worksheet(f"{table} 2022")
        for i, line in enumerate(lines):
            sheet.write_row(i, 0, line.split(","))
    book.close()


def break_and_read(folder: Path, number: int) -> str:
    """Break one or all files of a set, read it, and return what came of it."""
    draw = random.Random(number)
    if number % 10 == 9:
        folder.mkdir()
        workbook(folder / "all.xlsx")
    else:
        write(folder, ROWS, PEOPLE)
    files = sorted(folder.iterdir())
    for path in files if number % 5 == 0 else [draw.choice(files)]:
        path.write_bytes(broken(path.read_bytes(), draw))
    findings, began = Findings(), time.perf_counter()
    try:
        for path in files:
            recognises(path)
        tables = read_care([folder], findings)
    except CareError as error:
        tables, told = None, str(error)
        remedy = error.remedy
    else:
        assert isinstance(tables, CareTables)
        told = remedy = quality_page(findings, {})
    assert time.perf_counter() - began < LONGEST
    assert remedy
    assert "QCHILD" not in told
    assert "QUPN" not in told
    return "error" if tables is None else "tables"


def test_broken_files(tmp_path: Path) -> None:
    came = [break_and_read(tmp_path / str(number), number) for number in range(30)]
    # Both ends are met, so that the test is of both.
    assert min(came.count("error"), came.count("tables")) >= 5


@pytest.mark.slow
def test_a_thousand_broken_files(tmp_path: Path) -> None:
    for number in range(1_000):
        break_and_read(tmp_path / str(number), 1_000 + number)
