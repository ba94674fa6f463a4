"""The table of behaviours: as it is shipped, and as a workshop edits it."""

import csv
import re

import pytest

from abm.behaviour import EVIDENCE, LOOPS
from abm.errors import CareError
from abm.journey import JOURNEY
from calibration.behaviours import COLUMNS, SHIPPED, read_behaviours, write_behaviours
from calibration.statistics import PUBLISHED

TABLE = read_behaviours()


def edited(tmp_path, *changes, add=(), drop=(), columns=COLUMNS):
    """The shipped file with some cells changed, as (key, column, text), rows added and rows left out."""
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["key"] not in drop]
    for key, column, text in changes:
        next(row for row in rows if row["key"] == key)[column] = text
    path = tmp_path / f"workshop {len(list(tmp_path.iterdir()))}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*rows, *add])
    return path


OWN = dict(
    key="quality_to_trust", history="", polarity="+", delay_weeks="8", strength="0.2", low="0.1", high="0.4",
    form="elasticity", unit="", loops="", evidence="assumed", source="workshop", note="",
) | {"from": "quality", "to": "trust"}  # fmt: skip
ONWARD = OWN | {"key": "trust_to_referral", "from": "trust", "to": "was_referred", "polarity": "-", "strength": "0.3"}


def test_every_loop_has_links_and_every_strength_its_range():
    assert set(TABLE.loops()) == set(LOOPS)
    for link in TABLE.links:
        assert 0 < link.low <= link.strength <= link.high, link.key
        assert link.evidence in EVIDENCE
        assert link.reference, link.key
        if link.evidence == "definition":
            assert link.strength == link.low == link.high == 1
        elif link.evidence == "assumed" and link.form != "fading":
            assert link.low < link.strength < link.high, link.key


def test_a_link_without_a_published_size_does_not_claim_one():
    with_size = {k.key for k in TABLE.links if k.evidence not in ("assumed", "definition")}
    assert with_size == {
        "vacancies_to_agency", "anxiety_to_care", "foster_to_spend", "childrens_home_to_spend",
        "early_help_to_referrals",
    }  # fmt: skip


def test_named_sources_are_those_that_are_shipped():
    described = {
        line.split(",")[0]
        for name in ("sources.csv", "workforce_sources.csv")
        for line in (PUBLISHED / name).read_text(encoding="utf-8").splitlines()
    }
    named = {word for link in TABLE.links for word in re.findall(r"\(([A-Z]+[A-Z0-9_]*\d)\)", link.reference)}
    assert named == {"CSWW25", "LAIT_2026_04"}
    assert named <= described


def test_signs_are_those_that_were_decided():
    signs = {k.key: k.sign for k in TABLE.links}
    for key in ("caseload_to_quality", "quality_to_rereferral", "quality_to_leavers", "anxiety_fades",
                "scarcity_to_threshold", "carers_leave", "spend_to_early_help", "early_help_to_referrals",
                "support_to_reentry", "agency_share_to_quality"):  # fmt: skip
        assert signs[key] == -1, key
    for key in ("caseload_to_leavers", "vacancies_to_agency", "anxiety_to_care", "scarcity_to_price",
                "quality_to_care_exits", "scarcity_to_returns"):  # fmt: skip
        assert signs[key] == 1, key
    assert 0.07 <= TABLE["early_help_to_referrals"].strength <= 0.157


def test_written_and_read_it_is_the_same(tmp_path):
    write_behaviours(TABLE, tmp_path / "again.csv")
    assert read_behaviours(tmp_path / "again.csv") == TABLE
    assert (tmp_path / "again.csv").read_bytes() == SHIPPED.read_bytes()


@pytest.mark.parametrize(
    ("word", "strength"),
    [("none", 0.0), ("off", 0.0), ("weak", 0.1), ("Medium", 0.25), ("on", 0.25), ("STRONG", 0.6), ("0.3", 0.3)],
)
def test_a_strength_may_be_a_word(tmp_path, word, strength):
    found = read_behaviours(edited(tmp_path, ("caseload_to_quality", "strength", word)))
    assert found["caseload_to_quality"].strength == strength
    assert [k for k in found.links if k != found["caseload_to_quality"]] == [
        k for k in TABLE.links if k.key != "caseload_to_quality"
    ]


def test_off_and_on_switch_a_definition(tmp_path):
    path = edited(tmp_path, ("workers_to_caseload", "strength", "off"), ("price_to_spend", "strength", "on"))
    found = read_behaviours(path)
    assert (found["workers_to_caseload"].strength, found["price_to_spend"].strength) == (0.0, 1.0)


def test_a_workshop_may_add_links_and_variables_of_its_own(tmp_path):
    found = read_behaviours(edited(tmp_path, add=[OWN, ONWARD]))
    assert found["trust_to_referral"].source == ("trust",)
    assert len(found.links) == len(TABLE.links) + 2


def test_a_table_from_a_spreadsheet_is_read(tmp_path):
    path = edited(tmp_path, ("caseload_to_quality", "polarity", "\u2212"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b",,,,,,,,,,,,,,\r\n")
    assert read_behaviours(path) == TABLE


ROW = [k.key for k in TABLE.links].index("caseload_to_quality") + 2


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("strength", "meduim", "Did you mean 'medium'"),
        ("strength", "", "not a number"),
        ("strength", "2", "outside its range of 0.1 to 0.6"),
        ("strength", "nan", "not a number"),
        ("low", "0,1", "not a number"),
        ("high", "0.05", "range 0.1 to 0.05"),
        ("delay_weeks", "1.5", "no whole number"),
        ("delay_weeks", "-1", "below 0"),
        ("polarity", "up", "polarity is 'up'"),
        ("history", "known befor", "Did you mean 'known before'"),
        ("from", "case load", "Nothing sets 'case load'. Did you mean 'caseload'"),
        ("to", "qualty", "'qualty' leads nowhere. Did you mean 'quality'"),
        ("to", "came_into_car came_into_care", "Did you mean 'came_into_care'"),
        ("form", "elasticty", "Did you mean 'elasticity'"),
        ("loops", "R1 R12", "There is no loop 'R12'"),
        ("evidence", "guess", "There is no evidence 'guess'"),
        ("key", "", "The cell 'key' is empty"),
    ],
)
def test_a_mistake_is_told_with_its_row_and_column(tmp_path, column, text, said):
    with pytest.raises(CareError) as told:
        read_behaviours(edited(tmp_path, ("caseload_to_quality", column, text)))
    message = str(told.value)
    assert re.sub(r" \(.*?\)\. ", ". ", message).find(said) >= 0, message
    assert f"row {ROW}, column {column}" in message


def test_what_is_missing_or_twice_is_told(tmp_path):
    for path, said in (
        (edited(tmp_path, drop=["caseload_to_quality"]), "'caseload_to_quality' is missing"),
        (edited(tmp_path, add=[OWN, OWN, ONWARD]), f"'quality_to_trust' is there twice .*row {len(TABLE.links) + 3}"),
        (edited(tmp_path, columns=[c for c in COLUMNS if c != "loops"]), "no column 'loops'"),
        (edited(tmp_path, add=[OWN | {"strength": "medium"}, ONWARD]), "What is medium for 'quality_to_trust'"),
        (tmp_path / "nothing.csv", "cannot be read"),
    ):
        with pytest.raises(CareError, match=said):
            read_behaviours(path)
    ragged = tmp_path / "ragged.csv"
    ragged.write_text(SHIPPED.read_text(encoding="utf-8") + "one,two\n", encoding="utf-8")
    with pytest.raises(CareError, match="more or fewer cells"):
        read_behaviours(ragged)


def test_known_transitions_only():
    for link in TABLE.links:
        for name in (*link.source, *link.target):
            assert re.fullmatch("[a-z_0-9]+", name)
    assert "came_into_care" in JOURNEY.transition_index
