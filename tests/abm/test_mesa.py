"""CareModel: the same events from both engines and from `simulate`, and what Mesa users expect to work."""

import mesa
import numpy as np
import pandas as pd
import pytest
from mesa.batchrunner import batch_run as mesa_batch_run

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.mesa_model import CareModel, ChildAgent, FamilyAgent, batch_run
from abm.population import population_of
from abm.simulate import simulate
from tests.abm.toys import THREE, busy_parameters, empty_scenario, parameters_of, rates_of, small_area

AREA, BUSY = small_area(300, 156), busy_parameters()
SMALL = {"scenario": small_area(40, 20), "parameters": BUSY, "journey": JOURNEY}


def model(**more):
    return CareModel(**{"scenario": AREA, "parameters": BUSY, "journey": JOURNEY, "rng": 7, **more})


@pytest.fixture(scope="module")
def run():
    return simulate(AREA, BUSY, 7, JOURNEY)


@pytest.fixture(scope="module")
def finished():
    finished = model()
    finished.run_model()
    return finished


def test_arrays_give_the_same_events_as_simulate(run, finished):
    result = finished.result()
    assert result.digest == run.digest
    assert result.events.equals(run.events)
    assert np.array_equal(result.stocks, run.stocks)


def test_agents_give_the_same_events_row_for_row(run):
    agents = model(engine="agents")
    agents.run_model()
    result = agents.result()
    assert result.events.equals(run.events)
    assert result.digest == run.digest
    assert np.array_equal(result.flows, run.flows)
    result.check()
    assert run.events.height > 1000


def test_the_order_in_which_agents_step_changes_nothing():
    class Shuffled(CareModel):
        def step(self):
            self.agents.shuffle_do("step")
            self.run.week += 1

    one, other = Shuffled(**SMALL, engine="agents", rng=3), CareModel(**SMALL, rng=3)
    for _ in range(20):
        one.step()
        other.step()
    assert one.events.equals(other.events)
    assert one.events.height > 10


def test_data_is_collected_each_week(run, finished):
    frame = finished.datacollector.get_model_vars_dataframe()
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (156, len(JOURNEY.states))
    assert (frame.to_numpy() == run.stocks).all()
    assert not finished.running


def test_reporters_of_ones_own_are_collected():
    mine = model(
        model_reporters={"in care": lambda m: len(m.agents.select(lambda child: child.state == "foster"))},
        agent_reporters={"state": "state", "age": lambda child: child.age_weeks},
    )
    mine.step()
    mine.step()
    frame = mine.datacollector.get_model_vars_dataframe()
    assert (frame["in care"] == frame["children: foster"]).all()
    children = mine.datacollector.get_agent_vars_dataframe()
    assert len(children) == 2 * len(mine.agents)
    assert (children.groupby("Step").size() == len(mine.agents)).all()
    last = children.xs(2, level="Step")
    assert last["state"].tolist() == mine.agents.get("state")


def test_time_passes_by_weeks():
    mine = model()
    assert (mine.week, mine.time) == (0, 0)
    mine.step()
    assert (mine.week, mine.steps, mine.time) == (1, 1, 1)
    mine.run_for(3)
    assert mine.week == 4
    mine.run_until(10)
    assert (mine.week, mine.time) == (10, 10)
    with pytest.raises(CareError, match="week 10 of 156"):
        mine.result()
    mine.run_until(200)
    assert mine.week == 156
    assert not mine.running
    mine.result().check()


def test_agents_are_views_of_rows(finished):
    child = finished.agents[5]
    assert isinstance(child, mesa.Agent)
    assert child == finished.agents[5]
    assert child != finished.agents[6]
    assert child in finished.agents
    assert len({child, finished.agents[5]}) == 1
    assert child in child.family.children
    assert child.family.size == len(child.family.children)
    assert child.family.risk == child.risk
    assert child.unique_id == 5
    assert child.model is finished
    with pytest.raises(CareError, match="cannot be set"):
        child.mood = "good"
    with pytest.raises(CareError, match="cannot be removed"):
        child.remove()
    with pytest.raises(CareError, match="engine='agents'"):
        child.step()
    with pytest.raises(CareError, match="added or removed"):
        finished.agents.add(child)


def test_agents_by_type(finished):
    sets = finished.agents_by_type
    assert list(sets) == finished.agent_types == [ChildAgent, FamilyAgent]
    assert len(sets[ChildAgent]) == len(finished.run.population)
    assert sum(sets[FamilyAgent].get("size")) == len(sets[ChildAgent])
    assert sets[FamilyAgent].agg("size", max) <= 5


def test_agent_sets_do_what_mesas_do(finished):
    agents = finished.agents
    people = finished.run.people
    keys = [state.key for state in JOURNEY.states]
    assert agents.get("state") == [child.state for child in agents] == [keys[s] for s in people.state]
    assert agents.get(["risk", "uasc"])[3] == [agents[3].risk, agents[3].uasc]
    for name in ("history", "age_weeks", "weeks_on_clock", "sex", "unique_id"):
        assert agents.get(name) == agents.map(lambda child, name=name: getattr(child, name))
    assert agents.get("hobby", handle_missing="default", default_value=1) == [1] * len(agents)
    with pytest.raises(AttributeError):
        agents.get("hobby")
    assert agents.agg("age_weeks", np.mean) == pytest.approx(np.mean(agents.get("age_weeks")))
    assert agents.agg("risk", [min, max]) == [0, 3]

    counts = agents.groupby("state").count()
    assert counts == {keys[s]: int(n) for s, n in enumerate(finished.stocks) if n}
    assert agents.groupby("risk").agg("history", sum)[0] == sum(c.history for c in agents if c.risk == 0)
    assert agents.groupby(lambda child: child.sex, result_type="list").count() == agents.groupby("sex").count()

    boys = agents.select(lambda child: child.sex == 1)
    assert 0 < len(boys) < len(agents)
    assert set(boys.get("sex")) == {1}
    assert len(agents.select(at_most=7)) == 7
    assert len(agents.select(at_most=0.5)) == len(agents) // 2
    assert len(agents.select(agent_type=FamilyAgent)) == 0
    assert len(agents.select()) == len(agents)
    assert agents.sort("age_weeks", ascending=True).get("age_weeks") == sorted(agents.get("age_weeks"))
    assert agents.sort(lambda child: child.row).get("unique_id")[0] == len(agents) - 1
    shuffled = agents.shuffle()
    assert shuffled.get("unique_id") != agents.get("unique_id")
    assert sorted(shuffled.get("unique_id")) == agents.get("unique_id")
    seen = []
    assert agents.do(lambda child: seen.append(child.row)) is agents
    assert seen == agents.get("unique_id")
    assert len(agents[2:5]) == 3
    assert agents.to_list()[4] == agents[4]
    with pytest.raises(AttributeError):
        finished.agents = []


@pytest.mark.parametrize("period", [1, -1])
def test_our_batch_run_is_alike_on_every_mesa(period):
    rows = batch_run(CareModel, {**SMALL, "engine": ["arrays", "agents"]}, rng=[1, 2, 1], data_collection_period=period)
    frame = pd.DataFrame(rows)
    assert len(frame) == 6 * (20 if period == 1 else 1)
    assert sorted(frame["Step"].unique()) == (list(range(1, 21)) if period == 1 else [20])
    assert sorted(frame["rng"].unique()) == [1, 2]
    last = frame[frame["Step"] == 20]
    for seed in (1, 2):
        expected = simulate(SMALL["scenario"], BUSY, seed, JOURNEY).stocks[-1]
        counts = last.loc[last["rng"] == seed, [f"children: {state.key}" for state in JOURNEY.states]]
        assert (counts.to_numpy() == expected).all()


def test_mesas_own_batch_run_works():
    rows = mesa_batch_run(CareModel, SMALL, max_steps=5, display_progress=False)
    assert len(rows) == 1
    assert "children: at_home" in rows[0]


def test_seeds_of_every_kind():
    assert model(rng=np.int64(9)).key == 9
    assert model(rng=np.random.default_rng(1)).key == model(rng=np.random.default_rng(1)).key
    assert model(rng=None).key != model(rng=None).key


def test_what_is_wrong_is_told():
    with pytest.raises(CareError, match="Did you mean 'arrays'"):
        model(engine="array")
    with pytest.raises(CareError, match="seed -3"):
        model(rng=-3)
    for wrong in ("x", 1.5):
        with pytest.raises(CareError, match="whole number"):
            model(rng=wrong)


def test_a_state_from_which_nothing_follows_stops_the_agents_too():
    mine = CareModel(
        scenario=empty_scenario(3), journey=THREE, rng=1, engine="agents",
        parameters=parameters_of(THREE, rates_of(THREE, was_asked=np.inf)),
        population=population_of(birth_week=[-300], state=[1]),
    )  # fmt: skip
    with pytest.raises(CareError, match="'asked' nothing can follow"):
        mine.step()
