"""How the system behaved: what the report says and shows of the mechanisms that are on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.behaviour import Behaviours
from abm.describe import in_words
from abm.journey import JOURNEY
from abm.loop_diagram import loop_diagram
from abm.outputs import output_named
from abm.parameters import Value
from abm.pathway import WEEKS_PER_YEAR
from abm.places_rules import KINDS, NEEDS
from calibration.behaviours import read_behaviours
from calibration.family_life import read_family_values
from calibration.places_values import read_values
from calibration.statutory import read_rules
from experiments import mechanisms, results
from experiments.asked import BEHAVIOURS, CLOCKS, FAMILIES, PLACES
from experiments.beside import SIBLINGS
from experiments.compare.frames import bounds
from experiments.compare.metrics import OF_RUNS
from experiments.report.drawing import drawing
from experiments.run import SD_BEHAVING

Array = NDArray[np.float64]
SHOWN_EVERY = 4
"""Weeks from one point of a chart to the next."""
CONDITIONS = (
    "anxiety", "caseload", "quality", "workers", "vacancies", "agency_share", "scarcity", "early_help_budget",
)  # fmt: skip
UNITS = {
    "vacancies": "posts, full-time equivalents", "permanent_workers": "full-time equivalents",
    "agency_workers": "full-time equivalents", "agency_share": "share of all workers",
}  # fmt: skip
RATIO = "ratio to the course without behaviours"
BESIDE_SYSTEM_DYNAMICS = ("referrals", "cpp_at_31_march", "cla_at_31_march", "cla_childrens_home_at_31_march")
SIBLING_WORDS = {
    SIBLINGS[0]: "Referrals that a brother or sister had in the same week",
    SIBLINGS[1]: "Children who came into care with a brother or sister",
    SIBLINGS[2]: "Looked after with a brother or sister who is, too",
    SIBLINGS[3]: "Of those, in the same kind of home as one of them",
    SIBLINGS[4]: "Children of the largest group who came into care together",
}
YEARLY = {
    "requests": "needed a home", "placed_in_kind": "found one of the kind", "placed_out_of_kind": "found another kind",
    "emergency": "emergency homes", "began_to_wait": "began to wait", "placed_off_the_list": "found one after waiting",
    "home_closed": "home closed", "placed_together": "with brothers and sisters", "split": "apart from them",
}  # fmt: skip
"""Weekly counts of homes that are added up to years."""


@dataclass(frozen=True)
class Line:
    """A line of a chart: the median, and where they are known the bounds and the first run; float64[points]."""

    name: str
    middle: Array
    low: Array | None = None
    high: Array | None = None
    first: Array | None = None


def system_section(folder: Path, manifest: Mapping[str, Any], runs: pl.DataFrame) -> dict[str, Any] | None:
    """Return what the page shows of the mechanisms in a folder of results; None if none are on.

    `runs` is the table of runs.
    """
    record = manifest.get("mechanisms")
    if record is None:
        return None
    checked = dict(manifest)
    for name in (set(manifest["files"]) & set(mechanisms.NAMES)) - {results.CIRCUMSTANCES}:
        results.checked(folder, checked, name)
    first_year, n_runs = int(manifest["scenario"]["first_year"]), len(manifest["seeds"])
    on, behaving = record["on"], record.get("behaviours")
    groups, tables = [], []
    if results.ENVIRONMENT in manifest["files"] and behaving is not None:
        table = results.read_table(folder, checked, results.ENVIRONMENT)
        groups.append(_conditions(table, first_year, n_runs))
    if mechanisms.SYSTEM in manifest["files"]:
        groups.append(_system_dynamics(runs, n_runs))
    if results.HOMES in manifest["files"]:
        table = results.read_table(folder, checked, results.HOMES)
        groups.append(_homes(table, first_year, n_runs))
        tables.append(
            {
                "caption": "Looking for a home, by year ending 31 March: mean number over the runs",
                "frame": _plain(_by_year(table, first_year)),
            }
        )
    if FAMILIES in on:
        groups.append(_siblings(runs, n_runs))
    changed = [(_title(name), *row.values()) for name, rows in record["changed"].items() for row in rows]
    return {
        "told": [line for line in record["told"] if line != record["assumed"]],
        "assumed": record["assumed"],
        "warnings": [] if behaving is None else behaving["warnings"],
        "loops": None if behaving is None else _loops(behaving),
        "changed": _frame(("table", "what", "shipped", "here"), changed) if changed else None,
        "groups": groups,
        "tables": tables,
        "diagram": None if behaving is None else drawing(loop_diagram(_acting(folder, record), JOURNEY)),
    }


def _acting(folder: Path, record: Mapping[str, Any]) -> Behaviours:
    behaviours = read_behaviours(folder / mechanisms.FILES[BEHAVIOURS][0][0])
    off = record["behaviours"]["off_because_homes_tell"]
    return behaviours.without(*off) if off else behaviours


def _loops(behaving: Mapping[str, Any]) -> dict[str, Any]:
    rows = [(g["loop"], g["name"], g["in_all"], g["alone"]) for g in behaving["loop_gains"]]
    whole = ("all", "All loops together", behaving["gain"], None)
    return _frame(("loop", "what_happens", "among_all_loops", "alone"), [*rows, whole])


# Charts --------------------------------------------------------------------------------------------------------------


def _conditions(table: pl.DataFrame, first_year: int, n_runs: int) -> dict[str, Any]:
    there = table["condition"].unique(maintain_order=True).to_list()
    shipped = {name for link in read_behaviours().links for name in (*link.source, *link.target)}
    names = [name for name in CONDITIONS if name in there] + [name for name in there if name not in shipped]
    x = _weeks(table, first_year)
    charts = [
        _chart(name, _title(name), UNITS.get(name, RATIO), x, [_line(table, "condition", name, n_runs)])
        for name in names
    ]
    return _group("conditions", "Conditions of the system", charts, _bands(n_runs))


def _homes(table: pl.DataFrame, first_year: int, n_runs: int) -> dict[str, Any]:
    x, charts = _weeks(table, first_year), []
    for kind in KINDS:
        lines = [
            _line(table, "account", f"places_{kind}", n_runs, "Places", band=False),
            _line(table, "account", f"children_{kind}", n_runs, "Children"),
        ]
        charts.append(_chart(kind, _title(kind), "places, and children who live there", x, lines))
    waiting = [_line(table, "account", f"waiting_{need}", n_runs, _title(need), band=False) for need in NEEDS]
    charts.append(_chart("waiting", "Waiting for a home", "children, by the kind of home needed", x, waiting))
    return _group("homes", "Homes", charts, _bands(n_runs))


def _system_dynamics(runs: pl.DataFrame, n_runs: int) -> dict[str, Any]:
    charts = []
    for key in BESIDE_SYSTEM_DYNAMICS:
        mine = runs.filter(pl.col("figure") == key, pl.col("year") > 0).sort("year")
        if mine.is_empty():
            continue
        years = mine["year"].unique().sort().to_numpy().astype(np.float64)
        lines = [_over_runs(mine, n_runs, "ABM, with")]
        for series, name in (("sd", "SD, without"), (SD_BEHAVING, "SD, with")):
            lines.append(Line(name, mine.filter(pl.col("series") == series)["value"].to_numpy()))
        output = output_named(key)
        charts.append(_chart(key, output.label, output.unit, years, lines))
    note = (
        "System dynamics is run twice: as it was fitted, and with the same behaviours and shocks as the simulation "
        "(it knows no families, homes or clocks). The simulation is shown with everything that is on."
    )
    return _group("system-dynamics", "System dynamics without and with the behaviours", charts, note)


def _siblings(runs: pl.DataFrame, n_runs: int) -> dict[str, Any]:
    charts = []
    for key, title in SIBLING_WORDS.items():
        mine = runs.filter(pl.col("figure") == key, pl.col("year") > 0).sort("year")
        years = mine["year"].unique().sort().to_numpy().astype(np.float64)
        if len(years):
            unit = "children" if key == SIBLINGS[4] else "percent"
            charts.append(_chart(key, title, unit, years, [_over_runs(mine, n_runs, "Runs")]))
    return _group("siblings", "Brothers and sisters", charts, _bands(n_runs))


def _over_runs(rows: pl.DataFrame, n_runs: int, name: str) -> Line:
    """Return the median and the bounds of a figure by year, over the runs that know it."""
    simulated = rows.filter(pl.col("series") == "abm")
    low, high = (0.05, 0.95) if bounds(n_runs)[0] == "p5" else (0.0, 1.0)
    values = [part["value"].to_numpy() for part in simulated.partition_by("year", maintain_order=True)]
    quantiles = [np.array([np.quantile(year, q, method=OF_RUNS) for year in values]) for q in (0.5, low, high)]
    return Line(name, *quantiles)


def _line(table: pl.DataFrame, column: str, key: str, n_runs: int, name: str = "", *, band: bool = True) -> Line:
    """Return a line of a weekly table, every SHOWN_EVERY weeks."""
    rows = table.filter(pl.col(column) == key)
    median, low, high, first = (
        rows[what].to_numpy()[SHOWN_EVERY - 1 :: SHOWN_EVERY] for what in ("median", *bounds(n_runs), "first")
    )
    return Line(name or _title(key), median, *((low, high, first) if band else ()))


def _weeks(table: pl.DataFrame, first_year: int) -> Array:
    """Return where the points of a weekly table stand: 2021 is 31 March 2021."""
    weeks = np.arange(int(table["week"].max()) + 1, dtype=np.float64)  # type: ignore[arg-type]
    stand: Array = first_year - 1 + (weeks + 1)[SHOWN_EVERY - 1 :: SHOWN_EVERY] / WEEKS_PER_YEAR
    return stand


def _bands(n_runs: int) -> str:
    if n_runs == 1:
        return "There is one run, so there is no band."
    what = "90% of the runs" if bounds(n_runs)[0] == "p5" else f"all {n_runs} runs, from the lowest to the highest"
    return f"Full lines are medians, week by week; the band holds {what}; the thin line is the first run."


def _group(key: str, title: str, charts: list[dict[str, Any]], note: str) -> dict[str, Any]:
    return {"key": key, "title": title, "note": note, "charts": charts}


def _chart(key: str, title: str, unit: str, x: Array, lines: Sequence[Line]) -> dict[str, Any]:
    ends = [place for place, year in enumerate(x) if abs(year - round(year)) < 1e-9]
    columns: list[str] = ["year"]
    rows: list[list[float | None]] = [[round(x[place])] for place in ends]
    said = []
    for line in lines:
        told = [(line.name, line.middle)]
        if line.low is not None and line.high is not None:
            told += [(f"{line.name}: from", line.low), (f"{line.name}: to", line.high)]
        for name, values in told:
            columns.append(name)
            for row, place in zip(rows, ends, strict=True):
                row.append(_number(values[place]))
        said.append(
            f"{line.name}: {_said(line.middle[0])} at first, {_said(line.middle[-1])} at the end, between "
            f"{_said(np.min(line.middle))} and {_said(np.max(line.middle))}"
        )
    return {
        "key": key,
        "title": title,
        "unit": unit,
        "x": [round(float(value), 4) for value in x],
        "lines": [
            {
                "name": line.name,
                **{
                    part: None if values is None else [_number(value) for value in values]
                    for part, values in (
                        ("middle", line.middle), ("low", line.low), ("high", line.high), ("first", line.first)
                    )
                },
            }
            for line in lines
        ],
        "description": f"{title}, {unit}. {'; '.join(said)}.",
        "frame": {"columns": columns, "rows": rows},
    }  # fmt: skip


def _by_year(table: pl.DataFrame, first_year: int) -> pl.DataFrame:
    rows = table.filter(pl.col("account").is_in(list(YEARLY)))
    year = (pl.col("week") // WEEKS_PER_YEAR + first_year).alias("year")
    summed = rows.group_by(year, "account").agg(pl.col("mean").sum())
    wide = summed.pivot(on="account", index="year", values="mean").sort("year")
    there = [name for name in YEARLY if name in wide.columns]
    return wide.select("year", *(pl.col(name).round(1).alias(YEARLY[name]) for name in there))


def _plain(frame: pl.DataFrame) -> dict[str, Any]:
    return _frame(frame.columns, frame.rows())


def _frame(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    return {"columns": list(columns), "rows": [list(row) for row in rows]}


def _title(key: str) -> str:
    words = in_words(key)
    return words[:1].upper() + words[1:]


def _number(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _said(value: Any) -> str:
    return f"{float(value):.3g}" if abs(float(value)) < 100 else f"{float(value):.0f}"


# Assumed numbers -----------------------------------------------------------------------------------------------------


def assumed_of(folder: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the numbers of the mechanisms that nobody published, as rows of the report."""
    on = manifest.get("mechanisms", {}).get("on", ())
    values: list[Value] = []
    for name in on:
        files = [folder / file for file, _ in mechanisms.FILES[name]]
        if name == FAMILIES:
            values += read_family_values(files[0]).values()
        elif name == PLACES:
            values += read_values(files[0]).values()
        elif name == CLOCKS:
            values += [
                Value(f"{r.key}: concentration", r.concentration, "share", r.low, r.high, "assumed", r.basis)
                for r in read_rules(*files)
            ]
    rows = [
        {
            "name": _title(v.key), "value": v.value, "unit": v.unit, "low": v.low, "high": v.high, "status": v.status,
            "source": v.source,
        }
        for v in values if v.status in ("assumed", "literature", "derived")
    ]  # fmt: skip
    if BEHAVIOURS in on:
        rows += [
            {
                "name": f"Behaviour: {in_words(k.key)}", "value": k.strength, "unit": k.unit, "low": k.low,
                "high": k.high, "status": k.evidence, "source": k.reference or k.note,
            }
            for k in read_behaviours(folder / mechanisms.FILES[BEHAVIOURS][0][0]).links
            if k.evidence in ("assumed", "literature", "computed")
        ]  # fmt: skip
    return rows


def headline(manifest: Mapping[str, Any]) -> list[str]:
    """Return a sentence for the beginning of a report where mechanisms are on."""
    record = manifest.get("mechanisms")
    if record is None:
        return []
    what = [*record["on"], *(["shocks"] if record["shocks"] else [])]
    return [f"Switched on in these runs: {', '.join(what)}. {record['assumed']}"]
