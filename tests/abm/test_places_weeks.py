"""Limited places in a run: what is always free changes nothing, the ledger, loops and agents, going on."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from abm.checkpoint import begin, load_checkpoint, save_checkpoint
from abm.errors import CareError
from abm.events import NOT_ITS_OWN, PLACE, PLACED
from abm.forks import fork
from abm.journey import JOURNEY
from abm.mesa_model import CareModel
from abm.places import EMERGENCY, IN_KIND, KINDS, OUT_OF_KIND, Rules
from abm.places_rules import Supply
from abm.population import population_of
from abm.prepared import prepare
from abm.simulate import simulate
from tests.abm.test_family_life import WILD
from tests.abm.toys import THREE, busy_parameters, empty_scenario, parameters_of, rates_of, small_area

LIMITED = [JOURNEY.state_index[name] for name in ("foster", "childrens_home", "supported_accommodation")]
STATE = [LIMITED[0], LIMITED[0], LIMITED[1], LIMITED[2]]


@dataclass(frozen=True)
class Beds:
    """So many beds for each child of day one, and some more."""

    each: float = 1.0
    more: int = 0

    def beds(self, children: NDArray[np.int64], sample: int = 1) -> NDArray[np.int64]:
        out = np.zeros((4, 3), np.int64)
        out[[0, 2, 3], 0] = np.ceil(children * self.each).astype(np.int64) + self.more
        return out


CHANGING = Rules(
    loss_per_year=(0.3, 0.3, 0.3, 0.3), at_once=(0.5, 0.5, 0.5, 0.5), recruit_per_year=(0.3, 0.3, 0.0, 0.0),
    adjust_weeks=(0.0, 0.0, 26.0, 26.0), notice_weeks=(8.0, 8.0, 8.0, 8.0), delay_weeks=(4, 4, 13, 13),
    settled_weeks=20,
)  # fmt: skip
PLENTY = Supply(Beds(1.0, 10_000), Rules())
FEW = Supply(Beds(1.0, 2), CHANGING)
AREA = small_area(600, 130)
BUSY = busy_parameters()


def test_homes_that_are_always_there_change_nothing():
    """In spans of a week and of all weeks: the same bits as without places."""
    plain = simulate(AREA, BUSY, 5, JOURNEY)
    run = simulate(AREA, BUSY, 5, JOURNEY, places=PLENTY)
    assert run.digest == plain.digest
    assert run.places is not None
    assert (run.places.outcome == IN_KIND).all()
    assert run.places.child.size > 200
    run.check()


def lived(run):
    """Follow who lives in which home, by the answers and the log, and return the most children of any home."""
    told, rows, tables = run.places, run.rows, JOURNEY.tables
    now = {}
    state = run.population.state.copy()
    begin, at = 0, 0
    for week in range(run.scenario.n_weeks):
        end = int(np.searchsorted(rows.week, week, side="right"))
        state[rows.child[begin:end]] = tables.target[rows.edge[begin:end]]
        begin = end
        while at < told.week.size and told.week[at] == week:
            child, home = int(told.child[at]), int(told.home[at])
            now.pop(child, None)
            if home >= 0:
                now[child] = (home, int(told.kind[at]))
            at += 1
        now = {child: mine for child, mine in now.items() if state[child] in LIMITED}
        for child, (_, kind) in now.items():
            assert state[child] == STATE[kind], (week, child)
    return now


def test_who_lives_in_a_home_is_in_its_state_and_no_child_is_lost():
    run = simulate(AREA, BUSY, 5, JOURNEY, places=FEW)
    run.check()
    assert run.places is not None
    outcomes = set(run.places.outcome.tolist())
    assert {IN_KIND, OUT_OF_KIND, EMERGENCY} <= outcomes
    now = lived(run)
    names = run.places.names
    accounts = run.places.accounts
    for k in range(4):
        children = accounts[:, names.index(f"children_{KINDS[k]}")]
        assert (children <= accounts[:, names.index(f"places_{KINDS[k]}")]).all()
        mine = [child for child, (_, kind) in now.items() if kind == k]
        # Those of day one who never moved are in no answer.
        assert len(mine) <= children[-1]
    inside = sum(accounts[:, names.index(f"children_{kind}")] for kind in KINDS)
    assert (inside == run.stocks[:, LIMITED].sum(axis=1)).all(), (
        "everyone in a limited state has a bed, and nobody else"
    )


def test_the_log_says_what_homes_decided():
    run = simulate(AREA, BUSY, 5, JOURNEY, places=FEW)
    events = run.events
    placed = run.rows.context & PLACED > 0
    assert (events["origin"].to_numpy()[placed] == PLACE).all()
    assert placed.sum() > 20
    kinds = {JOURNEY.transitions[t].key for t in JOURNEY.tables.transition[run.rows.edge[placed]]}
    assert {"placed_in_childrens_home", "placed_elsewhere", "moved_to_childrens_home", "moved_elsewhere"} <= kinds
    # A move without a home does not happen: fewer of them than without limits.
    plain = simulate(AREA, BUSY, 5, JOURNEY)
    moves = JOURNEY.edges_of("moved_to_foster_carers", "moved_to_childrens_home", "moved_to_supported_accommodation")
    own = np.isin(run.rows.edge, moves) & ~placed
    assert own.sum() < np.isin(plain.rows.edge, moves).sum()


@pytest.mark.parametrize("families", [None, WILD])
def test_spans_and_no_log_change_nothing(families):
    parameters = replace(BUSY, families=families)
    run = simulate(AREA, parameters, 3, JOURNEY, places=FEW)
    for span in (1, 7, 52):
        assert simulate(AREA, parameters, 3, JOURNEY, span=span, places=FEW).digest == run.digest
    quiet = simulate(AREA, parameters, 3, JOURNEY, log=False, places=FEW)
    assert (quiet.flows == run.flows).all()
    assert (quiet.places.accounts == run.places.accounts).all()
    run.check()
    assert run.options().height > 0


@pytest.mark.parametrize("families", [None, WILD])
def test_loops_and_agents_give_the_same_log_row_for_row(families):
    area, parameters = small_area(90, 60), replace(BUSY, families=families)
    run = simulate(area, parameters, 4, JOURNEY, places=FEW)
    model = CareModel(scenario=area, parameters=parameters, journey=JOURNEY, engine="agents", rng=4, places=FEW)
    for _ in range(area.n_weeks):
        model.step()
    told = model.result()
    assert [c.tolist() for c in told.rows] == [c.tolist() for c in run.rows]
    assert (told.flows == run.flows).all()
    assert (told.places.accounts == run.places.accounts).all()


@pytest.mark.parametrize("week", [0, 1, 60])
def test_a_run_goes_on_with_its_places_as_if_nothing_had_been(tmp_path, week):
    prepared = prepare(BUSY, JOURNEY, FEW)
    whole = simulate(AREA, BUSY, 3, JOURNEY, places=FEW)
    engine = begin(AREA, prepared, 3)
    engine.advance(week)
    save_checkpoint(engine, AREA, tmp_path / "kept")
    for again in (load_checkpoint(tmp_path / "kept", AREA, prepared), fork(engine, prepared)):
        again.advance(AREA.n_weeks)
        run = again.run(AREA)
        assert run.digest == whole.digest
        for mine, theirs in zip(run.places, whole.places, strict=True):
            assert np.array_equal(mine, theirs)
    with pytest.raises(CareError, match="other places"):
        load_checkpoint(tmp_path / "kept", AREA, prepare(BUSY, JOURNEY, PLENTY))
    plain = prepare(BUSY, JOURNEY)
    for one, two in ((plain, prepared), (prepared, plain)):
        with pytest.raises(CareError, match="places, unlike its fork"):
            fork(begin(AREA, one, 3), two)
    # A fork into other rules is what an intervention is: the past is shared.
    more = replace(FEW, rules=replace(CHANGING, recruit_per_year=(3.0, 3.0, 0.0, 0.0)))
    engine = begin(AREA, prepared, 3)
    engine.advance(60)
    other = fork(engine, prepare(BUSY, JOURNEY, more))
    other.advance(AREA.n_weeks)
    run = other.run(AREA)
    assert (run.flows[:60] == whole.flows[:60]).all()
    assert run.places.accounts[-1, 0] > whole.places.accounts[-1, 0]


def test_where_a_plan_for_adoption_ended_the_child_moves_and_its_clock_with_it():
    """No foster home is free and adoption plans end: nobody stays with adopters on a clock that says otherwise."""
    n = 300
    rates = np.zeros_like(BUSY.rates)
    rates[JOURNEY.edges_of("adoption_plan_ended")] = 30.0
    rates[JOURNEY.tables.outcome] = 1.0
    people = population_of(
        birth_week=np.full(n, -300), state=np.full(n, JOURNEY.state_index["placed_for_adoption"]),
        history=np.full(n, 2), since_week=np.full(n, -40),
    )  # fmt: skip
    none = Supply(Beds(0.0, 0), Rules())
    run = simulate(
        empty_scenario(30), replace(BUSY, rates=rates), 1, JOURNEY, population=people, prepared=None, places=none
    )
    run.check()
    ended = run.rows.edge == JOURNEY.edge("adoption_plan_ended", "placed_for_adoption")
    assert ended.sum() > n / 2
    assert run.stocks[-1, JOURNEY.state_index["foster"]] == 0
    assert run.stocks[-1, JOURNEY.state_index["other_placement"]] == ended.sum()
    assert run.stocks[-1, JOURNEY.state_index["placed_for_adoption"]] == n - ended.sum()


def test_a_journey_without_such_homes_has_no_places():
    parameters = parameters_of(THREE, rates_of(THREE, was_asked=1.0, was_sent_home=1.0))
    with pytest.raises(CareError, match="need the state 'foster'"):
        simulate(empty_scenario(10), parameters, 1, THREE, places=FEW)


def test_marks_of_the_log_do_not_meet_contexts():
    assert NOT_ITS_OWN & 31 == 0
