"""Every known trap of SSDA903 has a test here, numbered as in docs/reference/ssda903.md."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from calibration.returns.ssda903_codes import CODES
from calibration.returns.ssda903_homes import with_homes
from calibration.returns.ssda903_page import TRAPS
from tests.calibration.returns.files_903 import OF_A, line, read, told, write


def homes(folder: Path) -> list[tuple[int, str, bool]]:
    tables, _ = read(folder)
    return with_homes(tables.episodes).select("period", "home", "moved").rows()


# 1. Open episodes repeat ----------------------------------------------------------------------------------------------


def test_trap_1_an_open_episode_that_repeats_is_one_episode_as_the_latest_return_tells_it(tmp_path: Path) -> None:
    row = "A 10/09/2021 S C2 N1 U6 PR1 - -"
    write(tmp_path, {2022: [row], 2023: [row], 2024: ["A 10/09/2021 S C2 N1 U6 PR1 10/10/2023 E4B"]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-09-10", "2023-10-10", "E4B")]
    assert tables.files[tables.episodes["file"][0]] == "episodes_2024.csv"
    assert told(findings, "903-told-again") == [("episodes_2022.csv", 2, ""), ("episodes_2023.csv", 2, "")]


def test_trap_1_an_open_episode_followed_by_another_ends_where_that_begins(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/09/2021 S C2 N1 U6 PR1 - -"], 2023: ["A 05/05/2022 P C2 N1 K2 PR4 - -"]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-09-10", "2022-05-05", "X1"), ("A", "2022-05-05", "-", "-")]
    assert told(findings, "903-open-before-next") == [("episodes_2022.csv", 2, "DEC")]


@pytest.mark.parametrize(("new", "end"), [("05/05/2022", "2022-03-31"), ("01/02/2022", "2022-01-31")])
def test_trap_1_an_open_episode_before_a_new_period_ends_with_its_year_or_the_day_before(
    tmp_path: Path, new: str, end: str
) -> None:
    write(tmp_path, {2022: ["A 10/09/2021 S C2 N1 U6 PR1 - -"], 2023: [f"A {new} S C2 N1 K2 PR4 - -"]})
    tables, findings = read(tmp_path)
    assert line(tables)[0] == ("A", "2021-09-10", end, "E99")
    assert told(findings, "903-open-before-new-period") == [("episodes_2022.csv", 2, "DEC")]


def test_trap_1_a_child_never_seen_again_is_lost_from_sight_on_31_march(tmp_path: Path) -> None:
    write(
        tmp_path,
        {2022: ["A 10/09/2021 S C2 N1 U6 PR1 - -"], 2023: ["B 05/05/2022 P C2 N1 K2 PR4 - -"]},
        {2022: [OF_A], 2023: ["B,2,05/06/2012,WBRI,UN1,,"]},
    )
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-09-10", "2022-03-31", "E99"), ("B", "2022-05-05", "-", "-")]
    assert told(findings, "903-lost-from-sight") == [("episodes_2022.csv", 2, "DEC")]


def test_trap_1_exact_duplicates_are_one(tmp_path: Path) -> None:
    row = "A 10/09/2021 S C2 N1 U6 PR1 10/10/2021 E4B"
    write(tmp_path, {2022: [row, "A 10/09/2021 S C2 N1 U6 PR1 - -", row]})
    tables, findings = read(tmp_path)
    assert told(findings, "903-duplicate") == [("episodes_2022.csv", 4, "")]
    # Of two that begin on one day, and are no repeats, the one that lasts longer is used.
    assert line(tables) == [("A", "2021-09-10", "-", "-")]
    assert told(findings, "903-same-day") == [("episodes_2022.csv", 2, "")]


def test_trap_1_an_overlap_ends_where_the_next_begins(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S C2 N1 U6 PR1 10/10/2021 X1", "A 01/10/2021 P C2 N1 U6 PR1 - -"]})
    tables, findings = read(tmp_path)
    assert line(tables)[0] == ("A", "2021-05-10", "2021-10-01", "X1")
    assert told(findings, "903-overlap") == [("episodes_2022.csv", 2, "DEC")]


def test_trap_1_a_gap_after_x1_is_closed_but_not_before_a_new_period(tmp_path: Path) -> None:
    rows = "A 10/05/2021 S C2 N1 U6 PR1 10/10/2021 X1", "A 20/10/2021 {} C2 N1 U6 PR1 - -"
    write(tmp_path / "P", {2022: [rows[0], rows[1].format("P")]})
    tables, findings = read(tmp_path / "P")
    assert line(tables)[0] == ("A", "2021-05-10", "2021-10-20", "X1")
    assert told(findings, "903-x1-gap") == [("episodes_2022.csv", 2, "DEC")]
    write(tmp_path / "S", {2022: [rows[0], rows[1].format("S")]})
    tables, findings = read(tmp_path / "S")
    assert line(tables)[0] == ("A", "2021-05-10", "2021-10-10", "-")
    assert told(findings, "903-x1-before-new-period") == [("episodes_2022.csv", 2, "REC")]


def test_trap_1_x1_without_a_next_episode_is_lost_from_sight(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S C2 N1 U6 PR1 10/10/2021 X1"]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2021-10-10", "E99")]
    assert told(findings, "903-x1-without-next") == [("episodes_2022.csv", 2, "REC")]


def test_trap_1_what_begins_years_later_does_not_close_a_gap(tmp_path: Path) -> None:
    late = "A 05/05/2023 P C2 N1 K2 PR4 - -"
    write(tmp_path / "open", {2022: ["A 10/05/2021 S C2 N1 U6 PR1 - -"], 2024: [late]})
    # The year between is missing: the child left care at some time of it.
    assert line(read(tmp_path / "open")[0])[0] == ("A", "2021-05-10", "2023-03-31", "E99")
    write(tmp_path / "x1", {2022: ["A 10/05/2021 S C2 N1 U6 PR1 10/10/2021 X1"], 2024: [late]})
    assert line(read(tmp_path / "x1")[0])[0] == ("A", "2021-05-10", "2021-10-10", "E99")


def test_trap_1_a_last_return_without_a_row_to_use_still_is_the_last(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S C2 N1 U6 PR1 - -"], 2023: ["A soon S C2 N1 U6 PR1 - -"]})
    tables, _ = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2022-03-31", "E99")]
    assert tables.observed_to == date(2023, 3, 31)


def test_trap_1_a_start_that_a_later_return_corrects_is_one_episode(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/09/2021 S C2 N1 U6 PR1 - -"], 2023: ["A 12/09/2021 S C2 N1 U6 PR1 - -"]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-09-12", "-", "-")]
    assert told(findings, "903-decom-corrected") == [("episodes_2022.csv", 2, "")]


def test_trap_1_a_later_return_that_tells_an_episode_otherwise_holds_and_is_told_apart(tmp_path: Path) -> None:
    write(
        tmp_path,
        {2022: ["A 10/09/2021 S C2 N1 U6 PR1 - -"], 2023: ["A 10/09/2021 S C2 N1 K2 PR1 - -"]},
    )
    tables, findings = read(tmp_path)
    assert tables.episodes["place"].to_list() == ["K2"]
    assert told(findings, "903-told-otherwise") == [("episodes_2022.csv", 2, "")]


# 2. Periods and episodes ----------------------------------------------------------------------------------------------


def test_trap_2_a_chain_of_x1_is_one_period_of_care(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            2022: [
                "A 10/05/2021 S C1 N1 U6 PR1 10/06/2021 X1",
                "A 10/06/2021 P C1 N1 K2 PR4 10/07/2021 E4A",
                "A 10/08/2021 S C1 N1 U6 PR1 10/08/2021 E4A",
                "A 11/08/2021 S C1 N1 U1 PR1 - -",
            ]
        },
    )
    assert homes(tmp_path) == [
        (0, "foster", False), (0, "childrens_home", True), (1, "foster", False), (2, "kinship_foster", False),
    ]  # fmt: skip


def test_trap_2_an_episode_of_one_day_stays_before_the_next(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 L C2 N1 U6 PR1 - -", "A 10/05/2021 S C1 N1 U6 PR1 10/05/2021 X1"]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2021-05-10", "X1"), ("A", "2021-05-10", "-", "-")]
    assert len(findings) == 0
    assert with_homes(tables.episodes)["period"].to_list() == [0, 0]


# 3. DEC and REC half filled -------------------------------------------------------------------------------------------


def test_trap_3_rec_without_dec(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            2022: ["A 10/05/2021 S C1 N1 U6 PR1 - X1", "A 10/07/2021 P C1 N1 K2 PR4 - X1"],
            2023: ["A 10/07/2021 P C1 N1 K2 PR4 - E4A"],
        },
    )
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2021-07-10", "X1"), ("A", "2021-07-10", "-", "-")]
    assert told(findings, "903-open-before-next") == [("episodes_2022.csv", 2, "DEC")]
    assert told(findings, "903-rec-without-dec") == [("episodes_2023.csv", 2, "REC")]


def test_trap_3_rec_without_dec_of_a_child_who_is_in_no_later_return_tells_why(tmp_path: Path) -> None:
    write(
        tmp_path,
        {2022: ["A 10/05/2021 S C1 N1 U6 PR1 - E4A"], 2023: ["B 05/05/2022 S C2 N1 K2 PR4 - -"]},
        {2022: [OF_A], 2023: ["B,2,05/06/2012,WBRI,UN1,,"]},
    )
    tables, _ = read(tmp_path)
    assert line(tables)[0] == ("A", "2021-05-10", "2022-03-31", "E4A")


def test_trap_3_dec_without_rec(tmp_path: Path) -> None:
    write(
        tmp_path,
        {2022: ["A 10/05/2021 S C1 N1 U6 PR1 10/06/2021 -", "A 10/06/2021 P C1 N1 K2 PR4 10/07/2021 -"]},
    )
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2021-06-10", "X1"), ("A", "2021-06-10", "2021-07-10", "-")]
    assert told(findings, "903-dec-without-rec") == [("episodes_2022.csv", 2, "REC"), ("episodes_2022.csv", 3, "REC")]


@pytest.mark.parametrize(("rec", "kept"), [("E4A", "E4A"), ("-", "-"), ("X1", "X1")])
def test_trap_3_an_episode_that_runs_into_a_new_period_keeps_the_reason_it_gives(
    tmp_path: Path, rec: str, kept: str
) -> None:
    write(tmp_path, {2022: [f"A 10/05/2021 S C1 N1 U6 PR1 10/07/2021 {rec}", "A 01/07/2021 S C1 N1 U6 PR1 - -"]})
    tables, _ = read(tmp_path)
    assert line(tables)[0] == ("A", "2021-05-10", "2021-07-01", kept)


def test_trap_3_dec_without_rec_on_the_day_of_a_new_period_is_not_x1(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S C1 N1 U6 PR1 10/06/2021 -", "A 10/06/2021 S C1 N1 K2 PR4 - -"]})
    tables, _ = read(tmp_path)
    assert line(tables)[0] == ("A", "2021-05-10", "2021-06-10", "-")
    assert with_homes(tables.episodes)["period"].to_list() == [0, 1]


def test_trap_3_without_a_reason_what_follows_that_day_goes_on_unless_it_starts(tmp_path: Path) -> None:
    # Tables of other returns may have no REC at all.
    write(tmp_path, {2022: ["A 10/05/2021 S C1 N1 U6 PR1 10/06/2021 X1", "A 10/06/2021 P C1 N1 K2 PR4 - -"]})
    episodes = read(tmp_path)[0].episodes.with_columns(pl.lit(None, pl.String).alias("rec"))
    assert with_homes(episodes).select("period", "moved").rows() == [(0, False), (0, True)]
    assert with_homes(episodes.with_columns(rne=pl.lit("S")))["period"].to_list() == [0, 1]


# 4. Legal changes and the same carer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("rne", "place", "moved"), [
    ("L", "U6", False), ("T", "U4", False), ("U", "U4", False), ("P", "U6", True), ("B", "U6", True),
])  # fmt: skip
def test_trap_4_l_t_and_u_are_kept_and_are_no_move(tmp_path: Path, rne: str, place: str, moved: bool) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S C1 N1 U6 PR1 10/06/2021 X1", f"A 10/06/2021 {rne} C2 N1 {place} PR1 - -"]})
    tables, findings = read(tmp_path)
    assert tables.episodes["legal"].to_list() == ["C1", "C2"]
    assert homes(tmp_path) == [(0, "foster", False), (0, "foster", moved)]
    assert len(findings) == 0


def test_trap_4_placed_for_adoption_with_the_same_carer_is_another_home_and_no_move(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S E1 N1 U5 PR1 10/06/2021 X1", "A 10/06/2021 T E1 N1 A5 PR1 - -"]})
    assert homes(tmp_path) == [(0, "foster", False), (0, "placed_for_adoption", False)]


# 5. Ageing inside an episode ------------------------------------------------------------------------------------------


def test_trap_5_an_episode_across_birthdays_is_one_row_with_its_dates(tmp_path: Path) -> None:
    write(tmp_path, {2024: ["A 01/05/2016 S C2 N1 U6 PR1 - -"]})
    tables, _ = read(tmp_path)
    assert tables.episodes.select("start", "end").rows() == [(date(2016, 5, 1), None)]
    assert tables.children["birth"].to_list() == [date(2012, 6, 5)]


# 6. Short breaks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("legal", ["V3", "V4"])
def test_trap_6_short_breaks_are_kept_apart_and_counted(tmp_path: Path, legal: str) -> None:
    write(
        tmp_path,
        {
            2022: [
                f"A 10/05/2021 S {legal} N2 U6 PR1 12/05/2021 E4A",
                f"A 10/06/2021 S {legal} N2 U6 PR1 - -",
                "A 10/06/2021 S V2 N2 U6 PR1 - -",
                f"B 10/05/2021 S {legal} N2 U6 PR1 - -",
            ]
        },
        {2022: [OF_A, "B,2,05/06/2012,WBRI,UN1,,"]},
    )
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-06-10", "-", "-")]
    assert tables.children["child"].to_list() == ["A"]
    assert [row for _, row, _ in told(findings, "903-short-break")] == [2, 3, 5]
    assert findings.rule("903-short-break").effect == "left out"
    assert told(findings, "903-no-episode") == [("header_2022.csv", None, "CHILD")]


# 7. Temporary placements ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["T0", "T1", "T2", "T3", "T4"])
def test_trap_7_a_temporary_placement_interrupts_and_returns(tmp_path: Path, place: str) -> None:
    write(
        tmp_path,
        {
            2022: [
                "A 10/05/2021 S C2 N1 U6 PR1 10/06/2021 X1",
                f"A 10/06/2021 P C2 N1 {place} - 15/06/2021 X1",
                "A 15/06/2021 P C2 N1 U6 PR1 20/06/2021 X1",
                "A 20/06/2021 P C2 N1 K2 PR4 - -",
            ]
        },
    )
    _, findings = read(tmp_path)
    assert homes(tmp_path) == [
        (0, "foster", False),
        (0, "foster", False),
        (0, "foster", False),
        (0, "childrens_home", True),
    ]
    assert len(findings) == 0


def test_trap_7_a_temporary_placement_that_does_not_return_is_a_move_after_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            2022: [
                "A 10/05/2021 S C2 N1 U6 PR1 10/06/2021 X1",
                "A 10/06/2021 T C2 N1 T3 - 15/06/2021 X1",
                "A 15/06/2021 P C2 N1 K2 PR4 - -",
            ]
        },
    )
    _, findings = read(tmp_path)
    assert homes(tmp_path) == [(0, "foster", False), (0, "foster", False), (0, "childrens_home", True)]
    assert told(findings, "903-temporary-without-return") == [("episodes_2022.csv", 4, "PLACE")]


def test_trap_7_a_temporary_placement_at_the_beginning_or_end_of_a_period_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            2022: [
                "A 10/05/2021 S C2 N1 T4 - 15/05/2021 X1",
                "A 15/05/2021 P C2 N1 U6 PR1 20/06/2021 X1",
                "A 20/06/2021 T C2 N1 T4 - 22/06/2021 E4A",
            ]
        },
    )
    _, findings = read(tmp_path)
    assert [home for _, home, _ in homes(tmp_path)] == ["foster"] * 3
    assert told(findings, "903-temporary-first") == [("episodes_2022.csv", 2, "PLACE")]
    assert told(findings, "903-temporary-last") == [("episodes_2022.csv", 4, "PLACE")]


# 8. Codes that change over the years ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new", "year"), [
    ("H5", "K3", 2024), ("P2", "K3", 2025), ("Z1", "Z11", 2026), ("Z1", "Z14", 2026), ("Q1", "U3", 2016),
    ("Q2", "U6", 2016),
])  # fmt: skip
def test_trap_8_a_place_that_changes_its_code_is_the_same_episode_and_no_move(
    tmp_path: Path, old: str, new: str, year: int
) -> None:
    row = f"A 10/09/{year - 2} S V2 N1 {{}} PR4 {{}}"
    write(
        tmp_path,
        {year - 1: [row.format(old, "- -")], year: [row.format(new, f"05/05/{year - 1} E8")]},
        {year: [f"A,{'M' if year > 2024 else 1},05/06/{year - 18},WBRI,UN1,,"]},
    )
    tables, findings = read(tmp_path)
    assert tables.episodes["place"].to_list() == [new]
    assert told(findings, "903-told-again") == [(f"episodes_{year - 1}.csv", 2, "")]
    assert told(findings, "903-told-otherwise") == []
    assert CODES.journey("PLACE", old) == CODES.journey("PLACE", new)


def test_trap_8_a_recode_within_a_period_is_no_move(tmp_path: Path) -> None:
    write(
        tmp_path,
        {2024: ["A 10/09/2022 S V2 N1 H5 PR4 01/05/2023 X1", "A 01/05/2023 L C2 N1 K3 PR4 - -"]},
        {2024: ["A,1,05/06/2006,WBRI,UN1,,"]},
    )
    assert homes(tmp_path) == [(0, "supported_accommodation", False)] * 2


@pytest.mark.parametrize("code", ["E43", "E44", "E45", "E46", "E47", "E48"])
def test_trap_8_special_guardianship_has_one_meaning_in_all_its_codes(tmp_path: Path, code: str) -> None:
    write(tmp_path, {2018: [f"A 10/05/2017 S C2 N1 U1 PR1 10/10/2017 {code}"]})
    tables, findings = read(tmp_path)
    assert tables.episodes["rec"].to_list() == [code]
    assert CODES.journey("REC", code) == "special_guardianship_granted"
    # E45 to E48 are valid from the return of 2019 on: told, and read all the same.
    assert len(told(findings, "903-code-of-other-years")) == (code in ("E45", "E46", "E47", "E48"))


def test_trap_8_both_spellings_of_sex(tmp_path: Path) -> None:
    people = {
        "A": ("1", 1),
        "B": ("2", 0),
        "C": ("M", 1),
        "D": ("F", 0),
        "E": ("U", None),
        "F": ("m ", 1),
        "G": ("1.0", 1),
    }
    write(
        tmp_path,
        {2025: [f"{child} 10/05/2024 S C2 N1 U1 PR1 - -" for child in people]},
        {2025: [f"{child},{told_as},05/06/2012,WBRI,UN1,," for child, (told_as, _) in people.items()]},
    )
    tables, findings = read(tmp_path)
    assert dict(tables.children.select("child", "sex").rows()) == {child: sex for child, (_, sex) in people.items()}
    assert [row for _, row, _ in told(findings, "903-code-of-other-years")] == [2, 3, 8]


def test_trap_8_new_tables_are_known_and_told_as_not_needed(tmp_path: Path) -> None:
    write(tmp_path, {2027: ["A 10/05/2026 S C2 N1 U1 PR1 - -"]}, {2027: ["A,M,05/06/2012,WBRI,UN1,,"]})
    (tmp_path / "sw_2027.csv").write_text(
        "CHILD,DOB,SW_ID,SW_DECOM,SW_DEC,SW_REASON\nA,05/06/2012,1,10/05/2026,,FCONTA\n"
    )
    (tmp_path / "dolo_2027.csv").write_text("CHILD,DOB,DOLO_START,DOLO_END\nA,05/06/2012,10/05/2026,\n")
    _, findings = read(tmp_path)
    assert {source.table for source in findings.sources} == {"Episodes", "Header", "SWEpisodes", "DoLo"}
    assert len(told(findings, "903-table-not-needed")) == 2


# 9. Unaccompanied children --------------------------------------------------------------------------------------------


def test_trap_9_unaccompanied_is_membership_of_the_table_uasc_in_any_year(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -", "B 10/05/2021 S V2 N8 U6 PR4 - -"],
            2023: ["A 10/05/2021 S V2 N8 U6 PR4 - -"],
        },
        {2022: [OF_A, "B,2,05/06/2012,WBRI,UN1,,"]},
    )
    (tmp_path / "uasc_2022.csv").write_text("CHILD,SEX,DOB,DUC\nA,1,05/06/2012,05/06/2030\n")
    tables, _ = read(tmp_path)
    assert tables.children.select("child", "uasc", "uasc_until").rows() == [
        ("A", True, date(2030, 6, 5)), ("B", False, None),
    ]  # fmt: skip


# 10. The 18th birthday ------------------------------------------------------------------------------------------------


def test_trap_10_a_child_of_18_to_the_day_is_kept_and_one_long_grown_up_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            2022: [
                "A 10/05/2021 S V2 N8 U6 PR4 05/06/2021 E17",
                "B 10/05/2021 S V2 N8 U6 PR4 20/06/2021 E17",
                "C 10/05/2021 S V2 N8 U6 PR4 20/08/2021 E17",
                "D 10/05/2021 S V2 N8 U6 PR4 - -",
            ]
        },
        {2022: [f"{child},1,05/06/{1990 if child == 'D' else 2003},WBRI,UN1,," for child in "ABCD"]},
    )
    tables, findings = read(tmp_path)
    assert [row[0] for row in line(tables)] == ["A", "B", "C"]
    assert told(findings, "903-past-18") == [("episodes_2022.csv", 4, "DEC")]
    assert told(findings, "903-begins-at-18") == [("episodes_2022.csv", 5, "")]


# 11. Headers that disagree --------------------------------------------------------------------------------------------


def test_trap_11_of_headers_that_disagree_the_latest_holds_and_each_is_told(tmp_path: Path) -> None:
    row = "A 10/05/2021 S V2 N8 U6 PR4 - -"
    write(
        tmp_path,
        {2022: [row], 2023: [row]},
        {2022: [OF_A, OF_A], 2023: ["A,2,06/06/2012,WBRI,UN1,,"]},
    )
    tables, findings = read(tmp_path)
    assert tables.children.select("birth", "sex").rows() == [(date(2012, 6, 6), 0)]
    assert told(findings, "903-birth-disagrees") == [("header_2022.csv", 3, "DOB")]
    assert told(findings, "903-sex-disagrees") == [("header_2022.csv", 3, "SEX")]
    assert told(findings, "903-header-repeated") == [("header_2022.csv", 2, "")]


def test_trap_11_a_blank_in_the_latest_header_takes_nothing_away(tmp_path: Path) -> None:
    row = "A 10/05/2021 S V2 N8 U6 PR4 - -"
    write(tmp_path, {2022: [row], 2023: [row]}, {2022: [OF_A], 2023: ["A,,,WBRI,UN1,,"]})
    tables, _ = read(tmp_path)
    assert tables.children.select("birth", "sex").rows() == [(date(2012, 6, 5), 1)]


# 12. Files as they are kept -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-be"])
def test_trap_12_utf_16_lower_case_and_files_of_one_byte(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, {2022: ["a 10/05/2021 s v2 n8 u6 pr4 - -"]})
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_text().lower().encode(encoding))
    (tmp_path / "ad1_2022.csv").write_bytes(b"\n")
    tables, findings = read(tmp_path)
    assert tables.episodes.select("child", "rne", "legal", "place").rows() == [("A", "S", "V2", "U6")]
    assert findings.counts() == {"file-no-table": 1}


# 13. Births cut for privacy -------------------------------------------------------------------------------------------


def test_trap_13_births_cut_to_the_month_are_put_in_its_middle(tmp_path: Path) -> None:
    children = [f"C{i:02}" for i in range(20)]
    episodes = [f"{child} 10/05/2021 S V2 N8 U6 PR4 - -" for child in children]
    headers = [f"{child},1,2012-06{'-01' * (i % 2)},WBRI,UN1,," for i, child in enumerate(children)]
    headers[3] = "C03,1,01/05/2021,WBRI,UN1,,"
    write(tmp_path, {2022: episodes}, {2022: headers})
    tables, findings = read(tmp_path)
    births = dict(tables.children.select("child", "birth").rows())
    # Never after the first day in care.
    assert births.pop("C03") == date(2021, 5, 10)
    assert set(births.values()) == {date(2012, 6, 15)}
    assert told(findings, "903-births-cut") == [("header_2022.csv", None, "DOB")]
    (done,) = findings.frame().filter(pl.col("rule") == "903-births-cut")["what_was_done"]
    assert done.endswith("So for 20 children.")


def test_trap_13_a_few_births_on_the_first_are_left_as_they_are(tmp_path: Path) -> None:
    children = [f"C{i:02}" for i in range(20)]
    headers = [f"{child},1,{1 if i < 17 else 2:02}/06/2012,WBRI,UN1,," for i, child in enumerate(children)]
    write(tmp_path, {2022: [f"{child} 10/05/2021 S V2 N8 U6 PR4 - -" for child in children]}, {2022: headers})
    tables, findings = read(tmp_path)
    assert tables.children["birth"].to_list()[0] == date(2012, 6, 1)
    assert findings.counts() == {}


def test_trap_13_a_birth_that_one_year_has_in_full_is_taken(tmp_path: Path) -> None:
    row = "A 10/05/2021 S V2 N8 U6 PR4 - -"
    write(tmp_path, {2022: [row], 2023: [row]}, {2022: [OF_A], 2023: ["A,1,01/06/2012,WBRI,UN1,,"]})
    tables, findings = read(tmp_path)
    assert tables.children["birth"].to_list() == [date(2012, 6, 5)]
    assert told(findings, "903-birth-disagrees") == [("header_2023.csv", 2, "DOB")]


# 14. The year of a file -----------------------------------------------------------------------------------------------


def test_trap_14_the_year_is_not_read_off_the_latest_date(tmp_path: Path) -> None:
    # Nothing began in the year to 2024, and nothing was read of 2022.
    row = "A 10/05/2020 S V2 N8 U6 PR4 - -"
    write(tmp_path, {2021: [row], 2023: [row], 2024: [row]})
    tables, findings = read(tmp_path)
    assert tables.years == (2021, 2023, 2024)
    assert (tables.observed_from, tables.observed_to) == (date(2020, 4, 1), date(2024, 3, 31))
    assert told(findings, "903-year-missing") == [("episodes_2023.csv", None, "")]


# 15. Left truncation --------------------------------------------------------------------------------------------------


def test_trap_15_care_that_began_before_the_first_return_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            2022: [
                "A 10/05/2020 P V2 N8 U6 PR4 - -",
                "B 10/05/2020 S V2 N8 U6 PR4 - -",
                "C 10/05/2021 P V2 N8 U6 PR4 - -",
            ]
        },
        {2022: [f"{child},1,05/06/2012,WBRI,UN1,," for child in "ABC"]},
    )
    tables, findings = read(tmp_path)
    assert tables.episodes["start"].to_list() == [date(2020, 5, 10), date(2020, 5, 10), date(2021, 5, 10)]
    # Of B the beginning is known, though it lies before; C ought to begin with S.
    assert told(findings, "903-care-began-before") == [("episodes_2022.csv", 2, "RNE")]
    assert told(findings, "903-period-without-s") == [("episodes_2022.csv", 4, "RNE")]


def test_every_trap_of_the_page_of_reference_has_a_test() -> None:
    tested = {int(name.split("_")[2]) for name in globals() if name.startswith("test_trap_")}
    assert tested == set(range(1, len(TRAPS) + 1))


# Cells ----------------------------------------------------------------------------------------------------------------


def test_mixed_forms_of_dates_in_one_file(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 2021-06-10 X1", "A 10/06/21 P V2 N8 K2 PR4 44500 E4A"]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2021-06-10", "X1"), ("A", "2021-06-10", "2021-10-31", "E4A")]
    assert findings.counts() == {"date-two-digit-year": 1}


def test_cells_that_cannot_be_read_lose_the_cell_and_not_the_row(tmp_path: Path) -> None:
    rows = [
        "A 10/05/2021 ZZ C9 N99 J7 PR9 soon E77",
        "A 31/02/2022 P C2 N1 U6 PR1 - -",
        "- 10/05/2021 S C2 N1 U6 PR1 - -",
    ]
    write(tmp_path, {2022: rows})
    tables, findings = read(tmp_path)
    (row,) = tables.episodes.rows(named=True)
    assert [row[c] for c in ("end", "rne", "legal", "need", "place", "provider", "rec")] == [None] * 7
    columns = {"RNE", "LS", "CIN", "PLACE", "PLACE_PROVIDER", "REC"}
    assert {column for _, _, column in told(findings, "903-unknown-code")} == columns
    assert told(findings, "903-no-decom") == [("episodes_2022.csv", 3, "")]
    assert told(findings, "903-no-child") == [("episodes_2022.csv", 4, "")]


def test_words_for_blank_cells_are_blanks(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 NULL n/a None"]})
    tables, findings = read(tmp_path)
    assert tables.episodes.select("provider", "end", "rec").rows() == [(None, None, None)]
    assert findings.counts() == {"903-word-for-blank": 3}


def test_an_end_before_the_beginning_or_after_the_year_is_blank(tmp_path: Path) -> None:
    rows = ["A 10/05/2021 S V2 N8 U6 PR4 10/04/2021 E4A", "B 10/05/2021 S V2 N8 U6 PR4 10/04/2022 E4A"]
    write(tmp_path, {2022: rows}, {2022: [OF_A, "B" + OF_A[1:]]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "-", "-"), ("B", "2021-05-10", "-", "-")]
    assert told(findings, "903-dec-before-decom") == [("episodes_2022.csv", 2, "DEC")]
    assert told(findings, "903-ends-after-year") == [("episodes_2022.csv", 3, "DEC")]


def test_a_child_without_a_birth_is_left_out_and_one_born_too_late_is_born_by_the_first_episode(tmp_path: Path) -> None:
    write(
        tmp_path,
        {2022: [f"{child} 10/05/2021 S V2 N8 U6 PR4 - -" for child in "ABC"]},
        {2022: ["A,1,05/06/2021,WBRI,UN1,,", "B,1,,WBRI,UN1,,"]},
    )
    (tmp_path / "reviews_2022.csv").write_text("CHILD,DOB,REVIEW,REVIEW_CODE\nC,05/06/2012,01/06/2021,PN1\n")
    tables, findings = read(tmp_path)
    assert tables.children.select("child", "birth").rows() == [("A", date(2021, 5, 10)), ("C", date(2012, 6, 5))]
    assert told(findings, "903-before-birth") == [("header_2022.csv", 2, "DOB")]
    assert told(findings, "903-no-birth") == [("episodes_2022.csv", 3, "")]
    assert told(findings, "903-birth-elsewhere") == [("reviews_2022.csv", 2, "DOB")]


def test_whole_numbers_from_excel_are_the_same_child(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["1234567.0 10/05/2021 S V2 N8 U6 PR4 - -"]}, {2022: ["1234567,1,05/06/2012,WBRI,UN1,,"]})
    tables, _ = read(tmp_path)
    assert tables.episodes["child"].to_list() == ["1234567"]
    assert tables.children.height == 1


def test_numbers_that_a_spreadsheet_rounded_are_left_out_and_told(tmp_path: Path) -> None:
    rows = ["1.23457E+11 10/05/2021 S V2 N8 U6 PR4 - -", "1.23457E+11 10/06/2021 S V2 N8 U6 PR4 - -"]
    write(tmp_path, {2022: [*rows, "A 10/05/2021 S V2 N8 U6 PR4 - -"]}, {2022: [OF_A, "1.23457E+11,1,05/06/2012,,,,"]})
    tables, findings = read(tmp_path)
    assert tables.children["child"].to_list() == ["A"]
    assert [row for _, row, _ in told(findings, "903-child-rounded")] == [2, 3, 3]


def test_the_category_of_need_is_fixed_for_a_period(tmp_path: Path) -> None:
    rows = [
        "A 10/05/2021 S V2 N8 U6 PR4 10/06/2021 X1",
        "A 10/06/2021 P V2 N1 U6 PR4 10/07/2021 E4A",
        "A 10/08/2021 S V2 N8 U6 PR4 - -",
    ]
    write(tmp_path, {2022: rows})
    _, findings = read(tmp_path)
    assert told(findings, "903-need-changed") == [("episodes_2022.csv", 3, "CIN")]


def test_places_that_do_not_fit_the_child_are_told(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 P1 PR0 10/06/2021 X1", "A 10/06/2021 P V2 N8 R5 PR3 - -"]})
    _, findings = read(tmp_path)
    assert told(findings, "903-parents-under-v2") == [("episodes_2022.csv", 2, "PLACE")]
    assert told(findings, "903-too-young-for-place") == [("episodes_2022.csv", 3, "PLACE")]


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [
        "B 10/05/2021 S C2 N1 U6 PR1 - -", "A 10/06/2021 P C1 N1 K2 PR4 10/07/2021 E4A",
        "A 10/05/2021 S C1 N1 U6 PR1 10/06/2021 X1",
    ]  # fmt: skip
    people = {2022: [OF_A, "B" + OF_A[1:]]}
    first, _ = read(write(tmp_path / "1", {2022: rows}, people))
    again, _ = read(write(tmp_path / "2", {2022: rows[::-1]}, people))
    assert first.episodes.drop("row").equals(again.episodes.drop("row"))
    assert pl.Series(first.episodes["row"]).to_list() == [4, 3, 2]
