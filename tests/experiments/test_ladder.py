"""The ladder as a whole: terms add up, what is not there is not told as nothing, words, files, and refusals."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest

from abm.errors import CareError
from abm.journey import JOURNEY
from calibration.behaviours import read_behaviours
from calibration.fitted import SavedFit, save_fit
from experiments import ladder_jobs
from experiments.compare.ladder import course as course_module
from experiments.compare.ladder.climb import BASELINE, FIGURES, POLICY, Climber, Gap, Ladder, climb
from experiments.compare.ladder.course import Model
from experiments.compare.ladder.frames import COLUMNS, ladder_frame
from experiments.compare.ladder.paired import Estimate, Pair, Setting, nothing, simulated
from experiments.compare.ladder.policy import Policy, policy_of
from experiments.compare.ladder.rungs import CLOCKS, NOT_YET, RUNGS, Rung, switches_of
from experiments.compare.ladder.sentences import sentences
from experiments.compare.ladder.text import lines
from experiments.compare.ladder.wiring import clocks_of
from tests.bench.case import area_of, parameters

HALF = Policy("into_care", ("came_into_care",), 0.5, 2022)


def quiet(_what: str, _part: float) -> None:
    """Say nothing."""


def _no_change(_setting):
    return (lambda one: one), nothing


def _half_come_in(setting):
    start, stocks, flows = setting.course
    assert setting.on == ("same",)
    assert start.sum() > 0 and stocks.shape[0] == flows.shape[0] == 104  # noqa: PT018
    return (lambda one: replace(one, parameters=HALF.on(one.parameters, one.journey, 2021, 2))), nothing


SOME = (
    *(rung for rung in RUNGS if rung.switches and rung.key != CLOCKS),
    Rung(3, "same", "something that changes nothing", "Nothing.", pair=Pair("none", _no_change)),
    Rung(5, "half", "half as many", "Half.", pair=Pair("half", _half_come_in)),
    Rung(6, "later", "something to come", "Later."),
)  # fmt: skip


@pytest.fixture(scope="module")
def climbed() -> Ladder:
    """Two years of England's rates in a small area, on a coarse clock: what is tested does not depend on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course_module, "FINENESS", 1)
        patch.setattr(course_module, "FINENESS_OF_STAYS", 1)
        patch.setattr(course_module, "BLOCK", 52)
        model = Model(JOURNEY, parameters(), area_of(20_000, weeks=104))
        return climb(Climber({False: model}, HALF, quiet), seeds=(1, 2, 3), rungs=SOME)


# --- what it is made of -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [BASELINE, POLICY])
def test_the_terms_add_up_to_the_gap(climbed, part):
    gap = climbed.gaps[part]
    for terms in (gap.terms, gap.in_order):
        together = sum(terms.values()) + sum(estimate.mean for estimate in gap.coupled.values())
        assert together == pytest.approx(gap.total, abs=1e-9)
        assert np.abs(together - gap.total).max() <= 0.01 * max(np.abs(gap.total).max(), 1e-9)
    assert gap.system + gap.total == pytest.approx(
        gap.full + sum(estimate.mean for estimate in gap.coupled.values()), abs=1e-9
    )


def test_nothing_is_taken_for_a_mechanism_that_changes_nothing(climbed):
    for gap in climbed.gaps.values():
        same = gap.coupled["same"]
        assert (same.mean == 0).all()
        assert (same.se == 0).all()


def test_a_policy_has_no_effect_before_it_and_one_after(climbed):
    gap = climbed.gaps[POLICY]
    x = FIGURES.index("cla_started")
    assert gap.system[:, 0] == pytest.approx(np.zeros(len(FIGURES)), abs=1e-9)
    assert gap.full[x, 1] < -0.2 * climbed.gaps[BASELINE].full[x, 1]
    assert all(term[:, 0] == pytest.approx(np.zeros(len(FIGURES)), abs=1e-9) for term in gap.terms.values())


def test_runs_with_half_the_entries_are_told_apart_from_runs_without(climbed):
    half = climbed.gaps[BASELINE].coupled["half"]
    x = FIGURES.index("cla_started")
    assert half.mean[x, 1] < -4 * half.se[x, 1]


def test_runs_are_near_the_expected_value(climbed):
    """A coarse clock and three runs: within a tenth; in children's homes there are few."""
    gap = climbed.gaps[BASELINE]
    many = [x for x, figure in enumerate(FIGURES) if "home" not in figure]
    assert np.abs(gap.runs.mean / gap.full)[many].max() < 0.1


def test_of_one_run_the_error_is_not_known():
    made = Estimate.of(np.ones((1, 5, 2)))
    assert np.isnan(made.se).all()


def test_both_clocks_have_the_same_bands_and_differ():
    model = Model(JOURNEY, parameters(), area_of(1000, weeks=52))
    off, on = clocks_of(model)
    assert off.journey == on.journey
    assert (off.parameters.rates != on.parameters.rates).any()


def test_every_mechanism_that_couples_runs_on_top_of_those_before_it():
    model = Model(JOURNEY, parameters(), area_of(8000, weeks=60, code="E06000009"))
    plain = simulated(model, FIGURES, (1, 2))
    runs, on, makers = plain, (), []

    def all_of_it():
        return {key: value for make in makers for key, value in make().items()}

    for rung in RUNGS:
        if rung.pair is not None:
            change, given = rung.pair.setup(Setting(model, runs.course, on, None))
            model, on = change(model), (*on, rung.key)
            makers.append(given)
            runs = simulated(model, FIGURES, (1, 2), all_of_it)
    assert on == ("siblings", "places", "behaviours")
    assert model.parameters.families is not None
    assert model.homes is not None
    # What homes tell of is not told twice.
    system = makers[-1]()["system"]
    assert system.behaviours.digest == read_behaviours().without("R6", "R7").digest
    assert (runs.figures != plain.figures).any()


def test_every_rung_has_a_number_of_its_own_in_order():
    assert [rung.number for rung in RUNGS] == list(range(1, 8))
    assert len(set(switches_of())) == len(switches_of())


# --- what it says -----------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_told_so_and_has_no_number(climbed):
    frame = ladder_frame(climbed)
    absent = frame.filter(pl.col("key") == "later")
    assert set(absent["kind"]) == {"absent"}
    assert set(absent["method"]) == {NOT_YET}
    assert absent["value"].is_null().all()
    line = next(line for line in lines(climbed) if "something to come" in line)
    assert line.endswith(NOT_YET)


def test_the_table_has_every_term_once_and_they_add_up(climbed):
    frame = ladder_frame(climbed)
    assert dict(frame.schema) == COLUMNS
    at = ["part", "figure", "year"]
    assert frame.group_by([*at, "kind", "key"]).len()["len"].max() == 1
    wide = frame.filter(pl.col("kind") == "term").group_by(at).agg(pl.col("value").sum().alias("terms"))
    for kind in ("system", "simulation"):
        wide = wide.join(frame.filter(pl.col("kind") == kind).select(*at, pl.col("value").alias(kind)), on=at)
    assert (wide["system"] + wide["terms"] - wide["simulation"]).abs().max() < 1e-9


def gap_of(system: float, terms: dict[str, float], coupled: dict[str, tuple[float, float]] | None = None) -> Gap:
    def every(value: float) -> np.ndarray:
        return np.full((len(FIGURES), 1), value)

    told = {key: every(terms.get(key, 0.0)) for key in switches_of()}
    runs = {key: Estimate(every(mean), every(se)) for key, (mean, se) in (coupled or {}).items()}
    return Gap(every(system), every(system + sum(terms.values())), told, told, runs, None, None)


def said(gap: Gap, part: str = BASELINE) -> list[str]:
    return sentences(Ladder("Toy", (2030,), HALF, (1, 2), RUNGS, {part: gap}), part, FIGURES[0], 2030)


def test_shares_of_the_gap_are_said():
    told = said(gap_of(500, {"time": 50, "age": 12, "frailty": 40, "history": -2}))
    assert told[0] == "Looked after at 31 March 2030: system dynamics has 500 (-16.7%) where the simulation has 600."
    assert told[1] == (
        "62% of the gap at 31 March 2030 (+100) comes from age and time in state (time in state 50% and age and the "
        "18th birthday 12%), 40% from risk class of the family; less 2% for history."
    )


def test_mechanisms_that_pull_both_ways_are_told_in_children():
    told = said(gap_of(500, {"time": 50, "frailty": -40}))
    assert told[1] == (
        "Mechanisms pull both ways: age and time in state +50 and risk class of the family -40; together +10."
    )


def test_a_small_gap_is_not_divided():
    assert said(gap_of(500, {"time": 3}))[1] == "The gap of +3.0 is too small to be divided."


@pytest.mark.parametrize(
    ("system", "time", "words"),
    [
        (-60, 20, "system dynamics overstates the effect by 50%."),
        (-30, -30, "system dynamics understates the effect by 50%."),
        (-60, 1, "they agree within 3%."),
        (10, -30, "they differ in its direction."),
    ],
)
def test_a_policy_is_told_as_over_or_understated(system, time, words):
    assert said(gap_of(system, {"time": time}), POLICY)[0].endswith(words)


def test_what_is_not_told_apart_from_chance_is_said_so():
    gap = gap_of(500, {"time": 50}, {"siblings": (4.0, 3.0)})
    assert said(gap)[-1] == (
        "The term of brothers and sisters (+4.0, standard error 3.0 over 2 runs) is not told apart from chance."
    )
    clear = said(gap_of(500, {"time": 50}, {"siblings": (10.0, 3.0)}))
    assert len(clear) == 2
    assert clear[1].endswith(", 17% from brothers and sisters (standard error 5%).")


# --- policies ---------------------------------------------------------------------------------------------------------


def test_a_policy_is_read():
    told = policy_of(" entries_to_care = 0.8@2026", JOURNEY, 2021, 2030)
    assert (told.factor, told.from_year, len(told.transitions)) == (0.8, 2026, 3)
    assert told.sentence == "entries to care -20% from 1 April 2025 on"
    assert policy_of("matched_with_adopters=1.5@2021", JOURNEY, 2021, 2030).transitions == ("matched_with_adopters",)


def test_a_policy_holds_from_its_year_on_and_beyond_the_rows_there_are():
    model = Model(JOURNEY, parameters(), area_of(1000, weeks=156))
    short = replace(model.parameters, multipliers=np.ones((1, len(JOURNEY.transitions))))
    told = HALF.on(short, JOURNEY, 2021, 3).multipliers[:, JOURNEY.transition_index["came_into_care"]]
    assert told.tolist() == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a fifth less", "is not a policy"),
        ("entries_to_care=0.8", "is not a policy"),
        ("entries_to_car=0.8@2026", "neither a group of transitions nor a transition"),
        ("born=0.8@2026", "at a planned time"),
        ("left_care_at_18=0.8@2026", "at a planned time"),
        ("entries_to_care=-1@2026", "is not a factor"),
        ("entries_to_care=nan@2026", "is not a factor"),
        ("entries_to_care=1@2026", "changes nothing"),
        ("entries_to_care=0.8@2041", "is not a simulated year"),
    ],
)
def test_what_is_no_policy_is_refused(text, words):
    with pytest.raises(CareError, match=words):
        policy_of(text, JOURNEY, 2021, 2030)


# --- the job ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(quick: SavedFit, tmp_path_factory, statistics) -> tuple:
    folder = tmp_path_factory.mktemp("ladder")
    save_fit(quick, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course_module, "FINENESS", 1)
        patch.setattr(course_module, "FINENESS_OF_STAYS", 1)
        patch.setattr(course_module, "BLOCK", 52)
        few = (RUNGS[0], replace(RUNGS[4], switches=(), pair=None), RUNGS[5])
        patch.setattr(ladder_jobs, "climb", partial(climb, rungs=few))
        area = statistics.area("Blackpool")
        told = ladder_jobs.ladder(statistics, area, quiet, fit_from=folder, last_year=2026, seeds=(), workers=2)
    ladder_jobs.write(told, folder / "out")
    return told, folder / "out"


def test_the_ladder_of_a_fit_is_written(made):
    told, folder = made
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [ladder_jobs.TABLE, ladder_jobs.CSV, ladder_jobs.TEXT, ladder_jobs.ABOUT]
    )
    assert pl.read_parquet(folder / ladder_jobs.TABLE).equals(told.frame)
    about = json.loads((folder / ladder_jobs.ABOUT).read_text(encoding="utf-8"))
    assert about["policy"]["words"] == "entries to care -20% from 1 April 2025 on"
    assert about["area"]["name"] == "Blackpool"
    text = (folder / ladder_jobs.TEXT).read_text(encoding="utf-8")
    assert "needs runs (--runs)" in text
    assert ladder_jobs.SIMULATED in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_first_refinement_is_the_foot_of_the_ladder(made):
    told, _ = made
    first = told.refinements[0].figures
    for place, gap in enumerate(told.ladder.gaps.values()):
        assert first[place] == pytest.approx(gap.system, rel=1e-4, abs=1e-3)


def test_system_dynamics_fitted_by_itself_is_that_of_the_fit(made, quick):
    told, _ = made
    last = told.refinements[-1]
    for x, figure in enumerate(FIGURES):
        assert last.figures[0, x] == pytest.approx(quick.system.figures[figure][:6], rel=1e-9)


def test_behaviours_change_nothing_on_system_dynamics_own_course(made):
    told, _ = made
    kinds = {kind.key: kind.figures for kind in told.refinements}
    assert kinds["behaviours"][0] == pytest.approx(kinds["ages"][0], abs=1e-9)
    assert np.abs(kinds["behaviours"][1] - kinds["ages"][1]).max() > 0


def test_a_policy_that_is_none_leaves_the_baseline_alone():
    assert ladder_jobs._policy("none", None, 2030) is None  # type: ignore[arg-type]
