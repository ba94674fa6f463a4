"""Switching mechanisms on for an area: its homes, its workforce, the reference course, gains, and system dynamics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.behaviour import Behaviours, Reference, Workforce
from abm.behaviour_course import ClassicCase, case_of, classic_case, course_of_runs
from abm.behaviour_system import care_system
from abm.clocks import changes, first_day, in_force
from abm.journey import JOURNEY
from abm.loops import gains
from abm.pathway import WEEKS_PER_YEAR
from abm.simulate import simulate_many
from calibration import behaviours as behaviours_table
from calibration import family_life as families_table
from calibration import places_values as places_table
from calibration import statutory as clocks_table
from calibration.fit import Fitted
from calibration.fitted import SavedFit
from calibration.levers import multipliers
from calibration.places import plan_places
from calibration.statistics import Area, Statistics
from calibration.workforce import workforce_of
from experiments import mechanisms
from experiments.asked import BEHAVIOURS, CLOCKS, FAMILIES, PLACES, in_words
from experiments.mechanisms import TOLD_BY_HOMES, Kept, Mechanisms

Array = NDArray[np.float64]
Say = Callable[[str, float], None]

FIRST_SEED = 4_000_000_000
"""Of the runs of a reference."""
ENOUGH, FEWEST, MOST = 2_000_000, 4, 64
"""Children on day one, over all runs whose mean is a reference, and how many runs it takes at least and at most."""
GAIN_YEARS = 20
ASSUMED = (
    "Most numbers of families, behaviours, places and clocks are assumed: published figures say which way these things "
    "go, hardly any say how far. The fit is made without them, so levels move by a few percent: read differences "
    "between two runs that both have them."
)


def homes_can_be_told(statistics: Statistics, area: Area, first_year: int) -> None:
    """Raise CareError where the table does not say who lives in which kind of home on day one."""
    plan_places(statistics, area.code, first_year - 1)


def switch_on(
    statistics: Statistics, fit: SavedFit, fitted: Fitted, facts: Mapping[str, Any], folder: Path, say: Say,
    *, workers: int = 1,
) -> Kept:  # fmt: skip
    """Return what is switched on for an area, with all that has to be made for it.

    Parameters
    ----------
    fitted
        The area as it is simulated, for as long as it is.
    facts, folder
        What was asked for (`mechanisms.order_facts`), and the folder of its tables.
    """
    tables = mechanisms.read_tables(facts, folder, "Begin again with 'journeys run'")
    scenario = fitted.scenario
    plan = plan_places(statistics, fitted.area.code, scenario.first_year - 1) if PLACES in tables else None
    made = mechanisms.put_together(fitted, facts, tables, plan, JOURNEY)
    record: dict[str, Any] = {
        "on": list(facts["tables"]),
        "assumed": ASSUMED,
        "tables": dict(facts["tables"]),
        "changed": {name: changed(name, folder) for name in tables if not facts["tables"][name]["shipped"]},
        "shocks": [{**told, "told": in_words(shock)} for told, shock in zip(facts["shocks"], made.shocks, strict=True)],
    }
    acting = mechanisms.acting(facts, tables)
    if acting is not None:
        workforce = workforce_of(fitted.area.code, scenario.first_year - 1)
        behaving = BEHAVIOURS in tables
        children = float(scenario.plan.ages.sum() + scenario.plan.unaccompanied.sum()) / scenario.sample
        n_runs = runs_of_reference(children, tables) if behaving else 0
        reference = reference_course(fitted, made, n_runs, say, workers) if behaving else _no_course(scenario.n_weeks)
        if behaving:
            say("gains", 0.0)
        case = classic_case(fitted.scenario, fitted.parameters, JOURNEY, n_weeks=GAIN_YEARS * WEEKS_PER_YEAR)
        course = system_course(fit, fitted, case, acting, workforce, made)
        made = replace(made, acting=acting, reference=reference, workforce=workforce, course=course)
        if behaving:
            record["behaviours"] = {
                "digest": acting.digest,
                "loops": list(acting.loops()),
                "off_because_homes_tell": list(TOLD_BY_HOMES) if PLACES in tables else [],
                "workforce": list(workforce.told),
                "reference": {"runs": n_runs, "first_seed": FIRST_SEED, "digest": reference.digest},
                **_gains(case, acting, workforce),
            }
    if plan is not None:
        record["places"] = {
            "day": f"31 March {plan.year}", "occupancy": plan.occupancy,
            "marks": {name: list(mark) for name, mark in plan.marks.items()},
        }  # fmt: skip
    if CLOCKS in tables:
        rules = in_force(tables[CLOCKS], first_day(scenario.first_year))
        record["clocks"] = {
            "rules": [rule.key for rule in rules],
            "changes": list(changes(tables[CLOCKS], scenario.first_year, scenario.n_weeks)),
        }
    record["told"] = told(record)
    return Kept(facts, plan, replace(made, record=record))


# The reference, and system dynamics ----------------------------------------------------------------------------------


def runs_of_reference(children: float, on: Collection[str]) -> int:
    """Return how many runs the reference is the mean of, for so many simulated children and what is on."""
    n = min(max(int(ENOUGH / max(children, 1.0)), FEWEST), MOST)
    return max(n // 2, FEWEST) if FAMILIES in on or PLACES in on else n


def reference_course(fitted: Fitted, made: Mechanisms, n_runs: int, say: Say, workers: int) -> Reference:
    """Return the mean course of runs with everything on but the behaviours."""
    say("reference", 0.0)
    runs = simulate_many(
        fitted.scenario, made.parameters, range(FIRST_SEED, FIRST_SEED + n_runs), made.journey, workers=workers,
        log=False, places=made.supply, progress=lambda done, n: say("reference", done / n),
    )  # fmt: skip
    return course_of_runs(runs)


def _no_course(n_weeks: int) -> Reference:
    """Return a course of nobody, which does for behaviours without strength."""
    return Reference(np.zeros((n_weeks, len(JOURNEY.states))), np.zeros((n_weeks, JOURNEY.tables.n_edges)))


def system_case(fit: SavedFit, fitted: Fitted, case: ClassicCase) -> ClassicCase:
    """Return the system dynamics that was fitted by itself, ready to be given a system.

    How many of those who flow have which history is taken from `case`, the same area's.
    """
    rates = replace(fit.system.rates, history=case.rates.history)
    base = np.log(multipliers(JOURNEY, fitted.logs, len(fitted.logs))).mean(axis=0)
    scenario = fitted.scenario
    factors = multipliers(JOURNEY, fit.system.logs, scenario.n_years) / np.exp(base)
    return case_of(JOURNEY, rates, factors, scenario.n_weeks)


def system_course(
    fit: SavedFit, fitted: Fitted, case: ClassicCase, acting: Behaviours, workforce: Workforce, made: Mechanisms
) -> tuple[Array, Array]:
    """Return stocks and flows of the fitted system dynamics with behaviours and shocks."""
    own = system_case(fit, fitted, case)
    return own.run(care_system(JOURNEY, acting, own.reference, workforce, made.shocks))


def _gains(case: ClassicCase, acting: Behaviours, workforce: Workforce) -> dict[str, Any]:
    found = gains(case, acting, workforce)
    # Rounded, because system dynamics may differ in the last bits from machine to machine.
    return {
        "gain": round(found.gain, 3),
        "loop_gains": [
            {"loop": g.loop, "name": g.name, "in_all": round(g.in_all, 3), "alone": round(g.alone, 3)}
            for g in found.loops
        ],
        "warnings": list(found.warnings),
    }


# The record ----------------------------------------------------------------------------------------------------------


def changed(name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the numbers of an edited table that are not as shipped: what, shipped (None for a new one), here."""
    ((file, shipped), *_) = mechanisms.FILES[name]
    before, here = _numbers(name, shipped), _numbers(name, folder / file)
    out = [
        {"what": key, "shipped": before.get(key), "here": here.get(key)}
        for key in dict.fromkeys([*before, *here])
        if before.get(key) != here.get(key)
    ]
    return out


def _numbers(name: str, path: Path) -> dict[str, float]:
    if name == BEHAVIOURS:
        return {link.key: link.effect for link in behaviours_table.read_behaviours(path).links}
    if name == FAMILIES:
        values = families_table.read_family_values(path)
        return {f"{kind}: {key}": value.value for (kind, key), value in values.items()}
    if name == PLACES:
        return {key: value.value for key, value in places_table.read_values(path).items()}
    return {rule.key: rule.concentration for rule in clocks_table.read_rules(path)}


def told(record: Mapping[str, Any]) -> list[str]:
    """Return in sentences what is on."""
    out = []
    words = {
        FAMILIES: "Families have a life of their own, and brothers and sisters are helped and move together.",
        PLACES: "Homes are limited: a child may have to wait for one, or live in one of another kind.",
        CLOCKS: "Reviews and time limits have their weeks.",
    }
    for name in record["on"]:
        if name == BEHAVIOURS:
            found = record["behaviours"]
            out.append(
                f"The system answers to what happens in it, by the loops {', '.join(found['loops'])}; together they "
                f"make the response to a tenth more referrals {found['gain']:.2f} times as large."
            )
            off = found["off_because_homes_tell"]
            if off:
                out.append(f"The loops {' and '.join(off)} are off: limited homes tell of the shortage of carers.")
            n_runs = found["reference"]["runs"]
            out.append(f"What the system answers to is measured from the mean of {n_runs} runs without behaviours.")
            out += [f"In system dynamics, where gains are worked out: {line}" for line in found["warnings"]]
        else:
            out.append(words[name])
    for name, table in record["tables"].items():
        if not table["shipped"]:
            n = len(record["changed"].get(name, ()))
            numbers = "1 number differs" if n == 1 else f"{n} numbers differ"
            out.append(f"The table of {name} is '{table['of']}': {numbers} from the shipped one.")
    out += [shock["told"] for shock in record["shocks"]]
    out += record.get("clocks", {}).get("changes", [])
    return [*out, record["assumed"]]
