"""Families: no effect means no effect, the compiled loops against the agents, what is kept on average, closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.checkpoint import begin, load_checkpoint, save_checkpoint
from abm.errors import CareError
from abm.events import JOINED, TOGETHER
from abm.factors import UNIT
from abm.family_life import CIRCUMSTANCES, FamilyLife
from abm.family_tables import N_CONTEXTS, circumstances_of, context_of, family_tables
from abm.family_weeks import members_of
from abm.forks import fork
from abm.journey import JOURNEY
from abm.mesa_model import CareModel
from abm.pathway import group_of
from abm.population import population_of
from abm.prepared import prepare
from abm.simulate import simulate
from tests.abm.toys import THREE, busy_parameters, empty_scenario, parameters_of, rates_of, small_area

NOTHING = FamilyLife()
PER_YEAR = {
    "family_came_under_strain": 0.6, "family_came_into_crisis": 0.5, "family_came_out_of_crisis": 2.0,
    "family_coped_again": 0.8,
}  # fmt: skip
WILD = FamilyLife(
    together={"was_referred": 0.7, "came_into_care": 0.5, "child_in_need_plan_began": 0.6,
              "child_protection_plan_began": 1.0, "returned_home_planned": 0.5, "found_not_in_need": 0.8},
    follows={"referred": 0.9, "entering_care": 0.8},
    born_into={"protected": 0.9, "in_need": 0.5, "foster": 0.9},
    hazard={"was_referred": (2.0, 5.0), "came_into_care": (1.5, 3.0), "child_in_need_plan_ended": (0.8, 0.4)},
    per_year=PER_YEAR, helped=2.0, helping=("receiving_early_help", "in_need", "protected"),
    kin=0.4, kin_weight={"placed_with_kinship_carers": 6.0, "moved_to_kinship_carers": 3.0},
)  # fmt: skip


def of_families(life, n_years=3):
    return replace(busy_parameters(n_years), families=life)


def columns(run):
    return [column.tolist() for column in run.rows]


def test_families_without_effect_give_the_same_bits():
    """A life that moves but does nothing to the children, in spans of a week and of three years."""
    area = small_area(600)
    plain = simulate(area, busy_parameters(), 5, JOURNEY)
    moving = FamilyLife(per_year=PER_YEAR, helped=3.0, helping=("in_need",), kin=0.5)
    for life in (NOTHING, moving):
        run = simulate(area, of_families(life), 5, JOURNEY)
        assert columns(run)[:6] == columns(plain)[:6]
        assert (run.flows == plain.flows).all()
        run.check()
    assert run.families is not None
    assert run.families.rows.child.size > 100
    assert run.digest != plain.digest  # the contexts that the children had are told too


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 2**63), st.sampled_from([WILD, replace(WILD, together={}), replace(WILD, per_year={})]))
def test_loops_and_agents_give_the_same_log_row_for_row(seed, life):
    area, parameters = small_area(90, 60), of_families(life, 2)
    run = simulate(area, parameters, seed, JOURNEY)
    model = CareModel(scenario=area, parameters=parameters, journey=JOURNEY, engine="agents", rng=seed)
    for _ in range(area.n_weeks):
        model.step()
    told = model.result()
    assert columns(told) == columns(run)
    assert (told.flows == run.flows).all()
    assert run.families is not None
    assert told.families is not None
    order = [np.lexsort((x.child, x.week)) for x in (told.families.rows, run.families.rows)]
    assert [c[order[0]].tolist() for c in told.families.rows] == [c[order[1]].tolist() for c in run.families.rows]
    run.check()


def test_stopping_between_weeks_and_leaving_the_log_out_change_nothing():
    area, parameters = small_area(400, 104), of_families(WILD, 2)
    run = simulate(area, parameters, 3, JOURNEY)
    assert (run.rows.context & JOINED).any()
    for span in (1, 7, 52):
        assert simulate(area, parameters, 3, JOURNEY, span=span).digest == run.digest
    quiet = simulate(area, parameters, 3, JOURNEY, log=False)
    assert (quiet.flows == run.flows).all()
    assert (quiet.stocks == run.stocks).all()


def test_where_children_stand_in_the_arrays_does_not_matter():
    """Families with their children in any order: the same events by child."""
    rng = np.random.default_rng(1)
    n = 200
    family = np.repeat(np.arange(n // 2), 2)
    birth = -np.sort(rng.integers(60, 800, n))[::-1]
    state = np.full(n, JOURNEY.state_index["at_home"])
    parameters = of_families(WILD, 2)

    def told(order):
        people = population_of(
            child=np.arange(n), family=family[order], birth_week=birth[order], state=state, since_week=birth[order]
        )
        return simulate(empty_scenario(60), parameters, 9, JOURNEY, population=people)

    a, b = told(np.arange(n)), told(np.arange(n))
    assert a.digest == b.digest
    families, members = members_of(family.astype(np.int32), n // 2)
    assert [members[families[f] : families[f + 1]].tolist() for f in (0, 7)] == [[0, 1], [14, 15]]


def pair_rates(**per_year):
    """Pairs of children who are asked about and helped, as THREE has it."""
    return parameters_of(THREE, rates_of(THREE, was_sent_home=1.0, **per_year), 3)


def pairs(n, of=2):
    return population_of(
        family=np.repeat(np.arange(n), of), birth_week=np.full(n * of, -300), since_week=np.full(n * of, -300),
        state=np.full(n * of, THREE.state_index["at_home"]),
    )  # fmt: skip


@pytest.mark.parametrize("together", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("of", [2, 4])
def test_together_changes_how_many_come_at_once_but_not_how_many_come(together, of):
    """n children at hazard h, each joining in with chance q: the mean stays, and the share who come along is known.

    An event of one's own has a hazard h / (1 + (k - 1) q), and brings (k - 1) q others: of all events a share of
    (k - 1) q / (1 + (k - 1) q) joined in. Five standard errors: a false alarm of 6e-7 for each of 12 comparisons.
    """
    n, hazard, weeks = 3_000, 1.0, 104
    life = FamilyLife(together={"was_asked": together}, referral="was_asked")
    run = simulate(
        empty_scenario(weeks), replace(pair_rates(was_asked=hazard), families=life), 2, THREE, population=pairs(n, of)
    )
    asked = THREE.edge("was_asked", "at_home")
    mine = run.rows.edge == asked
    expected = n * of * weeks * (1 - np.exp(-hazard / 52))
    batch = 1 + (of - 1) * together
    assert abs(mine.sum() - expected) < 5 * np.sqrt(expected * batch) + 0.02 * expected * together
    joined = (mine & (run.rows.context & JOINED > 0)).sum() / mine.sum()
    share = (of - 1) * together / batch
    assert abs(joined - share) < 5 * np.sqrt(0.25 * batch / expected) + 0.01 * together
    # The mutant, whose own hazard is not taken down, has many more.
    assert together == 0 or expected * (1 + (of - 1) * together) > expected + 10 * np.sqrt(expected * batch)


def test_circumstances_come_to_their_shares_and_drive_the_hazard():
    """No child is helped: shares of families are those of the chain, and hazards are relative to the mean."""
    n, weeks = 6_000, 260
    life = FamilyLife(per_year=PER_YEAR, hazard={"was_asked": (2.0, 6.0)}, referral="was_asked")
    assert life.shares == pytest.approx(np.array([1, 0.75, 0.1875]) / 1.9375)
    run = simulate(
        empty_scenario(weeks), replace(pair_rates(was_asked=0.8), families=life), 2, THREE, population=pairs(n, 1)
    )
    assert run.families is not None
    moved, tables = run.families.flows.sum(axis=0), CIRCUMSTANCES.tables
    now = np.bincount(run.families.began, minlength=3)
    now = now + np.bincount(tables.target, moved, 3) - np.bincount(tables.source, moved, 3)
    assert np.abs(now / n - np.array(life.shares)).max() < 5 * np.sqrt(0.25 / n)
    asked = run.rows.edge == THREE.edge("was_asked", "at_home")
    expected = n * weeks * 0.8 / 52
    assert abs(asked.sum() - expected) < 0.04 * expected  # families stay strained for a while: events cluster
    circumstances = circumstances_of(run.rows.context[asked] & ~np.uint8(JOINED))
    found = np.bincount(circumstances, minlength=3) / asked.sum()
    relative = np.array(life.shares) * [1, 2, 6]
    assert found == pytest.approx(relative / relative.sum(), abs=0.02)


def test_help_takes_families_out_of_crisis():
    def in_crisis(helped):
        life = FamilyLife(per_year=PER_YEAR, helped=helped, helping=("at_home",), referral="was_asked")
        run = simulate(empty_scenario(520), replace(pair_rates(), families=life), 4, THREE, population=pairs(3_000, 1))
        assert run.families is not None
        moved = run.families.flows.sum(axis=0)
        change = np.bincount(CIRCUMSTANCES.tables.target, moved, 3) - np.bincount(CIRCUMSTANCES.tables.source, moved, 3)
        return (np.bincount(run.families.began, minlength=3) + change)[2] / 3_000

    twice = replace(NOTHING, per_year={**PER_YEAR, "family_coped_again": 1.6, "family_came_out_of_crisis": 4.0})
    assert in_crisis(1.0) == pytest.approx(0.1875 / 1.9375, abs=0.03)
    assert in_crisis(2.0) == pytest.approx(twice.shares[2], abs=0.02)


def test_babies_are_referred_at_birth_where_a_brother_or_sister_is_known():
    n = 2_000
    born = np.tile([False, True], n)
    at = THREE.state_index
    people = population_of(
        family=np.repeat(np.arange(n), 2), birth_week=np.where(born, 5, -300), since_week=np.where(born, 5, -300),
        enter_week=np.where(born, 5, 0), enter_edge=np.where(born, THREE.edge("born", "elsewhere"), -1),
        state=np.where(born, at["elsewhere"], np.where(np.arange(2 * n) < n, at["helped"], at["at_home"])),
        history=np.where(born, 0, 1),
    )  # fmt: skip
    life = FamilyLife(born_into={"helped": 0.6}, referral="was_asked")
    run = simulate(empty_scenario(8), replace(pair_rates(), families=life), 1, THREE, population=people)
    asked = run.rows.edge == THREE.edge("was_asked", "at_home")
    assert (run.rows.week[asked] == 5).all()
    assert (run.rows.child[asked] < n).all()  # only where a brother or sister is helped
    assert abs(asked.sum() - 0.6 * n / 2) < 5 * np.sqrt(n / 2 * 0.24)
    assert (run.events["origin"].to_numpy()[asked] == TOGETHER).all()
    run.check()


def test_nobody_joins_in_what_never_happens_to_a_child_like_it():
    """Pairs of 17 and 5: what only the elder can have, by the week or at once, the younger has not."""
    n = 1_000
    rates = rates_of(THREE, was_asked=4.0, was_sent_home=1.0, help_began=1.0, help_ended=4.0)
    young = [group_of(age, risk, history) for age in range(4) for risk in range(4) for history in range(3)]
    for key, at_once in (("help_began", True), ("was_asked", False)):
        mine = rates.copy()
        mine[np.ix_(THREE.edges_of(key), young)] = 0.0
        life = FamilyLife(together={"was_asked": 1.0}, follows={"asked": 1.0}, referral="was_asked")
        people = population_of(
            family=np.repeat(np.arange(n), 2), birth_week=np.tile([-860, -260], n), since_week=np.full(2 * n, -60),
            state=np.full(2 * n, THREE.state_index["at_home"]),
        )  # fmt: skip
        run = simulate(
            empty_scenario(60), replace(parameters_of(THREE, mine, 2), families=life), 1, THREE, population=people
        )
        elder = run.population.birth_week[run.rows.child] == -860
        happened = run.rows.edge == THREE.edge(key, "asked" if at_once else "at_home")
        assert (happened & elder).sum() > n / 2
        assert not (happened & ~elder).any()


def test_kin_are_there_for_all_children_of_a_family():
    life = FamilyLife(kin=0.3, kin_weight={"help_began": 4.0}, referral="was_asked")
    rates = rates_of(THREE, was_asked=2.0, was_sent_home=3.0, help_began=1.0, help_ended=20.0)
    run = simulate(
        empty_scenario(200), replace(parameters_of(THREE, rates, 4), families=life), 1, THREE, population=pairs(2_000)
    )
    kin = run.families.kin[run.population.family] > 0  # type: ignore[union-attr]
    assert kin.mean() == pytest.approx(0.3, abs=0.05)
    helped = run.rows.edge == THREE.edge("help_began", "asked")
    asked = run.rows.edge == THREE.edge("was_asked", "at_home")
    share = [helped[kin[run.rows.child] == k].sum() / asked[kin[run.rows.child] == k].sum() for k in (False, True)]
    # On the chance itself, so that its mean over families stays: 0.25.
    mean = 0.3 * 4 + 0.7
    assert share == pytest.approx([0.25 / mean, 4 * 0.25 / mean], abs=0.01)
    assert helped.sum() / asked.sum() == pytest.approx(0.25, abs=0.01)


def test_contexts_are_told_apart():
    every = [context_of(n, c, kin) for n in range(1, 6) for c in range(3) for kin in (0, 1)]
    assert sorted(every) == list(range(1, N_CONTEXTS))
    assert context_of(9, 2, 1) == N_CONTEXTS - 1 < JOINED
    found = circumstances_of(np.array([0, *every], np.uint8))
    assert found.tolist() == [-1] + [c for _ in range(5) for c in range(3) for _ in range(2)]
    assert (family_tables(NOTHING, JOURNEY).context == UNIT).all()


def test_what_could_have_happened_is_told_with_what_the_family_made_of_it():
    run = simulate(small_area(300, 104), of_families(WILD, 2), 3, JOURNEY)
    options = run.options()
    happened = run.events.select("child", "week", "step", "transition", "chance")
    merged = happened.join(options, on=["child", "week", "step", "transition"], how="left", suffix="_option")
    assert merged.height == happened.height
    assert (merged["chance"] == merged["chance_option"]).all()


@pytest.mark.parametrize(
    ("life", "words"),
    [
        (lambda: FamilyLife(together={"was_referred": 1.2}), "was_referred"),
        (lambda: FamilyLife(helped=-1.0), "helped"),
        (lambda: FamilyLife(per_year={"family_coped": 1.0}), "family_coped_again"),
        (lambda: FamilyLife(per_year={"family_came_under_strain": 1.0}), "family_coped_again"),
        (lambda: family_tables(FamilyLife(together={"was_refered": 0.2}), JOURNEY), "was_referred"),
        (lambda: family_tables(FamilyLife(born_into={"protect": 0.2}), JOURNEY), "protected"),
        (
            lambda: family_tables(FamilyLife(kin=1.0, kin_weight={"went_to_live_with_kin": 0.0}), JOURNEY),
            "never happen",
        ),
        (lambda: family_tables(FamilyLife(kin=0.01, kin_weight={"went_to_live_with_kin": 200.0}), JOURNEY), "66"),
        (lambda: family_tables(FamilyLife(hazard={"placed_with_parents": (2.0, 3.0)}), JOURNEY), "weekly chance"),
    ],
)
def test_what_cannot_be_is_refused(life, words):
    with pytest.raises(CareError, match=words):
        life()


@pytest.mark.parametrize("week", [0, 1, 60])
def test_a_run_goes_on_with_its_families_as_if_nothing_had_been(tmp_path, week):
    area, prepared = small_area(300, 104), prepare(of_families(WILD, 2), JOURNEY)
    whole = simulate(area, of_families(WILD, 2), 3, JOURNEY)
    engine = begin(area, prepared, 3)
    engine.advance(week)
    save_checkpoint(engine, area, tmp_path / "kept")
    for again in (load_checkpoint(tmp_path / "kept", area, prepared), fork(engine, prepared)):
        again.advance(area.n_weeks)
        run = again.run(area)
        assert run.digest == whole.digest
        assert [c.tolist() for c in run.families.rows] == [c.tolist() for c in whole.families.rows]
        assert run.options().equals(whole.options())
    other = prepare(of_families(replace(WILD, kin=0.9), 2), JOURNEY)
    with pytest.raises(CareError, match="other families"):
        load_checkpoint(tmp_path / "kept", area, other)
    plain = prepare(busy_parameters(2), JOURNEY)
    for one, two in ((plain, prepared), (prepared, plain)):
        with pytest.raises(CareError, match="families, unlike its fork"):
            fork(begin(area, one, 3), two)


def test_what_else_could_have_happened_is_not_made_up_after_a_fork_into_another_family_life():
    area, prepared = small_area(200, 104), prepare(of_families(WILD, 2), JOURNEY)
    engine = begin(area, prepared, 3)
    engine.advance(60)
    for life, known in ((WILD, True), (replace(WILD, hazard={}), False)):
        other = fork(engine, prepare(of_families(life, 2), JOURNEY))
        other.advance(area.n_weeks)
        run = other.run(area)
        if known:
            assert run.options().height > 0
        else:
            with pytest.raises(CareError, match="is not known"):
                run.options()


def test_families_without_a_number_between_are_refused():
    people = population_of(family=[0, 2], birth_week=[-60, -60], state=np.ones(2))
    with pytest.raises(CareError, match="numbered 0, 1, 2"):
        simulate(empty_scenario(5), pair_rates(), 1, THREE, population=people)
