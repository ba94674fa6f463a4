"""Small lists of Annex A, written by hand as a workbook or as a file for each list."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import xlsxwriter

from calibration.returns.annex_a import read_annex_a
from calibration.returns.findings import Findings
from calibration.returns.tables import CareTables, NeedTables

Rows = Sequence[Mapping[str, str]]


def person(key: str, birth: str = "01/05/2015", sex: str = "b) Female") -> dict[str, str]:
    return {"Child Unique ID": key, "Gender": sex, "Ethnicity": "a) WBRI", "Date of Birth": birth}


def in_care(key: str, start: str, **cells: str) -> dict[str, str]:
    told = {
        "need": "N1 - Abuse or neglect", "legal_from": start, "legal": "C2 - Full care order", "place_from": start,
        "place": "U4 - Placement with other foster carer", "provider": "PR1 - Own provision", "end": "", "rec": "",
        "uasc": "b) No",
    } | cells  # fmt: skip
    headers = {
        "need": "Child's Category of Need", "legal_from": "Start date of current legal status",
        "legal": "Child's Legal Status", "place_from": "Start Date of Most Recent Placement", "place": "Placement Type",
        "provider": "Placement Provider", "end": "Date Ceased to be Looked After",
        "rec": "Reason Ceased to be Looked After",
        "uasc": "Unaccompanied Asylum Seeking Child (UASC) within the Last 12 Months (Y/N)",
    }  # fmt: skip
    row = person(key, cells.get("birth", "01/05/2015")) | {"Date Started to be Looked After": start}
    return row | {headers[name]: cell for name, cell in told.items() if name in headers}


S47 = "Strategy discussion initiating Section 47 Enquiry Start Date"
NOT_NEEDED = "Was an Initial Child Protection Conference deemed unnecessary?"
ICPC = "Date of Initial Child Protection Conference"
LISTS: dict[str, list[dict[str, str]]] = {
    "List_1": [person("D") | {"Date of Contact": "01/07/2024", "Contact Source": "Police"}],
    "List_2": [
        person("E", sex="1 - Male")
        | {"Assessment start date": "05/07/2024", "Assessment completion date": "01/08/2024",
           "Organisation completing assessment": "School"}
    ],
    "List_3": [
        person("A") | {"Date of referral": "02/07/2024", "Referral Source": "6 - Police", "Referral NFA?": "b) No"},
        person("D") | {"Date of referral": "03/07/2024", "Referral Source": "a) Individual", "Referral NFA?": "a) Yes"},
    ],
    "List_4": [
        person("A")
        | {"Continuous Assessment Start Date": "03/07/2024",
           "Continuous Assessment Date of Authorisation": "01/08/2024"}
    ],
    "List_5": [person("A") | {S47: "20/07/2024", NOT_NEEDED: "b) No", ICPC: "05/08/2024"}],
    "List_6": [
        person("A")
        | {"CIN Start Date": "02/07/2024", "Primary Need Code": "N1 - Abuse or neglect", "CIN Closure Date": "",
           "Reason for Closure": "", "Case Status": "b) Child Protection plan"},
        person("B")
        | {"CIN Start Date": "10/01/2023", "Primary Need Code": "N5", "CIN Closure Date": "15/09/2024",
           "Reason for Closure": "RC9 - Case closed after assessment, referred to early help",
           "Case Status": "e) Closed episode"},
    ],
    "List_7": [
        person("A")
        | {"Child Protection Plan Start Date": "05/08/2024", "Initial Category of Abuse": "a) Neglect",
           "Latest Category of Abuse": "d) Emotional abuse", "Child Protection Plan End Date": "",
           "Number of Previous Child Protection Plans": "1", "Date of latest review conference": "20/12/2024"}
    ],
    "List_8": [
        in_care("C", "01/02/2022", legal_from="10/06/2022", place_from="03/09/2024", place="p) K2: Children's Homes"),
        in_care("B", "01/03/2024", end="15/09/2024", rec="E4A - Returned home, part of care planning"),
    ],
}  # fmt: skip


def workbook(path: Path, lists: Mapping[str, Rows], title: str = "") -> Path:
    """Write each list as a sheet; with a title, it stands two rows above the header."""
    with xlsxwriter.Workbook(str(path)) as book:
        for name, rows in lists.items():
            sheet = book.add_worksheet(name)
            top = 2 if title else 0
            if title:
                sheet.write(0, 0, title)
            columns = list(dict.fromkeys(key for row in rows for key in row))
            sheet.write_row(top, 0, columns)
            for i, row in enumerate(rows, top + 1):
                sheet.write_row(i, 0, [row.get(column, "") for column in columns])
    return path


def csvs(folder: Path, lists: Mapping[str, Rows]) -> Path:
    """Write each list as a CSV file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in lists.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return folder


def read(
    path: Path, observed_to: date | None = None, months: int = 6
) -> tuple[CareTables | None, NeedTables | None, Findings]:
    findings = Findings()
    care, need = read_annex_a([path], findings, observed_to=observed_to, months=months)
    return care, need, findings
