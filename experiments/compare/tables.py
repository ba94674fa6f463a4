"""Further tables of the report: careers, children in need, yearly factors, and what each view leaves out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.outputs import OUTPUTS
from calibration.levers import LEVERS
from calibration.literature import read_literature
from calibration.statistics import ENGLAND
from experiments.asked import BEHAVIOURS, CLOCKS, FAMILIES, PLACES
from experiments.compare.frames import COMPARED, QUANTILES, Points, bounds, quantile, shown_figures
from experiments.compare.metrics import OF_RUNS
from experiments.run import EVER_REFERRED, OPEN_AT_31_MARCH, RETURNS_SEEN

Array = NDArray[np.float64]
POINTS_OFF = 3.0
"""How many percentage points England's careers may be from what research found."""
TELLS = 3.0
"""A difference of this many Monte Carlo errors is told from chance."""
ENOUGH = 0.05
"""Runs are enough when they can tell a difference of this share of the figure."""

_CAREERS = (
    ("back_in_care, 3 months", "Back in care within 3 months of going home", "reentered_within_3_months_of_return"),
    ("back_in_care, 1 year", "Back in care within 1 year of going home", "reentered_within_1_year_of_return"),
    ("back_in_care, 6 years", "Back in care within 6 years of going home", "reentered_within_6_years_of_return"),
    (EVER_REFERRED, "Ever referred by 18", "ever_referred_by_18"),
)


def careers_table(careers: Mapping[str, Array], area_code: str) -> pl.DataFrame:
    """Return what follows children over years, beside research: simulated mean, 90% interval over runs, found, apart.

    Of fewer than 20 runs, low and high are the lowest and the highest. Runs count in proportion to the returns home
    that they saw. `held` is told for England alone: elsewhere both are shown, and nothing is required.
    """
    findings = read_literature()
    weight = np.maximum(careers[RETURNS_SEEN], 1e-9)
    rows = []
    for key, label, finding in _CAREERS:
        values = careers[key]
        known = np.isfinite(values)
        mean = float(np.average(values[known], weights=weight[known] if key != EVER_REFERRED else None))
        low, high = np.quantile(values[known], [QUANTILES[name] for name in bounds(len(values))], method=OF_RUNS)
        found = findings[finding]
        apart = mean - found.value
        held = ("yes" if abs(apart) <= POINTS_OFF else "no") if area_code == ENGLAND else "not required"
        told = [round(float(value), 1) + 0.0 for value in (mean, low, high, found.value, apart)]
        rows.append((label, *told, held, _by_whom(found.source)))
    columns = ["measure", "simulated_percent", "low", "high", "research_percent", "points_apart", "held", "source"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _by_whom(source: str) -> str:
    """Return the authors and the year of a source; calibration/published/literature.csv has the whole."""
    found = re.match(r".*?\b(?:19|20)\d\d", source)
    return found[0] if found else source


def children_in_need_table(
    years: tuple[int, ...], points: Points, runs: Mapping[str, Array], system: Mapping[str, Array]
) -> pl.DataFrame:
    """Return children in need at 31 March as published, those in states of the model, and the remainder, by year."""
    published = points.get("cin_at_31_march", {})
    median, line = quantile(runs[OPEN_AT_31_MARCH], 0.5), system.get(OPEN_AT_31_MARCH)
    rows = []
    for place, year in enumerate(years):
        if year in published and year in COMPARED:
            rest = published[year] - median[place]
            sd = None if line is None else float(line[place])
            rows.append((year, published[year], float(median[place]), sd, float(rest), 100 * rest / published[year]))
    columns = ["year", "published", "abm_in_states", "sd_in_states", "remainder", "remainder_percent"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def factors_table(logs: Array, system_logs: Array, ahead: int, first_year: int) -> pl.DataFrame:
    """Return the yearly factors of every lever, of both views, and the one carried ahead."""
    rows = []
    for place, lever in enumerate(LEVERS):
        for view, own in (("abm", logs), ("sd", system_logs)):
            rows.append((lever.label, view, *np.exp(own[:, place]), float(np.exp(own[-ahead:, place].mean()))))
    years = [str(first_year + n) for n in range(len(logs))]
    return pl.DataFrame(rows, schema=["lever", "series", *years, f"after {years[-1]}"], orient="row")


def beside_table(
    years: tuple[int, ...], runs: Mapping[str, Array], system: Mapping[str, Array], shown: tuple[int, ...]
) -> pl.DataFrame:
    """Return system dynamics less the mean of the simulation, with its Monte Carlo error and what may be said of it."""
    rows = []
    for figure in shown_figures():
        if figure.key not in runs or figure.key not in system:
            continue
        for year in (year for year in shown if year in years):
            place = years.index(year)
            values = runs[figure.key][:, place]
            mean, sd = float(values.mean()), float(system[figure.key][place])
            error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")
            rows.append((figure.key, figure.label, year, sd, mean, sd - mean, error, told_apart(sd, mean, error)))
    columns = ["figure", "label", "year", "sd", "abm_mean", "sd_less_abm", "monte_carlo_error", "what_it_says"]
    return pl.DataFrame(rows, schema=columns, orient="row").fill_nan(None)


def told_apart(sd: float, mean: float, error: float) -> str:
    """Return in words whether two figures differ by more than chance, how near they are, or that runs are too few."""
    if not np.isfinite(error):
        return "one run cannot tell"
    if mean == 0:
        return "nothing to compare"
    apart, told = abs(sd - mean) / abs(mean), TELLS * error / abs(mean)
    if apart > told:
        return f"they differ, by {100 * apart:.0f}%"
    if told > ENOUGH:
        return "too few runs to tell"
    return f"at most {100 * (apart + told):.0f}% apart"


def counts_table() -> pl.DataFrame:
    """Return what each figure is published as, and where the model counts otherwise."""
    rows = [(o.label, o.published_as, o.note) for o in OUTPUTS if o.shown]
    return pl.DataFrame(rows, schema=["figure", "published_as", "where_the_model_differs"], orient="row")


def left_out_table(on: Collection[str] = ()) -> pl.DataFrame:
    """Return what each view knows and leaves out in a run with these mechanisms on."""

    def told(mechanism: str, then: str, otherwise: str = "left out in this run") -> str:
        return then if mechanism in on else otherwise

    rows = [
        ("Ages", "one rate for all ages; turning 18 is a rate", "single weeks of age; leaving at 18 is a date"),
        (
            "Time already spent",
            "everyone leaves at one rate, however long they have stayed",
            "chances change with the time on a plan, in care and since the last closure",
        ),
        ("History", "a child known before is as likely to return as any other", "being known before raises the chance"),
        (
            "Differences between families",
            "none",
            "four classes of risk that brothers and sisters share"
            + told(FAMILIES, ", and circumstances that move and answer to help", ""),
        ),
        (
            "Brothers and sisters",
            "none",
            told(
                FAMILIES,
                "referred, assessed, placed and home again together or not, by assumed chances",
                "they share the class of risk, but are referred and placed one by one",
            ),
        ),
        ("Chance", "one line of expected numbers", "every run differs; bands over runs"),
        ("Distinct children in a year", "events are counted", "children are counted once"),
        ("A single journey", "none", "every child has one, event by event"),
        ("Places", "left out", told(PLACES, "homes by kind, distance and ages; a child may have to wait for one")),
        (
            "Workload, thresholds, money",
            told(BEHAVIOURS, "left out; beside it a line with the same behaviours"),
            told(BEHAVIOURS, "the system answers to them each week"),
        ),
        ("Reviews and time limits", "left out", told(CLOCKS, "part of what is decided falls in their weeks")),
        ("Policies", "left out in this version", "left out in this version"),
    ]
    return pl.DataFrame(rows, schema=["what", "system_dynamics", "agent-based_model"], orient="row")
