"""The book of rates: products of factors worked by hand, a round trip through a file, and every refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.parameters import STATUSES, Value
from abm.pathway import N_GROUPS, UNACCOMPANIED_GROUP, Journey, group_of
from calibration.rates import COLUMNS, FIRST_RATES, NATIONAL_RATES, RateBook, read_rates, write_rates
from tests.abm.toys import THREE, moves, state

TOY = Journey(
    (
        state("at_home", bands=(0, 13)),
        state("asked", "front_door", at_once=True),
        state("helped", "plan", bands=(0, 4, 8)),
    ),
    (
        moves("was_asked", "at_home helped", "asked"),
        moves("help_began", "asked", "helped"),
        moves("was_sent_home", "asked", "at_home"),
        moves("help_ended", "helped", "at_home"),
    ),
)
FROM_HOME, FROM_HELP, BEGAN, SENT, ENDED = (
    TOY.edge(*names)
    for names in (
        ("was_asked", "at_home"),
        ("was_asked", "helped"),
        ("help_began", "asked"),
        ("was_sent_home", "asked"),
        ("help_ended", "helped"),
    )
)


def book_file(folder: Path, *rows: str, header: str = ",".join(COLUMNS)) -> Path:
    """A file with these rows: transition, state, factor, key, value; the rest is filled in."""
    path = folder / "rates.csv"
    lines = [row if row.count(",") > 4 else f"{row},0,1000,assumed,a test" for row in rows]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def book_of(folder: Path, *rows: str) -> RateBook:
    return read_rates(TOY, book_file(folder, *rows))


# --- products ---------------------------------------------------------------------------------------------------------


def test_a_rate_is_the_product_of_its_factors(tmp_path):
    rates = book_of(
        tmp_path,
        "was_asked,,level,,0.5",
        "was_asked,,age,10-15,2",
        "was_asked,,risk,high,10",
        "was_asked,,history,referred before,3",
        "was_asked,,band,0,1.5",
    ).rates()
    assert rates.shape == (5, N_GROUPS, 3)
    for edge in (FROM_HOME, FROM_HELP):
        assert rates[edge, group_of(3, 3, 1), 0] == pytest.approx(0.5 * 2 * 10 * 3 * 1.5)
        assert rates[edge, group_of(3, 3, 1), 1] == pytest.approx(0.5 * 2 * 10 * 3)
        assert rates[edge, group_of(3, 3, 0), 1] == pytest.approx(0.5 * 2 * 10)
        assert rates[edge, group_of(3, 2, 0), 1] == pytest.approx(0.5 * 2)
        assert rates[edge, group_of(2, 2, 0), 1] == pytest.approx(0.5)
    assert not rates[ENDED].any()


@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_every_rate_is_the_product_that_the_book_says(age, risk, history, band, seed):
    rng = np.random.default_rng(seed)
    sizes = {
        "level": (),
        "age": (5,),
        "risk": (4,),
        "history": (3,),
        "band": (3,),
        "since_closure": (3,),
        "since_birth": (3,),
        "unaccompanied": (2,),
    }
    book = RateBook(**{name: rng.uniform(0, 3, (2, *size)) for name, size in sizes.items()})
    since = book.since_closure if history else book.since_birth
    for edge in (0, 1):
        expected = (
            book.level[edge]
            * book.age[edge, age]
            * book.risk[edge, risk]
            * book.history[edge, history]
            * book.band[edge, band]
            * since[edge, band]
        )
        assert book.rates()[edge, group_of(age, risk, history), band] == pytest.approx(expected)
        for old in (0, 1):
            alone = book.unaccompanied[edge, old] * book.band[edge, band]
            assert book.rates()[edge, UNACCOMPANIED_GROUP + old, band] == pytest.approx(alone)


def test_time_since_closure_counts_for_children_known_before_and_since_birth_for_others(tmp_path):
    rates = book_of(
        tmp_path,
        "was_asked,at_home,level,,1",
        "was_asked,at_home,since_closure,0,5",
        "was_asked,at_home,since_birth,13,0.5",
    ).rates()[FROM_HOME]
    assert [rates[group_of(0, 0, history), 0] for history in range(3)] == [1, 5, 5]
    assert [rates[group_of(0, 0, history), 1] for history in range(3)] == [0.5, 1, 1]
    assert not rates[UNACCOMPANIED_GROUP:].any()


def test_unaccompanied_children_have_rates_of_their_own(tmp_path):
    rates = book_of(
        tmp_path,
        "help_ended,,level,,7",
        "help_ended,,band,4,3",
        "help_ended,,unaccompanied,,2",
        "was_asked,,level,,9",
        "help_began,,unaccompanied,16-17,0.4",
        "was_sent_home,,unaccompanied,under 16,0.6",
    ).rates()[:, UNACCOMPANIED_GROUP:]
    assert rates[ENDED].tolist() == [[2, 6, 2], [2, 6, 2]]
    # Without a row of its own nothing happens to them.
    assert not rates[FROM_HOME].any()
    assert rates[BEGAN, :, 0].tolist() == [0, 0.4]
    assert rates[SENT, :, 0].tolist() == [0.6, 0]


def test_a_row_for_a_state_beats_one_for_all_in_either_order(tmp_path):
    general, own = "was_asked,,level,,1", "was_asked,helped,level,,4"
    for rows in ((general, own), (own, general)):
        book = book_of(tmp_path, *rows)
        assert (book.level[FROM_HOME], book.level[FROM_HELP]) == (1, 4)


def test_a_certain_hazard_stays_certain_and_never_becomes_a_number_that_is_none(tmp_path):
    path = book_file(tmp_path, "help_ended,,level,,inf,0,inf,assumed,a test", "help_ended,,age,0,0")
    rates = read_rates(TOY, path).rates()[ENDED]
    assert np.isinf(rates[group_of(1, 0, 0)]).all()
    assert (rates[group_of(0, 0, 0)] == 0).all()


def test_values_tell_what_was_declared(tmp_path):
    values = {
        v.key: v
        for v in book_of(tmp_path, "was_asked,,level,,1", "was_asked,helped,band,4,2", "help_began,,level,,3").values
    }
    assert values["was_asked/level"] == Value("was_asked/level", 1, "per year", 0, 1000, "assumed", "a test")
    assert values["was_asked/helped/band/4"].unit == "ratio"
    assert values["help_began/level"].unit == "weight"


def test_a_book_is_scaled_without_touching_the_first(tmp_path):
    book = book_of(tmp_path, "was_asked,,level,,2", "help_ended,,level,,3")
    more = book.scaled([FROM_HOME], 10.0).scaled([FROM_HOME, ENDED], np.array([[1.0, 2.0, 3.0]]), "band")
    assert book.level[[FROM_HOME, FROM_HELP, ENDED]].tolist() == [2, 2, 3]
    assert more.level[[FROM_HOME, FROM_HELP, ENDED]].tolist() == [20, 2, 3]
    assert more.band[ENDED].tolist() == [1, 2, 3]
    assert more.band[FROM_HELP].tolist() == [1, 1, 1]


# --- files ------------------------------------------------------------------------------------------------------------


def same_rates(journey: Journey, one: RateBook, other: RateBook) -> None:
    """The bands that a state does not have are never read, so they are not written."""
    used = np.arange(journey.tables.max_bands) < journey.tables.n_bands[journey.tables.source][:, None]
    before, after = (book.rates().transpose(0, 2, 1)[used] for book in (one, other))
    np.testing.assert_allclose(after, before, rtol=5e-6)


@pytest.mark.parametrize("path", [FIRST_RATES, NATIONAL_RATES], ids=lambda path: path.stem)
def test_what_is_written_is_read_back_to_six_digits(path, tmp_path):
    book = read_rates(JOURNEY, path)
    changed = book.scaled(JOURNEY.edges_of("came_into_care", "was_referred"), 1.2345678)
    changed = changed.scaled(JOURNEY.edges_of("was_adopted"), 2.0, "age")
    changed = changed.scaled(JOURNEY.edges_of("moved_to_supported_accommodation"), 1.5, "unaccompanied")
    write_rates(JOURNEY, changed, tmp_path / "again.csv", "fitted", "a test")
    again = read_rates(JOURNEY, tmp_path / "again.csv")
    same_rates(JOURNEY, changed, again)
    assert list(tmp_path.iterdir()) == [tmp_path / "again.csv"]


def test_what_was_not_changed_keeps_its_status_and_source(tmp_path):
    book = read_rates(JOURNEY)
    write_rates(JOURNEY, book.scaled(JOURNEY.edges_of("was_adopted"), 3.0), tmp_path / "again.csv", "fitted", "a test")
    before, after = ({v.key: v for v in b.values} for b in (book, read_rates(JOURNEY, tmp_path / "again.csv")))
    changed = [key for key in before if after[key] != before[key]]
    assert changed == ["was_adopted/placed_for_adoption/level"]
    told = after[changed[0]]
    assert (told.status, told.source) == ("fitted", "a test")
    assert (told.low, told.high) == (pytest.approx(told.value / 2, rel=1e-3), pytest.approx(told.value * 2, rel=1e-3))


@given(st.lists(st.floats(0, 1e4), min_size=3, max_size=3).map(sorted), st.booleans())
def test_every_number_that_can_be_declared_can_be_written_and_read(tmp_path_factory, numbers, changed):
    folder = tmp_path_factory.mktemp("rates", numbered=True)
    low, value, high = numbers
    row = f"help_ended,,level,,{value!r},{low!r},{high!r},assumed,a test"
    book = read_rates(TOY, book_file(folder, row))
    if changed:
        book = replace(book, level=book.level * 1.000001)
    write_rates(TOY, book, folder / "again.csv", "fitted", "a test")
    again = read_rates(TOY, folder / "again.csv")
    assert again.level.tolist() == pytest.approx(book.level.tolist(), rel=5e-6, abs=0)


def test_what_is_as_usual_is_not_written(tmp_path):
    book = book_of(tmp_path, "was_asked,,level,,2")
    write_rates(TOY, book, tmp_path / "again.csv", "fitted", "a test")
    lines = (tmp_path / "again.csv").read_text().splitlines()
    assert lines == [
        ",".join(COLUMNS),
        "was_asked,at_home,level,,2,0,1000,assumed,a test",
        "was_asked,helped,level,,2,0,1000,assumed,a test",
    ]


@pytest.mark.parametrize("path", [FIRST_RATES, NATIONAL_RATES], ids=lambda path: path.stem)
def test_every_declared_number_has_a_range_a_status_and_a_source(path):
    values = read_rates(JOURNEY, path).values
    assert len(values) > 1000
    for value in values:
        assert value.status in STATUSES
        assert len(value.source) > 10
        assert value.low <= value.value <= value.high
        assert value.low < value.high or value.value == 0 or value.status != "assumed", value.key


def test_every_edge_that_needs_a_rate_has_one():
    """A transition forgotten in the rates would never happen."""
    book, tables = read_rates(JOURNEY), JOURNEY.tables
    never = [e for e in range(tables.n_edges) if tables.weekly[e] or tables.outcome[e] if not book.rates()[e].any()]
    assert [JOURNEY.transitions[tables.transition[e]].key for e in never] == []


# --- refusals ---------------------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(CareError) as refusal:
        read_rates(TOY, path)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "was_aksed,,level,,1",
            "'was_aksed' is not a transition of abm/journey.py (rates.csv, row 3). Did you mean 'was_asked'?",
        ),
        ("zzz,,level,,1", "'zzz' is not a transition of abm/journey.py (rates.csv, row 3). Declare it"),
        (
            "was_asked,at_hmoe,level,,1",
            "'at_hmoe' is not a state of abm/journey.py (rates.csv, row 3). Did you mean 'at_home'?",
        ),
        ("was_asked,zzz,level,,1", "'zzz' is not a state of abm/journey.py (rates.csv, row 3). Declare it"),
        (
            "help_ended,at_home,level,,1",
            "'help_ended' does not leave the state 'at_home' (rates.csv, row 3). It leaves: helped",
        ),
        (
            "was_asked,,levle,,1",
            "'levle' is not a factor (rates.csv, row 3). Did you mean 'level'? "
            "Use: level, unaccompanied, age, risk, history, band, since_closure, since_birth",
        ),
        ("was_asked,,age,10-16,1", "'10-16' is not a key of 'age' (rates.csv, row 3). Keys: 0, 1-4, 5-9, 10-15, 16-17"),
        (
            "was_asked,,risk,middling,1",
            "'middling' is not a key of 'risk' (rates.csv, row 3). Keys: low, moderate, raised, high",
        ),
        ("was_asked,helped,band,13,1", "'13' is not a key of 'band' (rates.csv, row 3). Keys: 0, 4, 8"),
        ("was_asked,,since_birth,13,1", "'13' is not a key of 'since_birth' (rates.csv, row 3). Keys: 0, 4, 8"),
        (
            "was_asked,,unaccompanied,16,1",
            "'16' is not a key of 'unaccompanied' (rates.csv, row 3). Keys: under 16, 16-17",
        ),
        (
            "was_asked,,level,,-1",
            "'-1' in the column 'value' is not a number of 0 or more (rates.csv, row 3). Correct it",
        ),
        (
            "was_asked,,level,,a",
            "'a' in the column 'value' is not a number of 0 or more (rates.csv, row 3). Correct it",
        ),
        ("was_asked,,level,,", "'' in the column 'value' is not a number of 0 or more (rates.csv, row 3). Correct it"),
        (
            "was_asked,,level,,nan",
            "'nan' in the column 'value' is not a number of 0 or more (rates.csv, row 3). Correct it",
        ),
        (
            "was_asked,,level,,1,low,2,assumed,a test",
            "'low' in the column 'low' is not a number of 0 or more (rates.csv, row 3). Correct it",
        ),
        (
            "was_asked,,level,,1,0.5",
            "'' in the column 'high' is not a number of 0 or more (rates.csv, row 3). Correct it",
        ),
        (
            "was_asked,,level,,3,1,2,assumed,a test",
            "Value 'was_asked/level' is 3, outside its plausible range 1 to 2 (rates.csv, row 3). "
            "Correct the value or the range",
        ),
        (
            "was_asked,,level,,1,1,2,assumd,a test",
            "Value 'was_asked/level' has the status 'assumd' (rates.csv, row 3). Did you mean 'assumed'? "
            "Use one of: published, literature, derived, fitted, assumed",
        ),
        (
            "was_asked,,level,,1,1,2,assumed,",
            "Value 'was_asked/level' has no source (rates.csv, row 3). Name one, or say what makes you assume it",
        ),
        (
            "was_asked,,level,,1,1,2,assumed,a test, they say",
            "There are more cells than columns (rates.csv, row 3). "
            "Put a text with a comma in it between quotation marks",
        ),
        ("help_ended,,level,,2", "'help_ended/level' stands twice (rates.csv, row 3). Remove one of the two rows"),
    ],
)
def test_a_row_that_is_wrong_is_told(row, sentence, tmp_path):
    assert refused(book_file(tmp_path, "help_ended,,level,,1", row)) == sentence


def test_a_column_that_is_missing(tmp_path):
    header = ",".join(c for c in COLUMNS if c != "low")
    assert refused(book_file(tmp_path, header=header)) == (
        f"The column 'low' is missing (rates.csv). Columns: {', '.join(COLUMNS)}"
    )


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read(content, tmp_path):
    path = tmp_path / "rates.csv"
    if content is not None:
        path.write_bytes(content)
    assert refused(path) == "The book of rates cannot be read (rates.csv). Install the project again"


def test_an_empty_file_has_no_columns(tmp_path):
    (tmp_path / "rates.csv").write_text("")
    assert refused(tmp_path / "rates.csv").startswith("The column 'transition' is missing (rates.csv)")


def test_the_toy_of_other_tests_has_no_rates_of_ours():
    with pytest.raises(CareError, match="is not a transition of abm/journey"):
        read_rates(THREE)
