"""Small censuses written by hand, as XML and as flat tables, and short views of what was read."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl

from calibration.returns.cin import read_cin
from calibration.returns.findings import Findings
from calibration.returns.tables import NeedTables


def el(name: str, *inside: ET.Element, **cells: Any) -> ET.Element:
    """Return an element with cells (None is left out, a list repeats) and elements."""
    node = ET.Element(name)
    for key, value in cells.items():
        for text in value if isinstance(value, list) else [value]:
            if text is not None:
                ET.SubElement(node, key).text = str(text)
    node.extend(inside)
    return node


def child(key: str | None, *inside: ET.Element, birth: str | None = "2015-05-01", **cells: Any) -> ET.Element:
    """Return a child; cells are those of ChildIdentifiers."""
    named = el("ChildIdentifiers", LAchildID=key, UPNunknown="UN3", PersonBirthDate=birth, **cells)
    return el("Child", named, el("ChildCharacteristics", Ethnicity="WBRI"), *inside)


def case(referred: str | None, *inside: ET.Element, nfa: str | None = "0", **cells: Any) -> ET.Element:
    """Return a CINdetails."""
    told = {"ReferralSource": "1A", "PrimaryNeedCode": "N1", "ReferralNFA": nfa} | cells
    return el("CINdetails", *inside, CINreferralDate=referred, **told)


def assessment(started: str | None, authorised: str | None = None, *factors: str) -> ET.Element:
    found = [el("FactorsIdentifiedAtAssessment", AssessmentFactors=list(factors))] if factors else []
    dates = {"AssessmentActualStartDate": started, "AssessmentAuthorisationDate": authorised}
    return el("Assessments", *found, **dates)


def need_plan(start: str | None, end: str | None = None) -> ET.Element:
    return el("CINPlanDates", CINPlanStartDate=start, CINPlanEndDate=end)


def enquiry(started: str | None, conference: str | None = None, not_required: str | None = "0") -> ET.Element:
    return el("Section47", S47ActualStartDate=started, DateOfInitialCPC=conference, ICPCnotRequired=not_required)


def protection_plan(start: str | None, end: str | None = None, *reviews: str, **cells: Any) -> ET.Element:
    told = {"InitialCategoryOfAbuse": "NEG", "LatestCategoryOfAbuse": "NEG", "NumberOfPreviousCPP": "0"} | cells
    held = [el("Reviews", CPPreviewDate=list(reviews))] if reviews else []
    return el("ChildProtectionPlans", *held, CPPstartDate=start, CPPendDate=end, **told)


def census(year: int | None, *children: ET.Element, prefix: str = "") -> str:
    """Return the text of a census, without the first line that names an encoding."""
    told = {"Collection": "CIN", "Year": year, "ReferenceDate": f"{year}-03-31"} if year else {}
    message = el("Message", el("Header", el("CollectionDetails", **told)), el("Children", *children))
    if prefix:
        for node in message.iter():
            node.tag = f"{prefix}:{node.tag}"
        message.set(f"xmlns:{prefix}", "urn:census")
    ET.indent(message, " ")
    return ET.tostring(message, encoding="unicode")


def write(folder: Path, years: dict[int, Iterable[ET.Element]]) -> Path:
    """Write a census for each year."""
    for year, children in years.items():
        (folder / f"cin_{year}.xml").write_text(census(year, *children), encoding="utf-8")
    return folder


FLAT = {
    "ChildIdentifiers": "", "CINdetails": "CINdetailsID", "Assessments": "AssessmentID", "CINPlanDates": "",
    "Section47": "", "ChildProtectionPlans": "CPPID", "Reviews": "", "PreProceedingsandFGDM": "",
}  # fmt: skip


def flat(children: Iterable[ET.Element]) -> dict[str, list[dict[str, str]]]:
    """Return module -> rows, as the flat form has them."""
    tables: dict[str, list[dict[str, str]]] = {name: [] for name in FLAT}

    def walk(node: ET.Element, keys: dict[str, str], counts: dict[str, int]) -> None:
        name = node.tag
        if name in tables:
            if key := FLAT[name]:
                counts[key] = counts.get(key, 0) + 1
                keys = keys | {key: str(counts[key])}
            if name == "Reviews":
                tables[name] += [keys | {"CPPreviewDate": held.text or ""} for held in node]
                return
            cells = {leaf.tag: leaf.text or "" for leaf in node if not len(leaf) and leaf.tag not in FLAT}
            factors = [leaf.text or "" for leaf in node.iter("AssessmentFactors")]
            if name == "Assessments":
                cells["AssessmentFactors"] = str(factors)
            tables[name].append(keys | {k: v for k, v in cells.items() if k != "FactorsIdentifiedAtAssessment"})
        for inside in node:
            walk(inside, keys, counts)

    for one in children:
        key = one.findtext("ChildIdentifiers/LAchildID") or ""
        walk(one, {"LAchildID": key}, {})
    return tables


def write_flat(folder: Path, children: Iterable[ET.Element]) -> Path:
    """Write one CSV file for each module that has rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in flat(children).items():
        if rows:
            columns = list(dict.fromkeys(key for row in rows for key in row))
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns, restval="")
                writer.writeheader()
                writer.writerows(rows)
    return folder


def read(*paths: Path, year: int | None = None) -> tuple[NeedTables, Findings]:
    findings = Findings()
    return read_cin(paths, findings, year=year), findings


def read_children(folder: Path, *children: ET.Element, year: int = 2024) -> tuple[NeedTables, Findings]:
    """Write a census of one year and read it."""
    return read(write(folder, {year: children}))


def told(findings: Findings, code: str) -> list[tuple[str, int | None, str]]:
    """Return file, row and column of every finding of a rule."""
    return findings.frame().filter(pl.col("rule") == code).select("file", "row", "column").rows()


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns as rows, dates as text."""
    return [tuple(str(c) if isinstance(c, date) else c for c in row) for row in frame.select(columns).rows()]
