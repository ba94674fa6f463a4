"""Small files worked by hand: what becomes a figure, what is left out, and which of several releases is taken."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import polars as pl
import pytest

from abm.errors import CareError
from calibration.downloads.building import Built, Older, build, read_older, sources_beside
from calibration.downloads.cells import HIDING, MARKS
from calibration.downloads.needs import readiness, shapes_lacking
from calibration.downloads.report import report
from calibration.downloads.rules import read_rules
from calibration.downloads.writing import write
from calibration.downloads.years import year_of
from calibration.refusals import COLUMNS, SUPPRESSION_MARKS
from calibration.statistics import PUBLISHED, read_statistics
from tests.calibration.downloads.files import (
    B1,
    D3,
    PLACES,
    RATE,
    authority,
    england,
    region,
    rules,
    table,
)  # fmt: skip
from tests.calibration.downloads.files import (
    write as save,
)

NUMBERS = (50, 45, 30, 29, 20, 18, 25, 5)


def made(*paths: Path, older: Older | None = None) -> Built:
    return build(paths, older, rules())


def values(built: Built, measure: str, unit: str = "number") -> dict[tuple[str, int], float]:
    rows = built.figures.filter((pl.col("measure") == measure) & (pl.col("unit") == unit))
    return {(code, year): value for code, year, value in rows.select("area_code", "year", "value").iter_rows()}


# --- one file ---------------------------------------------------------------------------------------------------------


def test_every_cell_of_a_small_file(tmp_path: Path) -> None:
    rows = [
        england("2020", "Children in Need", 500, 450, 300, 290, 200, 180, 250, 50),
        region("2020", "Children in Need", 50, 45, 30, 29, 20, 18, 25, 5),
        authority("2020", "Children in Need", 50, "c", 30, "x", 20, "z", 25, ".."),
        authority("2021", "Children in Need", '"1,050"', 45, " 30 ", "u", 20, "low", "K", "", kind="Financial year"),
        authority("2021", "Children in Need", *NUMBERS, kind="Week 1"),
    ]
    built = made(save(tmp_path / "b1.csv", table(B1, rows)))
    figures = {
        (code, year, measure): (value, source)
        for code, year, measure, value, source in built.figures.select(
            "area_code", "year", "measure", "value", "source_id"
        ).iter_rows()
    }
    blackpool, one = "E06000009", "CIN21_B1"
    assert figures == {
        ("E92000001", 2020, "cin_episodes_any_point_in_year"): (500, one),
        ("E92000001", 2020, "cin_children_any_point_in_year"): (450, one),
        ("E92000001", 2020, "cin_episodes_started"): (300, one),
        ("E92000001", 2020, "cin_children_started"): (290, one),
        ("E92000001", 2020, "cin_episodes_ended"): (200, one),
        ("E92000001", 2020, "cin_children_ended"): (180, one),
        ("E92000001", 2020, "cin_at_31_march"): (250, one),
        ("E92000001", 2020, "cin_awaiting_assessment_at_31_march"): (50, one),
        (blackpool, 2020, "cin_episodes_any_point_in_year"): (50, one),
        (blackpool, 2020, "cin_episodes_started"): (30, one),
        (blackpool, 2020, "cin_episodes_ended"): (20, one),
        (blackpool, 2020, "cin_at_31_march"): (25, one),
        (blackpool, 2021, "cin_episodes_any_point_in_year"): (1050, one),
        (blackpool, 2021, "cin_children_any_point_in_year"): (45, one),
        (blackpool, 2021, "cin_episodes_started"): (30, one),
        (blackpool, 2021, "cin_episodes_ended"): (20, one),
    }
    assert built.left_out == (
        {
            "rows of the level 'Regional'": 8,
            "periods of the kind 'Week 1'": 8,
            "small, hidden by the publisher (c)": 1,
            "not available (x)": 1,
            "not applicable (z)": 1,
            "not available (..)": 1,
            "too unreliable to be given (u)": 1,
            "above zero, but rounds to it (low)": 1,
            "above zero, but rounds to it (k)": 1,
            "blank": 1,
        },
    )
    assert built.found[0].n_cells == 40 == len(figures) + sum(built.left_out[0].values())


def test_labels_become_breakdowns_by_their_name_in_the_table(tmp_path: Path) -> None:
    columns = f"{PLACES},old_la_code,la_name,new_la_code,cla_group,characteristic,number,percentage"
    row = "2022,Reporting year,Local authority,E92000001,England,E12000002,North West,890,Blackpool,E06000009"
    lines = [
        f"{row},Age on ceasing,Total,210,100",
        f"{row},Gender,Total  children,210,100",
        f"{row},Reason episode ceased,Special guardianship orders,31,15",
        f'{row},Reason episode ceased,"Left care to live with parents, relatives or other",k,c',
    ]
    built = made(save(tmp_path / "x.csv", "\n".join([columns, *lines])))
    told = {(name, unit): value for name, unit, value in built.figures.select("breakdown", "unit", "value").iter_rows()}
    assert told == {
        ("Age on ceasing | Total", "number"): 210,
        ("Age on ceasing | Total", "percent"): 100,
        ("Sex | Total", "number"): 210,
        ("Sex | Total", "percent"): 100,
        ("Reason episode ceased | Special guardianship order", "number"): 31,
        ("Reason episode ceased | Special guardianship order", "percent"): 15,
    }
    assert set(built.figures["source_id"]) == {"CLA22_CEASE"}


def test_a_column_by_its_older_name_and_a_label_that_is_not_declared(tmp_path: Path) -> None:
    """As the release of 2021 called them: population_count and number, "at 31 March"."""
    columns = RATE.replace("population_type", "population_count").replace("children_count", "number")
    rows = [
        authority("2021", "Children looked after at 31 March each year", 29110, 610, 210),
        authority("2021", "Children starting to be looked after each year", 29110, 181, 62),
        authority("2021", "Children missing each year", 29110, 33, 11),
    ]
    built = made(save(tmp_path / "x.csv", table(columns, rows)))
    assert values(built, "cla_at_31_march") == {("E06000009", 2021): 610}
    assert values(built, "cla_started", "rate per 10,000 children") == {("E06000009", 2021): 62}
    assert built.left_out[0] == {"of a label that is not declared (Children missing each year)": 2}


def test_times_in_years_and_months(tmp_path: Path) -> None:
    header = "time_period,geographic_level,country_code,cla_group,stage_of_adoption_process,age_start_poc,number"
    row = "2025,National,E92000001,Age"
    rows = [f"{row},6. All,Total,02:03", f"{row},6. All,Aged 1,k", f"{row},Children placed within a year,Total,2150"]
    path = save(tmp_path / "x.csv", "\n".join([header, *rows]))
    built = made(path)
    assert built.figures.select("breakdown", "value", "unit").rows() == [
        ("6. All | Total", 27.0, "months (from years:months)")
    ]
    assert built.left_out[0] == {
        "above zero, but rounds to it (k)": 1,
        "of a label that is not declared (Children placed within a year)": 1,
    }
    for time in ("02:12", "27", "2:3", "-1:01"):
        save(path, "\n".join([header, f"{row},6. All,Total,{time}"]))
        with pytest.raises(CareError, match=r"x\.csv, row 2, column number"):
            made(path)


def test_population_by_age_as_nomis_gives_it(tmp_path: Path) -> None:
    header = "DATE_NAME,GEOGRAPHY_NAME,GEOGRAPHY_CODE,GENDER_NAME,C_AGE_NAME,MEASURES_NAME,OBS_VALUE"
    rows = [
        "2023,Blackpool,E06000009,Total,Age 0,Value,1500",
        "2023,Blackpool,E06000009,Female,Age 10,Value,800",
        "2023,Blackpool,E06000009,Total,Aged 16+,Value,1",
        "2023,Blackpool,E06000009,Total,Age 0,Percent,3",
        "2023,Amber Valley,E07000032,Total,Age 0,Value,1100",
        "2023,Cardiff,W06000015,Total,Age 0,Value,3900",
        "2023,England,E92000001,Total,Age 17,Value,690000",
    ]
    built = made(save(tmp_path / "nomis.csv", "\n".join([header, *rows])))
    told = {(code, name): value for code, name, value in built.figures.select("area_code", "breakdown", "value").rows()}
    assert told == {
        ("E06000009", "Persons | age 0"): 1500,
        ("E06000009", "Female | age 10"): 800,
        ("E92000001", "Persons | age 17"): 690000,
    }
    assert set(built.figures["source_id"]) == {"ONS_MYE23"}
    assert built.left_out[0]["areas that are neither England nor an authority"] == 2
    assert sum(n for why, n in built.left_out[0].items() if "not declared" in why) == 2


def test_rows_without_an_area_of_the_table_are_counted(tmp_path: Path) -> None:
    rows = [
        authority("2020", "x", *NUMBERS),
        authority("2020", "x", *NUMBERS, code="", name="Unknown"),
        authority("2020", "x", *NUMBERS, code="z", name="z"),
        authority("2020", "x", *NUMBERS, code="E06000061 / E06000062", name="North / West Northamptonshire"),
        england("2020", "x", *NUMBERS).replace("E92000001", "K02000001"),
        authority("2020", "x", *NUMBERS).replace("Local authority", "Parliamentary constituency"),
    ]
    built = made(save(tmp_path / "x.csv", table(B1, rows)))
    assert built.left_out[0] == {
        "rows without a code of an area": 16,
        "rows of two authorities together": 8,
        "rows of another country than England": 8,
        "rows of the level 'Parliamentary constituency'": 8,
    }
    assert built.figures.height == 8


@pytest.mark.parametrize(
    ("text", "kind", "stands_for", "year"),
    [
        ("2020", "Reporting year", "31 March", 2020),
        ("201920", "Financial year", "31 March", 2020),
        ("2019-20", "", "31 March", 2020),
        ("2019/20", "", "31 March", 2020),
        ("1999-00", "", "31 March", 2000),
        ("2019-2020", "", "31 March", 2020),
        ("31 March 2020", "", "31 March", 2020),
        ("Year ending 31 March 2020", "", "31 March", 2020),
        ("31 mar 2020", "", "31 March", 2020),
        ("31/03/2020", "", "31 March", 2020),
        ("2020-03-31", "", "31 March", 2020),
        ("2020-03-31 00:00:00", "", "31 March", 2020),
        ("2024", "Calendar year", "30 June", 2024),
        ("30 June 2024", "", "30 June", 2024),
        ("mid-2024", "", "30 June", 2024),
        ("30/09/2025", "", "30 September", 2025),
        ("201921", "Financial year", "31 March", None),
        ("2019-2021", "", "31 March", None),
        ("202425", "", "30 June", None),
        ("30 June 2024", "", "31 March", None),
        ("20", "", "31 March", None),
        ("1820", "", "31 March", None),
        ("Blackpool", "", "31 March", None),
        ("", "", "31 March", None),
        ("2020", "Calendar year", "31 March", "periods of the kind 'Calendar year'"),
        ("202021", "Academic year", "31 March", "periods of the kind 'Academic year'"),
        ("2020", "January", "31 March", "periods of the kind 'January'"),
    ],
)
def test_years(text: str, kind: str, stands_for: str, year: int | str | None) -> None:
    assert year_of(text, kind, stands_for) == year


def test_the_same_year_in_two_forms_is_one_figure_twice(tmp_path: Path) -> None:
    rows = [authority("2020", "x", *NUMBERS), authority("201920", "x", *NUMBERS, kind="Financial year")]
    with pytest.raises(CareError, match=r"E06000009 in 2020 is there twice .*rows 2 and 3, column Anypoint_episodes"):
        made(save(tmp_path / "x.csv", table(B1, rows)))


# --- how files come ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["bom", "gz", "zip", "folder", "semicolon", "tab", "wide", "crlf", "capitals"])
def test_the_same_file_in_other_clothes(how: str, tmp_path: Path) -> None:
    text = table(B1, [england("2020", "x", *NUMBERS), authority("2020", "x", *NUMBERS)])
    plain = made(save(tmp_path / "plain.csv", text)).figures
    path = tmp_path / "dressed.csv"
    if how == "bom":
        save(path, b"\xef\xbb\xbf" + text.encode())
    elif how == "gz":
        path = save(tmp_path / "dressed.csv.gz", gzip.compress(text.encode()))
    elif how == "zip":
        path = tmp_path / "release.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data/b1.csv", text)
            archive.writestr("data-guidance/data-guidance.txt", "Description")
    elif how == "folder":
        path = save(tmp_path / "folder" / "b1.csv", text).parent
    elif how == "wide":
        save(path, "".join(f"{line},,\n" for line in text.splitlines()) + ",,\n\n")
    elif how == "capitals":
        header, rest = text.split("\n", 1)
        save(path, header.upper().replace("_", " ") + "\n" + rest)
    else:
        save(path, text.replace(",", {"semicolon": ";", "tab": "\t"}.get(how, ",")).replace("\n", "\r\n"))
    assert made(path).figures.equals(plain)


def test_one_file_twice_is_read_once(tmp_path: Path) -> None:
    text = table(B1, [authority("2020", "x", *NUMBERS)])
    built = made(save(tmp_path / "a.csv", text), save(tmp_path / "b.csv", text))
    assert built.twice == (str(tmp_path / "b.csv"),)
    assert len(built.found) == 1


def test_a_file_that_is_not_declared_is_listed_beside_others(tmp_path: Path) -> None:
    known = save(tmp_path / "b1.csv", table(B1, [authority("2020", "x", *NUMBERS)]))
    other = save(tmp_path / "d3_cpp_subsequent_plan_2026.csv", "file,what\na,b\n")
    built = made(known, other)
    assert [(one.name, one.why) for one in built.unknown] == [(str(other), "Did you mean 'd3_cpps_subsequent_plan'?")]
    told = report(built, readiness(built.statistics(tmp_path / "t.csv")), tmp_path / "t.csv")
    assert "d3_cpp_subsequent_plan_2026.csv: Did you mean 'd3_cpps_subsequent_plan'?" in told
    with pytest.raises(CareError, match="No file is one whose columns are declared"):
        made(other)


def test_a_new_column_is_told(tmp_path: Path) -> None:
    built = made(save(tmp_path / "b1.csv", table(f"{B1},Paused", [authority("2020", "x", *NUMBERS, 4)])))
    told = report(built, readiness(built.statistics(tmp_path / "t.csv")), tmp_path / "t.csv", whole=False)
    assert "b1.csv: Paused (not declared)" in told


def test_a_label_that_changed_is_told_with_what_it_may_be(tmp_path: Path) -> None:
    columns = f"{PLACES},old_la_code,la_name,new_la_code,cla_group,characteristic,number,percentage"
    row = "2023,Reporting year,Local authority,E92000001,England,E12000002,North West,890,Blackpool,E06000009"
    lines = [f"{row},Age on ceasing,Total,210,100", f"{row},Reason episode ceased,Adopted (new code),12,6"]
    built = made(save(tmp_path / "x.csv", "\n".join([columns, *lines])))
    told = report(built, readiness(built.statistics(tmp_path / "t.csv")), tmp_path / "t.csv")
    assert (
        "cla_ceased_by of 2023, 'Reason episode ceased | Adopted'. "
        "Did you mean 'Reason episode ceased | Adopted (new code)'?" in told
    )


# --- several releases -------------------------------------------------------------------------------------------------


def started(year: str, *cells: object) -> str:
    return authority(year, "x", *cells)


def test_the_newest_release_that_holds_a_figure_is_taken(tmp_path: Path) -> None:
    """2019: only the older. 2020: revised. 2021: hidden in the newer. 2022: not available in the newer."""
    older = [
        started("2019", 190, 9, 5), started("2020", 200, 8, 4), started("2021", 210, 7, 3), started("2022", 220, 6, 3),
    ]  # fmt: skip
    newer = [
        started("2020", 201, 8, 4), started("2021", "c", 7, 3), started("2022", "x", 6, 3), started("2023", 230, 5, 2),
    ]  # fmt: skip
    paths = [save(tmp_path / "a.csv", table(D3, older)), save(tmp_path / "b.csv", table(D3, newer))]
    for order in (paths, paths[::-1]):
        built = made(*order)
        code = "E06000009"
        wanted = {(code, 2019): 190, (code, 2020): 201, (code, 2022): 220, (code, 2023): 230}
        assert values(built, "cpp_started") == wanted
        sources = built.figures.filter(pl.col("measure") == "cpp_started").select("year", "source_id").rows()
        assert sources == [(2019, "CIN22_D3"), (2020, "CIN23_D3"), (2022, "CIN22_D3"), (2023, "CIN23_D3")]
        first = built.left_out[0] if order == paths else built.left_out[1]
        assert first == {
            "revised in a newer or other file": 1,
            "shown here, hidden in the newest release": 1,
            "the same in a newer or other file": 6,
        }
        (revision,) = built.revisions
        assert (revision.newer, revision.older, revision.both, revision.different) == ("CIN23_D3", "CIN22_D3", 7, 1)
        assert revision.largest == pytest.approx(0.5)
        for one, taken, whys in zip(built.found, built.taken, built.left_out, strict=True):
            assert one.n_cells == taken + sum(whys.values())


def test_two_files_of_one_release_that_differ_are_refused(tmp_path: Path) -> None:
    first = save(tmp_path / "a.csv", table(D3, [started("2020", 200, 8, 4)]))
    second = save(tmp_path / "b.csv", table(D3, [started("2020", 201, 8, 4)]))
    with pytest.raises(
        CareError, match=r"release of 2020 .*differ .*a\.csv, row 2, and .*b\.csv, row 2, column CPP_st"
    ):
        made(first, second)
    same = save(tmp_path / "c.csv", table(D3, [started("2020", 200, 8, 4), started("2019", 190, 9, 5)]))
    assert values(made(first, same), "cpp_started") == {("E06000009", 2020): 200, ("E06000009", 2019): 190}


def test_the_newest_name_of_an_area_is_taken(tmp_path: Path) -> None:
    older = [authority("2019", "x", 190, 9, 5, name="Blackpool Borough")]
    newer = [authority("2020", "x", 200, 8, 4, name="=HYPERLINK(1)")]
    built = made(save(tmp_path / "a.csv", table(D3, older)), save(tmp_path / "b.csv", table(D3, newer)))
    assert set(built.figures["area_name"]) == {"'=HYPERLINK(1)"}


def test_names_and_labels_steer_no_terminal_and_are_no_formula(tmp_path: Path) -> None:
    columns = f"{PLACES},old_la_code,la_name,new_la_code,cla_group,characteristic,number,percentage"
    row = "2023,Reporting year,\x1b[31mCity\x07,E92000001,England,,,1,x,E06000009"
    local = '2023,Reporting year,Local authority,E92000001,England,,,1,"Black\x1b[2Jpool\n@x",E06000009'
    lines = [f"{row},Age on ceasing,Total,1,1", f"{local},Age on ceasing,Total,1,1", f"{local},=1+1,\x1b]0;,1,1"]
    built = made(save(tmp_path / "x.csv", "\n".join([columns, *lines])))
    assert built.figures["area_name"].unique().to_list() == ["Black [2Jpool @x"]
    assert sorted(built.figures["breakdown"].unique()) == ["'=1+1 | ]0;", "Age on ceasing | Total"]
    told = report(built, readiness(built.statistics(tmp_path / "t.csv")), tmp_path / "t.csv")
    assert all(c.isprintable() or c == "\n" for c in told)
    assert "rows of the level ' [31mCity '" in told


def test_more_children_than_live_there_is_refused_at_the_cell(tmp_path: Path) -> None:
    ages = table("age_group,population_estimate", [authority("2020", "Children aged 0 to 17 years", 28000)])
    plans = table(D3, [started("2020", 190, 9, 5), started("2021", 28001, 9, 5)])
    paths = save(tmp_path / "p.csv", ages), save(tmp_path / "d3.csv", plans)
    with pytest.raises(CareError, match=r"28001.*more than all children .*d3\.csv, row 3, column CPP_start"):
        made(*paths)


# --- on top of an older table -----------------------------------------------------------------------------------------


def older_table(folder: Path, *rows: str, publications: str | None = None) -> Older:
    path = save(folder / "old.csv", "\n".join([",".join(COLUMNS), *rows]) + "\n")
    header = "source_id,publication,publisher,date,url_or_repo,licence\n"
    if publications is not None:
        save(sources_beside(path), header + publications)
    return read_older(path)


def test_an_older_table_keeps_what_no_file_renews(tmp_path: Path) -> None:
    blackpool = "E06000009,Blackpool"
    older = older_table(
        tmp_path,
        f"{blackpool},2019,cpp_started,total,191,number,OLD",
        f"{blackpool},2021,cpp_started,total,212,number,NEW",
        f"{blackpool},2021,births,total,1500,live births,UNTOLD",
        publications='OLD,"Plans, reporting year 2019",DfE,2019,,OGL\nNEW,"Plans, reporting year 2024",DfE,2024,,OGL\n',
    )
    assert [older.release(name) for name in ("OLD", "NEW", "UNTOLD")] == [2019, 2024, 0]
    rows = [started("2019", 190, 9, 5), started("2021", 210, 7, 3), started("2022", 220, 6, 3)]
    built = made(save(tmp_path / "d3.csv", table(D3, rows)), older=older)
    code = "E06000009"
    assert values(built, "cpp_started") == {(code, 2019): 190, (code, 2021): 212, (code, 2022): 220}
    assert values(built, "births", "live births") == {(code, 2021): 1500}
    assert built.left_out[1] == {"revised in a newer or other file": 1}
    assert [row["source_id"] for row in built.publications] == ["CIN22_D3", "NEW", "UNTOLD"]
    assert built.publications[2]["publication"] == "not described"


def test_an_older_table_with_a_newer_release_is_not_added_to(tmp_path: Path) -> None:
    """What the table lacks of a group of which it has a newer release was hidden there; another year is free."""
    columns = f"{PLACES},old_la_code,la_name,new_la_code,cla_group,characteristic,number,percentage"
    row = "Reporting year,Local authority,E92000001,England,E12000002,North West,890,Blackpool,E06000009"
    lines = [
        f"{year},{row},{group},{n},10"
        for year in (2022, 2023)
        for group, n in (("Age on ceasing,Total", 210), ("Age on ceasing,17 years", 9), ("Gender,Male", 99))
    ]
    older = older_table(
        tmp_path,
        "E06000009,Blackpool,2023,cla_ceased_by,Age on ceasing | Total,211,number,NEW",
        publications='NEW,"Ceased, reporting year 2025",DfE,2025,,OGL\n',
    )
    built = made(save(tmp_path / "x.csv", "\n".join([columns, *lines])), older=older)
    counts = built.figures.filter(pl.col("unit") == "number").select("breakdown", "year", "value").rows()
    assert sorted(counts) == [
        ("Age on ceasing | 17 years", 2022, 9.0),
        ("Age on ceasing | Total", 2022, 210.0),
        ("Age on ceasing | Total", 2023, 211.0),
        ("Sex | Male", 2022, 99.0),
        ("Sex | Male", 2023, 99.0),
    ]
    assert built.left_out[0]["not in the older table, which has a newer release of that year"] == 3


def test_what_an_older_table_has_of_an_older_release_stays(tmp_path: Path) -> None:
    """The table holds 17 years from 2023 and the total from 2025: the file of 2023 takes neither away."""
    columns = f"{PLACES},old_la_code,la_name,new_la_code,cla_group,characteristic,number,percentage"
    row = "Reporting year,Local authority,E92000001,England,E12000002,North West,890,Blackpool,E06000009"
    lines = [f"2023,{row},Age on ceasing,Total,210,c", f"2023,{row},Age on ceasing,17 years,9,c"]
    older = older_table(
        tmp_path,
        "E06000009,Blackpool,2023,cla_ceased_by,Age on ceasing | Total,211,number,NEW",
        "E06000009,Blackpool,2023,cla_ceased_by,Age on ceasing | 17 years,9,number,OLD",
        publications='NEW,"Reporting year, reporting year 2025",,,,\nOLD,"Ceased, reporting year 2023",,,,\n',
    )
    built = made(save(tmp_path / "x.csv", "\n".join([columns, *lines])), older=older)
    assert sorted(built.figures["value"]) == [9, 211]
    assert built.taken == (1, 1)


def test_one_source_of_several_files_cites_them_all(tmp_path: Path) -> None:
    ages = "age_group,population_estimate"
    rows = [authority(year, "Children aged 0 to 17 years", 28000) for year in ("2023", "2024")]
    built = made(*(save(tmp_path / f"{n}.csv", table(ages, [row])) for n, row in enumerate(rows)))
    (cited,) = built.publications
    assert cited["source_id"] == "ONS_MYE_DFE"
    assert all(f"reporting year {year}: file {n}.csv" in cited["publication"] for n, year in ((0, 2023), (1, 2024)))
    assert cited["url_or_repo"].count("SHA-256") == 2


def test_publications_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    table_ = save(tmp_path / "old.csv", ",".join(COLUMNS) + "\nE06000009,Blackpool,2019,cpp_started,total,1,number,A\n")
    save(sources_beside(table_), "name,publication\nA,b\n")
    with pytest.raises(CareError, match=r"no column 'source_id' .*old_sources\.csv"):
        read_older(table_)


# --- what a fit needs -------------------------------------------------------------------------------------------------


def test_the_projects_table_has_all_that_fits_need() -> None:
    ready = readiness(read_statistics())
    assert [area.name for area in ready.ready] == ["Stockton-on-Tees", "Blackpool", "North Tyneside", "Derbyshire"]
    assert ready.lacking == ()
    assert ready.shapes == ()


@pytest.mark.parametrize(
    ("measure", "years", "what"),
    [
        ("population_single_year_of_age", range(1900, 2100), "children by single year of age, of any year"),
        ("cla_at_31_march", (2020,), "looked after at 31 March 2020"),
        ("cpp_started", range(2020, 2030), "'cpp_started' of any year from 2020"),
    ],
)
def test_what_is_lacking_is_told_and_the_fit_refuses_it(measure: str, years: range, what: str, tmp_path: Path) -> None:
    """The list of needs is true: without what is listed as needed, the fit says no."""
    from calibration.fit import fit_area

    path = tmp_path / "less.csv"
    gone = (pl.col("area_code") == "E06000009") & (pl.col("measure") == measure) & pl.col("year").is_in(list(years))
    read_statistics().frame.filter(~gone).write_csv(path)
    less = read_statistics(path)
    ready = readiness(less)
    assert [area.name for area in ready.ready] == ["Stockton-on-Tees", "North Tyneside", "Derbyshire"]
    assert [(need.what, [area.name for area in areas]) for need, areas in ready.lacking] == [(what, ["Blackpool"])]
    with pytest.raises(CareError):
        fit_area(less, less.area("Blackpool"))


def test_shapes_of_england_that_are_lacking_are_told(tmp_path: Path) -> None:
    path = tmp_path / "less.csv"
    gone = pl.col("measure").str.starts_with("lait: Children in Need, by duration") | (
        pl.col("measure") == "national_cla_started_by"
    )
    read_statistics().frame.filter(~gone).write_csv(path)
    wanted = ("lait: Children in Need, by duration (...)", "national_cla_started_by")
    assert shapes_lacking(read_statistics(path)) == wanted


# --- declarations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('key = "b4"', 'key = "b1"', "the key 'b1' is there twice"),
        ('known_by = ["CPP_start", "CPP_subsequent"]', 'known_bye = ["CPP_start"]', "Field required"),
        ('layout = "nomis"', 'layout = "nomad"', "'ees' or 'nomis'"),
        ('".*_rate" = "rates', '"*_rate" = "rates', "no regular expression"),
        ("[defaults]", "[defaults", "not TOML"),
        ('measure = "cin_ended_by_closure_reason"\n', "", "has no measure"),
        ("year = 2014", 'year = "early"', "valid integer"),
    ],
)
def test_a_declaration_with_a_slip_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (PUBLISHED / "downloads.toml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(CareError, match=said) as caught:
        read_rules(save(tmp_path / "d.toml", text.replace(old, new)))
    assert "d.toml" in str(caught.value)


def test_declarations_can_be_extended(tmp_path: Path) -> None:
    text = (PUBLISHED / "downloads.toml").read_text(encoding="utf-8") + (
        '\n[[file]]\nkey = "e1"\nname = "e1_new"\ntitle = "New"\nsource = "NEW{yy}"\npage = ""\nseen = [2026]\n'
        'known_by = ["hubs"]\nfigures = [{ column = "hubs", measure = "family_hubs" }]\n'
    )
    more = read_rules(save(tmp_path / "d.toml", text))
    built = build([save(tmp_path / "e1.csv", table("hubs", [authority("2026", 7)]))], rules=more)
    assert built.figures.rows() == [("E06000009", "Blackpool", 2026, "family_hubs", "total", 7.0, "number", "NEW26")]


def test_columns_of_a_file_may_have_any_name(tmp_path: Path) -> None:
    """Names that we use ourselves for what is worked out do no harm."""
    names = ("value", "mark", "row", "year", "measure", "unit", "column", "file", "release", "why", "period")
    figures = ", ".join(f'{{ column = "{name}", measure = "m_{name}" }}' for name in names)
    text = (PUBLISHED / "downloads.toml").read_text(encoding="utf-8") + (
        '\n[[file]]\nkey = "e1"\nname = "e1"\ntitle = "E1"\nsource = "E{yy}"\npage = ""\nseen = [2026]\n'
        f'known_by = ["mark", "release"]\nfigures = [{figures}]\n'
    )
    more = read_rules(save(tmp_path / "d.toml", text))
    path = save(tmp_path / "e1.csv", table(",".join(names), [authority("2026", *range(len(names)))]))
    found = build([path], rules=more).figures
    assert dict(found.select("measure", "value").rows()) == {f"m_{name}": n for n, name in enumerate(names)}
    save(path, table(",".join(names), [authority("2026", "many", *names[1:])]))
    with pytest.raises(CareError, match=r"'many' is neither .*row 2, column value"):
        build([path], rules=more)


def test_marks_are_those_that_a_table_of_figures_may_not_have() -> None:
    assert set(MARKS) == SUPPRESSION_MARKS
    assert set(HIDING) <= set(MARKS)


def test_which_measures_of_the_projects_table_no_declared_file_has() -> None:
    made_of = {figure.measure or rule.measure for rule in rules().file for figure in rule.figures}
    by_other_means = {"births", "referrals_by_source"}
    measures = {name for name in read_statistics().measures() if not name.startswith("lait: ")}
    assert measures - made_of == by_other_means


def test_nothing_is_written_when_writing_fails(tmp_path: Path) -> None:
    built = made(save(tmp_path / "b1.csv", table(B1, [authority("2020", "x", *NUMBERS)])))
    save(tmp_path / "file", "x")
    with pytest.raises(CareError, match="cannot be written"):
        write(built, tmp_path / "file" / "t.csv", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b1.csv", "file"]
