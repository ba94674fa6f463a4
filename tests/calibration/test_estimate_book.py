"""What was estimated as a book of rates and as parameters: found again, run again, and told as a table."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from abm.journey import JOURNEY
from abm.parameters import Parameters
from abm.pathway import N_GROUPS, UNACCOMPANIED_GROUP
from abm.simulate import simulate
from calibration.estimate import ALSO_HIDDEN, COLUMNS, FEWEST, HIDDEN, estimate, parameters_from, rates_from
from calibration.estimate_book import pooled_rates, steady_weights, with_arrivals
from calibration.estimate_counts import count, grouping
from calibration.estimate_log import log_of, log_of_run
from calibration.fit import FIRST_YEAR, LAST_FITTED, LAST_YEAR, area_on_day_one
from calibration.national import RISK_SHARES
from calibration.rates import read_rates, write_rates
from calibration.targets import targets
from tests.abm.toys import small_area
from tests.calibration.areas import BLACKPOOL, mean_field, on_day_one, shipped

TABLES = JOURNEY.tables
EXIT = [*JOURNEY.edges_of("returned_home_planned", "special_guardianship_granted")]


@pytest.fixture(scope="module")
def nation():
    return read_rates(JOURNEY)


@pytest.fixture(scope="module")
def local(nation):
    """An area unlike the nation: levels, ages, time in state, what follows a referral."""
    book = nation.scaled(EXIT, 2.0).scaled(JOURNEY.edges_of("was_referred"), 1.4)
    book = book.scaled(JOURNEY.edges_of("child_in_need_plan_ended"), np.array([0.5, 1, 1, 2, 2, 1, 1, 1, 1]), "band")
    book = book.scaled(JOURNEY.edges_of("came_into_care"), np.array([0.5, 1, 1, 1.5, 2.0]), "age")
    book = book.scaled(
        [JOURNEY.edge("was_referred", "at_home")], np.array([2, 1, 1, 1, 1, 0.5, 1, 1, 1]), "since_closure"
    )
    return book.scaled(JOURNEY.edges_of("closed_with_no_further_action"), 3.0)


@pytest.fixture(scope="module")
def run(local):
    scenario = small_area(40_000, 416)
    return simulate(scenario, Parameters(local.rates(), np.ones((8, len(JOURNEY.transitions)))), 11, JOURNEY)


@pytest.fixture(scope="module")
def found(run, nation):
    return estimate(log_of_run(run), nation)


@pytest.fixture(scope="module")
def book(found, nation):
    return rates_from(found, nation)


@pytest.fixture(scope="module")
def as_observed(run):
    """The run as returns would show it: risk classes unknown, children without history not there."""
    return log_of(JOURNEY, run.population, run.rows, 416, observed=True)


def distance(book_rates, true, exposure):
    """Root mean square of the logarithm of the ratio of the rates of hazards, weighted by the events expected."""
    weight = exposure[TABLES.source] * np.where(np.isfinite(true), true, 0) * TABLES.weekly[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(weight > 0, np.log(book_rates / true), 0.0)
    return float(np.sqrt((weight * np.nan_to_num(apart) ** 2).sum() / weight.sum()))


def test_a_book_is_found_again_in_a_log(run, found, book, local, nation):
    exposure = count(log_of_run(run)).exposure
    before, after = (distance(b.rates(), local.rates(), exposure) for b in (nation, book))
    assert before > 0.3
    assert after < 0.08
    free = distance(parameters_from(found, nation).rates, local.rates(), exposure)
    assert after < free < before
    with np.errstate(invalid="ignore"):
        ratio = book.level / nation.level
    assert ratio[JOURNEY.edge("returned_home_planned", "foster")] == pytest.approx(2.0, rel=0.35)
    closed, care = JOURNEY.edges_of("closed_with_no_further_action")[0], JOURNEY.edge("assessment_began", "referred")
    assert ratio[closed] / ratio[care] == pytest.approx(3.0, rel=0.15)


def test_a_book_is_found_again_without_risk_classes_and_first_referrals(as_observed, run, local, nation):
    """Given how risk classes lie in this made-up area, where it is not as in a steady life course."""
    classes = with_arrivals(JOURNEY, local.rates(), count(log_of_run(run)).exposure.astype(float))
    found = estimate(as_observed, nation, weights=classes)
    assert found.groups.size == 17
    home = JOURNEY.edge("was_referred", "at_home")
    assert np.isnan(found.rates.value[home, 3:15:3]).all()  # of children without history nothing is said
    book, exposure = rates_from(found, nation), count(as_observed).exposure
    before, after = (distance(b.rates(), local.rates(), exposure) for b in (nation, book))
    assert before > 0.3
    assert after < 0.12
    recent = book.since_closure[home] / nation.since_closure[home]
    assert recent[0] / recent[1] == pytest.approx(2.0, rel=0.25)
    np.testing.assert_array_equal(book.since_birth[home], nation.since_birth[home])
    early = JOURNEY.edges_of("early_help_ended")
    np.testing.assert_array_equal(book.rates()[early], nation.rates()[early])
    assert book.risk is nation.risk or (book.risk == nation.risk).all()


def test_what_was_estimated_runs_and_gives_what_was_seen(run, found, book, nation):
    """Events of each kind in eight years are those of the run that was estimated from, to chance and a few percent."""
    for parameters in (
        Parameters(book.rates(), np.ones((8, len(JOURNEY.transitions)))),
        parameters_from(found, nation, 8),
    ):
        again = simulate(run.scenario, parameters, 12, JOURNEY)
        for keys in (("was_referred",), ("came_into_care",), ("returned_home_planned",), ("child_in_need_plan_ended",)):
            edges = JOURNEY.edges_of(*keys)
            seen, now = (float(r.flows[:, edges].sum()) for r in (run, again))
            assert now == pytest.approx(seen, rel=0.05 + 4 / np.sqrt(seen)), keys


def test_the_nation_found_in_its_own_log_stays_as_it_is(nation):
    """Where an area is like the nation there is little but chance, and little is moved."""
    parameters = Parameters(nation.rates(), np.ones((5, len(JOURNEY.transitions))))
    run = simulate(small_area(20_000, 260), parameters, 2, JOURNEY)
    found = estimate(log_of_run(run), nation)
    assert found.shrunk.between_cells > 30
    assert found.shrunk.between_edges > 30
    exposure = count(log_of_run(run)).exposure
    assert distance(rates_from(found, nation).rates(), nation.rates(), exposure) < 0.08


def test_a_book_is_written_and_read_back(book, tmp_path):
    write_rates(JOURNEY, book, tmp_path / "book.csv", "derived", "Estimated from a test")
    back = read_rates(JOURNEY, tmp_path / "book.csv")
    finite = np.isfinite(book.rates())
    np.testing.assert_allclose(back.rates()[finite], book.rates()[finite], rtol=1e-4)
    told = {v.key: v.status for v in back.values}
    assert told["returned_home_planned/foster/level"] == "derived"


def test_pooled_rates_are_means_over_who_is_there(nation):
    groups, declared = grouping(risk_known=False), nation.rates()
    weights = np.zeros((TABLES.n_states, N_GROUPS, TABLES.max_bands))
    home, edge = JOURNEY.state_index["at_home"], JOURNEY.edge("was_referred", "at_home")
    weights[home, 0, 0], weights[home, 9, 0] = 3.0, 1.0  # babies without history, of low and of high risk
    pooled = pooled_rates(JOURNEY, declared, groups, weights)
    assert pooled[edge, 0, 0] == pytest.approx((3 * declared[edge, 0, 0] + declared[edge, 9, 0]) / 4)
    # Where nobody is, classes count the same.
    assert pooled[edge, 1, 0] == pytest.approx(declared[edge, [1, 4, 7, 10], 0].mean())
    certain = JOURNEY.edge("settled_at_home", "reunified")
    assert np.isinf(pooled[certain, :15, 3]).any()
    referred = [e for e in range(TABLES.n_edges) if TABLES.source[e] == JOURNEY.state_index["referred"]]
    np.testing.assert_allclose(pooled[referred, :15, 0].sum(axis=0), 1.0, rtol=1e-12)


def test_steady_weights_are_children_of_all_ages(nation):
    weights = steady_weights(JOURNEY, nation, RISK_SHARES)
    stays = ~TABLES.at_once
    own = weights[stays][:, :UNACCOMPANIED_GROUP].sum()
    assert 0.9 * 18 < own < 18  # of each age one; those who left the area are not in a state that is counted
    referred = JOURNEY.state_index["referred"]
    assert weights[referred].sum() > 0.3
    by_class = weights[referred, :UNACCOMPANIED_GROUP, 0].reshape(5, 4, 3).sum(axis=(0, 2))
    assert by_class[3] / by_class[0] > 0.3  # a twentieth of families, but far more of referrals
    again = with_arrivals(JOURNEY, nation.rates(), weights)
    np.testing.assert_allclose(again[referred], weights[referred], rtol=1e-12)


# The table ------------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_cell_that_anybody_was_in(found):
    frame = found.frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame.height == frame.select("edge", "group", "band").n_unique()
    assert int(frame["events"].sum()) == int(found.events.sum())
    row = frame.filter(pl.col("edge") == "child_in_need_plan_ended/in_need", pl.col("band") == "13-25").sort("events")[
        -1
    ]
    assert row["low"][0] < row["hazard"][0] < row["high"][0]
    assert row["unit"][0] == "per year"
    assert row["exposure"][0] > 10
    last = frame.filter(pl.col("edge") == "child_in_need_plan_ended/in_need", pl.col("band") == "104+")
    assert last.height
    shares = frame.filter(pl.col("unit") == "share").with_columns(
        pl.col("edge").str.split("/").list.last().alias("state")
    )
    sums = shares.group_by("state", "group").agg(pl.col("hazard").sum(), pl.col("shrunk").sum())
    np.testing.assert_allclose(sums["hazard"], 1.0, atol=1e-9)
    np.testing.assert_allclose(sums["shrunk"], 1.0, atol=1e-9)


def test_small_numbers_are_hidden_and_cannot_be_worked_out_of_shares(as_observed, nation):
    found = estimate(as_observed, nation)
    full, shown = found.frame(), found.frame(hide=True)
    assert full.select("edge", "group", "band").equals(shown.select("edge", "group", "band"))
    few = full["events"] < FEWEST
    assert few.sum() > 100
    assert (shown.filter(few)["note"] == HIDDEN).all()
    for name in ("events", "exposure", "hazard", "se", "low", "high", "shrunk"):
        assert shown.filter(few)[name].null_count() == few.sum()
    kept = shown.filter(shown["note"] == "")
    assert (kept["events"] >= FEWEST).all()
    assert kept.height > 100
    assert shown.filter(shown["note"] == ALSO_HIDDEN).height > 0
    # In each state left at once, what is hidden together is none or at least two cells and FEWEST children.
    both = full.with_columns(hidden=shown["note"] != "", state=pl.col("edge").str.split("/").list.last())
    blocks = both.filter(pl.col("unit") == "share").group_by("state", "group").agg(
        pl.col("hidden").sum().alias("cells"), pl.col("events").filter(pl.col("hidden")).sum(), pl.len().alias("of"),
    )  # fmt: skip
    bad = blocks.filter((pl.col("cells") > 0) & (pl.col("cells") < pl.col("of")))
    assert bad.height > 0
    assert ((bad["cells"] >= 2) & (bad["events"] >= FEWEST)).all()


def test_weeks_can_be_chosen(as_observed, nation):
    log, weights = as_observed, np.ones((TABLES.n_states, N_GROUPS, TABLES.max_bands))
    halves = [estimate(log, nation, weeks=w, weights=weights) for w in ((0, 208), (208, 416))]
    whole = estimate(log, nation, weights=weights)
    np.testing.assert_array_equal(halves[0].events + halves[1].events, whole.events)
    assert halves[1].weeks == (208, 416)
    narrower = estimate(log, nation, weights=weights, level=0.5)
    assert (narrower.rates.high <= whole.rates.high + 1e-12)[np.isfinite(whole.rates.high)].all()
    assert whole.observed


@pytest.mark.slow
def test_an_area_starts_from_its_own_shape_and_still_meets_its_figures(nation):
    """A fit keeps the time in state of the book it is given, and sets levels on it as on England's."""
    edges = JOURNEY.edges_of("returned_home_planned")
    tilt = np.array([3.0, 2.0, 1, 1, 1, 0.5, 0.5, 0.3, 0.3])
    statistics, area = shipped(), shipped().area(BLACKPOOL)
    found = targets(statistics, area, range(FIRST_YEAR - 1, LAST_FITTED + 1))
    given = nation.scaled(edges, tilt, "band")
    scenario, own, levels = area_on_day_one(
        statistics, area, mean_field(), found, LAST_FITTED, LAST_YEAR, book=given
    )  # fmt: skip
    np.testing.assert_allclose(own.band[edges], given.band[edges])
    usual = on_day_one(BLACKPOOL)
    np.testing.assert_allclose(usual.book.band[edges], nation.band[edges])
    assert (own.level[edges] != usual.book.level[edges]).all()
    assert scenario.area_code == BLACKPOOL
    off = [abs(np.log((reached + 12) / (target + 12))) for target, reached in levels.values() if target > 50]
    assert np.median(off) < 0.02
