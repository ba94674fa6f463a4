"""Censuses of several years, read by `read_cin` and by a slow twin that goes child by child, day by day."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.calibration.returns.files_cin import (
    assessment,
    case,
    child,
    enquiry,
    need_plan,
    protection_plan,
    read,
    write,
)

YEARS = (2022, 2023, 2025)
DATES = {
    "CINPlanDates": ("CINPlanStartDate", "CINPlanEndDate"),
    "ChildProtectionPlans": ("CPPstartDate", "CPPendDate"),
    "Assessments": ("AssessmentActualStartDate", "AssessmentAuthorisationDate"),
    "Section47": ("S47ActualStartDate", None),
}


def made(seed: int) -> dict[int, list[ET.Element]]:
    """Return censuses of few children and few days, so that everything meets everything."""
    random.seed(seed)
    censuses = {}
    for year in YEARS:
        days = [(date(year - 1, 4, 1) + timedelta(days=40 * i)).isoformat() for i in range(9)]
        days += [(date(year - 2, 6, 1)).isoformat(), date(YEARS[0] - 1, 5, 1).isoformat()]

        def some(chance: float = 0.6, days: list[str] = days) -> str | None:
            return random.choice(days) if random.random() < chance else None

        def plan(kind: Any, some: Any = some) -> ET.Element:
            return kind(some(0.95), some(0.5))

        children = []
        for key in random.sample("ABCDEF", 5):
            cases = []
            for _ in range(random.randrange(1, 4)):
                modules = [
                    plan(need_plan),
                    plan(need_plan),
                    plan(protection_plan),
                    plan(assessment),
                    enquiry(some(0.9)),
                ]
                closed = some(0.4)
                cells = {"CINclosureDate": closed, "ReasonForClosure": "RC7" if closed else None}
                cells["PrimaryNeedCode"] = random.choice(["N1", "N5", None])
                inside = random.sample(modules, random.randrange(5))
                cases.append(case(some(0.9), *inside, nfa=random.choice("0001"), **cells))
            children.append(child(key, *cases))
        censuses[year] = children
    return censuses


class Twin:
    """What the tables must hold, found by looking at one thing after another."""

    def __init__(self, censuses: dict[int, list[ET.Element]]) -> None:
        self.cases: dict[tuple[str, str], dict[str, Any]] = {}
        self.modules: dict[str, list[dict[str, Any]]] = {
            "CINPlanDates": [],
            "ChildProtectionPlans": [],
            "Assessments": [],
        }
        self.modules["Section47"] = []
        for year, children in censuses.items():
            for one in children:
                key = one.findtext("ChildIdentifiers/LAchildID") or ""
                # Of two on one day the accepted one is looked at last.
                ordered = sorted(one.findall("CINdetails"), key=lambda c: c.findtext("ReferralNFA") != "1")
                for told in ordered:
                    self.take_case(key, told, year)
                for told in one.findall("CINdetails"):
                    for name in self.modules:
                        for module in told.findall(name):
                            self.take_module(key, told.findtext("CINreferralDate"), name, module, year)
        self.find_referrals()
        for rows in self.modules.values():
            for row in rows:
                self.cases[row["child"], row["referred"]]["nfa"] = False
        for key, told in self.cases.items():
            told["original"] = told["closed"]
            if not told["closed"] and not told["nfa"] and told["year"] < YEARS[-1]:
                others = [day for other, day in self.cases if other == key[0]]
                told["closed"] = before_next(told["year"], key[1], others)
            self.cases[key] = told

    def take_case(self, key: str, told: ET.Element, year: int) -> None:
        referred = told.findtext("CINreferralDate")
        if referred is None:
            return
        last = self.cases.get((key, referred), {})
        closed = told.findtext("CINclosureDate")
        closed = closed if closed and closed >= referred else None
        self.cases[key, referred] = {
            "nfa": told.findtext("ReferralNFA") == "1",
            "closed": closed,
            "need": told.findtext("PrimaryNeedCode") or last.get("need"),
            "year": year,
        }

    def take_module(self, key: str, referred: str | None, name: str, module: ET.Element, year: int) -> None:
        start, end = (module.findtext(tag) if tag else None for tag in DATES[name])
        if start is not None:
            end = end if end and end >= start else None
            self.modules[name].append({"child": key, "referred": referred, "start": start, "end": end, "year": year})

    def find_referrals(self) -> None:
        lost: dict[str, list[dict[str, Any]]] = {}
        known = dict(self.cases)
        for rows in self.modules.values():
            for row in rows:
                if row["referred"] is None:
                    before = [day for key, day in known if key == row["child"] and day <= row["start"]]
                    row["referred"] = max(before, default=None)
                    if not before:
                        lost.setdefault(row["child"], []).append(row)
        for key, rows in lost.items():
            first = min(rows, key=lambda row: (row["start"], row["year"]))
            later = min((day for other, day in known if other == key), default=None)
            self.cases[key, first["start"]] = {"nfa": False, "closed": later, "need": None, "year": first["year"]}
            for row in rows:
                row["referred"] = first["start"]

    def referrals(self) -> list[tuple[Any, ...]]:
        rows = []
        for key, referred in sorted(self.cases):
            told = self.cases[key, referred]
            number = sum(other == key and day < referred for other, day in self.cases)
            rows.append((key, number, referred, told["need"], told["nfa"], told["closed"]))
        return rows

    def once(self, name: str) -> list[dict[str, Any]]:
        latest = {(row["child"], row["referred"], row["start"]): row for row in self.modules[name]}
        return sorted(latest.values(), key=lambda row: (row["child"], row["referred"], row["start"]))

    def plans(self, name: str) -> list[tuple[Any, ...]]:
        """Return spans of plans, joined two at a time until no two of a child overlap."""
        spans = []
        for row in self.once(name):
            told = self.cases[row["child"], row["referred"]]
            end, census_end = row["end"], f"{row['year']}-03-31"
            if end is None and row["year"] < YEARS[-1] and (told["original"] or "9") > census_end:
                others = [other["start"] for other in self.once(name) if other["child"] == row["child"]]
                end = before_next(row["year"], row["start"], others)
            if end is None and told["original"] is not None:
                end = max(told["original"], row["start"])
            spans.append((row["child"], row["start"], end or "9999-12-31"))
        while pair := next(((a, b) for i, a in enumerate(spans) for b in spans[i + 1 :] if overlap(a, b)), None):
            (key, start, end), (_, start_2, end_2) = pair
            spans.remove(pair[0])
            spans.remove(pair[1])
            spans.append((key, min(start, start_2), max(end, end_2)))
        return sorted((key, start, None if end == "9999-12-31" else end) for key, start, end in spans)


def before_next(year: int, start: str, others: list[str]) -> str:
    """Return the last day before the year of the next census, or before one of the others in a year without one."""
    ends = [date.fromisoformat(f"{min(other for other in YEARS if other > year) - 1}-03-31")]
    ends += [date.fromisoformat(day) - timedelta(1) for day in others if day > f"{year}-03-31"]
    return max(str(min(ends)), start)


def overlap(one: tuple[str, str, str], other: tuple[str, str, str]) -> bool:
    (key, start, end), (key_2, start_2, end_2) = one, other
    return key == key_2 and (start == start_2 or (start < end_2 and start_2 < end))


@pytest.mark.parametrize("seed", range(12))
def test_a_slow_twin_finds_the_same(tmp_path: Path, seed: int) -> None:
    censuses = made(seed)
    tables, _ = read(write(tmp_path, censuses))
    twin = Twin(censuses)

    def text(frame: Any, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(str(c) if isinstance(c, date) else c for c in row) for row in frame.select(columns).rows()]

    columns = ("child", "number", "referred", "primary_need", "nfa", "closed")
    assert text(tables.referrals, *columns) == twin.referrals()
    numbers = {(row[0], row[2]): row[1] for row in twin.referrals()}
    for frame, name in (
        (tables.assessments.rename({"authorised": "end"}), "Assessments"),
        (tables.enquiries, "Section47"),
    ):
        wanted = [(row["child"], numbers[row["child"], row["referred"]], row["start"]) for row in twin.once(name)]
        assert text(frame, "child", "number", "started") == wanted
        if "end" in frame.columns:
            assert text(frame, "end") == [(row["end"],) for row in twin.once(name)]
    for frame, name in ((tables.need_plans, "CINPlanDates"), (tables.protection_plans, "ChildProtectionPlans")):
        assert sorted(text(frame, "child", "start", "end")) == twin.plans(name)
