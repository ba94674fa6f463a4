"""Sentences on what a log does not tell, which the reading of returns and the estimating of rates both say."""

from __future__ import annotations

from collections.abc import Iterable

from calibration.estimate_log import CARE, NEED

FEW_LINKED = "What the link lacks"
"""Under this name the manifest of a log tells that few children were found in both returns."""
NAMES = {NEED: "children in need", CARE: "looked-after children"}


def in_care_words(here: str, unknown: str) -> str:
    """Return how many children are in care at first, and of how many since when is not known."""
    return f"{here}, since when is not known: {unknown} (not used for rates by time in care, nor for its curve)"


def gap_words(gaps: Iterable[tuple[int, int, int]], first_year: int | None) -> list[str]:
    """Return a sentence on each span of weeks of which a return was not read: (NEED or CARE, from, to before)."""
    out = []
    for by, begin, end in gaps:
        when = f"weeks {begin} to {end - 1}"
        if first_year is not None:
            first, last = first_year + begin // 52, first_year + end // 52 - 1
            when = (
                f"the year ending 31 March {first}" if first == last else f"the years ending 31 March {first} to {last}"
            )
        out.append(
            f"No return of {NAMES[by]} was read of {when}: what happened to them then is not counted, nor is the time."
        )
    return out
