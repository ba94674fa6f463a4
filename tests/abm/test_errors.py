import pytest

from abm.errors import CareError, did_you_mean


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (("there is no area 'X'",), "there is no area 'X'."),
        (("a count is negative", "figures.csv, line 7"), "a count is negative (figures.csv, line 7)."),
        (("a year stands twice", "", "Remove one row."), "a year stands twice. Remove one row."),
        (("a count is negative", "line 7", "Remove it."), "a count is negative (line 7). Remove it."),
    ],
)
def test_reads_as_what_where_remedy(parts, sentence):
    assert str(CareError(*parts)) == sentence


def test_is_one_line_whatever_it_quotes():
    assert str(CareError("the file says\n  'no'", "a\tb")) == "the file says 'no' (a b)."


def test_keeps_its_parts():
    error = CareError("what", "where", "remedy")
    assert (error.what, error.where, error.remedy) == ("what", "where", "remedy")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Blackpol", "Did you mean 'Blackpool'? "),
        ("blackpool", "Did you mean 'Blackpool'? "),
        ("Zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name, hint):
    assert did_you_mean(name, ["Derbyshire", "Blackpool"]) == hint


def test_did_you_mean_does_not_depend_on_the_order_of_the_options():
    options = ["Ab", "aB", "AB"]
    assert did_you_mean("abb", options) == did_you_mean("abb", options[::-1]) == did_you_mean("abb", set(options))
