"""What the year of a row stands for, in all the ways that publishers write it."""

from __future__ import annotations

import re

WHOLE_YEARS = frozenset({"", "reporting year", "financial year", "tax year", "year"})
"""Kinds of periods (`time_identifier`) that are a year to 31 March or, of population and workforce, a day in a year."""

_MONTHS = "january february march april may june july august september october november december".split()
_DAYS = {"31 March": (31, 3), "30 June": (30, 6), "30 September": (30, 9)}


def year_of(text: str, kind: str, stands_for: str) -> int | str | None:
    """Return the year, a reason to leave the row out, or None for text that is no year.

    Parameters
    ----------
    text
        2020; 201920, 2019-20, 2019/20 or 2019-2020; 31 March 2020, 31/03/2020 or 2020-03-31; mid-2020.
    kind
        The kind of period: "Reporting year", "Financial year". Others, such as "Academic year", are left out.
    stands_for
        "31 March" for a year that ends on it; a span of two years is only that. "30 June" and "30 September" for a day.
    """
    kind = " ".join(kind.split())
    of_a_day = kind.lower() == "calendar year" and stands_for != "31 March"
    if kind.lower() not in WHOLE_YEARS and not of_a_day:
        return f"periods of the kind '{kind[:40]}'"
    text = " ".join(text.lower().split())
    text = re.sub(r"^(year )?end(ing|ed)? |^mid[- ](year )?|^as at ", "", text)
    if re.fullmatch(r"(19|20)\d\d", text):
        return int(text)
    span = re.fullmatch(r"((?:19|20)\d\d)\s?[-/\u2013]?\s?((?:19|20)?\d\d)", text)
    if span:
        ends = int(span[1]) + 1
        follows = int(span[2]) in ((ends % 100,) if len(span[2]) == 2 else (ends,))
        return ends if follows and stands_for == "31 March" else None
    return _of_a_day(text, _DAYS[stands_for])


def _of_a_day(text: str, day: tuple[int, int]) -> int | None:
    """Return the year of a date, if it is that day."""
    forms = (
        (r"(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)( 00:00(:00)?)?", int),
        (r"(?P<d>\d\d?)[/.](?P<m>\d\d?)[/.](?P<y>(?:19|20)\d\d)", int),
        (r"(?P<d>\d\d?)[- ](?P<m>[a-z]+)[- ](?P<y>(?:19|20)\d\d)", _month),
    )
    for form, month_of in forms:
        found = re.fullmatch(form, text)
        if found and (int(found["d"]), month_of(found["m"])) == day:
            return int(found["y"])
    return None


def _month(word: str) -> int:
    return next((n for n, name in enumerate(_MONTHS, start=1) if len(word) >= 3 and name.startswith(word)), 0)
