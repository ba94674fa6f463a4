"""What is switched on for an area, ready to be simulated, and kept so that a run can be made again.

In a folder it is: the tables that were used, shipped or edited (FILES), `mechanisms.json` with a record of what is on
and with all that was made of published figures, and the courses of weeks in Parquet: the reference, and system dynamics
with the behaviours.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.behaviour import Behaviours, Reference, Shock, Workforce
from abm.behaviour_system import CareSystem, care_system
from abm.clocks import Rule, with_clocks
from abm.errors import CareError
from abm.files import read_signed, sha256_of, signed
from abm.journey import JOURNEY
from abm.marks import mark_of
from abm.parameters import Parameters
from abm.pathway import N_GROUPS, Journey
from abm.places_rules import Supply
from abm.prepared import Prepared, prepare
from calibration import behaviours as behaviours_table
from calibration import family_life as families_table
from calibration import places_values as places_table
from calibration import statutory as clocks_table
from calibration.fit import Fitted
from calibration.places import PlacesPlan
from experiments.asked import BEHAVIOURS, CLOCKS, FAMILIES, FIRST_YEAR, PLACES, Asked, shock_facts, shock_of

Array = NDArray[np.float64]

FILES: dict[str, tuple[tuple[str, Path], ...]] = {
    FAMILIES: (("families.csv", families_table.SHIPPED),),
    BEHAVIOURS: (("behaviours.csv", behaviours_table.SHIPPED),),
    PLACES: (("places.csv", places_table.VALUES),),
    CLOCKS: (("statutory_rules.csv", clocks_table.RULES), ("statutory_sources.csv", clocks_table.SOURCES)),
}
"""The tables of each mechanism: what they are called in a folder, and the shipped ones; the first may be edited."""
RECORD, REFERENCE, SYSTEM = "mechanisms.json", "reference.parquet", "stocks_system_behaviours.parquet"
NAMES = (*(name for files in FILES.values() for name, _ in files), RECORD, REFERENCE, SYSTEM)
"""Every file that is kept."""
TOLD_BY_HOMES = ("R6", "R7")
"""Loops of the shortage of foster carers: with limited places, homes tell of it."""
_AGAIN = "Make the results again with 'journeys run'"
_WHAT = "What is switched on in a run of journeys-abm beside the fit. Its numbers are assumed unless marked otherwise."


@dataclass(frozen=True)
class Mechanisms:
    """What is switched on for an area.

    journey, parameters  the fitted ones, with families and clocks
    supply      homes, if limited
    acting      behaviours that act on the run; without strengths, if there are shocks only; None for none
    reference, workforce, shocks  what they need
    record      what is on, for manifest and report; empty if nothing is
    course      float64[weeks, S], float64[weeks, E]: stocks and flows of system dynamics with behaviours and shocks
    plain, rules, first_year  the journey before the clocks are on, their rules if they are, and the year they begin in
    """

    journey: Journey
    parameters: Parameters
    supply: Supply | None = None
    acting: Behaviours | None = None
    reference: Reference | None = None
    workforce: Workforce | None = None
    shocks: tuple[Shock, ...] = ()
    record: Mapping[str, Any] | None = None
    course: tuple[Array, Array] | None = None
    plain: Journey = JOURNEY
    rules: Sequence[Rule] = ()
    first_year: int = FIRST_YEAR

    def __bool__(self) -> bool:
        """Tell whether anything is on."""
        return bool(self.record)

    @cached_property
    def prepared(self) -> Prepared:
        """What runs share."""
        return prepare(self.parameters, self.journey, self.supply)

    @property
    def behaving(self) -> bool:
        """Whether behaviours act, with any strength."""
        return self.acting is not None and bool(self.acting.loops())

    @property
    def mark(self) -> str:
        """A hash of all that decides a run and does not stand in thresholds; "" if nothing is on."""
        return mark_of(json.dumps(self.record, sort_keys=True)) if self.record else ""

    def at(self, parameters: Parameters) -> Mechanisms:
        """Return the same with other parameters of the area, as they are before anything is switched on."""
        journey = self.plain
        if self.rules:
            journey, parameters = with_clocks(journey, parameters, self.rules, self.first_year)
        return replace(self, journey=journey, parameters=replace(parameters, families=self.parameters.families))

    def system(self) -> CareSystem | None:
        """Return a fresh system for one run, if there is any."""
        if self.acting is None:
            return None
        assert self.reference is not None
        assert self.workforce is not None
        return care_system(self.journey, self.acting, self.reference, self.workforce, self.shocks)


def nothing_on(fitted: Fitted, journey: Journey = JOURNEY) -> Mechanisms:
    """Return that nothing is switched on."""
    return Mechanisms(journey, fitted.parameters, plain=journey)


# Tables --------------------------------------------------------------------------------------------------------------


def order_facts(asked: Asked) -> dict[str, Any]:
    """Return what was asked for as plain data, its tables by SHA-256; {} if nothing was.

    Errors
    ------
    CareError
        For a table that cannot be read or is not right, with its row and column.
    """
    if not asked:
        return {}
    tables: dict[str, Any] = {}
    for name, path in asked.tables.items():
        sources = _sources(name, path)
        _read(name, sources)
        shipped = sha256_of(sources[0]) == sha256_of(FILES[name][0][1])
        files = {file: sha256_of(source) for (file, _), source in zip(FILES[name], sources, strict=True)}
        tables[name] = {"of": sources[0].name, "shipped": shipped, "sha256": files}
    return {"tables": tables, "shocks": [shock_facts(shock) for shock in asked.shocks]}


def tables_of(asked: Asked) -> dict[str, Path]:
    """Return where the tables that are asked for are, by what they are called in a folder."""
    return {
        file: source
        for name, path in asked.tables.items()
        for (file, _), source in zip(FILES[name], _sources(name, path), strict=True)
    }


def _sources(name: str, path: Path | None) -> list[Path]:
    shipped = [source for _, source in FILES[name]]
    return shipped if path is None else [path, *shipped[1:]]


def _read(name: str, paths: Sequence[Path]) -> Any:
    """Return what the tables of a mechanism say, of which the first may be edited: every mistake names that one."""
    try:
        return _told(name, paths)
    except CareError as error:
        named = paths[0].name in error.where and str(places_table.VALUES) != error.where
        raise CareError(error.what, error.where if named else str(paths[0]), error.remedy) from error


def _told(name: str, paths: Sequence[Path]) -> Any:
    if name == FAMILIES:
        return families_table.read_family_life(paths[0])
    if name == BEHAVIOURS:
        return behaviours_table.read_behaviours(paths[0])
    if name == PLACES:
        values = places_table.read_values(paths[0])
        places_table.place_rules(values)
        return values
    rules = clocks_table.read_rules(*paths)
    # Tried on rates of 0: what rules cannot do is the same for every area.
    tables = JOURNEY.tables
    rates, factors = np.zeros((tables.n_edges, N_GROUPS, tables.max_bands)), np.ones((1, len(JOURNEY.transitions)))
    with_clocks(JOURNEY, Parameters(rates, factors), rules, FIRST_YEAR)
    return rules


def read_tables(facts: Mapping[str, Any], folder: Path, remedy: str = _AGAIN) -> dict[str, Any]:
    """Return what each mechanism's tables in a folder say, or raise CareError when one is not as it was taken."""
    found = {}
    for name, table in facts["tables"].items():
        for file, mark in table["sha256"].items():
            if not (folder / file).is_file() or sha256_of(folder / file) != mark:
                raise CareError(f"The table '{file}' is damaged or missing", str(folder), remedy)
        found[name] = _read(name, [folder / file for file in table["sha256"]])
    return found


# Putting together ----------------------------------------------------------------------------------------------------


def put_together(
    fitted: Fitted, facts: Mapping[str, Any], tables: Mapping[str, Any], plan: PlacesPlan | None, journey: Journey
) -> Mechanisms:
    """Return what is on but for the behaviours."""
    parameters, first_year, plain = fitted.parameters, fitted.scenario.first_year, journey
    if CLOCKS in tables:
        journey, parameters = with_clocks(journey, parameters, tables[CLOCKS], first_year)
    if FAMILIES in tables:
        parameters = replace(parameters, families=tables[FAMILIES])
    supply = None
    if PLACES in tables:
        assert plan is not None
        supply = Supply(homes=plan, rules=places_table.place_rules(tables[PLACES], plan.bands))
    return Mechanisms(
        journey, parameters, supply, shocks=tuple(map(shock_of, facts["shocks"])), plain=plain,
        rules=tables.get(CLOCKS, ()), first_year=first_year,
    )  # fmt: skip


def acting(facts: Mapping[str, Any], tables: Mapping[str, Any]) -> Behaviours | None:
    """Return the behaviours that act: with places on, without those that homes tell of."""
    if BEHAVIOURS in tables:
        behaviours: Behaviours = tables[BEHAVIOURS]
        return behaviours.without(*TOLD_BY_HOMES) if PLACES in tables else behaviours
    return behaviours_table.read_behaviours().none() if facts["shocks"] else None


# On disk -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """What cannot be made of tables alone."""

    facts: Mapping[str, Any]
    plan: PlacesPlan | None
    made: Mechanisms


def save(kept: Kept, tables: Path, folder: Path) -> None:
    """Write it into a folder that is there, with the tables, which are in another."""
    made, files = kept.made, {}
    for table in kept.facts["tables"].values():
        for file in table["sha256"]:
            shutil.copyfile(tables / file, folder / file)
    reference = None if made.reference is None else (made.reference.stocks, made.reference.flows)
    courses = {SYSTEM: made.course, REFERENCE: reference}
    for name, course in courses.items():
        if course is not None:
            course_frame(made.journey, *course).write_parquet(folder / name, compression="zstd", compression_level=1)
            files[name] = sha256_of(folder / name)
    told = {
        "what": _WHAT,
        "facts": dict(kept.facts),
        "record": dict(made.record or {}),
        "workforce": None if made.workforce is None else asdict(made.workforce),
        "places": None if kept.plan is None else plan_facts(kept.plan),
        "files": files,
    }
    (folder / RECORD).write_text(signed(told), encoding="utf-8", newline="\n")


def load(folder: Path, fitted: Fitted, journey: Journey = JOURNEY) -> Kept:
    """Return what was written into a folder.

    Errors
    ------
    CareError
        When something is missing or not as it was written.
    """
    told = read_signed(folder / RECORD, _AGAIN)
    facts, tables = told["facts"], read_tables(told["facts"], folder)
    for name, mark in told["files"].items():
        if not (folder / name).is_file() or sha256_of(folder / name) != mark:
            raise CareError(f"The file '{name}' is damaged or missing", str(folder), _AGAIN)
    plan = None if told["places"] is None else plan_of(told["places"])
    made = put_together(fitted, facts, tables, plan, journey)
    workforce = None
    if told["workforce"] is not None:
        workforce = Workforce(**{**told["workforce"], "told": tuple(told["workforce"]["told"])})
    courses = {name: course_of(pl.read_parquet(folder / name), journey) for name in told["files"]}
    reference = Reference(*courses[REFERENCE]) if REFERENCE in courses else None
    made = replace(
        made, acting=acting(facts, tables), workforce=workforce, reference=reference, course=courses.get(SYSTEM),
        record=told["record"],
    )  # fmt: skip
    return Kept(facts, plan, made)


def plan_facts(plan: PlacesPlan) -> dict[str, Any]:
    """Return a plan of homes as plain data; every number is exact."""
    return {
        **asdict(plan), "children": plan.children.tolist(), "bands": plan.bands.tolist(),
        "marks": {name: list(mark) for name, mark in plan.marks.items()},
    }  # fmt: skip


def plan_of(told: Mapping[str, Any]) -> PlacesPlan:
    """Return the plan that `plan_facts` gave."""
    marks = {name: (str(status), str(source)) for name, (status, source) in told["marks"].items()}
    arrays = {name: np.array(told[name], np.float64) for name in ("children", "bands")}
    return PlacesPlan(**{**told, **arrays, "marks": marks})


def course_frame(journey: Journey, stocks: Array, flows: Array) -> pl.DataFrame:
    """Return a course as a table: week, children in each state, and flows ("transition/state it leaves")."""
    states, tables = [state.key for state in journey.states], journey.tables
    flow_names = [
        f"{journey.transitions[t].key}/{states[s]}" for t, s in zip(tables.transition, tables.source, strict=True)
    ]
    week = pl.Series("week", np.arange(len(stocks), dtype=np.int16))
    return pl.DataFrame(np.hstack([stocks, flows]), schema=[*states, *flow_names]).insert_column(0, week)


def course_of(frame: pl.DataFrame, journey: Journey) -> tuple[Array, Array]:
    """Return stocks and flows of a course's table."""
    values = frame.drop("week").to_numpy()
    n_states = len(journey.states)
    return np.ascontiguousarray(values[:, :n_states]), np.ascontiguousarray(values[:, n_states:])
