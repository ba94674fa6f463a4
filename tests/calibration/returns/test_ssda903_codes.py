"""The list of codes is the one file to edit; what does not fit it fails with a sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.errors import CareError
from abm.journey import HOMES
from calibration.returns.ssda903_codes import CODES, INTERRUPTS, PATH, read_codes

# As the specification has them; typed here a second time.
EXPECTED = {
    "SEX": "1 2 M F U",
    "RNE": "S L P T B U",
    "LS": "C1 C2 D1 E1 V2 V3 V4 L1 L2 L3 J1 J2 J3",
    "CIN": "N1 N2 N3 N4 N5 N6 N7 N8",
    "PLACE": "U1 U2 U3 U4 U5 U6 Q1 Q2 A2 A3 A4 A5 A6 P1 P2 P3 H5 K1 K2 K3 R1 R2 R3 R5 S1 T0 T1 T2 T3 T4 M1 M2 M3 "
    "Z1 Z11 Z12 Z13 Z14",
    "PLACE_PROVIDER": "PR0 PR1 PR2 PR3 PR4 PR5",
    "REC": "X1 E11 E12 E2 E3 E4A E4B E13 E41 E43 E44 E45 E46 E47 E48 E5 E6 E7 E9 E14 E15 E16 E17 E8 E99",
    "REASON_PLACE_CHANGE": "CARPL CLOSE ALLEG STAND APPRR CREQB CREQO CHILD LAREQ PLACE CUSTOD OTHER LIIAF",
}


@pytest.mark.parametrize("column", EXPECTED)
def test_every_code_of_the_specification_is_in_the_list(column: str) -> None:
    assert CODES.codes(column) == EXPECTED[column].split()


def test_codes_by_year() -> None:
    assert CODES.codes("SEX", 2024) == ["1", "2"]
    assert CODES.codes("SEX", 2025) == ["M", "F", "U"]
    assert {"E43", "E44"} <= set(CODES.codes("REC", 2018))
    assert {"E43", "E44"}.isdisjoint(CODES.codes("REC", 2019))
    assert {"E45", "E48"} <= set(CODES.codes("REC", 2019))
    assert "CUSTOD" not in CODES.codes("REASON_PLACE_CHANGE", 2018)
    assert {"H5", "P2", "Z1"} <= set(CODES.codes("PLACE", 2023))
    assert {"H5", "P2"}.isdisjoint(CODES.codes("PLACE", 2025))
    assert [c for c in CODES.codes("PLACE", 2026) if c[0] == "Z"] == ["Z11", "Z12", "Z13", "Z14"]


def test_every_home_of_the_journey_has_a_place_and_every_place_a_home() -> None:
    assert set(CODES.mapped("PLACE").values()) == {*HOMES, INTERRUPTS}


def test_a_code_is_added_by_one_line(tmp_path: Path) -> None:
    path = tmp_path / PATH.name
    path.write_text(PATH.read_text() + "PLACE,K9,A new kind of home,2028,,childrens_home,\n")
    codes = read_codes(path)
    assert codes.journey("PLACE", "K9") == "childrens_home"
    assert ("K9" in codes.codes("PLACE", 2027), "K9" in codes.codes("PLACE", 2028)) == (False, True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("PLACE,K9,A new home,2028,,childrens_hom,", "Did you mean 'childrens_home'"),
        ("PLACE,K9,A new home,soon,,childrens_home,", "'soon' is no year"),
        ("PLACE,K2,Again,,,childrens_home,", "stands twice"),
        ("PLAICE,K9,A new home,,,childrens_home,", "A code needs a column"),
        ("PLACE,K9", "A code needs a column"),
    ],
)
def test_a_line_that_does_not_fit_names_the_file_and_the_row(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / PATH.name
    path.write_text(PATH.read_text() + line + "\n")
    with pytest.raises(CareError, match=words) as told:
        read_codes(path)
    assert f"ssda903_codes.csv, row {len(CODES.rows) + 2}" in told.value.where
    assert "Edit ssda903_codes.csv." in told.value.remedy
