"""The command that compares settings finds the same bits, and finds the faults that are planted."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from abm.events import Rows
from abm.journey import JOURNEY
from tests.abm.toys import busy_parameters, small_area
from tests.digests.__main__ import Book, end
from tests.digests.effects import compare_effects, differing
from tests.digests.settings import look_at_machine, without
from tests.digests.subjects import Subject, load, save, subjects
from tests.digests.ways import one_by_one, ways

ROOT = Path(__file__).resolve().parents[2]

HASHED = """
import abm.pathway
abm.pathway.purpose_of = lambda name: hash(name) & 0xFFFFFFFF
"""
BY_THREAD = """
import threading
import abm.draws, abm.simulate
plain = abm.draws.key_of
def key_of(seed):
    low, high = plain(seed)
    return low ^ (threading.current_thread() is not threading.main_thread()), high
abm.simulate.key_of = key_of
"""
IN_TURN = """
import itertools
import abm.draws, abm.simulate
plain, turns = abm.draws.key_of, itertools.count()
abm.simulate.key_of = lambda seed: (plain(seed)[0], plain(seed)[1] ^ next(turns) % 2)
"""
WATCHED = """
import abm.run
plain = abm.run.Run.options
def options(self, children=None):
    told = plain(self, children)
    self.rows.draw[:1] += 1
    return told
abm.run.Run.options = options
"""
BY_WIDTH = """
import numpy as np
import abm.parameters
def expm1(x):
    return np.exp(x.astype(np.float32)).astype(np.float64) - 1.0
abm.parameters.expm1_exact = expm1
"""


def command(*words: str, fault: str = "", folder: Path | None = None) -> tuple[int, str]:
    """Run the command, with a fault planted in every process it starts, and return its code and what it says."""
    variables = dict(os.environ)
    if fault:
        assert folder is not None
        (folder / "sitecustomize.py").write_text(
            f"try:\n    import abm\nexcept ImportError:\n    pass\nelse:{_in(fault)}"
        )
        variables["PYTHONPATH"] = str(folder)
        if fault is HASHED:
            # It is compiled into the loops, and must not be kept for those without the fault.
            variables["JOURNEYS_CACHE"] = str(folder / "code")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.digests", *words],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout


def _in(lines: str) -> str:
    return lines.replace("\n", "\n    ")


@pytest.mark.slow
def test_the_quick_form_finds_the_same_bits() -> None:
    code, said = command("--quick")
    assert code == 0, said
    assert "28 of 28 cells equal, in 3 settings" in said
    assert "DIFFERS" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "found", "spared"),
    [
        (HASHED, "'another hash seed, language, place'", "'13 weeks at a time' in 'as it is'"),
        (BY_THREAD, "'areas side by side on 2 threads' in 'as it is'", "'13 weeks at a time' in 'as it is'"),
        (IN_TURN, "'areas and seeds backward' in 'as it is'", "'without numba'"),
        (WATCHED, "'every child traced' in 'as it is'", "'13 weeks at a time'"),
        (BY_WIDTH, "'another hash seed, language, place'", "'as it is'"),
    ],
    ids=["hash", "thread", "turn", "watched", "width"],
)
def test_a_planted_fault_is_found(fault: str, found: str, spared: str, tmp_path: Path) -> None:
    if fault is BY_WIDTH and not look_at_machine().numpy_dispatch:
        pytest.skip("numpy has nothing here that can be switched off")
    code, said = command("--quick", "--only", "another", fault=fault, folder=tmp_path)
    wrong = [line for line in said.splitlines() if line.startswith("DIFFERS: ")]
    assert code == 1
    assert any(found in line for line in wrong), said
    assert not any(spared in line for line in wrong), said


@pytest.fixture
def area(tmp_path: Path) -> Path:
    save(small_area(600, 110), busy_parameters(3), tmp_path / "area.npz")
    return tmp_path / "area.npz"


def test_the_area_is_read_as_it_was_written(area: Path) -> None:
    scenario, parameters = small_area(600, 110), busy_parameters(3)
    again, numbers = load(area)
    assert (again.area_code, again.n_weeks, again.sample) == (scenario.area_code, 110, 1)
    assert np.array_equal(again.plan.moves, scenario.plan.moves)
    assert again.plan.spacing_weeks == scenario.plan.spacing_weeks
    assert np.array_equal(again.day_one.chance, scenario.day_one.chance)
    assert again.day_one.state.dtype == scenario.day_one.state.dtype
    assert np.array_equal(numbers.rates, parameters.rates)
    assert np.array_equal(numbers.multipliers, parameters.multipliers)


def test_every_way_gives_what_the_first_does_and_names_each_run(area: Path) -> None:
    groups, listed = subjects(area), ways(area)
    first = {group: one_by_one(who) for group, who in groups.items()}
    for name in ("1 week at a time", "areas side by side on 2 threads", "no log kept", "every child traced"):
        way = listed[name]
        digests = way.run(groups[way.group])
        assert digests
        assert digests.items() <= first[way.group].items()
    small = first["small"]
    # Areas and seeds have luck of their own, and a log is not its counts.
    assert len(set(small.values())) == len(small) == 16


def test_a_cell_that_differs_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    book = Book()
    book.add("as it is", {"way": "alone", "digests": {"A log": "1", "A counts": "2"}})
    book.add("as it is", {"way": "no log", "digests": {"A counts": "2"}})
    assert end(book, True, 1.0) == 0
    book.add("elsewhere", {"way": "alone", "digests": {"A log": "1", "A counts": "3"}})
    assert end(book, True, 1.0) == 1
    assert "DIFFERS: 'alone' in 'elsewhere': A counts" in capsys.readouterr().out
    book = Book()
    book.add("as it is", {"way": "alone", "digests": {}, "failed": "CareError: no"})
    assert end(book, True, 1.0) == 1
    # A log without a digest proves nothing.
    empty = Book()
    empty.add("as it is", {"way": "alone", "digests": {"A log": ""}})
    assert end(empty, True, 1.0) == end(Book(), True, 1.0) == 1


def test_events_that_only_one_log_has_are_counted() -> None:
    def rows(*weeks: int) -> Rows:
        columns = {name: np.arange(len(weeks)) for name in Rows._fields}
        return Rows(**{**columns, "week": np.array(weeks)})

    assert differing(rows(1, 2, 3), rows(1, 2, 3)) == (6, 0)
    assert differing(rows(1, 2, 3), rows(1, 2, 4)) == (6, 2)
    assert differing(rows(1, 2, 3), rows(1, 2, 4), before=4) == (5, 1)
    assert differing(rows(1, 2, 3), rows(1, 2), before=3) == (4, 0)


def test_multipliers_without_effect_have_none_and_later_ones_none_before(
    area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, parameters = load(area)
    subject = Subject("area", scenario, parameters)
    parts = len(JOURNEY.transitions) // 2
    same, shifted, later = compare_effects(subject, 1, parts)
    assert same.differ == shifted.differ == later.differ == 0
    assert same.events > later.events > 1000
    assert later.afterwards > 0

    # And a multiplier that leaks into the year before is found.
    def leaking(plain: Callable[..., object]) -> Callable[..., object]:
        return lambda parameters, transition, factor, years: plain(
            parameters, transition, factor, slice(None) if years.start else years
        )

    from tests.digests import effects

    monkeypatch.setattr(effects, "with_multiplier", leaking(effects.with_multiplier))
    assert compare_effects(subject, 1, parts)[2].differ > 0


def test_features_are_taken_away_by_their_beginning() -> None:
    assert without(("avx", "avx512f", "fma", "sse2"), "avx512", "fma") == "+avx,-avx512f,-fma,+sse2"
