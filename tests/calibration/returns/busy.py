"""Made-up areas in which much happens, written as returns and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from abm.journey import JOURNEY
from abm.parameters import Parameters
from abm.run import Run
from abm.simulate import simulate
from calibration.returns.assemble import Link, Observed, assemble
from calibration.returns.cin import read_cin
from calibration.returns.findings import Findings
from calibration.returns.ssda903 import read_care
from calibration.returns.synthetic import Stories
from calibration.returns.synthetic903 import write_ssda903
from calibration.returns.synthetic_cin import write_cin
from tests.abm.toys import busy_parameters, small_area

ROW = ("child", "week", "step", "transition", "from")


def busy_run(seed: int, n_children: int = 120, n_weeks: int = 520, first_year: int = 2021) -> Run:
    """A run of a made-up area: rates as no area has them, but for what is by definition (settled after six years)."""
    parameters = busy_parameters(n_weeks // 52, seed)
    rates = parameters.rates.copy()
    settled, back = JOURNEY.edges_of("settled_at_home"), JOURNEY.edges_of("came_back_into_care")
    six_years = len(JOURNEY.states[JOURNEY.state_index["reunified"]].bands) - 1
    rates[settled], rates[back, :, six_years] = 0, 0
    rates[settled, :, six_years] = np.inf
    scenario = replace(small_area(n_children, n_weeks), first_year=first_year)
    return simulate(scenario, replace(parameters, rates=rates), seed, JOURNEY)


def in_time(parameters: Parameters, times: float) -> Parameters:
    """The same rates, but that assessments and enquiries are `times` shorter: in time, as the census takes them to be.

    Of an enquiry that is still open when a file ends, beside an assessment that is overdue, the end is presumed.
    """
    rates = parameters.rates.copy()
    late = [JOURNEY.state_index[key] for key in ("being_assessed", "under_enquiry", "in_need_under_enquiry")]
    rates[np.isin(JOURNEY.tables.source, late)] *= times
    return replace(parameters, rates=rates)


def read_back(stories: Stories, folder: Path, link: Link | None = Link()) -> tuple[Observed, Findings]:  # noqa: B008
    """Write a run as returns of both kinds, read them and put the log together."""
    care_files, need_files = write_ssda903(stories, folder), write_cin(stories, folder)
    findings = Findings()
    care, need = read_care(care_files, findings), read_cin(need_files, findings)
    return assemble(care, need, findings, link=link), findings


def rows_of(observed: Observed) -> pl.DataFrame:
    """The log with the run's numbers of children, as `synthetic_seen.seen` tells it."""
    journey, events = observed.journey, observed.events
    number = numbers_of(observed)
    states = pl.Series([state.key for state in journey.states])
    transitions = pl.Series([transition.key for transition in journey.transitions])
    rows = pl.DataFrame(
        {
            "child": number.gather(events["child"]),
            "week": events["week"].cast(pl.Int32),
            "step": events["step"].cast(pl.Int32),
            "transition": transitions.gather(events["transition"]),
            "from": states.gather(events["from_state"]),
        }
    )
    return rows.sort("child", "week", "step")


def numbers_of(observed: Observed) -> pl.Series:
    """Number in the run of each child of the log, from the made-up key."""
    key = observed.keys.select(pl.max_horizontal("care", "need")).to_series()
    return key.str.slice(3).cast(pl.Int32).alias("child")
