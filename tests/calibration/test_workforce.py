"""The published workforce, and what a run begins with."""

from pathlib import Path

import pytest

from abm.errors import CareError
from calibration.statistics import ENGLAND, PUBLISHED
from calibration.workforce import COLUMNS, FIGURES, NAMES, SHIPPED, main, read_workforce, workforce_of

SOURCE = Path(__file__).parents[2].parent / "shared" / "reference" / "downloads" / "csww_indicators_2017_to_2025.csv"
TABLE = read_workforce()
NORTH_TYNESIDE, BLACKPOOL = "E08000022", "E06000009"


def written(tmp_path, *rows, columns=COLUMNS):
    path = tmp_path / "workforce.csv"
    path.write_text("\n".join([",".join(columns), *rows]) + "\n", encoding="utf-8")
    return path


def row(code="E06000009", year=2022, **figures):
    values = dict.fromkeys(FIGURES, "") | {k: str(v) for k, v in figures.items()}
    return ",".join([code, code, str(year), *values.values(), "X"])


ENGLANDS = row(ENGLAND, 2022, permanent_fte=1000, agency_fte=200, vacancy_fte=250, turnover_percent=16, caseload=17)


def test_five_areas_and_nine_years():
    assert set(TABLE.names) == set(NAMES)
    for code in NAMES:
        assert TABLE.years(code) == list(range(2017, 2026))


def test_figures_are_those_published_and_agree_with_one_another():
    latest = TABLE.figures[ENGLAND, 2025]
    assert (latest["caseload"], latest["turnover_percent"], latest["agency_percent"]) == (15.2, 11.8, 13.0)
    for (code, year), figures in TABLE.figures.items():
        assert 5 < figures["caseload"] < 30
        agency = 100 * figures["agency_fte"] / (figures["agency_fte"] + figures["permanent_fte"])
        assert agency == pytest.approx(figures["agency_percent"], abs=0.5), (code, year)
        vacant = 100 * figures["vacancy_fte"] / (figures["vacancy_fte"] + figures["permanent_fte"])
        assert vacant == pytest.approx(figures["vacancy_percent"], abs=0.6), (code, year)
        assert figures["cases"] / figures["case_holders_fte"] == pytest.approx(figures["caseload"], abs=0.06)


def test_what_is_not_given_is_not_there():
    assert "vacancies_covered_percent" not in TABLE.figures[NORTH_TYNESIDE, 2019]  # z: there were no vacancies
    assert TABLE.figures[NORTH_TYNESIDE, 2019]["vacancy_fte"] == 0


def test_its_source_is_described():
    assert (PUBLISHED / "workforce_sources.csv").read_text(encoding="utf-8").count("\nCSWW25,") == 1
    assert {line.split(",")[-1] for line in SHIPPED.read_text(encoding="utf-8").splitlines()[1:]} == {"CSWW25"}


@pytest.mark.skipif(not SOURCE.exists(), reason="the reference tables are not beside the project")
def test_it_is_made_from_its_source(tmp_path):
    assert main([str(SOURCE), "--to", str(tmp_path)]) == 0
    assert (tmp_path / "workforce.csv").read_bytes() == SHIPPED.read_bytes()


def test_a_source_without_a_column_is_told(tmp_path, capsys):
    (tmp_path / "source.csv").write_text("time_period,geographic_level\n2025,National\n", encoding="utf-8")
    assert main([str(tmp_path / "source.csv"), "--to", str(tmp_path)]) == 2
    assert "no column 'new_la_code'" in capsys.readouterr().err
    assert not (tmp_path / "workforce.csv").exists()


def test_a_run_begins_with_the_areas_own_figures():
    found = workforce_of(BLACKPOOL, 2020)
    assert (found.permanent, found.agency, found.vacancies, found.caseload) == (169.7, 39.0, 27.6, 18.0)
    assert found.turnover == pytest.approx(0.187)
    assert found.told == tuple(
        f"{c}: Blackpool, 30 September 2020"
        for c in ("permanent_fte", "agency_fte", "vacancy_fte", "turnover_percent", "caseload")
    )
    assert workforce_of(BLACKPOOL) == workforce_of(BLACKPOOL, 2030) == workforce_of(BLACKPOOL, 2025)


def test_years_that_are_held_back_leave_the_last_there_is(tmp_path):
    own = row(year=2021, permanent_fte=100, agency_fte=5, vacancy_fte=8, turnover_percent=12, caseload=19)
    found = workforce_of(BLACKPOOL, 2024, read_workforce(written(tmp_path, ENGLANDS, own)))
    assert (found.permanent, found.caseload) == (100, 19)
    assert "caseload: E06000009, 30 September 2021" in found.told


@pytest.mark.parametrize("mark", ["", "c", "z", "x", "u", "low"])
def test_what_an_area_lacks_is_englands_and_told(tmp_path, mark):
    own = row(permanent_fte=100, agency_fte=mark, vacancy_fte=8, turnover_percent=mark, caseload=19)
    found = workforce_of(BLACKPOOL, 2022, read_workforce(written(tmp_path, ENGLANDS, own)))
    assert (found.agency, found.turnover, found.vacancies) == (20, 0.16, 8)
    assert [line for line in found.told if "none in the table" in line] == [
        "agency_fte: none in the table for E06000009; England's, 30 September 2022",
        "turnover_percent: none in the table for E06000009; England's, 30 September 2022",
    ]


def test_an_area_that_is_not_there_is_told_for_each_hundred():
    found, england = workforce_of("E06000008", 2025), workforce_of(ENGLAND, 2025)
    assert found.permanent == 100
    assert found.agency / 100 == pytest.approx(england.agency / england.permanent)
    assert found.vacancies / 100 == pytest.approx(england.vacancies / england.permanent)
    assert (found.turnover, found.caseload) == (england.turnover, england.caseload)
    assert "each 100 permanent workers" in found.told[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(permanent_fte="many")], "row 2, column permanent_fte"),
        ([row(permanent_fte=-1)], "no number of 0 or more"),
        ([row(year="2022-23")], "row 2, column year"),
        ([row(), row()], "year 2022 twice"),
        (["E06000009,short"], "more or fewer cells"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, rows, said):
    with pytest.raises(CareError, match=said):
        read_workforce(written(tmp_path, *rows))


def test_a_file_that_cannot_stand_in_is_told(tmp_path):
    with pytest.raises(CareError, match="England has no 'permanent_fte'"):
        workforce_of(BLACKPOOL, 2022, read_workforce(written(tmp_path, row(permanent_fte=100))))
    with pytest.raises(CareError, match="cannot be read"):
        read_workforce(tmp_path / "nothing.csv")
    with pytest.raises(CareError, match="Did you mean 'caseloads'"):
        read_workforce(written(tmp_path, columns=[c if c != "caseload" else "caseloads" for c in COLUMNS]))
