"""Runs that are kept, killed, damaged and forked: the digest of the uninterrupted run, or a refusal that says why."""

import builtins
import os
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import abm
import abm.course
from abm.checkpoint import FORMAT, begin, load_checkpoint, save_checkpoint
from abm.errors import CareError
from abm.files import read_columns, write_columns
from abm.forks import fork
from abm.journey import JOURNEY
from abm.kernels import People
from abm.mesa_model import CareModel
from abm.pathway import Journey
from abm.population import COLUMNS, population_of
from abm.prepared import prepare
from abm.simulate import Engine, simulate
from tests.abm.toys import (
    TWO,
    busy_parameters,
    empty_scenario,
    parameters_of,
    random_case,
    rates_of,
    small_area,
)

AREA, BUSY, OTHER, SEED = small_area(400, 130), busy_parameters(), busy_parameters(seed=8), 20260401
HERE, THERE = prepare(BUSY, JOURNEY), prepare(OTHER, JOURNEY)


def begun(week: int = 0, *, prepared=HERE, log: bool = True) -> Engine:
    engine = begin(AREA, prepared, SEED, log=log)
    engine.advance(week)
    return engine


def finished(engine: Engine, scenario=AREA, spans=(1000,)):
    """The finished run, in spans taken in turn."""
    turn = 0
    while engine.week < engine.n_weeks:
        engine.advance(spans[turn % len(spans)])
        turn += 1
    return engine.run(scenario)


def same_rows(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def whole():
    return simulate(AREA, BUSY, SEED, JOURNEY)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The file of a run of 60 weeks."""
    path = tmp_path_factory.mktemp("kept") / "checkpoint"
    save_checkpoint(begun(60), AREA, path)
    return path


# Go on ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.booleans(), st.data())
def test_a_run_goes_on_as_if_it_had_not_been_interrupted(tmp_path_factory, rng, log, data):
    case = random_case(rng)
    area, prepared = empty_scenario(case.n_weeks), prepare(case.parameters, case.journey)
    week = data.draw(st.integers(0, case.n_weeks))
    spans = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=3))
    folder = tmp_path_factory.mktemp("runs")

    def run_to(week, spans):
        engine = begin(area, prepared, case.seed, log=log, population=case.population)
        while engine.week < week:
            engine.advance(min(spans[engine.week % len(spans)], week - engine.week))
        return engine

    expected = finished(run_to(0, spans), area)
    engine = run_to(week, spans)
    save_checkpoint(engine, area, folder / "one")
    save_checkpoint(run_to(week, [1000]), area, folder / "two")
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes(), "spans leave no trace in the file"
    again = load_checkpoint(folder / "one", area, prepared)
    assert (again.week, again.seed, again.log, again.key) == (week, case.seed, log, engine.key)
    for other in (again, engine):  # the run that was kept goes on too
        run = finished(other, area, spans)
        assert run.digest == expected.digest
        assert same_rows(run.rows, expected.rows)
        assert np.array_equal(run.flows, expected.flows)
        assert np.array_equal(run.stocks, expected.stocks)
    for name in People._fields:
        assert name == "due" or np.array_equal(getattr(again.people, name), getattr(engine.people, name))


@pytest.mark.parametrize("week", [0, 1, 51, 52, 53, 129, 130])
def test_a_whole_area_goes_on_from_any_week(whole, tmp_path, week):
    save_checkpoint(begun(week), AREA, tmp_path / "x")
    run = finished(load_checkpoint(tmp_path / "x", AREA, HERE), spans=(7, 30))
    assert run.digest == whole.digest
    run.check()


def test_it_can_be_kept_again_and_again(whole, tmp_path):
    engine = begun()
    while engine.week < AREA.n_weeks:
        engine.advance(9)
        save_checkpoint(engine, AREA, tmp_path / "x")
        engine = load_checkpoint(tmp_path / "x", AREA, HERE)
    assert engine.run(AREA).digest == whole.digest
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_log_longer_than_was_expected_is_taken_over_whole(whole, kept, monkeypatch):
    monkeypatch.setattr("abm.simulate._FIRST_ROWS", 0)
    expected = begun(0)._rows.child.size
    engine = load_checkpoint(kept, AREA, HERE)
    assert engine._n_rows > 2 * expected
    assert finished(fork(engine, HERE)).digest == finished(engine).digest == whole.digest


def test_what_agents_began_arrays_can_end(tmp_path):
    area = small_area(40, 60)
    model = CareModel(scenario=area, parameters=BUSY, journey=JOURNEY, engine="agents", rng=SEED)
    for _ in range(20):
        model.step()
    save_checkpoint(model.run, area, tmp_path / "x")
    run = finished(load_checkpoint(tmp_path / "x", area, HERE), area)
    assert run.rows.child.size > 20
    assert run.digest == simulate(area, BUSY, SEED, JOURNEY).digest


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
from tests.abm.test_checkpoint import *
run = finished(load_checkpoint(Path(sys.argv[1]), AREA, HERE))
assert not run.manifest["versions"]["compiled"]
print(run.digest)
"""


@pytest.mark.slow
def test_what_one_machine_began_another_without_a_compiler_can_end(whole, kept):
    assert answer_of(WITHOUT_NUMBA, kept).split() == [whole.digest]


def answer_of(program: str, *words: object) -> str:
    """What a program prints that runs in a process of its own."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True, text=True, check=False, cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# Killed ---------------------------------------------------------------------------------------------------------------

KILLED = """
import os, random, signal, sys, time
from pathlib import Path

from abm import checkpoint
from abm.checkpoint import begin, load_checkpoint, save_checkpoint
from abm.journey import JOURNEY
from abm.prepared import prepare
from tests.abm.toys import busy_parameters, small_area

folder, weeks, kills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
path, area, prepared = folder / "checkpoint", small_area(400, weeks), prepare(busy_parameters(), JOURNEY)
rng = random.Random(kills)

def live(point):
    engine = load_checkpoint(path, area, prepared) if path.exists() else begin(area, prepared, 20260401)
    if point:
        at_point(point)
    while engine.week < engine.n_weeks:
        engine.advance(1)
        save_checkpoint(engine, area, path)
    (folder / "digest").write_text(engine.run(area).digest)

def at_point(point):
    "Die at a point of the next writing."
    fsync, move = os.fsync, os.replace
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)
    def half(handle):
        os.ftruncate(handle, os.fstat(handle).st_size // 2)
        die()
    def moved(*names):
        move(*names)
        die()
    if point == "half written":
        os.fsync = half
    elif point == "written":
        os.fsync = die
    elif point == "on the disk":
        os.replace = die
    else:
        os.replace = moved

def start(point=""):
    child = os.fork()
    if child == 0:
        try:
            live(point)
            os._exit(0)
        except BaseException as fault:
            print(repr(fault), file=sys.stderr, flush=True)
            os._exit(1)
    return child

def end(child):
    "Tell whether it was killed; otherwise it must have come to its end."
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    digests.append((folder / "digest").read_text())
    path.unlink()
    return False

# Compiled and marked before the first fork, so that the time goes into writing.
begin(area, prepared, 20260401).advance(2)
marks = checkpoint._marks(area, prepared, None)
checkpoint._marks = lambda *_: marks
digests, killed, in_writing, left = [], 0, 0, set()
for point in ("half written", "written", "on the disk", "in its place"):
    assert end(start(point)), point
while killed < kills:
    child = start()
    time.sleep(rng.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    if end(child):
        killed += 1
        parts = {entry.name for entry in folder.glob(".*.part")}
        in_writing += bool(parts - left)
        left = parts
assert not end(start())
print(killed, in_writing, len(digests), *set(digests))
"""


def killed_again_and_again(folder: Path, weeks: int, kills: int) -> tuple[int, int]:
    """Kill a run that keeps a checkpoint every week: first at four points of writing, then at random instants.

    Returns how often it was killed at random, and how often of these while it wrote.
    """
    killed, in_writing, _, *digests = answer_of(KILLED, folder, weeks, kills).split()
    assert digests == [simulate(small_area(400, weeks), BUSY, SEED, JOURNEY).digest]
    assert not list(folder.glob(".*")), "what was half written is swept away"
    return int(killed), int(in_writing)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot kill a program in this way")


@needs_fork
def test_a_run_that_is_killed_goes_on_to_the_same_digest(tmp_path):
    assert killed_again_and_again(tmp_path, 60, 5)[0] == 5


@needs_fork
@pytest.mark.slow
def test_a_run_that_is_killed_a_hundred_times_goes_on_to_the_same_digest(tmp_path):
    killed, in_writing = killed_again_and_again(tmp_path, 130, 100)
    print(f"\n{killed} kills, {in_writing} of them while the checkpoint was written")
    assert killed == 100
    assert in_writing >= 5


@pytest.mark.parametrize("log", [True, False])
def test_a_run_that_was_broken_off_never_replaces_a_whole_checkpoint(tmp_path, monkeypatch, log):
    """Ctrl-C within `advance`, and a program that saves whatever happens: the children are ahead of the run's week."""
    engine, path = begun(40, log=log), tmp_path / "x"
    save_checkpoint(engine, AREA, path)
    good, advance_span = path.read_bytes(), abm.course.advance_span

    def broken_off(*args):
        advance_span(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("abm.course.advance_span", broken_off)
        with pytest.raises(KeyboardInterrupt):
            engine.advance(30)
    for what in (lambda: save_checkpoint(engine, AREA, path), lambda: fork(engine, HERE)):
        with pytest.raises(CareError, match="broken off on the way from week 40"):
            what()
    assert path.read_bytes() == good
    expected = finished(begun(0, log=log))
    run = finished(load_checkpoint(path, AREA, HERE))
    assert (run.digest, run.flows.tolist()) == (expected.digest, expected.flows.tolist())


# Damage ---------------------------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    """The words with which a file is refused."""
    with pytest.raises(CareError) as told:
        load_checkpoint(path, AREA, HERE)
    assert str(path) in told.value.where or str(path.parent) in told.value.where
    assert told.value.remedy
    return told.value.what


def every_bit_flipped(kept: Path, path: Path, places: list[int]) -> None:
    data = bytearray(kept.read_bytes())
    for bit in places:
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        assert "damaged" in refused(path), bit
        data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    assert load_checkpoint(path, AREA, HERE).week == 60


def every_end_cut(kept: Path, path: Path, lengths: list[int]) -> None:
    data = kept.read_bytes()
    for length in lengths:
        path.write_bytes(data[:length])
        assert "damaged" in refused(path), length


def test_a_flipped_bit_is_refused(kept, tmp_path):
    rng, size = random.Random(1), kept.stat().st_size
    first_line = rng.sample(range(36 * 8), 40)
    header = rng.sample(range(36 * 8, 4000 * 8), 60)
    every_bit_flipped(kept, tmp_path / "x", [*first_line, *header, *rng.sample(range(4000 * 8, size * 8), 100)])


def test_a_file_that_was_cut_short_or_has_more_is_refused(kept, tmp_path):
    rng, size = random.Random(2), kept.stat().st_size
    every_end_cut(kept, tmp_path / "x", [0, 1, 35, 36, 37, size - 1, *rng.sample(range(size), 60)])
    for more in (b"\0", b"\n", kept.read_bytes()):
        (tmp_path / "x").write_bytes(kept.read_bytes() + more)
        assert "damaged" in refused(tmp_path / "x")


@pytest.mark.slow
def test_a_thousand_damages_are_refused(kept, tmp_path):
    rng, size = random.Random(3), kept.stat().st_size
    every_bit_flipped(kept, tmp_path / "x", rng.sample(range(size * 8), 700))
    every_end_cut(kept, tmp_path / "x", rng.sample(range(size), 300))


def changed(kept: Path, path: Path, told=None, **columns) -> Path:
    """A file with other content, signed as it must be."""
    was_told, was = read_columns(kept, "")
    write_columns(path, {**was_told, **(told or {})}, {**was, **columns})
    return path


@pytest.mark.parametrize(
    ("name", "row", "value"),
    [
        ("now state", 7, 99), ("now history", 7, 3), ("now since", 7, 9999), ("log week", 3, 60), ("log week", 3, -1),
        ("log edge", 3, 60_000), ("log child", 3, -1), ("log child", 3, 1 << 30), ("flows", 5, 1),
        ("children state", 7, 99), ("children history", 7, 99), ("children risk", 7, 99),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_never_reach_the_loops(kept, tmp_path, name, row, value):
    column = read_columns(kept, "")[1][name].copy()
    column[row] = value
    assert refused(changed(kept, tmp_path / "x", **{name: column}))


def test_a_checkpoint_that_lacks_something_is_refused(kept, tmp_path):
    told, columns = read_columns(kept, "")
    for name in columns:
        write_columns(tmp_path / "x", told, {key: column for key, column in columns.items() if key != name})
        assert "lacks something" in refused(tmp_path / "x")
        assert refused(changed(kept, tmp_path / "x", **{name: columns[name][:-1]}))
        assert refused(changed(kept, tmp_path / "x", **{name: columns[name].astype(np.float64)}))
    for name in told:
        write_columns(tmp_path / "x", {key: value for key, value in told.items() if key != name}, columns)
        assert refused(tmp_path / "x")
    for week in (-1, 131, 61, "60", None):
        assert refused(changed(kept, tmp_path / "x", {"week": week}))


def test_what_was_begun_otherwise_is_refused_by_what_differs(kept, tmp_path):
    cases = [
        (replace(AREA, area_code="E06000009"), HERE, "has the area E06999999, the scenario E06000009"),
        (replace(AREA, first_year=2020), HERE, "has the first year 2021, the scenario 2020"),
        (replace(AREA, n_weeks=131), HERE, "has the weeks 130, the scenario 131"),
        (replace(AREA, sample=2), HERE, "has the sample 1, the scenario 2"),
        (replace(AREA, plan=small_area(401, 130).plan), HERE, "another population plan or day one"),
        (AREA, THERE, "other parameters"),
        (AREA, prepare(BUSY, reworded(clock_at=1)), "another declared journey"),
        (AREA, prepare(BUSY, restless(JOURNEY)), "another declared journey"),
    ]
    for scenario, prepared, words in cases:
        with pytest.raises(CareError, match=words):
            load_checkpoint(kept, scenario, prepared)
    assert load_checkpoint(kept, AREA, prepare(BUSY, reworded(sentence="!"))).week == 60, "words decide nothing"
    assert f"by version 9.9 (form {FORMAT}), and this is version {abm.__version__}" in refused(
        changed(kept, tmp_path / "x", {"version": "9.9"})
    )
    assert "version" in refused(changed(kept, tmp_path / "x", {"format": FORMAT - 1}))
    assert "no checkpoint" in refused(changed(kept, tmp_path / "x", {"what": "Results"}))
    assert "no file 'y'" in refused(tmp_path / "y")
    with pytest.raises(CareError, match="The run has 130 weeks, the scenario 156"):
        save_checkpoint(begun(), small_area(400), tmp_path / "z")


def reworded(**changes) -> Journey:
    first, *others = JOURNEY.transitions
    return Journey(JOURNEY.states, (replace(first, **changes), *others))


def restless(journey: Journey) -> Journey:
    """The same chances, but other draws: no state is quiet."""
    return Journey(tuple(replace(s, quiet=False) for s in journey.states), journey.transitions)


WATCHED: list[str] = []
RUNS_CODE = ("pickle.find_class", "exec", "compile", "marshal.loads", "import", "subprocess.Popen", "os.system")


def test_nothing_that_is_read_runs(kept, tmp_path, monkeypatch):
    """Python itself tells whenever code is run, compiled, imported or unpickled."""
    watching = [True]
    sys.addaudithook(lambda event, _: watching and event in RUNS_CODE and WATCHED.append(event))

    def never(*_, **__):
        raise AssertionError("something was unpickled or evaluated")

    pickled = pickle.dumps(Path("x"))
    pickle.loads(pickled)
    assert "pickle.find_class" in WATCHED, "the watch sees it"
    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    for module, name in ((np, "load"), (builtins, "eval"), (builtins, "exec")):
        monkeypatch.setattr(module, name, never)
    WATCHED.clear()
    engine = load_checkpoint(kept, AREA, HERE)
    save_checkpoint(engine, AREA, tmp_path / "x")
    (tmp_path / "y").write_bytes(pickled)
    with pytest.raises(CareError, match="damaged in its first line"):
        load_checkpoint(tmp_path / "y", AREA, HERE)
    watching.clear()
    assert WATCHED == []
    assert (tmp_path / "x").read_bytes() == kept.read_bytes()


# Forks ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.data())
def test_a_fork_in_any_week_is_as_the_agents_tell_it(rng, data):
    """Against agents in plain Python, to whom other chances are given in the middle of the run."""
    case = random_case(rng)
    week = data.draw(st.integers(0, case.n_weeks))
    area, here = empty_scenario(case.n_weeks), prepare(case.parameters, case.journey)
    rates = case.parameters.rates.copy()
    weekly = case.journey.tables.weekly
    rates[weekly] = np.roll(rates[weekly], data.draw(st.integers(1, 9))) * 1.5
    there = prepare(replace(case.parameters, rates=rates), case.journey)

    engine = begin(area, here, case.seed, population=case.population)
    engine.advance(week)
    same, other = fork(engine, here), fork(engine, there)
    whole = finished(engine, area)
    assert finished(same, area).digest == whole.digest

    model = CareModel(scenario=area, parameters=case.parameters, journey=case.journey, engine="agents",
                      population=case.population, rng=case.seed)  # fmt: skip
    for now in range(case.n_weeks):
        if now == week:
            model.run.prepared = there
        model.step()
    run = finished(other, area)
    assert same_rows(run.rows, model.result().rows)
    run.check()
    past = int(np.searchsorted(whole.rows.week, week))
    assert same_rows([column[:past] for column in run.rows], [column[:past] for column in whole.rows])


@pytest.mark.parametrize("week", [0, 51, 52, 60, 103, 130])
def test_forks_share_their_past_and_nothing_else(whole, week):
    engine = begun(week)
    one, two = fork(engine, THERE), fork(engine, HERE)
    for name, column in one.people._asdict().items():
        mine = name in ("state", "history", "since", "due", "context")
        assert np.shares_memory(column, getattr(engine.people, name)) != mine
    first = finished(one)
    assert finished(engine).digest == finished(two).digest == whole.digest, "the others are left alone"
    past = whole.rows.week < week
    assert same_rows([c[: past.sum()] for c in first.rows], [c[past] for c in whole.rows])
    assert np.array_equal(first.flows[:week], whole.flows[:week])
    assert np.array_equal(first.stocks[:week], whole.stocks[:week])
    assert first.children.equals(whole.children)
    assert (first.digest == whole.digest) == (week == AREA.n_weeks)
    first.check()


QUIET = Journey(tuple(replace(s, quiet=True) for s in TWO.states), TWO.transitions)
both_kinds = pytest.mark.parametrize("journey", [TWO, QUIET], ids=["looked at weekly", "quiet"])


@both_kinds
def test_the_week_of_the_fork_is_the_first_to_differ(journey):
    """Nothing happens before, everyone is helped in the week of the fork, in the middle of a year; and the reverse."""
    n, area = 500, empty_scenario(150)
    still, certain = (prepare(parameters_of(journey, rates_of(journey, was_helped=r)), journey) for r in (0.0, np.inf))
    children = population_of(birth_week=np.full(n, -60))
    engine = begin(area, still, 1, population=children)
    engine.advance(77)
    run = finished(fork(engine, certain), area)
    assert run.flows.sum(axis=1).nonzero()[0].tolist() == [77]
    assert run.flows[77].sum() == n
    assert finished(fork(begin(area, certain, 1, population=children), still), area).flows.sum() == 0


@both_kinds
def test_a_fork_has_the_rate_of_its_parameters_from_its_week_on(journey):
    """Half a year at 0.2 a year, then at 2: of those left, as many go each week as the new rate says."""
    n, area = 40_000, empty_scenario(52)
    slow, fast = (prepare(parameters_of(journey, rates_of(journey, was_helped=r)), journey) for r in (0.2, 2.0))
    engine = begin(area, slow, 3, population=population_of(birth_week=np.full(n, -60)))
    engine.advance(26)
    left = n - engine.flows[:26].sum()
    flows = finished(fork(engine, fast), area).flows[26:].sum(axis=1)
    chance = 1 - np.exp(-2 / 52)
    waiting = left - np.concatenate([[0], np.cumsum(flows)[:-1]])
    z = (flows - waiting * chance) / np.sqrt(waiting * chance * (1 - chance))
    # 26 normal numbers: the sum of squares is beyond 70 once in 150,000 times.
    assert (z**2).sum() < 70


def test_every_event_of_a_fork_has_the_chance_of_its_week(whole):
    engine = begun(40)
    engine = fork(engine, THERE)
    engine.advance(33)
    run = finished(fork(engine, prepare(busy_parameters(seed=9), JOURNEY)))
    assert run.manifest["forked_at"] == [40, 73]
    on = ["child", "week", "step", "transition", "to_state"]
    both = run.events.join(run.options(), on=on, how="inner", suffix="_open", maintain_order="left")
    assert both.select(run.events.columns).equals(run.events)
    assert (both["chance"] == both["chance_open"]).all()
    moments = run.options().select("week", "child", "step").rows()
    assert moments == sorted(moments)
    child = int(run.events["child"][50])
    assert run.options([child]).equals(run.options().filter(pl.col("child") == child))
    past = pl.col("week") < 40
    assert run.options().filter(past).equals(whole.options().filter(past))


def test_a_fork_is_kept_with_its_past(tmp_path):
    twice = fork(begun(40), THERE)
    twice.advance(33)
    twice = fork(twice, HERE)
    twice.advance(5)
    save_checkpoint(twice, AREA, tmp_path / "x")
    again = load_checkpoint(tmp_path / "x", AREA, HERE)
    expected, run = finished(twice), finished(again)
    assert run.digest == expected.digest
    assert run.manifest == expected.manifest
    assert run.options().equals(expected.options())
    with pytest.raises(CareError, match="other parameters"):
        load_checkpoint(tmp_path / "x", AREA, THERE)


def test_many_forks_side_by_side_are_as_one_after_the_other(kept):
    start = load_checkpoint(kept, AREA, HERE)
    policies = [prepare(busy_parameters(seed=k), JOURNEY) for k in range(6)]
    one = [finished(fork(start, policy)).digest for policy in policies]
    with ThreadPoolExecutor(3) as pool:
        two = list(pool.map(lambda policy: finished(fork(start, policy)).digest, policies))
    assert one == two
    assert len(set(one)) == 6


def test_a_fork_without_a_log_counts_the_same():
    quiet, told = (finished(fork(begun(60, log=log), THERE)) for log in (False, True))
    assert quiet.digest == ""
    assert np.array_equal(quiet.flows, told.flows)


def test_a_fork_into_another_journey_is_refused():
    with pytest.raises(CareError, match="cannot be forked into another journey"):
        fork(begun(3), prepare(BUSY, reworded(clock_at=1)))


def test_the_file_says_what_it_is_and_holds_every_column(kept):
    told, columns = read_columns(kept, "")
    assert "simulated, not a real child" in told["what"]
    assert (told["area"], told["seed"], told["week"], told["log"]) == ("E06999999", SEED, 60, True)
    assert {f"children {name}" for name, _, _ in COLUMNS} < set(columns)
    assert kept.read_bytes().startswith(b"journeys-abm columns 1 ")
