"""The command line: exit codes, sentences, and folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from abm.errors import CareError
from calibration.fitted import SavedFit, save_fit
from calibration.statistics import PUBLISHED, Statistics
from experiments import cli, fitting, jobs, results
from experiments.compare.report import about, read_comparison, report_tables
from experiments.report.payload import TEMPLATES
from tests.experiments.conftest import quick_fit

ROOT = Path(__file__).parents[2]
BUILT = all((TEMPLATES / page).is_file() for page in (results.REPORT, results.JOURNEYS))
HEADER = "area_code,area_name,year,measure,breakdown,value,unit,source_id"
ROW = "E06000009,Blackpool,2021,referrals,total,2739,number,CIN25_C1"


def journeys(*words: str | Path) -> Any:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def refused(*words: str | Path) -> str:
    """Run a command that must be refused: one sentence on stderr, nothing on stdout, exit code 2."""
    found = journeys(*words)
    assert found.exit_code == 2, found.output
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1, found.stderr
    assert "Traceback" not in found.stderr
    return str(found.stderr)


def process(*words: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.cli", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100, **settings)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, so that default folders are seen."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fitted_at_once(quick: SavedFit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit in no time."""
    monkeypatch.setattr(fitting, "fit", lambda *_a, **_k: quick)
    monkeypatch.setattr(jobs, "forecast_frame", lambda *_a, **_k: pytest.fail("the test was left out"))


@pytest.fixture(scope="module")
def done(quick: SavedFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of results of three runs, with the test and, if they are built, the pages."""
    folder = tmp_path_factory.mktemp("done") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit", lambda *_a, **_k: quick)
        patch.setattr("experiments.compare.forecast.fit_area", quick_forecast)
        patch.setattr("calibration.system.solve", lambda _model, start, *_a, **_k: (start, None, None))
        ended = journeys("demo", "--runs", "3", "--to", folder)
    assert ended.exit_code == 0, ended.output
    return folder


def quick_forecast(seen: Statistics, _area: Any, *, fitted_to: int, last_year: int, **_rest: Any) -> Any:
    made = quick_fit(seen, fitted_to, last_year).fitted
    return replace(made, scenario=replace(made.scenario, sample=50))


# Help and words ------------------------------------------------------------------------------------------------------


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import experiments.cli as c\n"
        "try: c.app(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numba', 'mesa', 'scipy', 'numpy', 'polars', 'pandas', 'pydantic'} & set(sys.modules)\n"
        "print(sorted(heavy), time.perf_counter() - start)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *help_lines, last = ended.stdout.strip().splitlines()
    heavy, seconds = last.split("] ")
    assert heavy == "["
    assert float(seconds) < 5
    text = "\n".join(help_lines)
    assert all(command in text for command in ("areas", "calibrate", "run", "resume", "compare", "page", "demo"))
    assert "simulated, not a real child" in " ".join(text.split())


@pytest.mark.parametrize("command", ["areas", "calibrate", "run", "resume", "compare", "page", "demo"])
def test_every_command_has_help(command: str) -> None:
    found = journeys(command, "--help")
    assert found.exit_code == 0
    assert "--help" in found.stdout
    assert "--debug" not in found.stdout


def test_no_words_give_help_and_version_is_told() -> None:
    assert "Usage" in journeys().stdout
    assert re.fullmatch(r"journeys-abm \d+\.\d+\.\d+\n", journeys("--version").stdout)


def test_areas() -> None:
    found = journeys("areas")
    assert found.exit_code == 0
    assert found.stdout.splitlines()[0] == "E92000001  England"
    assert "E06000009  Blackpool" in found.stdout


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m experiments.cli areas | head -1"
    if os.name == "nt":
        pytest.skip("there is no head on Windows")
    ended = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "E92000001  England\n"
    assert ended.stderr == ""


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "Blackpol"), r"There is no area 'Blackpol'.*Did you mean 'Blackpool'\?"),
        (("calibrate", "E06000099"), "There is no area 'E06000099'"),
        (("demo", "--area", "Nowhere"), "There is no area 'Nowhere'"),
        (("run", "england", "Blackpool"), "every authority.*stands alone: journeys run england.*E92000001"),
        (("run", "Blackpool", "Derbyshir"), r"There is no area 'Derbyshir'.*Did you mean 'Derbyshire'\?"),
        (("run", "Blackpool", "E06000009"), r"Blackpool \(E06000009\) is named twice"),
        (("run", "Blackpool", "E92000001"), "E92000001 is England as one area, which holds all others"),
        (("run", "Blackpool", "plan.toml"), r"A plan stands alone.*areas = \["),
        (("run", "Blackpool", "Derbyshire", "--processes", "0"), r"processes cannot be 0 \(--processes\)"),
        (("run", "Blackpool", "Derbyshire", "--fit", "nowhere"), "None of these 2 areas can be run.*no fit of"),
        (("resume", "nowhere"), "There is no unfinished run.*begins a new one"),
        (("calibrate", "Blackpool", "--draws", "3", "--point"), "--draws and --point exclude each other"),
        (("run", "Blackpool", "--draws", "0"), "draws cannot be 0.*1 to 10000"),
        (("demo", "--area", "England"), "every authority.*E92000001"),
        (("run", "E06000009", "--runs", "0"), r"runs cannot be 0 \(--runs\)"),
        (("run", "E06000009", "--workers", "0"), r"workers cannot be 0 \(--workers\)"),
        (("demo", "--workers", "999"), "workers cannot be 999"),
        (("run", "E06000009", "--years", "2050"), r"years cannot be 2050.*2025 to 2040"),
        (("run", "E06000009", "--seed", "-3"), "seed cannot be -3"),
        (("calibrate", "E06000009", "--until", "2030"), r"until cannot be 2030.*2022 to 2025"),
        (("run", "E06000009", "--runs", "many"), r"'--runs'.*See: .* run --help"),
        (("run", "nowhere.toml"), "There is no such plan"),
        (("run", "E06000009", "--fit", "nowhere"), r"no readable 'fit.json' here.*journeys calibrate"),
        (("compare", "nowhere"), "no such folder of results"),
        (("page", "nowhere"), "no such folder of results"),
        (("run",), r"Missing argument.*See: "),
        (("rum", "E06000009"), "No such command 'rum'"),
        (("demo", "--ares", "x"), r"No such option: --ares"),
        (("--areas",), "No such option"),
        (("areas", "--statistics", "nowhere.csv"), "no file of published figures"),
    ],
)
def test_refusals(words: tuple[str, ...], said: str, work: Path) -> None:
    assert re.search(said, refused(*words))
    assert list(work.iterdir()) == []


BAD_TABLES = {
    "missing column": (f"{HEADER}\n{ROW}\n".replace("value", "valeu"), "no column 'value'.*'valeu'"),
    "negative count": (f"{HEADER}\n{ROW}\n".replace("2739", "-2"), "value -2 of 'referrals' is negative.*row 2"),
    "year twice": (f"{HEADER}\n{ROW}\n{ROW}\n", "is there twice.*rows 2 and 3"),
    "suppressed cell": (f"{HEADER}\n{ROW}\n".replace("2739", "c"), "value is 'c'.*Leave the row out"),
    "not a number": (f"{HEADER}\n{ROW}\n".replace("2739", "1 234"), "'1 234' is not a number"),
    "no rows": (f"{HEADER}\n", "a header but no rows"),
    "empty": ("", "is empty"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables(kind: str, work: Path) -> None:
    text, said = BAD_TABLES[kind]
    table = work / "table.csv"
    table.write_text(text)
    for words in (("areas",), ("run", "Blackpool"), ("calibrate", "Blackpool"), ("demo",)):
        assert re.search(said, refused(*words, "--statistics", table))
    assert list(work.iterdir()) == [table]


def test_a_table_without_what_a_fit_needs(work: Path) -> None:
    table = work / "table.csv"
    table.write_text(f"{HEADER}\n{ROW}\n")
    assert re.search("Blackpool.*table.csv", refused("run", "Blackpool", "--statistics", table))
    assert list(work.iterdir()) == [table]


def without(statistics: Statistics, table: Path, rows: pl.Expr) -> Path:
    """Write the project's table without some rows."""
    statistics.frame.filter(~rows).write_csv(table)
    return table


BLACKPOOLS = pl.col("area_code") == "E06000009"


def test_an_area_that_is_not_there_at_the_start_is_told_why(statistics: Statistics, work: Path) -> None:
    early = pl.col("year") <= 2021
    later = without(statistics, work / "later.csv", BLACKPOOLS & early & (pl.col("measure") != "population_0_17"))
    said = refused("calibrate", "Blackpool", "--statistics", later)
    assert "There is no 'cla_at_31_march' of Blackpool for 2020, where the simulation starts" in said
    assert (
        "the area was made later, out of others (its first are of 2022). Choose another area: 'journeys areas'" in said
    )
    plans = pl.col("measure").str.starts_with("cpp_at") & (pl.col("year") == 2020)
    small = without(statistics, work / "small.csv", BLACKPOOLS & plans)
    said = refused("run", "Blackpool", "--statistics", small)
    assert "There is no 'cpp_at_31_march' of Blackpool for 2020" in said
    assert "too small to be published" in said
    begins = without(
        statistics, work / "begins.csv", (pl.col("measure") == "cla_at_31_march") & (pl.col("year") <= 2020)
    )
    assert "The table has it of no area for that year" in refused("run", "Blackpool", "--statistics", begins)


def test_a_table_that_ends_early_is_said_and_not_tested(
    statistics: Statistics, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report and the screen speak of the years that were fitted."""
    later = BLACKPOOLS & (pl.col("year") > 2022) & ~pl.col("measure").str.contains("^(population|births)")
    table = without(statistics, work / "early.csv", later)
    monkeypatch.setattr(fitting, "fit", lambda seen, *_a, **_k: quick_fit(seen))
    monkeypatch.setattr(jobs, "forecast_frame", lambda *_a, **_k: pytest.fail("nothing to test against"))
    found = journeys("run", "Blackpool", "--runs", "2", "--statistics", table, "--to", "early")
    assert found.exit_code == 0, found.output
    assert "Blackpool, fitted up to 2022" in found.stdout
    assert "Fitted up to 2022: nothing after that year that a fit needs is published in the table" in found.stdout
    assert "The test against 2024 and 2025 was left out" in found.stdout
    assert "2025" not in re.sub("The test against.*", "", found.stdout)
    told = about(comparison := read_comparison(work / "early"), report_tables(comparison)["careers"])
    assert told["headline"][0].startswith("Fitted up to 2022: nothing after that year")
    assert told["fit_end"] == 2022
    assert told["fitted_years"] == "2021 to 2022"
    for text in (
        *told["headline"],
        *told["missed"],
        *(str(value) for value in told.values() if isinstance(value, str)),
    ):
        assert "2025" not in text
    found = journeys("calibrate", "Blackpool", "--statistics", table, "--to", "fit")
    assert "Fitted up to 2022: nothing after that year that a fit needs is in the table." in found.stdout
    assert " 2023" not in found.stdout


@pytest.mark.parametrize(("runs", "title"), [("1", "The only run"), ("3", "Lowest and highest")])
@pytest.mark.usefixtures("fitted_at_once")
def test_the_screen_claims_no_interval_of_few_runs(runs: str, title: str, work: Path) -> None:
    found = journeys("run", "Blackpool", "--runs", runs, "--years", "2025", "--no-test")
    assert title in found.stdout
    assert "90% interval" not in found.stdout
    assert ("of 3 runs" in found.stdout) == (runs == "3")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("noise.csv", b"\xf3\xff\x00\x1b[31m\x80" * 50, "not a table in UTF-8|not UTF-8"),
        ("utf16.csv", "area_code".encode("utf-16"), "file is UTF-16"),
        ("noise.csv.gz", b"this is not gzip", "the file is not gzip"),
        ("short.csv.gz", b"\x1f\x8b\x08\x00 cut short", "damaged or cut short"),
    ],
)
def test_unreadable_tables(name: str, content: bytes, said: str, work: Path) -> None:
    (work / name).write_bytes(content)
    assert re.search(said, refused("areas", "--statistics", name))
    assert "folder, not a file" in refused("areas", "--statistics", work)


def test_bad_plans(work: Path) -> None:
    plan = work / "plan.toml"
    plan.write_text("area = ")
    assert "not TOML" in refused("run", plan)
    plan.write_text('area = "E06000009"\nruns = 0')
    assert "runs cannot be 0" in refused("run", plan)
    plan.write_text('aera = "E06000009"')
    assert "did you mean 'area'" in refused("run", plan)
    assert list(work.iterdir()) == [plan]


@pytest.mark.usefixtures("fitted_at_once")
def test_folders_that_cannot_be_written(work: Path) -> None:
    (work / "file").write_text("mine")
    (work / "thesis").mkdir()
    (work / "thesis" / "chapter.docx").write_text("years of work")
    for target, said in (("file", "a file, not a folder"), ("file/x", "a part of the path is a file"),
                         ("thesis", "holds other files")):  # fmt: skip
        for words in (("run", "E06000009"), ("calibrate", "E06000009"), ("demo",)):
            assert said in refused(*words, "--to", target)
    assert sorted(entry.name for entry in work.rglob("*")) == ["chapter.docx", "file", "thesis"]


def test_a_process_ends_with_the_same_code_and_words(work: Path) -> None:
    ended = process("run", "Blackpol", "--to", work / "x")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Did you mean 'Blackpool'?" in ended.stderr
    assert ended.stderr.count("\n") == 1
    debug = process("--debug", "run", "Blackpol")
    assert debug.returncode == 2
    assert "Traceback" in debug.stderr
    assert "CareError" in debug.stderr


def test_a_fault_of_ours_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_path: Path | None) -> Statistics:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(cli, "table_of", broken)
    found = journeys("areas")
    assert found.exit_code == 1
    assert found.stderr.count("\n") == 1
    assert "This is a fault of ours, not yours (ZeroDivisionError: a b)" in found.stderr


def test_ctrl_c_that_a_library_wraps_is_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_path: Path | None) -> Statistics:
        class Stops:
            def __set_name__(self, _owner: type, _name: str) -> None:
                raise KeyboardInterrupt

        class _Made:  # in Python 3.11 this is a RuntimeError
            attribute = Stops()

        raise AssertionError

    monkeypatch.setattr(cli, "table_of", stopped)
    found = journeys("areas")
    assert (found.exit_code, found.stdout) == (130, "")
    assert found.stderr == "Stopped. Nothing was left half written.\n"


@pytest.mark.parametrize("module", ["typer", "abm.errors", "experiments.plain"])
def test_ctrl_c_while_the_command_is_loaded(module: str) -> None:
    code = (
        "import builtins, sys; known = builtins.__import__\n"
        "def load(name, *rest):\n"
        f"    if name == '{module}': raise KeyboardInterrupt\n"
        "    return known(name, *rest)\n"
        "builtins.__import__ = load\n"
        "from experiments.cli import main"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == "Stopped. Nothing was left half written.\n"


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path | None) -> Statistics:
        raise MemoryError

    monkeypatch.setattr(cli, "table_of", full)
    found = journeys("areas")
    assert found.exit_code == 2
    assert "not enough memory" in found.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_stopped_in_the_middle(stop: signal.Signals, work: Path) -> None:
    (work / "notes.txt").write_text("mine")
    # A shell that starts a job in the background lets it ignore Ctrl-C, and a child would inherit that.
    begin = "import signal, experiments.cli as c; signal.signal(signal.SIGINT, signal.default_int_handler); c.main()"
    command = [sys.executable, "-c", begin, "demo", "--to", str(work / "x")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as job:
        assert job.stderr is not None
        assert "Simulating every child" in job.stderr.readline()
        assert (work / "x.unfinished" / "plan.json").is_file()
        time.sleep(0.3)
        job.send_signal(stop)
        _, told = job.communicate(timeout=60)
    assert job.returncode == 130
    wanted = f"Stopped. What is done is kept (x.unfinished). Go on with it: journeys resume {work / 'x'}."
    assert told.splitlines()[-1] == wanted
    assert sorted(entry.name for entry in work.iterdir()) == ["notes.txt", "x.unfinished"]
    assert sorted(entry.name for entry in (work / "x.unfinished").iterdir()) == ["areas", "lock", "plan.json"]
    assert "is unfinished" in refused("demo", "--to", "x")


# What is written -----------------------------------------------------------------------------------------------------


def test_a_run_writes_everything(done: Path) -> None:
    manifest = results.read_manifest(done)
    wanted = {results.EVENTS, results.CHILDREN, results.STOCKS, results.SYSTEM_STOCKS, results.RUNS, results.FIGURES,
              results.RESIDUALS, results.METRICS, results.FORECAST, "fit.json", "fit.parquet", "draws.json",
              "draws.parquet"}  # fmt: skip
    pages = {results.REPORT, results.JOURNEYS} if BUILT else set()
    assert set(manifest["files"]) == wanted | pages
    for name in manifest["files"]:
        results.checked(done, manifest, name)
    assert {entry.name for entry in done.iterdir()} == wanted | pages | {results.MANIFEST}
    assert manifest["seeds"] == [1, 2, 3]
    assert len(set(manifest["digests"].values())) == 3
    assert manifest["scenario"]["sample"] == 10
    assert manifest["statistics"]["file"] == "statistics.csv"
    assert "After 2025 every yearly factor is drawn anew in each draw" in manifest["fit"]["factors_ahead"]
    assert manifest["draws"]["draw_of_each_run"] == {"1": 0, "2": 1, "3": 2}
    events = pl.read_parquet(done / results.EVENTS)
    assert set(events.columns) == {
        "child", "week", "step", "transition", "from_state", "to_state", "origin", "chance", "draw",
    }  # fmt: skip
    assert set(pl.read_parquet(done / results.CHILDREN)["child"]) >= set(events["child"])


def test_no_path_and_no_time_of_day_is_written(done: Path) -> None:
    text = (done / results.MANIFEST).read_text(encoding="utf-8") + (done / "fit.json").read_text(encoding="utf-8")
    for path in (ROOT, done.parent, Path.home(), PUBLISHED):
        assert str(path) not in text
    assert not re.search(r"\d\d:\d\d", json.dumps(json.loads((done / results.MANIFEST).read_text(encoding="utf-8"))))


@pytest.mark.usefixtures("fitted_at_once")
def test_workers_change_no_byte(work: Path) -> None:
    for workers in ("1", "2"):
        words = ("run", "E06000009", "--runs", "2", "--years", "2026", "--no-test", "--workers", workers)
        found = journeys(*words, "--to", workers)
        assert found.exit_code == 0, found.output
    for entry in (work / "1").iterdir():
        assert entry.read_bytes() == (work / "2" / entry.name).read_bytes(), entry.name


def test_a_fit_is_used_again(quick: SavedFit, work: Path) -> None:
    (work / "fit").mkdir()
    save_fit(quick, work / "fit")
    found = journeys("run", "Blackpool", "--fit", "fit", "--runs", "1", "--no-test")
    assert found.exit_code == 0, found.output
    folder = work / "results" / "E06000009"
    assert (folder / "fit.json").read_bytes() == (work / "fit" / "fit.json").read_bytes()
    assert "Looked after at 31 March" in found.stdout
    assert "simulated, not a real child" in found.stdout
    assert results.FORECAST not in results.read_manifest(folder)["files"]
    assert "This fit is of Blackpool, not of Derbyshire" in refused("run", "E10000007", "--fit", "fit")
    assert "reaches to 31 March 2030" in refused("run", "Blackpool", "--fit", "fit", "--years", "2031")


@pytest.mark.usefixtures("fitted_at_once")
def test_calibrate_writes_a_fit_and_shows_what_is_left(work: Path) -> None:
    found = journeys("calibrate", "Blackpool")
    assert found.exit_code == 0, found.output
    written = {entry.name for entry in (work / "results" / "E06000009-fit").iterdir()}
    assert written == {"fit.json", "fit.parquet", "draws.json", "draws.parquet"}
    assert "Referrals" in found.stdout
    assert re.search(r"[+-]\d+\.\d%", found.stdout)
    assert "journeys run E06000009 --fit" in found.stdout


@pytest.mark.usefixtures("fitted_at_once")
def test_a_plan_is_run(work: Path) -> None:
    (work / "plan.toml").write_text('area = "Blackpool"\nruns = 2\nseed = 40\nyears = 2025\n')
    found = journeys("run", "plan.toml", "--no-test")
    assert found.exit_code == 0, found.output
    manifest = results.read_manifest(work / "results" / "E06000009")
    assert manifest["seeds"] == [40, 41]
    assert manifest["scenario"]["last_year"] == 2025


@pytest.mark.usefixtures("fitted_at_once")
def test_without_the_built_pages_the_rest_goes_on(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("experiments.pages", "experiments.report.payload"):
        monkeypatch.setattr(f"{module}.TEMPLATES", work / "nowhere")
    monkeypatch.setattr(jobs, "forecast_frame", lambda *_a, **_k: pl.DataFrame({"figure": ["x"]}))
    found = journeys("demo", "--runs", "1", "--to", "x")
    assert found.exit_code == 0, found.output
    assert "report.html and journeys.html are not built on this machine" in found.stdout
    assert results.EVENTS in results.read_manifest(work / "x")["files"]
    assert "The page 'journeys.html' is not built yet" in refused("page", work / "x")


def test_a_failure_leaves_old_results_as_they_were(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {entry.name: entry.read_bytes() for entry in done.iterdir()}

    def fail(*_: Any, **__: Any) -> None:
        raise CareError("The weather is bad", "", "Wait")

    monkeypatch.setattr(fitting, "fit", fail)
    assert refused("demo", "--to", done) == "The weather is bad. Wait.\n"
    assert {entry.name: entry.read_bytes() for entry in done.iterdir()} == before
    assert [entry.name for entry in done.parent.iterdir()] == [done.name]


@pytest.mark.skipif(not BUILT, reason="the pages are not built")
def test_pages_are_made_again_byte_for_byte(done: Path) -> None:
    before = {name: (done / name).read_bytes() for name in (results.REPORT, results.JOURNEYS, results.MANIFEST)}
    for name in (results.REPORT, results.JOURNEYS):
        (done / name).unlink()
    found = journeys("compare", done)
    assert found.exit_code == 0, found.output
    assert results.REPORT in found.stdout
    assert "Referrals" in found.stdout
    found = journeys("page", done)
    assert found.exit_code == 0, found.output
    assert {name: (done / name).read_bytes() for name in before} == before


def test_changed_results_are_refused(done: Path, work: Path) -> None:
    manifest = results.read_manifest(done)
    with results.new_folder(work / "x") as folder:
        for name in manifest["files"]:
            (folder / name).write_bytes((done / name).read_bytes())
        facts = {key: value for key, value in manifest.items() if key not in ("what", "format", "files")}
        results.write_manifest(folder, {**facts, "digests": {**manifest["digests"], "1": "0" * 64}})
    assert "seed 1 comes out differently" in refused("page", work / "x")
    (work / "x" / results.RUNS).write_bytes(b"")
    assert "'runs.parquet' is not as it was written" in refused("compare", work / "x")
