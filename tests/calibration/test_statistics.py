"""Reading published figures: what is found, and every refusal."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.errors import CareError
from calibration.refusals import COLUMNS, SUPPRESSION_MARKS
from calibration.statistics import ENGLAND, PUBLISHED, Area, read_statistics

HEADER = ",".join(COLUMNS)
ROWS = (
    "E06000009,Blackpool,2020,referrals,total,3819,number,A",
    "E06000009,Blackpool,2021,referrals,total,2739,number,B",
    "E06000009,Blackpool,2021,rereferrals_within_12_months,total,874,number,B",
    "E06000009,Blackpool,2021,rereferrals_within_12_months,total,31.9,percent of referrals,B",
    "E06000009,Blackpool,2021,population_0_17,mid-year,27819,persons,C",
    "E92000001,England,2021,referrals,total,597760,number,B",
    "E92000001,England,2021,population_0_17,mid-year,11762878,persons,C",
    "E92000001,England,2015-16,lait: Fostering - weekly unit costs,FosterCost,600,Unit Cost,D",
)
REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "published"


def text(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def _write(content: str | bytes, name: str = "figures.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def refusal(path: Path) -> str:
    """Return the sentence with which a table is refused; it is one line and names the file."""
    with pytest.raises(CareError) as caught:
        read_statistics(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert caught.value.remedy
    return message


# --- what is found -------------------------------------------------------------------------------


def test_the_table_that_comes_with_the_project_holds_five_areas() -> None:
    assert read_statistics().areas() == [
        ("E92000001", "England"),
        ("E06000004", "Stockton-on-Tees"),
        ("E06000009", "Blackpool"),
        ("E08000022", "North Tyneside"),
        ("E10000007", "Derbyshire"),
    ]
    assert len(read_statistics().authorities()) == 4


@pytest.mark.parametrize("wanted", ["E06000009", "e06000009", "Blackpool", " blackpool "])
def test_an_area_is_found_by_code_or_name(wanted: str, write: Callable[..., Path]) -> None:
    statistics = read_statistics(write(text(*ROWS)))
    assert statistics.area(wanted) == Area("E06000009", "Blackpool")
    assert statistics.area("england").code == ENGLAND


def test_an_unknown_area_says_which_may_be_meant(write: Callable[..., Path]) -> None:
    path = write(text(*ROWS))
    with pytest.raises(CareError, match=r"no area 'Blakpool'.*Did you mean 'Blackpool'.*journeys areas") as caught:
        read_statistics(path).area("Blakpool")
    assert f"{path}, columns area_code and area_name" in str(caught.value)


def test_a_series_is_the_count_unless_another_unit_is_named(write: Callable[..., Path]) -> None:
    statistics = read_statistics(write(text(*ROWS)))
    assert statistics.series("Blackpool", "referrals") == {2020: 3819.0, 2021: 2739.0}
    assert statistics.series("Blackpool", "rereferrals_within_12_months") == {2021: 874.0}
    percent = statistics.series("Blackpool", "rereferrals_within_12_months", unit="percent of referrals")
    assert percent == {2021: 31.9}
    assert statistics.series("Blackpool", "rereferrals_within_12_months", unit="persons") == {}


def test_total_also_stands_for_the_only_breakdown(write: Callable[..., Path]) -> None:
    statistics = read_statistics(write(text(*ROWS)))
    assert statistics.series("England", "population_0_17") == {2021: 11762878.0}


def test_a_financial_year_is_the_year_it_ends_in(write: Callable[..., Path]) -> None:
    assert read_statistics(write(text(*ROWS))).series("England", "lait: Fostering - weekly unit costs") == {2016: 600.0}


def test_a_figure_that_is_not_published_says_which_years_are(write: Callable[..., Path]) -> None:
    statistics = read_statistics(write(text(*ROWS)))
    assert statistics.value("Blackpool", "referrals", 2021) == 2739
    with pytest.raises(CareError, match=r"'referrals', 'total' of 1999 is not published .*Blackpool.*2020 to 2021"):
        statistics.value("Blackpool", "referrals", 1999)


def test_an_unknown_measure_says_which_may_be_meant(write: Callable[..., Path]) -> None:
    statistics = read_statistics(write(text(*ROWS)))
    with pytest.raises(CareError, match="Did you mean 'referrals'"):
        statistics.series("Blackpool", "referals")
    assert statistics.cells("Blackpool", "referals") == {}


def test_several_counts_ask_for_a_unit(write: Callable[..., Path]) -> None:
    rows = (
        "E06000009,Blackpool,2021,caseload,total,16,cases,A",
        "E06000009,Blackpool,2021,caseload,total,100,workers,A",
    )
    statistics = read_statistics(write(text(*rows)))
    with pytest.raises(CareError, match=r"several units .*Name one of 'cases', 'workers'"):
        statistics.series("Blackpool", "caseload")


def test_of_two_codes_with_one_name_the_authority_that_exists_is_meant(write: Callable[..., Path]) -> None:
    rows = [f"E08000020,Gateshead,{year},referrals,total,5,number,A" for year in range(2010, 2015)]
    rows += [
        "E08000037,Gateshead,2021,referrals,total,6,number,A",
        "E08000037,Gateshead,2021,population_0_17,mid-year,40000,persons,A",
    ]
    statistics = read_statistics(write(text(*rows)))
    assert statistics.area("Gateshead").code == "E08000037"
    assert statistics.area("E08000020").code == "E08000020"
    assert statistics.areas() == [("E08000037", "Gateshead")]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: gzip.compress(content.encode()),
        lambda content: content.encode("utf-8-sig"),
        lambda content: content.replace("\n", "\r\n").encode(),
        lambda content: (content + "\n\n").encode(),
        lambda content: content.replace("\n", ",extra\n").encode(),
    ],
    ids=["gzip", "byte order mark", "line ends of Windows", "blank lines at the end", "a column more"],
)
def test_the_same_table_in_another_guise(change: Callable[[str], bytes], write: Callable[..., Path]) -> None:
    plain = read_statistics(write(text(*ROWS)))
    name = "other.csv.gz" if change(text(*ROWS)).startswith(b"\x1f\x8b") else "other.csv"
    assert read_statistics(write(change(text(*ROWS)), name)).frame.equals(plain.frame)


# --- what is refused -----------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "no file of published figures" in refusal(tmp_path / "gone.csv")


def test_a_folder(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file(content: bytes, write: Callable[..., Path]) -> None:
    assert "empty" in refusal(write(content))


def test_a_header_without_rows(write: Callable[..., Path]) -> None:
    assert "no rows" in refusal(write(text()))


def test_a_file_that_only_claims_to_be_gzip(write: Callable[..., Path]) -> None:
    assert "not gzip" in refusal(write(text(*ROWS), "figures.csv.gz"))


@pytest.mark.parametrize("damage", ["cut short", "changed"])
def test_a_damaged_gzip(damage: str, write: Callable[..., Path]) -> None:
    content = gzip.compress(text(*ROWS * 300).encode())
    middle = len(content) // 2
    damaged = content[:middle] if damage == "cut short" else content[:middle] + b"????" + content[middle + 4 :]
    assert "damaged or cut short" in refusal(write(damaged, "figures.csv.gz"))


def test_utf_16(write: Callable[..., Path]) -> None:
    message = refusal(write(text(*ROWS).encode("utf-16")))
    assert "UTF-16" in message
    assert "Save it again" in message


def test_text_that_is_not_utf_8_names_the_row(write: Callable[..., Path]) -> None:
    message = refusal(write(text(*ROWS, "E06000009,Blackp\xf4ol,2019,referrals,total,1,number,A").encode("latin-1")))
    assert "not UTF-8" in message
    assert "row 10" in message


def test_a_row_with_too_many_cells(write: Callable[..., Path]) -> None:
    message = refusal(write(text(*ROWS[:2], ROWS[2] + ",one,more")))
    assert "This row has 10 cells, the header has 8" in message
    assert "row 4" in message


@pytest.mark.parametrize("name", ["figures.csv", "figures.csv.gz"])
@pytest.mark.parametrize("row", ["E06000009,Blackpool,2019", "E06000009,Blackpool,2019,referrals,total,3,number"])
def test_a_row_with_too_few_cells(row: str, name: str, write: Callable[..., Path]) -> None:
    content = text(*ROWS[:3], "", row, *ROWS[3:])
    path = write(gzip.compress(content.encode()) if name.endswith("gz") else content, name)
    message = refusal(path)
    assert f"This row has {row.count(',') + 1} cells, the header has 8 ({path}, row 6)" in message
    assert "Fill in the missing cells" in message


def test_a_blank_last_cell_is_no_missing_one(write: Callable[..., Path]) -> None:
    blank = "E06000009,Blackpool,2019,referrals,total,3,number,"
    statistics = read_statistics(write(text(*ROWS, blank, ",,,,,,,", "")))
    assert statistics.value("Blackpool", "referrals", 2019) == 3


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\x00,\x00\rIHDR\nrest,1\n", bytes(range(256)) * 4])
def test_what_is_no_text_is_not_quoted(content: bytes, write: Callable[..., Path]) -> None:
    message = refusal(write(content))
    assert "not UTF-8" in message or "not a table in UTF-8" in message
    assert message.isprintable()


def test_a_path_may_be_text(write: Callable[..., Path]) -> None:
    path = write(text(*ROWS))
    assert read_statistics(str(path)).frame.equals(read_statistics(path).frame)


@pytest.mark.parametrize("measure", ["referrals", "cin_at_31_march", "cpp_started", "cla_at_31_march", "s47_enquiries"])
def test_more_than_all_children(measure: str, write: Callable[..., Path]) -> None:
    """The number of children of the nearest year counts, here that of 2021 for 2022 and that of 2024 for 2023."""
    rows = [row for row in ROWS if measure not in row]
    later = "E06000009,Blackpool,2024,population_0_17,mid-year,100,persons,C"
    path = write(text(*rows, later, f"E06000009,Blackpool,2022,{measure},total,27820,number,A"))
    message = refusal(path)
    assert (
        f"The value 27820 of '{measure}' is more than all children of the area (27819 aged 0 to 17 in 2021)" in message
    )
    assert f"row {len(rows) + 3}, column value" in message
    assert "Correct the cell." in message
    read_statistics(write(text(*rows, later, f"E06000009,Blackpool,2022,{measure},total,27819,number,A")))
    assert "100 aged" in refusal(write(text(*rows, later, f"E06000009,Blackpool,2023,{measure},total,101,number,A")))


def test_what_counts_no_children_may_be_larger(write: Callable[..., Path]) -> None:
    money = "E06000009,Blackpool,2021,spending,total,99000000,number,A"
    elsewhere = "E06000010,Elsewhere,2021,referrals,total,99000000,number,A"
    assert read_statistics(write(text(*ROWS, money, elsewhere))).frame.height == len(ROWS) + 2


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_says_which_may_be_meant(column: str, write: Callable[..., Path]) -> None:
    path = write(text(*ROWS, header=HEADER.replace(column, f"{column}s", 1)))
    message = refusal(path)
    assert f"no column '{column}'" in message
    assert f"({path}, row 1)" in message
    assert f"Did you mean '{column}s'?" in message


# New row, the column at fault, what is said, what is to be done.
BAD_ROWS = {
    "a word": ("E06000009,Blackpool,2019,referrals,total,many,number,A", "value", "'many' is not a number", "digits"),
    "thousands": ('E06000009,Blackpool,2019,referrals,total,"1,234",number,A', "value", "not a number", "separators"),
    "NaN": ("E06000009,Blackpool,2019,referrals,total,NaN,number,A", "value", "'NaN' is not a number", "digits"),
    "infinity": ("E06000009,Blackpool,2019,referrals,total,inf,number,A", "value", "'inf' is not a number", "digits"),
    "negative": ("E06000009,Blackpool,2019,referrals,total,-3,number,A", "value", "-3 of 'referrals' is negative", "0"),
    "percent": ("E06000009,Blackpool,2019,repeat,total,101,percent,A", "value", "above 100 percent", "unit"),
    "percent sign": ("E06000009,Blackpool,2019,repeat,total,101,% of CLA,A", "value", "above 100 percent", "unit"),
    "year": (
        "E06000009,Blackpool,201920,referrals,total,3,number,A",
        "year",
        "'201920' has an unknown form",
        "2020-21",
    ),
    "years apart": ("E06000009,Blackpool,2019-21,referrals,total,3,number,A", "year", "unknown form", "2020-21"),
    "no year": ("E06000009,Blackpool,,referrals,total,3,number,A", "year", "'' has an unknown form", "2020-21"),
    "code": ("E0600009,Blackpool,2019,referrals,total,3,number,A", "area_code", "'E0600009'", "E06000009"),
    "no code": (",Blackpool,2019,referrals,total,3,number,A", "area_code", "wrong form", "E06000009"),
    "no measure": ("E06000009,Blackpool,2019,,total,3,number,A", "measure", "measure is blank", "leave the row out"),
    "no breakdown": ("E06000009,Blackpool,2019,referrals,,3,number,A", "breakdown", "is blank", "'total'"),
}


@pytest.mark.parametrize(("row", "column", "fault", "remedy"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row(row: str, column: str, fault: str, remedy: str, write: Callable[..., Path]) -> None:
    path = write(text(*ROWS[:3], row, *ROWS[3:]))
    message = refusal(path)
    assert f"{path}, row 5, column {column}" in message
    assert fault in message
    assert remedy in message


@pytest.mark.parametrize("mark", [*sorted(SUPPRESSION_MARKS), "C", " z "])
def test_a_suppression_mark(mark: str, write: Callable[..., Path]) -> None:
    path = write(text(*ROWS, f"E06000009,Blackpool,2019,referrals,total,{mark},number,A"))
    message = refusal(path)
    assert f"{path}, row 10, column value" in message
    assert "Leave the row out: a missing small cell is treated as suppressed." in message


def test_a_year_twice_names_both_rows(write: Callable[..., Path]) -> None:
    path = write(text(*ROWS, "E06000009,Blackpool,2021,referrals,total,2740,number,B"))
    message = refusal(path)
    assert f"{path}, rows 3 and 10, column year" in message
    assert "2021 of 'referrals', 'total' (number) of E06000009 is there twice" in message
    assert "Keep one" in message


def test_a_year_twice_in_two_spellings_names_both_rows(write: Callable[..., Path]) -> None:
    path = write(text(*ROWS, "E06000009,Blackpool,2020-21,referrals,total,2740,number,B"))
    message = refusal(path)
    assert f"{path}, rows 3 and 10, column year" in message
    assert "is there twice, as 2021 and as 2020-21" in message


def test_rows_are_counted_with_the_blank_ones(write: Callable[..., Path]) -> None:
    assert "row 5, column value" in refusal(write(text(ROWS[0], "", "", ROWS[1].replace("2739", "c"))))


@pytest.mark.parametrize(
    "row",
    [
        "E06000009,Blackpool,2023,migration_all_ages,Internal,-31393,persons,A",
        "E06000009,Blackpool,2023,revenue,Income,-12,£ thousand,A",
    ],
)
def test_balances_may_be_negative(row: str, write: Callable[..., Path]) -> None:
    assert read_statistics(write(text(row))).frame["value"][0] < 0


# --- properties ----------------------------------------------------------------------------------

CODES = st.sampled_from(["E92000001", "E06000009", "E10000007"])
FIGURE = st.tuples(CODES, st.integers(2010, 2030), st.sampled_from(["referrals", "cla_started", "a, b"]))
FIGURES = st.dictionaries(FIGURE, st.integers(0, 10**6), min_size=1, max_size=12)


def rows_of(figures: dict[tuple[str, int, str], int]) -> list[str]:
    return [f'{code},Name of {code},{year},"{m}",total,{value},number,A' for (code, year, m), value in figures.items()]


@given(figures=FIGURES, shuffle=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_figure_is_found_whatever_the_order(figures: dict, shuffle, tmp_path: Path) -> None:
    rows = rows_of(figures)
    shuffle.shuffle(rows)
    path = tmp_path / "figures.csv"
    path.write_text(text(*rows), encoding="utf-8")
    statistics = read_statistics(path)
    for (code, year, measure), value in figures.items():
        assert statistics.value(code, measure, year) == value
    found = sum(
        len(statistics.series(code, measure))
        for code in {key[0] for key in figures}
        for measure in {key[2] for key in figures}
    )
    assert found == len(figures)


@given(figures=FIGURES, data=st.data(), bad=st.sampled_from(["c", "", "-1", "nan", "1e400", "12p"]))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_bad_value_is_found_wherever_it_stands(figures: dict, data, bad: str, tmp_path: Path) -> None:
    rows = rows_of(figures)
    place = data.draw(st.integers(0, len(rows) - 1))
    cells = rows[place].rsplit(",", 3)
    rows[place] = ",".join([cells[0], bad, *cells[2:]])
    path = tmp_path / "figures.csv"
    path.write_text(text(*rows), encoding="utf-8")
    assert f"row {place + 2}, column value" in refusal(path)


# --- beside the reference ------------------------------------------------------------------------


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference tables are not beside the project")
def test_the_whole_reference_table_is_read_at_once() -> None:
    path = REFERENCE / "published_statistics.csv.gz"
    took = []
    for _ in range(3):
        start = time.process_time()
        statistics = read_statistics(path)
        took.append(time.process_time() - start)
    assert statistics.frame.height == 800_209
    # 0.3 s on an idle machine, twice that over two processors; the bound leaves room for slower ones.
    assert min(took) < 1.5
    assert len(statistics.authorities()) > 150
    assert statistics.area("Northumberland").code == "E06000057"


def test_every_figure_that_comes_with_the_project_has_its_source() -> None:
    statistics = read_statistics()
    sources = (PUBLISHED / "sources.csv").read_text(encoding="utf-8")
    for source_id in statistics.frame["source_id"].unique():
        assert f"\n{source_id}," in sources
