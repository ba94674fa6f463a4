"""`journeys returns`: a run written as returns and read back as an analyst would, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from calibration.fitted import SavedFit
from calibration.returns.synthetic import Stories
from calibration.returns.synthetic_seen import seen
from experiments import cli, results
from experiments.run import Simulated
from experiments.run_folder import manifest_facts, write_run
from tests.calibration.returns.files_annex_a import LISTS, workbook
from tests.experiments.test_cli import journeys, refused


@pytest.fixture(scope="module")
def run_of_blackpool(quick: SavedFit, simulated: Simulated, tmp_path_factory) -> Path:
    """Return a folder of results of three runs."""
    target = tmp_path_factory.mktemp("run") / "results"
    with results.new_folder(target) as folder:
        write_run(folder, quick, simulated)
        results.write_manifest(folder, manifest_facts(quick, simulated))
    return target


@pytest.fixture(scope="module")
def written(run_of_blackpool: Path, tmp_path_factory) -> Path:
    """Return its first run as returns."""
    folder = tmp_path_factory.mktemp("written") / "returns"
    ended = journeys("returns", "write", run_of_blackpool, "--to", folder)
    assert ended.exit_code == 0, ended.output
    assert "simulated, not a real child" in ended.stdout
    return folder


@pytest.fixture(scope="module")
def read(written: Path, tmp_path_factory) -> Path:
    """Return the log of these returns."""
    folder = tmp_path_factory.mktemp("read") / "log"
    ended = journeys("returns", "read", written, "--to", folder, "--same-ids")
    assert ended.exit_code == 0, ended.output
    assert "simulated, not a real child" in ended.stdout
    assert "real children's journeys" not in ended.stdout
    return folder


@pytest.fixture(scope="module")
def short(written: Path, tmp_path_factory) -> Path:
    """Return two years of these returns, for what is refused before years matter."""
    folder = tmp_path_factory.mktemp("short") / "returns"
    folder.mkdir()
    for path in written.iterdir():
        if "_2022" in path.name or "_2023" in path.name:
            shutil.copy(path, folder)
    return folder


def test_a_run_of_blackpool_comes_back_row_for_row(simulated: Simulated, read: Path):
    want, children = seen(Stories.of_run(simulated.first))
    events, people = (pl.read_parquet(read / name) for name in (results.EVENTS, results.CHILDREN))
    assert want.height > 4000
    assert (events.height, people.height) == (want.height, children.height)
    # Without keys, children are told by what happened to them.
    journey = simulated.first.journey
    names = {
        "transition": [t.key for t in journey.transitions],
        "from_state": [s.key for s in journey.states],
    }
    told = events.with_columns(
        *(pl.Series(names[column]).gather(events[column]).alias(column) for column in names),
        pl.col("week", "step").cast(pl.Int32),
    ).rename({"from_state": "from"})  # fmt: skip

    def stories(rows: pl.DataFrame, births: pl.DataFrame) -> list[str]:
        each = rows.join(births, on="child").sort("child", "week", "step").with_columns(
            pl.format("{} {} {} {} {} {}", "birth_week", "sex", "week", "step", "transition", "from").alias("row")
        )  # fmt: skip
        return sorted(each.group_by("child").agg(pl.col("row").str.join(";"))["row"].to_list())

    births = simulated.first.children.select("child", "birth_week", "sex")
    assert stories(told, people.select("child", "birth_week", "sex")) == stories(want, births)


def test_the_folder_holds_no_key_no_date_and_says_that_it_is_observed(read: Path, written: Path):
    assert "Simulated, not a real child." in (read / "quality.html").read_text(encoding="utf-8")
    manifest = json.loads((read / results.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["observed"] is True
    assert set(manifest["files"]) == {"events.parquet", "children.parquet", "quality.html", "findings.csv"}
    assert sorted(path.name for path in read.iterdir()) == sorted([*manifest["files"], results.MANIFEST])
    for name in (results.EVENTS, results.CHILDREN):
        assert not any(kind in (pl.String, pl.Date) for kind in pl.read_parquet(read / name).dtypes)
    for path in read.iterdir():
        content = path.read_bytes()
        assert b"SIM0" not in content, path.name
        assert not re.search(rb"\b(20[012]\d-[01]\d-[0-3]\d|[0-3]\d/[01]\d/20[012]\d)\b", content), path.name
    assert (written / "README.txt").read_text(encoding="utf-8").startswith("SIMULATED")


def test_the_same_files_give_the_same_bytes(read: Path, written: Path, tmp_path: Path):
    assert journeys("returns", "read", written, "--to", tmp_path / "again", "--same-ids").exit_code == 0
    for path in read.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_another_run_is_simulated_again(run_of_blackpool: Path, written: Path, tmp_path: Path):
    assert journeys("returns", "write", run_of_blackpool, "--run", "2", "--to", tmp_path / "two").exit_code == 0
    names = sorted(path.name for path in written.iterdir())
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == names
    differ = [name for name in names if (tmp_path / "two" / name).read_bytes() != (written / name).read_bytes()]
    assert len(differ) > 20
    assert "runs 1 to 3" in refused("returns", "write", run_of_blackpool, "--run", "4", "--to", tmp_path / "four")


@pytest.mark.parametrize("command", ["page", "compare"])
def test_pages_refuse_a_log_of_real_children(read: Path, command: str):
    assert "children are real" in refused(command, read)
    assert not (read / results.JOURNEYS).exists()


def test_a_log_of_real_children_is_not_written_out_as_returns(read: Path, tmp_path: Path):
    assert "children are real" in refused("returns", "write", read, "--to", tmp_path / "out")


def test_links_between_returns(written: Path, read: Path, short: Path, tmp_path: Path):
    """With the other return's children under other keys, a table says which they are."""
    folder = tmp_path / "apart"
    shutil.copytree(written, folder)
    for path in folder.glob("*.xml"):
        path.write_text(path.read_text(encoding="utf-8").replace(">SIM", ">CIN"), encoding="utf-8")
    keys = sorted({line.split(",")[0] for path in folder.glob("*Header.csv")
                   for line in path.read_text(encoding="utf-8").splitlines()[1:]})  # fmt: skip
    table = tmp_path / "link.csv"
    table.write_text("child;lachildid\n" + "".join(f"{key};{key.replace('SIM', 'cin')}\n" for key in keys))
    ended = journeys("returns", "read", folder, "--link", table, "--to", tmp_path / "linked")
    assert ended.exit_code == 0, ended.output
    assert f"of {len(keys):,} in the table of links" in ended.stdout
    heights = [pl.read_parquet(folder / results.EVENTS).height for folder in (tmp_path / "linked", read)]
    assert heights[0] == heights[1]
    # Where some are not found in the other return, that is a warning, and stands on the page.
    few = keys[: len(keys) // 2]
    table.write_text("child;lachildid\n" + "".join(f"{key};{key.replace('SIM', 'cin')}\n" for key in few))
    half = journeys("returns", "read", folder, "--link", table, "--to", tmp_path / "half")
    assert half.exit_code == 0, half.output
    found = re.search(r"both returns: ([\d,]+) of ([\d,]+)", half.stdout)
    assert found is not None
    both, looked_after = (int(told.replace(",", "")) for told in found.groups())
    warned = f"Only {100 * both / looked_after:.0f}% of the looked-after children were found in the other return"
    assert f"Take care: {warned}" in half.stdout
    assert warned in (tmp_path / "half" / "quality.html").read_text(encoding="utf-8")
    rates = journeys("returns", "estimate", tmp_path / "half", "--to", tmp_path / "rates")
    assert warned in rates.stdout
    table.write_text("CHILD,LAchildID\nA,B\nC,D\n a,E\n")
    assert "row 2" in refused("returns", "read", short, "--link", table, "--to", tmp_path / "twice")
    ended = journeys("returns", "read", folder, "--to", tmp_path / "none")
    assert "stand apart" in ended.stdout
    assert pl.read_parquet(tmp_path / "none" / results.EVENTS).height > heights[0]


def test_numbers_that_join_no_child_are_refused(short: Path, read: Path, tmp_path: Path):
    """Zeros in front lost in one return: read as told, nobody in need would ever come into care."""
    page = (read / "quality.html").read_text(encoding="utf-8")
    assert re.search(r"in both returns</strong></dt><dd>[1-9][\d,]* of [1-9]", page)
    folder = tmp_path / "apart"
    shutil.copytree(short, folder)
    for path in folder.glob("*.xml"):
        path.write_text(re.sub(r">SIM0*(\d)", r">\1", path.read_text(encoding="utf-8")), encoding="utf-8")
    assert "No child is in both returns" in refused("returns", "read", folder, "--same-ids", "--to", tmp_path / "a")
    table = tmp_path / "link.csv"
    table.write_text("CHILD,LAchildID\nA,B\n")
    assert "No child is in both" in refused("returns", "read", folder, "--link", table, "--to", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_children_of_whom_nothing_is_told_are_counted(tmp_path: Path):
    child = "<Child><ChildIdentifiers><LAchildID>{}</LAchildID><PersonBirthDate>2012-02-03</PersonBirthDate>"
    child += "</ChildIdentifiers>{}</Child>"
    case = "<CINdetails><CINreferralDate>2022-05-01</CINreferralDate></CINdetails>"
    children = child.format("A", case) + child.format("B", "") + child.format("C", "")
    (tmp_path / "cin_2023.xml").write_text(
        "<Message><Header><CollectionDetails><Collection>CIN</Collection><ReferenceDate>2023-03-31</ReferenceDate>"
        f"</CollectionDetails></Header><Children>{children}</Children></Message>"
    )
    ended = journeys("returns", "read", tmp_path / "cin_2023.xml", "--to", tmp_path / "log")
    assert ended.exit_code == 0, ended.output
    assert "Children in the log: 1\n" in ended.stdout
    assert "Children who are not in the log: 2: nothing" in ended.stdout


def test_missing_years_and_unknown_beginnings_are_said_where_they_matter(written: Path, tmp_path: Path):
    some = tmp_path / "some"
    shutil.copytree(written, some)
    years = sorted({path.name.split("_")[2] for path in some.glob("*_Episodes.csv")})
    for path in some.glob(f"*ssda903_{years[1]}_*"):
        path.unlink()
    ended = journeys("returns", "read", some, "--to", tmp_path / "log", "--same-ids")
    assert ended.exit_code == 0, ended.output
    assert f"no file of {years[1]}" in ended.stdout
    assert "What years without a file do: " in ended.stdout
    told = re.search(r"In care when the log begins: ([\d,]+), since when is not known: (\d+)", ended.stdout)
    assert told is not None
    manifest = json.loads((tmp_path / "log" / results.MANIFEST).read_text(encoding="utf-8"))
    assert manifest["not_watched"] == [[2, 52, 104]]
    children = pl.read_parquet(tmp_path / "log" / results.CHILDREN)
    assert manifest["counts"]["in_care_since_unknown"] == int(told[2]) == children.filter(~pl.col("clock_known")).height
    page = (tmp_path / "log" / "quality.html").read_text(encoding="utf-8")
    assert "since when is not known" in page
    assert "weeks are not watched" in page
    rates = journeys("returns", "estimate", tmp_path / "log", "--to", tmp_path / "rates")
    assert rates.exit_code == 0, rates.output
    sentence = f"No return of looked-after children was read of the year ending 31 March {years[1]}"
    assert sentence in rates.stdout
    assert sentence in (tmp_path / "rates" / "curves.html").read_text(encoding="utf-8")
    assert f"In care when the log begins: {told[1]}" in rates.stdout
    about = json.loads((tmp_path / "rates" / "estimate.json").read_text(encoding="utf-8"))
    assert sentence in about["notes"][0]


def test_files_without_the_mark_of_simulated_ones_are_of_real_children(written: Path, tmp_path: Path):
    census = next(iter(sorted(written.glob("*.xml"))))
    for name, text in (
        ("cin_2021.xml", census.read_text(encoding="utf-8")),
        (census.name, census.read_text(encoding="utf-8").replace("SIM", "1", 1)),
    ):
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).write_text(text, encoding="utf-8")
        ended = journeys("returns", "read", folder, "--to", tmp_path / f"log of {name}")
        assert ended.exit_code == 0, ended.output
        assert "These are real children's journeys" in ended.stdout


def test_lists_of_annex_a_have_one_number_for_a_child(tmp_path: Path):
    workbook(tmp_path / "Annex A.xlsx", LISTS)
    ended = journeys("returns", "read", tmp_path / "Annex A.xlsx", "--to", tmp_path / "log")
    assert ended.exit_code == 0, ended.output
    assert "Annex A (1 file)" in ended.stdout
    people = pl.read_parquet(tmp_path / "log" / results.CHILDREN)
    assert set(people["sees"]) == {3}
    assert people.height == 5


def test_the_last_day_of_annex_a_may_be_said(tmp_path: Path):
    workbook(tmp_path / "Annex A.xlsx", LISTS)
    logs = []
    for n, words in enumerate(((), ("--until", "2030-03-31"))):
        to = tmp_path / f"log {n}"
        ended = journeys("returns", "read", tmp_path / "Annex A.xlsx", "--to", to, *words)
        assert ended.exit_code == 0, ended.output
        logs.append(json.loads((to / "manifest.json").read_text())["weeks"])
    assert logs[1] > logs[0]


def test_a_year_in_a_name_may_be_the_one_that_begins(written: Path, tmp_path: Path):
    care = [path for path in written.glob("*.csv") if "2024" in path.name]
    for path in care:
        shutil.copy(path, tmp_path / path.name.replace("2024", "2023"))
    command = ("returns", "read", *tmp_path.glob("*.csv"), "--to", tmp_path / "log")
    assert "named" in refused(*command)
    ended = journeys(*command, "--named-by-start")
    assert ended.exit_code == 0, ended.output
    assert "ending 31 March 2024" in ended.stdout


def test_files_are_told_by_what_they_hold(written: Path, read: Path, tmp_path: Path):
    mixed = tmp_path / "mixed"
    for path in written.iterdir():
        year = re.search(r"20\d\d", path.name)
        if year:
            to = mixed / year.group() / ("a" + str(len(path.name)) + path.suffix)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
    (mixed / "notes.csv").write_text("what,when\nnothing,never\n")
    (mixed / "empty.csv").write_bytes(b" ")
    ended = journeys("returns", "read", mixed, "--same-ids", "--to", tmp_path / "log")
    assert ended.exit_code == 0, ended.output
    names = (results.EVENTS, results.CHILDREN)
    assert all((tmp_path / "log" / n).read_bytes() == (read / n).read_bytes() for n in names)
    found = pl.read_csv(tmp_path / "log" / "findings.csv")
    assert set(found.filter(pl.col("rule") == "file-not-a-return")["file"]) == {"notes.csv", "empty.csv"}


def test_what_is_refused(short: Path, tmp_path: Path):
    log = tmp_path / "log"
    (tmp_path / "notes.csv").write_text("what,when\nnothing,never\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear all")
    care = sorted(short.glob("*.csv"))
    both = ("--same-ids", "--link", tmp_path / "notes.csv")
    said = {
        "no file or folder": ("read", tmp_path / "nowhere", "--to", log),
        "None of 1 files": ("read", tmp_path / "notes.csv", "--to", log),
        "two things": ("read", short, "--to", log, *both),
        "there is one": ("read", *care, "--to", log, "--same-ids"),
        "other columns": ("read", short, "--to", log, "--link", tmp_path / "notes.csv"),
        "no table that links": ("read", short, "--to", log, "--link", tmp_path / "nowhere.csv"),
        "no file is one": ("read", short, "--to", log, "--until", "2024-03-31"),
        "is for SSDA903": ("read", *short.glob("*.xml"), "--to", log, "--named-by-start"),
        "holds other files": ("read", short, "--to", tmp_path / "other"),
    }
    for words, command in said.items():
        assert words in refused("returns", *command)
    assert not log.exists()


def test_simulated_returns_never_take_the_place_of_other_files(run_of_blackpool: Path, tmp_path: Path):
    (tmp_path / "letter.txt").write_text("dear all")
    assert "Something else is here" in refused("returns", "write", run_of_blackpool, "--to", tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear all"
    assert "no such folder" in refused("returns", "write", tmp_path / "letter.txt", "--to", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_help_tells_of_returns():
    assert "returns" in journeys("--help").stdout
    assert {command.name or command.callback.__name__ for command in cli.returns_app.registered_commands} >= {
        "read",
        "write",
    }
