from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from abm.errors import CareError
from abm.journey import JOURNEY
from experiments.report import payload
from experiments.report.journeys_page import children_shown, write_journeys_page
from experiments.report.words import PATTERNS, PROTECTED, STEPS, WAITING, patterns_for
from tests.report.toy import toy_about, toy_legend, toy_run
from tests.report.unpack import unpack_page

Frames = dict[str, pl.DataFrame]


@pytest.fixture(autouse=True)
def _bare_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data can be checked without the built page."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "journeys.html").write_text(f'<script id="data">{payload.PLACEHOLDER}</script>')
    monkeypatch.setattr(payload, "TEMPLATES", folder)


@pytest.fixture(scope="module")
def frames() -> Frames:
    return toy_run(120, seed=11)


def write(path: Path, frames: Frames, **about: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    write_journeys_page(path, legend=toy_legend(), about=toy_about(**about), **frames)
    return unpack_page(path)


def test_every_event_and_possibility_of_the_children_shown_is_in_the_page(tmp_path: Path, frames: Frames) -> None:
    header, columns = write(tmp_path / "page.html", frames)
    shown, _, one_in = children_shown(frames["events"], frames["children"], toy_legend())
    assert one_in == 1
    log = frames["events"].join(shown, on="child", how="semi").sort("child", "week", "step")
    assert columns["child.id"].tolist() == shown["child"].to_list()
    for name, source in {"week": "week", "transition": "transition", "chance": "chance", "draw": "draw"}.items():
        assert columns[f"event.{name}"].tolist() == log[source].to_list()
    assert columns["child.n_events"].sum() == log.height
    assert columns["event.n_options"].sum() == len(columns["option.chance"])
    assert header["n_simulated"] == frames["children"].height


def test_each_event_by_chance_has_itself_among_its_possibilities(tmp_path: Path, frames: Frames) -> None:
    _, columns = write(tmp_path / "page.html", frames)
    first = np.concatenate([[0], np.cumsum(columns["event.n_options"])]).astype(int)
    drawn = np.flatnonzero(columns["event.origin"] < 2)
    for row in drawn:
        window = slice(first[row], first[row + 1])
        taken = columns["option.transition"][window] == columns["event.transition"][row]
        assert columns["option.chance"][window][taken].tolist() == [columns["event.chance"][row]]


def test_who_is_shown() -> None:
    keys = JOURNEY.state_index
    home, foster = keys["at_home"], keys["foster"]
    columns = ["child", "family", "state", "uasc"]
    rows = [(0, 1, home, False), (1, 1, home, False), (2, 2, home, False), (3, 3, foster, False), (4, 1, home, True)]
    children = pl.DataFrame(rows, schema=columns, orient="row")
    referred, grew_up = JOURNEY.transition_index["was_referred"], JOURNEY.transition_index["grew_up"]
    events = pl.DataFrame(
        [(0, 5, referred, home, keys["referred"], 0), (2, 9, grew_up, home, keys["grown_up"], 2)],
        schema=["child", "week", "transition", "from_state", "to_state", "origin"],
        orient="row",
    )
    # Met, sister, turned 18 at home, in care all along, alone (no family even where its number says so).
    shown, of_all, one_in = children_shown(events, children, toy_legend())
    assert (shown["child"].to_list(), of_all, one_in) == ([0, 1, 3], 5, 1)


def test_a_large_run_shows_every_kth_family_whole(frames: Frames) -> None:
    events, children = frames["events"], frames["children"]
    everyone, of_all, _ = children_shown(events, children, toy_legend())
    assert of_all == children.height
    shown, of_all, one_in = children_shown(events, children, toy_legend(), most=30)
    assert one_in == -(-everyone.height // 30)
    together = everyone.join(shown.select("family").unique(), on="family", how="semi")
    assert shown.equals(together)
    assert 0.5 < one_in * of_all / children.height < 1.6


def test_the_same_run_gives_the_same_page_in_any_order_of_rows(tmp_path: Path, frames: Frames) -> None:
    write(tmp_path / "a.html", frames)
    shuffled = frames | {name: frames[name].sample(fraction=1, shuffle=True, seed=1) for name in ("events", "children")}
    write(tmp_path / "b.html", shuffled)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_run_in_which_nothing_happens_still_has_a_page(tmp_path: Path, frames: Frames) -> None:
    empty = {"events": frames["events"].clear(), "options": frames["options"].clear(), "children": frames["children"]}
    header, columns = write(tmp_path / "page.html", empty)
    assert header["n_simulated"] == 120
    assert columns["event.week"].size == 0


def test_observed_journeys_are_refused(tmp_path: Path, frames: Frames) -> None:
    with pytest.raises(CareError, match="does not show observed journeys"):
        write(tmp_path / "page.html", frames, observed=True)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f | {"events": f["events"].rename({"draw": "drew"})},
            "events have no column 'draw'.*Did you mean 'drew'",
        ),
        (lambda f: f | {"options": f["options"].drop("chance")}, "options have no column 'chance'"),
        (lambda f: f | {"children": f["children"].drop("family")}, "children have no column 'family'"),
        (lambda f: f | {"events": f["events"].with_columns(transition=pl.lit(250, pl.UInt8))}, "transition number 250"),
        (lambda f: f | {"children": f["children"].head(3)}, "not among the children"),
    ],
)
def test_frames_that_do_not_fit_are_refused_with_a_sentence(
    tmp_path: Path, frames: Frames, change: Any, message: str
) -> None:
    with pytest.raises(CareError, match=message):
        write(tmp_path / "page.html", change(frames))
    assert not (tmp_path / "page.html").exists()


def test_a_first_day_that_is_not_1_april_is_refused(tmp_path: Path, frames: Frames) -> None:
    with pytest.raises(CareError, match="begin on 1 April"):
        write(tmp_path / "page.html", frames, first_day="2020-01-01")


def test_every_ready_pattern_names_what_the_journey_declares() -> None:
    found = {pattern["key"] for pattern in patterns_for(toy_legend())}
    lost = [pattern.key for pattern in PATTERNS if pattern.key not in found]
    assert lost == [], (
        f"experiments/report/words.py: {lost} name a state or transition that abm/journey.py does not have"
    )


def test_a_toy_legend_leaves_out_patterns_it_cannot_tell() -> None:
    legend = {"states": [{"key": "at_home", "stage": "home"}], "transitions": []}
    assert [pattern["key"] for pattern in patterns_for(legend)] == ["came_alone"]


def test_what_the_page_treats_apart_is_declared() -> None:
    assert {*WAITING, *PROTECTED} <= set(JOURNEY.state_index)
    assert set(STEPS) <= set(JOURNEY.transition_index)


def test_the_page_knows_the_words_by_source_and_the_clock_of_each_state(tmp_path: Path, frames: Frames) -> None:
    header, _ = write(tmp_path / "page.html", frames)
    told = {t["key"]: t["told_from"] for t in header["legend"]["transitions"]}
    assert told == {t.key: dict(t.told_from) for t in JOURNEY.transitions}
    clock = {s["key"]: s["clock"] for s in header["legend"]["states"]}
    assert clock["foster"] == clock["childrens_home"] != clock["placed_for_adoption"]
    assert clock["at_home"] == "at_home"


def test_a_legend_without_words_by_source_will_do(tmp_path: Path, frames: Frames) -> None:
    legend = toy_legend()
    for transition in legend["transitions"]:
        transition.pop("told_from", None)
    path = tmp_path / "page.html"
    write_journeys_page(path, legend=legend, about=toy_about(), **frames)
    assert all(t["told_from"] == {} for t in unpack_page(path)[0]["legend"]["transitions"])
