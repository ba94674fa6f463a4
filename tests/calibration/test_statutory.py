"""The table of statutory clocks: it fits the journey, keeps what is published, and its marks reach the page."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from abm.clocks import in_force, with_clocks
from abm.errors import CareError
from abm.journey import HOMES, JOURNEY
from abm.parameters import CERTAIN, Parameters
from abm.pathway import N_GROUPS
from calibration.rates import read_rates
from calibration.statutory import RULES, SOURCES, read_rules, read_sources, read_statutes
from calibration.statutory_page import reference_statutes

PLAN_ENDS = (13, 26, 52, 104)
"""Weeks between the published bands of how long plans had lasted."""
CARE_ENDS = (2, 8, 26, 52, 104, 156, 260, 520)
"""And of how long periods of care had lasted."""


@pytest.fixture(scope="module")
def parameters():
    rates = read_rates(JOURNEY).rates()
    return Parameters(rates, np.ones((1, len(JOURNEY.transitions))))


@pytest.fixture(scope="module", params=["low", "concentration", "high"])
def clocked(parameters, request):
    """England's rates with clocks, at the ends of the ranges of what is assumed and in between."""
    rules = [replace(rule, concentration=getattr(rule, request.param)) for rule in read_rules()]
    return with_clocks(JOURNEY, parameters, rules, 2026)


def survival(journey, parameters, state, n_weeks=521):
    """float64[G, weeks + 1]: the share still in a state after some weeks on its clock, from the thresholds."""
    tables, s = journey.tables, journey.state_index[state]
    edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]]
    stays = np.prod(1 - parameters.thresholds(journey)[0][edges] / CERTAIN, axis=0)
    weeks = tables.band[s, np.minimum(np.arange(n_weeks), tables.band.shape[1] - 1)]
    return np.hstack([np.ones((N_GROUPS, 1)), np.cumprod(stays[:, weeks], axis=1)])


@pytest.mark.parametrize(
    ("state", "ends"), [("protected", PLAN_ENDS), *((home, CARE_ENDS) for home in HOMES)], ids=lambda x: str(x)[:20]
)
def test_as_many_stay_to_the_end_of_each_published_band(parameters, clocked, state, ends):
    before, after = (survival(j, p, state)[:, ends] for j, p in ((JOURNEY, parameters), clocked))
    # Weekly chances are rounded to 2**-33: over 520 weeks and 15 transitions that is below 1e-6.
    assert after == pytest.approx(before, abs=1e-6)


def test_how_long_plans_have_lasted_on_31_march_hardly_moves(parameters, clocked):
    shares = []
    for journey, numbers in ((JOURNEY, parameters), clocked):
        there = survival(journey, numbers, "protected")
        pieces = np.stack([part.sum(axis=1) for part in np.split(there, PLAN_ENDS, axis=1)])
        shares.append(100 * pieces / pieces.sum(axis=0))
    alone = slice(-2, None)
    with_them, without = (np.delete(x, np.arange(N_GROUPS)[alone], axis=1) for x in shares[::-1])
    assert np.abs(with_them - without).max() < 3
    assert np.abs(with_them - without).max() > 0.05


def test_ends_of_plans_bunch_in_the_weeks_of_the_reviews(parameters):
    journey, numbers = with_clocks(JOURNEY, parameters, read_rules(), 2026)
    edge = journey.edge("child_protection_plan_ended", "protected")
    band = journey.tables.band[journey.state_index["protected"]]
    rates = numbers.rates[edge][25, band[:160]]
    assert sorted(np.argsort(rates)[-6:]) == [12, 38, 64, 90, 116, 142]


def test_rules_of_the_table_hold_by_their_dates():
    keys = {year: {rule.key for rule in in_force(read_rules(), date(year, 4, 1))} for year in (2010, 2014, 2015, 2025)}
    assert "proceedings" not in keys[2014]
    assert "proceedings" in keys[2015]
    assert not {key for key in keys[2010] if key.startswith("care_")}
    assert keys[2015] == keys[2025] == {rule.key for rule in read_rules()}


def test_limits_that_published_durations_hold_already_move_nothing_unless_asked(parameters):
    rules = [rule for rule in read_rules() if rule.key in ("assessment", "conference")]
    assert [rule.concentration for rule in rules] == [0, 0]
    journey, same = with_clocks(JOURNEY, parameters, rules, 2026)
    for state, week in (("being_assessed", 8), ("under_enquiry", 2)):
        before, after = (survival(j, p, state, 20) for j, p in ((JOURNEY, parameters), (journey, same)))
        assert np.array_equal(before, after)
        # The week of the limit is the likeliest one of all without any rule.
        left = -np.diff(np.log(np.maximum(before[5], 1e-300)))
        assert left[:12].argmax() == week


def test_every_fact_mark_and_source_reaches_the_page():
    statutes, sources = read_statutes(), read_sources()
    page = reference_statutes(statutes, sources)
    lines = page.splitlines()
    for s in statutes:
        mine = [line for line in lines if line.startswith(f"| {s.event} | {s.rule} |")]
        assert len(mine) == 1
        cells = [cell.strip() for cell in mine[0].split("|")[1:-1]]
        assert cells[3:] == [s.mark, ", ".join(map(str, s.sources)), s.model]
    assert sum("| unverified |" in line for line in lines) == sum(s.mark == "unverified" for s in statutes) > 5
    for source in sources:
        assert f"\n{source.number}. {source.words}" in page
    for clock in read_rules():
        part = f"**{clock.concentration:g} A** ({clock.low:g} to {clock.high:g})"
        assert any(f"`{clock.key}`, {clock.mark}" in line and part in line for line in lines)


def test_a_rule_from_memory_is_marked_where_its_clock_is_told(tmp_path):
    statutes = read_statutes(changed(tmp_path, "proceedings", mark="unverified", sources=""))
    line = next(x for x in reference_statutes(statutes, read_sources()).splitlines() if "`proceedings`" in x)
    assert "`proceedings`, unverified" in line
    assert next(s.clock for s in statutes if s.key == "proceedings").source == "from memory"


def test_what_is_assumed_goes_with_the_parameters(parameters):
    values = with_clocks(JOURNEY, parameters, read_rules(), 2026)[1].values[-len(read_rules()) :]
    assert {value.status for value in values} == {"assumed"}
    assert all(value.low <= value.value <= value.high for value in values)


def changed(folder, of, **cells):
    """Write the table with some cells of one row changed; return its path."""
    with RULES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    next(row for row in rows if row["key"] == of).update(cells)
    path = folder / "statutory_rules.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("key", "cells", "words"),
    [
        ("assessment", {"mark": "sean"}, "Did you mean 'seen'"),
        ("assessment", {"sources": ""}, "names no source"),
        ("assessment", {"sources": "99"}, "There is no source 99"),
        ("assessment", {"sources": "one"}, "'one' in the column 'source'"),
        ("assessment", {"begins": "15 April 2013"}, "is not a date"),
        ("assessment", {"first_week": "9.5"}, "'9.5' in the column 'first_week'"),
        ("assessment", {"low": "some"}, "'some' in the column 'low'"),
        ("assessment", {"basis": ""}, "has a clock but no 'basis'"),
        ("assessment", {"clock": ""}, "but no clock"),
        ("assessment", {"before_weeks": "0"}, "statutory_rules.csv, row 4"),
        ("assessment", {"key": "conference"}, "stands twice"),
    ],
)
def test_a_table_that_is_wrong_is_told_by_its_row(tmp_path, key, cells, words):
    with pytest.raises(CareError, match=words) as told:
        read_statutes(changed(tmp_path, key, **cells))
    assert "statutory_rules.csv, row" in str(told.value)


def test_a_table_that_is_not_one_is_told(tmp_path):
    path = tmp_path / "rules.csv"
    with pytest.raises(CareError, match="cannot be read"):
        read_statutes(path)
    path.write_text("key,event\n", "utf-8")
    with pytest.raises(CareError, match="column 'rule' is missing"):
        read_statutes(path)
    path.write_text(RULES.read_text("utf-8") + "a,b,c,,,seen,1,none,,,,,,,,,,,,one too many\n", "utf-8")
    with pytest.raises(CareError, match="more cells than columns"):
        read_statutes(path)
    assert [source.number for source in read_sources(SOURCES)] == list(range(1, len(read_sources()) + 1))


def test_a_table_as_a_spreadsheet_saves_it_is_read(tmp_path):
    path = tmp_path / "rules.csv"
    path.write_bytes(b"\xef\xbb\xbf" + RULES.read_bytes())
    assert read_statutes(path) == read_statutes(RULES)
