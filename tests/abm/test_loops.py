"""What the shipped behaviours do to England: gains, an incident like that of 2008, signs and order; classic SD."""

from dataclasses import replace

import numpy as np
import pytest

from abm.behaviour import Demand, Incident, StaffTime
from abm.behaviour_course import classic_case, mean_course
from abm.behaviour_system import care_system
from abm.classic import _chances, _entries, _under, run_classic
from abm.errors import CareError
from abm.factors import UNIT
from abm.journey import HOMES, JOURNEY
from abm.loops import gains, response
from abm.meanfield import MeanField, make_grid
from calibration.behaviours import read_behaviours
from calibration.workforce import workforce_of
from tests.abm.behaviours import T
from tests.bench.case import england

SHIPPED = read_behaviours()
INDEX = JOURNEY.state_index
CARE = [INDEX[home] for home in HOMES]
PLANS = [INDEX["protected"], INDEX["in_pre_proceedings"]]
YEARS = 20


@pytest.fixture(scope="module")
def case():
    """England under the shipped rates, for twenty years."""
    return classic_case(*england(), JOURNEY, n_weeks=52 * YEARS)


@pytest.fixture(scope="module")
def workers():
    return workforce_of("E92000001")


@pytest.fixture(scope="module")
def shipped_gains(case, workers):
    return gains(case, SHIPPED, workers)


def change(case, stocks, states, year):
    """Children in some states at the end of a year, as a share above the course without behaviours and shocks."""
    week = 52 * year - 1
    return stocks[week, states].sum() / case.stocks[week, states].sum() - 1


def under(case, workers, *shocks, behaviours=SHIPPED):
    return case.run(care_system(JOURNEY, behaviours, case.reference, workers, shocks))


def a_week(case, flows, *transitions):
    """Events of each week over those without behaviours and shocks."""
    edges = JOURNEY.edges_of(*transitions)
    return flows[:, edges].sum(axis=1) / case.flows[:, edges].sum(axis=1)


# --- gains -----------------------------------------------------------------------------------------------------------


def test_the_shipped_behaviours_amplify_by_a_fifth_to_a_half(shipped_gains):
    assert 1.2 <= shipped_gains.gain <= 1.5
    assert shipped_gains.warnings == ()


def test_reinforcing_loops_add_and_balancing_loops_take_away(shipped_gains):
    by_loop = {found.loop: found for found in shipped_gains.loops}
    assert set(by_loop) == set(SHIPPED.loops())
    for loop in ("R1", "R2", "R3", "R4", "R5", "R6", "R8"):
        assert by_loop[loop].in_all > 1.01, loop
    for loop in ("B1", "B3", "B5"):
        assert by_loop[loop].in_all < 0.999, loop
    # Nothing makes anxious here but poorer practice, so there is nothing that fades.
    assert by_loop["B2"].in_all == 1
    # Carers who leave send children to children's homes, which older children leave sooner: age is not in this view.
    assert 0.95 < by_loop["R7"].in_all < 1


def test_the_response_settles(shipped_gains):
    ratio = shipped_gains.response_on / shipped_gains.response_off
    steps = np.diff(ratio[2:])
    assert (steps > 0).all()
    assert steps[-1] < steps[0] / 5


@pytest.mark.parametrize(
    ("strengths", "said"),
    [
        # More than moderately strong, no hiring, and all that is spent taken from early help: known to run away.
        (dict(caseload_to_quality=0.5, caseload_to_leavers=1.2, vacancies_to_permanent=0, spend_to_early_help=3),
         ("gain is", "settle")),
        ({k.key: k.high for k in SHIPPED.links}, ("gain is", "At the end of its range")),
        ({"quality_to_care_exits": 0.8, "quality_to_plan_ends": 0.8}, ()),
        ({k.key: k.low for k in SHIPPED.links}, ()),
    ],
)  # fmt: skip
def test_what_runs_away_is_warned_of_and_only_that(case, workers, strengths, said):
    found = gains(case, SHIPPED.with_strengths(**strengths), workers, each=False)
    assert found.loops == ()
    for words in said:
        assert any(words in warning for warning in found.warnings), found.warnings
    assert bool(found.warnings) == bool(said)


def test_the_bound_of_the_gain_can_be_stated(case, workers):
    found = gains(case, SHIPPED, workers, each=False, bound=1.1)
    assert "above 1.1" in found.warnings[0]


def test_less_than_ten_years_are_refused(workers):
    scenario, parameters = england()
    short = classic_case(scenario, parameters, JOURNEY, n_weeks=300)
    with pytest.raises(CareError, match="followed for 5 years"):
        gains(short, SHIPPED, workers)


# --- shocks ----------------------------------------------------------------------------------------------------------


def test_an_incident_like_that_of_2008(case, workers):
    stocks, flows = under(case, workers, Incident(104))
    into_care = a_week(case, flows, "came_into_care")
    assert into_care[:104] == pytest.approx(1, abs=1e-9)
    # +49% in the first months, as from 496 to 739 applications a month; three years on it had barely subsided.
    assert into_care[104:130] == pytest.approx(1.49, abs=0.015)
    three_years_on = into_care[104 + 156]
    assert 0.75 < (three_years_on - 1) / 0.49 < 0.95
    assert into_care[104 + 520] < three_years_on
    assert change(case, stocks, CARE, 5) > change(case, stocks, CARE, 3) > 0.05
    assert change(case, stocks, [INDEX["childrens_home"]], 10) > change(case, stocks, CARE, 10)
    # Referrals follow late, and little.
    referrals = a_week(case, flows, "was_referred")
    assert referrals[104] == pytest.approx(1, abs=1e-9)
    assert 1.01 < referrals[104 + 416] < 1.1
    # It fades at last.
    assert change(case, stocks, CARE, 20) < change(case, stocks, CARE, 10)


def test_an_incident_without_fading_stays(case, workers):
    _, fades = under(case, workers, Incident(104))
    _, stays = under(case, workers, Incident(104), behaviours=SHIPPED.without("B2"))
    assert a_week(case, stays, "came_into_care")[-1] > a_week(case, fades, "came_into_care")[-1] + 0.1


def test_more_referrals(case, workers):
    stocks, flows = under(case, workers, Demand(("was_referred",), 1.1))
    off, off_flows = under(case, workers, Demand(("was_referred",), 1.1), behaviours=SHIPPED.none())
    for year in (1, 3, 5, 10):
        care, plans = change(case, stocks, CARE, year), change(case, stocks, PLANS, year)
        # Plans answer before care does, and more; both more than without behaviours.
        assert plans > care > change(case, off, CARE, year) > 0
        assert plans > change(case, off, PLANS, year)
    home = [INDEX["childrens_home"]]
    assert change(case, stocks, home, 10) > change(case, stocks, CARE, 10) > change(case, stocks, [INDEX["foster"]], 10)
    assert change(case, off, PLANS, 10) == pytest.approx(0.1, abs=0.005)
    assert a_week(case, flows, "was_referred")[519] > a_week(case, off_flows, "was_referred")[519] > 1.09


def test_less_time_for_families(case, workers):
    stocks, flows = under(case, workers, StaffTime(0.8))
    for year in (3, 5, 10):
        assert change(case, stocks, PLANS, year) > change(case, stocks, CARE, year) > 0
    assert change(case, stocks, CARE, 10) < 0.15
    assert 1 < a_week(case, flows, "was_referred")[519] < 1.1
    more, _ = under(case, workers, StaffTime(1.25))
    assert change(case, more, CARE, 10) < 0


def test_a_response_is_a_share_above_the_course(case, workers):
    found = response(case, SHIPPED, workers, Demand(("was_referred",), 1.1))
    stocks, _ = under(case, workers, Demand(("was_referred",), 1.1))
    care = INDEX["foster"]
    assert found[519, care] == pytest.approx(stocks[519, care] / case.stocks[519, care] - 1)
    assert (found[:, INDEX["referred"]] == 0).all()


def test_an_areas_yearly_factors_are_counted_once():
    """Derived rates hold the mean of the yearly factors, so only their shape over the years is left to apply."""
    scenario, parameters = england()
    doubled = parameters.multipliers.copy()
    doubled[:, T["was_referred"]] *= 1.5
    more = replace(parameters, multipliers=doubled)
    field = MeanField(JOURNEY, make_grid(JOURNEY))
    found, meant = classic_case(scenario, more, JOURNEY, field=field), mean_course(scenario, more, JOURNEY, field=field)
    edges = JOURNEY.edges_of("was_referred")
    referrals = found.flows[:-1, edges].sum() / meant.flows[1:, edges].sum()
    assert referrals == pytest.approx(1, abs=0.05)


# --- classic system dynamics, coupled --------------------------------------------------------------------------------


def test_without_a_system_or_strength_classic_is_as_it_was(case, workers):
    stocks, flows = run_classic(JOURNEY, case.rates, case.multipliers, 52 * YEARS)
    assert np.array_equal(stocks, case.stocks)
    for behaviours in (SHIPPED.none(), SHIPPED):
        again, flows_again = under(case, workers, behaviours=behaviours)
        assert np.array_equal(again, stocks)
        assert np.array_equal(flows_again, flows)


class Given:
    names = ("none",)

    def __init__(self, answer):
        self.answer, self.conditions = answer, np.zeros(1)
        self.limits = np.full(answer.shape, 16 * UNIT)

    def factors(self, week, stocks, flows):
        return self.answer


def test_a_factor_of_every_history_is_that_of_the_multipliers(case):
    rng = np.random.default_rng(4)
    acting = sorted({int(t) for t, yes in zip(
        JOURNEY.tables.transition, JOURNEY.tables.weekly | JOURNEY.tables.outcome, strict=True) if yes})  # fmt: skip
    factors = np.ones(len(JOURNEY.transitions))
    factors[acting] = rng.choice([0.0, 0.5, 1, 1.25, 2], len(acting))
    answer = np.repeat((factors * UNIT).astype(np.int64)[:, None], 3, axis=1)
    found = run_classic(JOURNEY, case.rates, case.multipliers, 60, Given(answer))
    meant = run_classic(JOURNEY, case.rates, case.multipliers * factors, 60)
    for one, other in zip(found, meant, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-6)


def test_factors_are_averaged_by_the_histories_of_those_who_flow(case):
    answer = np.full((len(JOURNEY.transitions), 3), UNIT)
    answer[T["was_referred"]] = [UNIT, 2 * UNIT, 3 * UNIT]
    _, flows = run_classic(JOURNEY, case.rates, case.multipliers, 1, Given(answer))
    edge = JOURNEY.edge("was_referred", "at_home")
    share = case.rates.history[edge]
    assert share.sum() == pytest.approx(1)
    assert share.min() > 0.1
    rate = case.rates.rate[edge] * case.multipliers[0, T["was_referred"]]
    hazard = rate * (share @ [1, 2, 3])
    at_home = case.rates.start[INDEX["at_home"]]
    assert flows[0, edge] == pytest.approx(at_home * -np.expm1(-hazard / 52), rel=2e-3)


def test_birthdays_and_plans_answer_to_nothing(case):
    answer = np.full((len(JOURNEY.transitions), 3), 2 * UNIT)
    _, flows = run_classic(JOURNEY, case.rates, case.multipliers, 1, Given(answer))
    # Other ways out of a state are twice as likely, so a few more are taken before a birthday.
    for name in ("grew_up", "born", "moved_in", "came_alone", "moved_away"):
        source = "at_home" if name in ("grew_up", "moved_away") else "elsewhere"
        edge = JOURNEY.edge(name, source)
        assert flows[0, edge] == pytest.approx(case.flows[0, edge], rel=0.01), name


def test_all_states_side_by_side_give_the_chances_of_each(case):
    factor = case.multipliers[3, JOURNEY.tables.transition]
    stays = [s for s in range(JOURNEY.tables.n_states) if not JOURNEY.tables.at_once[s]]
    one = _chances(JOURNEY, case.rates, factor, stays, set(_entries(JOURNEY)))
    two = _under(JOURNEY, case.rates, factor, np.full((len(JOURNEY.transitions), 3), UNIT))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_rates_without_histories_are_refused_under_a_system(case):
    with pytest.raises(CareError, match="histories"):
        run_classic(JOURNEY, replace(case.rates, history=None), case.multipliers, 1, Given(np.ones((1, 3), int)))
    with pytest.raises(CareError, match="beyond its limit"):
        run_classic(JOURNEY, case.rates, case.multipliers, 1, Given(np.full((len(JOURNEY.transitions), 3), 17 * UNIT)))
