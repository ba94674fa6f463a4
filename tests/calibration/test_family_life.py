"""The table of what families do: as shipped, edited, and refused with row and column."""

import pytest

from abm.errors import CareError
from abm.family_life import FamilyLife
from abm.family_tables import family_tables
from abm.journey import JOURNEY
from calibration.family_life import SHIPPED, read_family_life, read_family_values


def test_the_shipped_table_is_whole_and_marked():
    values = read_family_values()
    assert all(value.status == "assumed" and value.low < value.high and value.source for value in values.values())
    life = read_family_life()
    tables = family_tables(life, JOURNEY)
    assert tables.join.any()
    assert tables.born_into.any()
    assert life.shares[0] == pytest.approx(1 / (1 + 0.1 / 0.6 * (1 + 0.25 / 1.5)))
    # Families of looked-after children are more often in crisis than those that are known, and those than all.
    crisis = [life.shares_where(stage)[2] for stage in ("home", "plan", "care")]
    assert crisis[0] < crisis[1] < crisis[2] < 0.5


def edited(tmp_path, old, new):
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "families.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_an_edited_table_is_read(tmp_path):
    path = edited(tmp_path, "together,was_referred,0.5", "together,was_referred,0.7")
    assert read_family_life(path).together["was_referred"] == 0.7
    header, *rows = SHIPPED.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *(row for row in rows if row.startswith("kin"))]), encoding="utf-8")
    assert read_family_life(path) == FamilyLife(kin=0.4, kin_weight=read_family_life().kin_weight)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("together,was_referred", "togther,was_referred", r"row 2, column kind.*Did you mean 'together'"),
        ("together,was_referred", "together,was_refered", r"row 2, column key.*Did you mean 'was_referred'"),
        ("together,was_referred,0.5", "together,was_referred,half", r"'half' is not a number .*row 2, column value"),
        ("together,was_referred,0.5", "together,was_referred,0.9", r"plausible range 0\.2 to 0\.8 .*row 2"),
        ("together,was_referred,0.5", "together,was_referred,nan", r"plausible range .*row 2"),
        ("together,enquiry_began", "together,was_referred", r"'was_referred' is there twice as together"),
        ("together,enquiry_began", "together,moved_away", r"'moved_away' does not happen by a weekly chance"),
        ("together,enquiry_began", "together,assessment_began", r"see 'follows'"),
        (
            "in_crisis,came_into_care",
            "in_crisis,was_adopted",
            r"'came_into_care' is there as strained, not as in_crisis",
        ),
        ("follows,referred", "follows,at_home", r"The state 'at_home' is not left at once"),
        ("helping,in_need,1", "helping,in_need,0.5", r"'in_need' is 0\.5 as helping"),
        ("kin_weight,went_to_live_with_kin,5,2", "kin_weight,moved_away,5,2", r"happens on a planned date"),
        ("kind,key,value", "kind,key,number", r"no column 'value'"),
        ("born_into,protected", "born_into,protect", r"Did you mean 'protected'"),
        (",assumed,", ",guessed,", r"status 'guessed'.*row 2"),
    ],
)
def test_what_is_wrong_is_told_with_row_and_column(tmp_path, old, new, words):
    with pytest.raises(CareError, match=words):
        read_family_life(edited(tmp_path, old, new))


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CareError, match="cannot be read"):
        read_family_life(tmp_path / "x")
    with pytest.raises(CareError, match="cannot be read"):
        read_family_life(tmp_path / "nowhere")
    (tmp_path / "empty").write_text("kind,key,value,low,high,unit,status,source,note\n", encoding="utf-8")
    with pytest.raises(CareError, match="is empty"):
        read_family_life(tmp_path / "empty")
