"""The job of `journeys backtest`: from what was worked out of areas to tables and a page; resuming; refusals."""

import re

import numpy as np
import polars as pl
import pytest

from abm.errors import CareError
from calibration.backtest import area
from calibration.backtest.area import FIRST_ORIGIN, OTHERS, SCORED_FROM, AreaPast, Desk, keep, kept
from calibration.backtest.compare import OURS
from calibration.backtest.fits import AHEAD, OriginFit
from calibration.backtest.lessons import SHIPPED, read_lessons
from calibration.backtest.panel import FIGURES, panel_of, unbroken
from calibration.backtest.scores import LEVELS
from calibration.backtest.simple import last_value
from calibration.levers import FITTED_FIGURES, LEVERS
from calibration.spreadsheets import harmless_frame
from calibration.statistics import Area, Statistics, read_statistics
from experiments import backtesting
from experiments.backtest_page import backtest_page
from experiments.backtesting import areas_named, backtest, score


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    return read_statistics()


@pytest.fixture(scope="module")
def desk(statistics) -> Desk:
    panel = panel_of(statistics)
    made = Desk(statistics, panel, tuple(range(FIRST_ORIGIN, panel.last_year + 1)))
    # The response of figures to levers takes seconds to work out; none of these tests is about its numbers.
    made._shared["moves"] = np.zeros((8, len(FITTED_FIGURES), len(LEVERS)))
    return made


def a_past(desk: Desk, code: str) -> AreaPast:
    """Return an area whose methods all carry the last value on, with a model that says a little more each year."""
    row = desk.panel.codes.index(code)
    others = np.full((len(OTHERS), len(desk.origins), len(FIGURES), AHEAD, len(LEVELS)), np.nan)
    fits = {}
    for place, origin in enumerate(desk.origins):
        known = desk.panel.known_at(origin).values[row]
        for figure in range(len(FIGURES)):
            others[:, place, figure] = last_value(unbroken(known[figure]), AHEAD)
        figures = np.full((3, len(FITTED_FIGURES)), 100.0)
        ahead = 100 + np.arange(1.0, AHEAD + 1)[:, None] * np.ones(len(FITTED_FIGURES))
        fits[origin] = OriginFit(origin, origin - 2, np.zeros((3, len(LEVERS))), figures, figures, ahead)
    return AreaPast(fits, others)


@pytest.fixture(scope="module")
def made(desk):
    return score(desk, {code: a_past(desk, code) for code in desk.panel.codes}, lambda _what, _part: None)


def test_every_origin_that_can_be_scored_is(made, desk):
    last = desk.panel.last_year
    assert set(made.points["origin"]) == set(range(SCORED_FROM, last))
    assert (made.points["year"] == made.points["origin"] + made.points["years_ahead"]).all()
    assert made.points["year"].max() == last
    assert OURS in set(made.points["method"])
    assert not made.learnt


def test_lessons_that_come_with_the_project_rest_on_origins_before_their_own():
    lessons = read_lessons(SHIPPED)
    for (origin, _figure, ahead), lesson in lessons.items():
        assert lesson.origins <= origin - ahead - 2013 + 1
        assert (lesson.scale >= 0).all()
        assert (np.diff(lesson.widths) > 0).all()
    assert {key[1:] for key in lessons if key[0] == 2022} == {(f, h) for f in range(len(FIGURES)) for h in (1, 2, 3)}


def test_what_is_ahead_begins_at_each_areas_own_last_year(made, desk):
    last = dict(zip(desk.panel.codes, desk.panel.last_known().tolist(), strict=True))
    for code, origin, year in made.ahead.select("code", "origin", "year").unique().iter_rows():
        assert origin == last[code]
        assert origin < year <= origin + AHEAD
    assert made.ahead.height == len(desk.panel.codes) * len(FIGURES) * AHEAD
    assert "published" not in made.ahead.columns


def test_the_page_has_a_table_beside_every_chart_and_needs_nothing_else(made):
    page = backtest_page(made, "table <1>.csv")
    assert page.count("<svg") >= 5
    assert page.count("<table") >= page.count("<svg")
    assert not re.search(r"https?:|<script|src=|@import|url\(", page)
    assert "table &lt;1&gt;.csv" in page
    assert "Forecasts, not facts" in page
    ours = made.scores["all"].filter((pl.col("figure") == "all") & (pl.col("method") == OURS))["mase"][0]
    assert f"{ours:.3f}" in page


def test_the_page_says_where_a_simple_method_wins(made):
    margins = made.margins["all"].with_columns(margin=pl.lit(-0.2))
    worse = backtesting.Backtest(**{**made.__dict__, "margins": {"all": margins, "late": margins}})
    page = backtest_page(worse, "t.csv")
    assert page.count("a simple method wins") >= AHEAD
    assert "No simple method wins" not in page
    better = margins.with_columns(margin=pl.lit(0.2))
    page = backtest_page(backtesting.Backtest(**{**made.__dict__, "margins": {"all": better, "late": better}}), "t.csv")
    assert "No simple method wins" in page


def test_the_page_of_a_few_authorities_claims_nothing_of_all(made):
    few = backtest_page(made, "t.csv")
    many = backtest_page(backtesting.Backtest(**{**made.__dict__, "areas": 40}), "t.csv")
    assert "much of such a margin is chance" in few
    assert "much of such a margin is chance" not in many
    for words in ("The aim of 10% is", "90% interval over areas", "the aim, 75% to 85%"):
        assert words not in few
        assert words in many


def test_the_page_says_what_a_run_has_to_do_with_it(made):
    page = backtest_page(made, "t.csv")
    assert "with draws of the area are made to lie where these figures are forecast" in page
    assert "&amp;#x27;" not in page
    assert "31 march" not in page


def test_an_areas_file_is_read_as_it_was_written_and_never_for_another_table(desk, tmp_path):
    past = a_past(desk, "E06000009")
    path = tmp_path / "E06000009"
    keep(path, desk, "E06000009", past)
    again = kept(path, desk, "E06000009")
    assert again is not None
    assert np.array_equal(again.others, past.others, equal_nan=True)
    assert again.fits.keys() == past.fits.keys()
    assert np.array_equal(again.fits[2020].ahead, past.fits[2020].ahead)
    assert kept(path, desk, "E10000007") is None
    other = Desk(desk.statistics, desk.panel, desk.origins[:-1])
    assert kept(path, other, "E06000009") is None
    path.write_bytes(path.read_bytes()[:-1])
    assert kept(path, desk, "E06000009") is None
    assert kept(tmp_path / "nothing", desk, "E06000009") is None


def test_how_levers_move_figures_is_worked_out_once_a_folder(desk, tmp_path, monkeypatch):
    calls = []

    def told(*_all):
        calls.append(1)
        return np.full((8, 2, 3), 0.5)

    monkeypatch.setattr(area, "response", told)
    for _ in range(2):
        one = Desk(desk.statistics, desk.panel, desk.origins, tmp_path)
        one._shared["grid"] = None
        assert one.moves.shape == (8, 2, 3)
    assert len(calls) == 1
    (tmp_path / area.MOVES).write_bytes(b"nonsense")
    one = Desk(desk.statistics, desk.panel, desk.origins, tmp_path)
    one._shared["grid"] = None
    assert one.moves[0, 0, 0] == 0.5
    assert len(calls) == 2


def test_what_was_worked_out_is_not_worked_out_again(statistics, desk, tmp_path, monkeypatch):
    blackpool = statistics.area("E06000009")
    (tmp_path / "areas").mkdir()
    keep(tmp_path / "areas" / blackpool.code, desk, blackpool.code, a_past(desk, blackpool.code))

    def never(*_all):
        pytest.fail("it was there")

    monkeypatch.setattr(backtesting, "past_of_area", never)
    monkeypatch.setattr(backtesting, "models", lambda: None)
    monkeypatch.setattr(backtesting, "Desk", lambda *_all: desk)
    found = backtest(statistics, [blackpool], tmp_path, lambda _what, _part: None)
    assert found.areas == 1
    for name in ("scores.csv", "margins.csv", "forecasts.csv", "lessons.csv", "points.parquet", "backtest.html"):
        assert (tmp_path / name).stat().st_size > 200
    head = pl.read_csv(tmp_path / "forecasts.csv")
    assert {"code", "figure", "year", "q10", "q50", "q90"} <= set(head.columns)


def test_areas_are_named_by_code_or_name_or_all(statistics):
    assert areas_named(statistics, ["Blackpool", "E10000007"]) == [
        Area("E06000009", "Blackpool"),
        Area("E10000007", statistics.area("E10000007").name),
    ]
    assert [a.code for a in areas_named(statistics, ["England"])] == [c for c, _ in statistics.authorities()]
    with pytest.raises(CareError, match="not an authority of today"):
        areas_named(statistics, ["E92000001"])
    with pytest.raises(CareError, match="named twice"):
        areas_named(statistics, ["Blackpool", "E06000009"])
    with pytest.raises(CareError):
        areas_named(statistics, ["Atlantis"])


def test_a_table_that_ends_before_anything_can_be_scored_is_refused(desk):
    panel = desk.panel.known_at(SCORED_FROM)
    short = Desk(desk.statistics, panel, tuple(range(FIRST_ORIGIN, SCORED_FROM + 1)))
    short._shared["moves"] = desk.moves
    code = panel.codes[0]
    with pytest.raises(CareError, match="no forecast can be scored"):
        score(short, {code: a_past(short, code)}, lambda _what, _part: None)
    with pytest.raises(CareError, match="authority of today"):
        score(desk, {}, lambda _what, _part: None)


def test_text_that_a_spreadsheet_would_run_is_made_harmless():
    frame = pl.DataFrame({"area": ["=1+1", "Here"], "value": [-1.0, 2.0]})
    assert harmless_frame(frame)["area"].to_list() == ["'=1+1", "Here"]
    assert harmless_frame(frame)["value"].to_list() == [-1.0, 2.0]
