"""Steady populations: a plain twin of the life course, closed forms, conservation, and factors that meet their aims."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from abm.cohorts import life_course
from abm.journey import JOURNEY
from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, MeanField, make_grid
from abm.outputs import CARE, CEASED
from abm.parameters import Parameters
from abm.pathway import N_AGES
from calibration.rates import RateBook, read_rates
from calibration.stationary import BAND_OF_AGE, Aim, Children, Steady, fit_steady, steady

TABLES = JOURNEY.tables
RISKS = np.array([0.5, 0.3, 0.15, 0.05])
ARRIVAL_AGES = np.array([0.0] * 14 + [0.1, 0.2, 0.3, 0.4])
CHILDREN = Children(np.full(18, 1000.0), RISKS, 0.0, ARRIVAL_AGES)


def book_of(**levels: float) -> RateBook:
    """A book of levels alone; nothing else happens. Those who come alone go to foster carers and stay there."""
    size = TABLES.n_edges, TABLES.max_bands
    level, alone = np.zeros(size[0]), np.zeros((size[0], 2))
    for key, value in levels.items():
        level[JOURNEY.edges_of(key)] = value
    alone[JOURNEY.edges_of("placed_with_foster_carers")] = 1.0
    ones = {"age": N_AGES, "risk": 4, "history": 3, "band": size[1], "since_closure": size[1], "since_birth": size[1]}
    return RateBook(level, **{name: np.ones((size[0], n)) for name, n in ones.items()}, unaccompanied=alone)


@pytest.fixture(scope="module")
def field() -> MeanField:
    return MeanField(JOURNEY, make_grid(JOURNEY))


@pytest.fixture(scope="module")
def england(field) -> Steady:
    """England's rates, on made-up children, some of whom came alone."""
    return steady(JOURNEY, field, read_rates(JOURNEY), replace(CHILDREN, arrivals=40.0))


# --- the life course --------------------------------------------------------------------------------------------------


def test_nobody_is_lost_on_the_way_to_18(field, england):
    """Of one child born and of all who came alone a year, each is somewhere at 18 or went out by a counted event."""
    k = field.grid.n_pieces
    inside = np.unique(field.grid.state)
    out = [e for e in range(TABLES.n_edges) if TABLES.target[e] not in inside and not TABLES.at_once[TABLES.target[e]]]
    course = england.course
    born, alone = course.last[: UNACCOMPANIED_STRATUM * k].sum(), course.last[UNACCOMPANIED_STRATUM * k :].sum() * 52
    assert born + course.flows[0, :, out].sum() == pytest.approx(1.0, abs=1e-9)
    assert alone + course.flows[1, :, out].sum() == pytest.approx(40.0, rel=1e-9)
    assert course.flows[1, :, JOURNEY.edges_of("came_alone")].sum() == pytest.approx(40.0)
    # A few children's care is taken over by another authority: that is what out-of-reach states are for.
    assert 0 < course.flows[0, :, out].sum() < 0.02
    assert (course.cells >= 0).all()


def test_a_child_is_never_referred_with_the_chance_of_its_age(field):
    """Under one hazard at all ages: exp(-h t), week by week, whatever the age bands."""
    book = book_of(was_referred=0.1, closed_with_no_further_action=1.0)
    thresholds = Parameters(book.rates(), np.ones((1, len(JOURNEY.transitions)))).thresholds(JOURNEY)[0]
    course = life_course(field, thresholds, RISKS, 0.0, ARRIVAL_AGES)
    never = (
        course.cells[:, : UNACCOMPANIED_STRATUM * field.grid.n_pieces].reshape(18, 4, 3, -1)[:, :, 0].sum(axis=(1, 2))
    )
    weeks = np.arange(1, 937)
    expected = np.exp(-0.1 * weeks / 52).reshape(18, 52).mean(axis=1)
    assert never.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def loop(h_never: float, h_known: float) -> tuple[float, float, float]:
    """(referrals in childhood, ever referred, back within a year as a share of closures), in plain Python.

    A child at home is referred and closed in the week; known children are in one of six pieces of time since closure.
    """
    widths = (13, 13, 26, 52, 208, 0)
    p, q = 1 - np.exp(-h_never / 52), 1 - np.exp(-h_known / 52)
    never, known = 1.0, [0.0] * 6
    referrals = back = 0.0
    for _ in range(936):
        first, again = never * p, [mass * q for mass in known]
        referrals += first + sum(again)
        back += sum(again[:3])
        stay = [mass - gone for mass, gone in zip(known, again, strict=True)]
        on = [mass / width if width else 0.0 for mass, width in zip(stay, widths, strict=True)]
        known = [mass - left + came for mass, left, came in zip(stay, on, [0.0, *on[:-1]], strict=True)]
        known[0] += first + sum(again)
        never -= first
    return referrals, 1 - never, back / referrals


@pytest.mark.parametrize(("h", "times"), [(0.02, 1.0), (0.05, 6.0), (0.3, 3.0)])
def test_referrals_are_those_of_a_plain_loop(field, h, times):
    book = book_of(was_referred=h, closed_with_no_further_action=1.0)
    book.history[JOURNEY.edges_of("was_referred"), 1:] = times
    now = steady(JOURNEY, field, book, CHILDREN)
    referrals, ever, back = loop(h, h * times)
    assert now.flow("was_referred") == pytest.approx(1000 * referrals, rel=1e-6)
    assert now.ever_referred() == pytest.approx(ever, rel=1e-6)
    # The share is read from children at the ends of weeks, the loop counts from their beginnings.
    assert now.back_within_a_year == pytest.approx(back, rel=3e-3)


def test_a_stock_is_its_inflow_times_the_stay(field):
    """Little's law: young people who come at 16 and stay a fixed hazard's time or to 18."""
    book = book_of()
    children = replace(CHILDREN, arrivals=52.0, arrival_ages=np.eye(18)[16])
    now = steady(JOURNEY, field, book, children)
    # They come evenly through their 17th year of age and stay to 18: one and a half years each.
    assert now.alone("foster") == pytest.approx(52 * 1.5, rel=0.01)
    assert now.alone(*CARE) == now.alone("foster")
    assert now.stock(*CARE) == 0
    assert now.all_flows("came_alone") == pytest.approx(52.0)


def test_counts_by_age_band_add_up(england):
    for measure, names in ((england.flow, ("was_referred",)), (england.stock, CARE)):
        parts = [measure(*names, band=band) for band in range(N_AGES)]
        assert sum(parts) == pytest.approx(measure(*names))
        assert min(parts) > 0
    assert BAND_OF_AGE.tolist() == [0] + [1] * 4 + [2] * 5 + [3] * 6 + [4] * 2
    from_home, from_help = (england.flow("was_referred", source=s) for s in ("at_home", "receiving_early_help"))
    assert from_home + from_help == pytest.approx(england.flow("was_referred"))


def test_who_leaves_care_by_time_in_care_are_those_who_leave(england):
    """The sum over bands is every end of care but from homes with adopters, whose clock is another."""
    left = england.all_flows(*CEASED) - england.all_flows("was_adopted")
    at_18 = np.where(
        np.arange(england.field.grid.n_cells) < UNACCOMPANIED_STRATUM * england.field.grid.n_pieces, 1000, 52
    )
    care = [JOURNEY.state_index[s] for s in CARE if s != "placed_for_adoption"]
    here = np.isin(np.tile(england.field.grid.state, N_STRATA), care)
    grown = (england.course.last * at_18)[here].sum()
    assert england.ceased_by_time_in_care.sum() == pytest.approx(left + grown, rel=0.01)
    assert (england.ceased_by_time_in_care > 0).all()


# --- fitting ----------------------------------------------------------------------------------------------------------


def toy_aims(**more: float) -> list[Aim]:
    referral, ended = (tuple(JOURNEY.edges_of(key)) for key in ("was_referred", "child_in_need_plan_ended"))
    return [
        Aim("referrals", more.get("referrals", 900.0), lambda s: s.flow("was_referred"), referral),
        Aim("plans", more.get("plans", 400.0), lambda s: s.stock("in_need"), ended, power=-1.0),
    ]


TOY = {"was_referred": 0.02, "assessment_began": 1.0, "child_in_need_plan_began": 12.0, "child_in_need_plan_ended": 5.0}


def test_factors_are_moved_until_the_aims_are_met(field):
    book, reached = fit_steady(JOURNEY, field, book_of(**TOY), CHILDREN, toy_aims())
    now = steady(JOURNEY, field, book, CHILDREN)
    assert reached == {"referrals": (900.0, now.flow("was_referred")), "plans": (400.0, now.stock("in_need"))}
    assert now.flow("was_referred") == pytest.approx(900, rel=0.002)
    assert now.stock("in_need") == pytest.approx(400, rel=0.002)
    # Little's law: 900 plans begun a year, each for 1/h years, but for those that end at 18.
    ended = book.level[JOURNEY.edges_of("child_in_need_plan_ended")[0]]
    assert ended == pytest.approx(now.flow("child_in_need_plan_began") / 400, rel=0.05)
    others = np.setdiff1d(np.arange(TABLES.n_edges), JOURNEY.edges_of("was_referred", "child_in_need_plan_ended"))
    assert (book.level[others] == book_of(**TOY).level[others]).all()


def test_aims_that_are_met_change_nothing(field):
    start = book_of(**TOY)
    now = steady(JOURNEY, field, start, CHILDREN)
    aims = toy_aims(referrals=now.flow("was_referred"), plans=now.stock("in_need"))
    book, _ = fit_steady(JOURNEY, field, start, CHILDREN, aims)
    assert (book.level == start.level).all()


def test_a_factor_stays_within_its_bounds_and_moves_a_third_a_round_at_most(field):
    start = book_of(**TOY)
    aims = [replace(toy_aims(referrals=1e9)[0], bounds=(0.01, 0.03))]
    book, _ = fit_steady(JOURNEY, field, start, CHILDREN, aims, rounds=8)
    assert book.level[aims[0].edges[0]] == pytest.approx(0.03)
    book, _ = fit_steady(JOURNEY, field, start, CHILDREN, toy_aims(referrals=1e9)[:1], rounds=2)
    assert book.level[aims[0].edges[0]] == pytest.approx(0.02 * 1.33**2)
    book, _ = fit_steady(JOURNEY, field, start, CHILDREN, toy_aims(referrals=1.0)[:1], rounds=1)
    assert book.level[aims[0].edges[0]] == pytest.approx(0.02 * 0.75)


def test_a_pull_holds_small_counts_back(field):
    start = book_of(**TOY)
    model = steady(JOURNEY, field, start, CHILDREN).flow("was_referred")
    plain, held = (
        fit_steady(JOURNEY, field, start, CHILDREN, [replace(toy_aims(referrals=model * 1.2)[0], pull=pull)], 1)[0]
        for pull in (0.0, model)
    )
    edge = toy_aims()[0].edges[0]
    assert plain.level[edge] == pytest.approx(0.02 * 1.2)
    assert held.level[edge] == pytest.approx(0.02 * 1.1)


@pytest.mark.parametrize("key", ["was_adopted", "child_in_need_plan_began"])
def test_a_figure_of_nobody_leaves_its_factor_alone(field, key):
    """A factor cannot be moved in proportion to nothing, whether the model has nobody either or some."""
    start = book_of(**TOY)
    aims = [Aim("nobody", 0.0, lambda s: s.flow(key), tuple(JOURNEY.edges_of(key)))]
    book, reached = fit_steady(JOURNEY, field, start, CHILDREN, aims, rounds=2)
    assert (reached["nobody"][1] == 0) == (key == "was_adopted")
    assert (book.level == start.level).all()


def test_an_aim_can_move_one_key_of_a_factor(field):
    start = book_of(**TOY)
    aim = Aim(
        "referrals of babies", 300.0, lambda s: s.flow("was_referred", band=0), tuple(JOURNEY.edges_of("was_referred")),
        "age", 0,
    )  # fmt: skip
    book, _ = fit_steady(JOURNEY, field, start, CHILDREN, [aim])
    assert steady(JOURNEY, field, book, CHILDREN).flow("was_referred", band=0) == pytest.approx(300, rel=0.002)
    assert (book.age[:, 1:] == 1).all()
    assert (book.level == start.level).all()
