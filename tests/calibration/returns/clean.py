"""Clean tables written by hand, and the log they give as words."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from calibration.returns.assemble import Link, Observed, assemble
from calibration.returns.findings import Findings
from calibration.returns.tables import CARE_SCHEMAS, NEED_SCHEMAS, CareTables, NeedTables, schema_of

D = date
FROM, TO = D(2021, 4, 1), D(2024, 3, 31)


def table(columns: dict[str, Any], rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = schema_of(columns)
    usual = {"file": 0, "number": 0, "nfa": False, "uasc": False, "sex": 1}
    made = [{**dict.fromkeys(schema), **{k: v for k, v in usual.items() if k in schema}, **row} for row in rows]
    for number, row in enumerate(made):
        if "row" in schema and row["row"] is None:
            row["row"] = number + 2
    return pl.DataFrame(made, schema=schema, orient="row")


def care(children: dict[str, Any], *episodes: tuple[Any, ...], begin: date = FROM, end: date = TO) -> CareTables:
    """Children: key -> birth (or (birth, uasc)); episodes: child, start, end, rne, place, rec."""
    people = [
        {"child": key, "birth": told[0], "uasc": told[1]} if isinstance(told, tuple) else {"child": key, "birth": told}
        for key, told in children.items()
    ]
    names = ("child", "start", "end", "rne", "place", "rec")
    rows = [{"legal": "V2", "need": "N1", "provider": "PR1", **dict(zip(names, row, strict=True))} for row in episodes]
    years = tuple(range(begin.year + 1, end.year + 1))
    return CareTables(
        table(CARE_SCHEMAS["children"], people), table(CARE_SCHEMAS["episodes"], rows), begin, end, years, ("care",)
    )


def need(children: dict[str, Any], begin: date = FROM, end: date = TO, **tables: list[dict[str, Any]]) -> NeedTables:
    """Children: key -> birth; every other table as a list of rows."""
    people = [{"child": key, **(told if isinstance(told, dict) else {"birth": told})} for key, told in children.items()]
    frames = {
        name: table(columns, people if name == "children" else tables.get(name, []))
        for name, columns in NEED_SCHEMAS.items()
    }
    years = tuple(range(begin.year + 1, end.year + 1))
    return NeedTables(**frames, observed_from=begin, observed_to=end, years=years, files=("need",))


def log(of_care: CareTables | None, of_need: NeedTables | None = None, link: Link | None = None) -> tuple[
    Observed, Findings
]:  # fmt: skip
    findings = Findings()
    findings.file("file")
    return assemble(of_care, of_need, findings, link=link), findings


def words(observed: Observed, key: str) -> list[str]:
    """What happened to a child: "week transition", with a star where it was filled in."""
    keys = observed.keys.select(pl.any_horizontal(pl.all() == key)).to_series()
    child = int(keys.arg_max())
    rows, journey = observed.rows, observed.journey
    return [
        f"{rows.week[r]} {journey.transitions[journey.tables.transition[rows.edge[r]]].key}"
        + "*" * int(observed.inferred[r])
        for r in range(rows.week.size)
        if rows.child[r] == child
    ]


def entry(observed: Observed, key: str) -> tuple[str, int, int, int]:
    """State before the first row, the week its clock began, seen from, seen to."""
    keys = observed.keys.select(pl.any_horizontal(pl.all() == key)).to_series()
    c = int(keys.arg_max())
    p = observed.population
    state = observed.journey.states[p.state[c]].key
    return state, int(p.since_week[c]), int(observed.seen_from[c]), int(observed.seen_to[c])
