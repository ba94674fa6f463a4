"""The fit of an area: what it meets, that it repeats itself, how its parts work, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abm.careers import back_in_care, ever_referred, figures_of
from abm.cohorts import columns_of
from abm.errors import CareError
from abm.journey import JOURNEY
from abm.outputs import CARE, ON_A_PLAN, evaluate, output_named
from abm.parameters import Parameters
from abm.simulate import simulate, simulate_many
from abm.trajectory import run_columns
from calibration.fit import (
    FIRST_YEAR,
    LAST_FITTED,
    LAST_YEAR,
    YearlyModel,
    fit_area,
    observed_figures,
    plan_durations,
)
from calibration.levers import FITTED_FIGURES, LEVERS, multipliers
from calibration.national import base_figures
from calibration.statistics import ENGLAND, Statistics, read_statistics
from calibration.targets import Target, targets
from tests.calibration.areas import (
    BLACKPOOL,
    FIVE,
    REQUIRED,
    fitted,
    five_year_means,
    mean_field,
    on_day_one,
    shipped,
)

QUICK = 3
"""Runs for the correction in the fast tests; a fit makes up to 24."""
SEEDS = range(101, 109)
# A whole fit takes a quarter of a minute; one area in every run with a quick correction, all with the slow tests.
EACH = [
    pytest.param(BLACKPOOL, QUICK, id="Blackpool, quick correction"),
    *[pytest.param(code, None, marks=pytest.mark.slow, id=code) for code in FIVE],
]
RUNS = {}


def runs_of(code: str, correction_runs: int | None):
    """Runs of the fitted area, kept for the tests of this file: figures by run, stocks of the first year by run."""
    if (code, correction_runs) not in RUNS:
        fit = fitted(code, correction_runs)
        seeds = SEEDS[:4] if code == ENGLAND else SEEDS
        figures, stocks, again, ever = [], [], [], []
        for run in simulate_many(fit.scenario, fit.parameters, seeds, JOURNEY, workers=2):
            figures.append(figures_of(run))
            stocks.append(run.stocks[:52] * fit.scenario.sample)
            if code == ENGLAND:
                again.append([percent for percent, _ in back_in_care(run).values()])
                ever.append(ever_referred(run)[0])
        median = {key: np.median([f[key] for f in figures], axis=0) for key in figures[0]}
        RUNS[code, correction_runs] = median, np.median(stocks, axis=0), again, ever
    return RUNS[code, correction_runs]


# --- what must hold ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "correction_runs"), EACH)
def test_the_simulation_meets_the_five_year_means_within_ten_percent(code, correction_runs):
    figures, *_ = runs_of(code, correction_runs)
    found = five_year_means(fitted(code, correction_runs), figures)
    assert set(found) == set(REQUIRED)
    assert found == pytest.approx(dict.fromkeys(REQUIRED, 1.0), abs=0.10)


@pytest.mark.parametrize(("code", "correction_runs"), EACH)
def test_the_mean_field_corrected_by_the_simulation_meets_them_too(code, correction_runs):
    fit = fitted(code, correction_runs)
    model = YearlyModel(mean_field(), fit.book, fit.scenario, len(fit.logs))
    model.correction = fit.correction
    figures = dict(zip(FITTED_FIGURES, model(fit.logs).T, strict=True))
    for share in ("cla_foster", "cla_childrens_home"):
        figures[f"{share}_share"] = 100 * figures[f"{share}_at_31_march"] / figures["cla_at_31_march"]
    assert five_year_means(fit, figures) == pytest.approx(dict.fromkeys(REQUIRED, 1.0), abs=0.05)


@pytest.mark.parametrize(("code", "correction_runs"), EACH)
def test_the_first_year_goes_from_one_31_march_to_the_next_without_a_jump(code, correction_runs):
    """Looked after, and on a plan: in the first year never far from the straight line between two published stocks.

    A jump would show in the first weeks, when the line has hardly moved. The bound is 4%, for seasons, the pandemic
    and what the fit leaves over at the end of the year, and three standard errors of the median of the runs.
    """
    _, stocks, *_ = runs_of(code, correction_runs)
    fit = fitted(code, correction_runs)
    published = {(t.figure, t.year): t.value for t in fit.targets}
    for figure, states in (("cla_at_31_march", CARE), ("cpp_at_31_march", ON_A_PLAN)):
        before, after = (published[figure, year] for year in (FIRST_YEAR - 1, FIRST_YEAR))
        line = before + (after - before) * np.arange(1, 53) / 52
        seen = stocks[:, [JOURNEY.state_index[s] for s in states]].sum(axis=1)
        noise = 3 * 1.25 * np.sqrt(fit.scenario.sample / before / len(SEEDS))
        assert np.abs(seen / line - 1).max() < 0.04 + noise, figure


@pytest.mark.slow
def test_england_goes_home_and_comes_back_as_research_has_it():
    """Re-entry 12, 20 and 35% after 3 months, 1 and 6 years; ever referred by 18: 35.4%. Within 3 points each."""
    _, _, again, ever = runs_of(ENGLAND, None)
    assert np.mean(again, axis=0).tolist() == pytest.approx([12, 20, 35], abs=3)
    assert np.mean(ever) == pytest.approx(35.4, abs=3)


# --- a fit repeats itself ---------------------------------------------------------------------------------------------


def test_one_fit_and_one_seed_give_one_digest():
    fit = fitted(BLACKPOOL, QUICK)
    one, same, other = (simulate(fit.scenario, fit.parameters, seed, JOURNEY).digest for seed in (7, 7, 8))
    assert one == same != other


@pytest.mark.slow
def test_a_fit_repeats_itself_for_any_number_of_workers():
    one = fitted(BLACKPOOL, QUICK)
    two = fit_area(shipped(), shipped().area(BLACKPOOL), correction_runs=QUICK, workers=1)
    assert (one.logs == two.logs).all()
    assert (one.parameters.rates == two.parameters.rates).all()
    assert (one.scenario.day_one.chance == two.scenario.day_one.chance).all()
    digests = [simulate(fit.scenario, fit.parameters, 11, JOURNEY).digest for fit in (one, two)]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_a_fit_to_earlier_years_knows_nothing_of_later_ones(tmp_path):
    """The area's figures after the last fitted year are not read: with half of each the fit is the same."""
    later = (pl.col("year") > 2023) & (pl.col("area_code") == BLACKPOOL)
    later &= ~pl.col("measure").str.starts_with("population")
    changed = changed_table(tmp_path, pl.when(later).then(pl.col("value") / 2).otherwise(pl.col("value")))
    area = shipped().area(BLACKPOOL)
    short = {"fitted_to": 2023, "last_year": 2025, "correction_runs": 1}
    plain, blind = (fit_area(statistics, area, **short) for statistics in (shipped(), changed))
    assert plain.fitted_to == 2023
    assert {t.year for t in plain.targets} == {2020, 2021, 2022, 2023}
    assert plain.scenario.n_years == 5
    assert (plain.logs == blind.logs).all()


# --- its parts --------------------------------------------------------------------------------------------------------


def test_a_fit_is_told_as_it_goes_and_holds_together():
    fit = fitted(BLACKPOOL, QUICK)
    assert fit.scenario.years == tuple(range(FIRST_YEAR, LAST_YEAR + 1))
    assert fit.logs.shape == (LAST_FITTED - FIRST_YEAR + 1, len(LEVERS))
    assert fit.correction.shape == (len(fit.logs), len(FITTED_FIGURES))
    assert (fit.parameters.multipliers == multipliers(JOURNEY, fit.logs, 10)).all()
    assert (fit.parameters.rates == fit.book.rates()).all()
    assert fit.parameters.checked(JOURNEY).multipliers.shape[0] == 10
    assert {t.year for t in fit.targets} == set(range(FIRST_YEAR - 1, LAST_FITTED + 1))
    assert fit.levels["referrals"][1] == pytest.approx(fit.levels["referrals"][0], rel=0.03)


def test_progress_is_told_from_levels_to_correction(monkeypatch):
    begun = on_day_one(BLACKPOOL)
    levels = begun.book, {}, base_figures(shipped(), BLACKPOOL)
    monkeypatch.setattr("calibration.fit.fit_levels", lambda *_: levels)
    monkeypatch.setattr("calibration.fit.solve", lambda model, start, *_rest, **_more: (start, None, None))
    told = []
    fit_area(
        shipped(), shipped().area(BLACKPOOL), fitted_to=2021, last_year=2021, correction_runs=2,
        progress=lambda what, part: told.append((what, part)),
    )  # fmt: skip
    assert told == [("levels", 0.0), ("day one", 0.0), ("correction", 0.0), ("correction", 0.5), ("correction", 1.0)]


@pytest.fixture(scope="module")
def model() -> YearlyModel:
    begun = on_day_one(BLACKPOOL)
    return YearlyModel(mean_field(), begun.book, begun.scenario, 3)


def test_year_by_year_is_the_same_as_all_at_once(model):
    logs = np.random.default_rng(3).normal(0, 0.2, (3, len(LEVERS)))
    parameters = Parameters(model.rates, multipliers(JOURNEY, logs, 3))
    field, scenario = mean_field(), on_day_one(BLACKPOOL).scenario
    path = run_columns(field, parameters.thresholds(JOURNEY), columns_of(scenario, field, 52), 156)
    for column, figure in enumerate(FITTED_FIGURES):
        whole = evaluate(output_named(figure), JOURNEY, path.stocks, path.flows)
        assert model.plain(logs)[:, column] == pytest.approx(whole, rel=1e-9), figure


def test_a_factor_acts_from_its_year_on(model):
    logs = np.zeros((3, len(LEVERS)))
    base = model.plain(logs)
    logs[1, [lever.key for lever in LEVERS].index("into_care")] = 0.3
    moved = model.plain(logs)
    started, stock = (FITTED_FIGURES.index(key) for key in ("cla_started", "cla_at_31_march"))
    assert (moved[0] == base[0]).all()
    assert moved[1, started] == pytest.approx(base[1, started] * np.exp(0.3), rel=0.1)
    assert moved[2, started] == pytest.approx(base[2, started], rel=0.1)
    assert (moved[1:, stock] > 1.03 * base[1:, stock]).all()


def test_what_was_seen_before_is_not_worked_out_otherwise(model):
    first, other = np.zeros((3, len(LEVERS))), np.full((3, len(LEVERS)), 0.1)
    base = model.plain(first)
    model.plain(other)
    assert (model.plain(first) == base).all()


def test_without_the_compiler_it_is_the_same(model, monkeypatch):
    logs = np.full((3, len(LEVERS)), -0.2)
    compiled = model.plain(logs)
    monkeypatch.setattr("abm.trajectory.HAS_NUMBA", False)
    assert model.plain(logs) == pytest.approx(compiled, rel=1e-9)


def test_the_correction_multiplies(model):
    logs = np.zeros((3, len(LEVERS)))
    plain = model(logs)
    try:
        model.correction = np.full_like(model.correction, 1.25)
        assert model(logs) == pytest.approx(1.25 * plain)
    finally:
        model.correction = np.ones_like(model.correction)


def test_observed_figures_stand_in_their_year_and_column():
    def target(figure: str, year: int, value: float) -> Target:
        return Target(figure, year, value, value / 100, value, value, "A", "")

    seen = observed_figures(
        (
            target("referrals", 2022, 500.0), target("cla_started", 2021, 60.0), target("referrals", 2020, 1.0),
            target("referrals", 2024, 2.0), target("cla_foster_share", 2021, 70.0),
        ),
        3,
    )  # fmt: skip
    assert seen.value.shape == seen.sigma.shape == (3, len(FITTED_FIGURES))
    assert seen.known.sum() == 2
    assert seen.value[1, FITTED_FIGURES.index("referrals")] == 500
    assert seen.sigma[1, FITTED_FIGURES.index("referrals")] == 5
    assert seen.value[0, FITTED_FIGURES.index("cla_started")] == 60


# --- refusals ---------------------------------------------------------------------------------------------------------


def changed_table(folder: Path, value: pl.Expr | None = None, without: pl.Expr | None = None) -> Statistics:
    """The shipped table with other values, or without some rows."""
    frame = shipped().frame
    frame = frame.filter(~without) if without is not None else frame
    frame = frame.with_columns(value.alias("value")) if value is not None else frame
    frame.write_csv(folder / "figures.csv")
    return read_statistics(folder / "figures.csv")


def refused(folder: Path, measure: str, years: list[int] | None = None, code: str = BLACKPOOL) -> str:
    """What a fit says of a table without a measure of an area, in some years or in all."""
    without = pl.col("measure").str.starts_with(measure) & (pl.col("area_code") == code)
    statistics = changed_table(folder, without=without & pl.col("year").is_in(years) if years else without)
    with pytest.raises(CareError) as refusal:
        fit_area(statistics, statistics.area(code), correction_runs=1)
    assert refusal.value.where == str(folder / "figures.csv")
    return str(refusal.value).replace(f" ({refusal.value.where})", "")


@pytest.mark.parametrize("figure", ["cla_at_31_march", "cpp_at_31_march"])
def test_a_stock_of_day_one_that_is_missing(figure, tmp_path):
    assert refused(tmp_path, figure, [2020]) == (
        f"The table has no '{figure}' of Blackpool for 2020, where the simulation starts. "
        "Add the row, or choose another area"
    )


@pytest.mark.parametrize("figure", ["referrals", "cpp_started", "cla_started", "cla_ceased"])
def test_a_flow_that_is_missing_in_every_year(figure, tmp_path):
    assert refused(tmp_path, figure) == (
        f"The table has no '{figure}' of Blackpool for any year from 2020. Add rows, or choose another area"
    )


def test_no_start_of_care_in_the_years_that_set_the_levels(tmp_path):
    assert refused(tmp_path, "cla_started", [2018, 2019, 2020]) == (
        "The table has no 'cla_started' of Blackpool for any year from 2018 to 2020, by which its levels are set. "
        "Add rows, or choose another area"
    )


def test_england_without_its_plans_of_2022(tmp_path):
    assert refused(tmp_path, "cin_plans_at_31_march", [2022], ENGLAND) == (
        "The table has no 'cin_plans_at_31_march' of England for 2022. Add the row"
    )


@pytest.mark.parametrize(("fitted_to", "last_year"), [(2020, 2030), (2025, 2024)])
def test_years_in_the_wrong_order(fitted_to, last_year):
    with pytest.raises(CareError) as refusal:
        fit_area(shipped(), shipped().area(BLACKPOOL), fitted_to=fitted_to, last_year=last_year)
    assert str(refusal.value) == (
        f"A fit to {fitted_to} that is run to {last_year} is not possible. "
        "Fit to 2021 or later, and run to that year or later"
    )


def test_durations_of_plans_need_every_band(tmp_path):
    area = shipped().area(BLACKPOOL)
    found = plan_durations(shipped(), area)
    assert found is not None
    # Blackpool, 31 March 2020, from three months or less to two years or more.
    assert found.tolist() == pytest.approx([n / 363 for n in (90, 62, 124, 80, 7)])
    one = (pl.col("measure") == "cpp_at_31_march_by_duration") & (pl.col("breakdown") == "2 years or more")
    without = one & (pl.col("year") == 2020) & (pl.col("area_code") == BLACKPOOL)
    assert plan_durations(changed_table(tmp_path, without=without), area) is None
    gone = pl.col("measure") == "cpp_at_31_march_by_duration"
    assert plan_durations(changed_table(tmp_path, without=gone), area) is None


def test_a_figure_that_is_hidden_in_a_year_is_not_fitted_to(tmp_path):
    """A suppressed cell is a row that is not there."""
    mine = (pl.col("measure") == "s47_enquiries") & (pl.col("area_code") == BLACKPOOL)
    statistics = changed_table(tmp_path, without=mine & (pl.col("year") == 2023))
    for table, known in ((shipped(), [True] * 5), (statistics, [True, True, False, True, True])):
        found = targets(table, BLACKPOOL, range(FIRST_YEAR, LAST_FITTED + 1))
        assert observed_figures(found, 5).known[:, FITTED_FIGURES.index("s47_enquiries")].tolist() == known
