"""The numbers that nobody published for the area: each with its range, status and source, told in few lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from abm.describe import in_words, parts_of
from abm.parameters import Value
from calibration import aims, fit, least_squares, levers, readings
from calibration.fit import Fitted

TOLD = ("assumed", "literature", "derived")
"""The statuses that are told; what is published or fitted has its own place in the report."""

_FACTORS = {
    "level": "level",
    "unaccompanied": "level for unaccompanied children",
    "age": "by age",
    "risk": "by risk class of the family",
    "history": "by history",
    "band": "by weeks already spent",
    "since_closure": "by weeks since the last closure",
    "since_birth": "by weeks since birth",
}
_UNKNOWN = "Our judgement; no source was found"


def assumed(fitted: Fitted) -> list[dict[str, Any]]:
    """Return rows of name, value, unit, low, high, status, source: first what shapes everything, then rate by rate."""
    return [*_of_the_fit(fitted), *condensed(fitted.parameters.values)]


def _row(name: str, value: Any, unit: str, source: str, low: Any = None, high: Any = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "low": low, "high": high, "status": "assumed", "source": source}


def _of_the_fit(fitted: Fitted) -> list[dict[str, Any]]:
    """Return the assumed numbers that are not rates."""
    plan = fitted.scenario.plan
    error = "standard deviation, in logarithms"
    return [
        _row(
            "Families in the four risk classes (low, moderate, raised, high)", _list(plan.risk_shares), "share",
            "Not identified by published figures: the form is fixed here",
        ),
        _row(
            "Families with one, two, three, four and five children", _list(plan.family_sizes), "share",
            "About the shares of families with dependent children",
        ),
        _row("Mean gap between brothers and sisters", float(plan.spacing_weeks), "weeks", _UNKNOWN, 110, 200),
        _row(
            "Unaccompanied children who arrive, by year of age",
            "; ".join(f"{age}: {share:.2f}" for age, share in enumerate(plan.arrival_ages) if share > 0), "share",
            "Such that the published share under 16 at 31 March comes out",
        ),
        _row(
            "Children after the last published population", "as many of age 0 each year as in the last; nobody moves",
            "", "A plain projection",
        ),
        _row(
            "Years of which the mean factor is carried ahead", levers.CARRIED_AHEAD_FROM, "years",
            "Nobody knows what lies ahead; the recent past is held",
        ),
        _row(
            "Referrals within a year of a closure, of closures", aims.BACK_WITHIN_A_YEAR, "share",
            "Such that the published share of referrals within a year of a referral comes out; research finds 0.32 "
            "(Goldacre et al. 2025)",
        ),
        _row("Change of a yearly factor from one year to the next", least_squares.SMOOTH, error, "Prior"),
        _row("A yearly factor in the first year", least_squares.LEVEL, error, "Prior"),
        _row(
            "Part of the variance of a count that is its chance", least_squares.CHANCE, "share",
            "Published counts vary less from year to year than independent events would",
        ),
        _row("Error of the model itself", least_squares.DISCREPANCY, "share of the figure", _UNKNOWN),
        _row("Error by later revision of a figure", readings.REVISION, "share of the figure", _UNKNOWN),
        _row(
            "Children a year added to both sides when levels are set", fit.PULL, "children",
            "So that small counts move little",
        ),
    ]  # fmt: skip


def _list(shares: Iterable[float]) -> str:
    return "; ".join(f"{share:.2f}" for share in shares)


def condensed(values: Iterable[Value]) -> list[dict[str, Any]]:
    """Return one row for all numbers of a factor that are the same wherever they hold, in place of hundreds.

    A key is "transition/state/factor", with "/place on the factor" where the factor has places. Numbers of one
    transition, state and factor make one text; transitions with the same text, unit, status and source share a row.
    """
    texts: dict[tuple[str, str, str, str, str], list[Value]] = {}
    for value in values:
        if value.status in TOLD:
            transition, state, factor, _ = parts_of(value.key)
            texts.setdefault((transition, state, factor, value.status, value.source), []).append(value)
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for (transition, state, factor, status, source), numbers in texts.items():
        text = "; ".join(
            f"{place}: {n.value:.3g}" if (place := parts_of(n.key)[3]) else f"{n.value:.3g}" for n in numbers
        )
        low, high = min(n.low for n in numbers), max(n.high for n in numbers)
        same = (factor, text, numbers[0].unit, status, source, f"{low:.3g}", f"{high:.3g}")
        row = rows.setdefault(
            same,
            {
                "name": {}, "value": text if len(numbers) > 1 else numbers[0].value, "unit": numbers[0].unit,
                "low": low, "high": high, "status": status, "source": source,
            },
        )  # fmt: skip
        row["name"].setdefault(transition, []).append(state)
    for (factor, *_), row in rows.items():
        row["name"] = _who(row["name"]) + (f": {_FACTORS.get(factor, in_words(factor))}" if factor else "")
    return list(rows.values())


def _who(transitions: dict[str, list[str]]) -> str:
    """Return transitions in words, each with the states it leaves where there are not too many to name."""
    told = []
    for transition, states in transitions.items():
        named = [in_words(state) for state in dict.fromkeys(states) if state]
        place = (
            f" (from {', '.join(named)})" if 0 < len(named) <= 3 else f" (from {len(named)} states)" if named else ""
        )
        told.append(in_words(transition) + place)
    text = "; ".join(told)
    return text[:1].upper() + text[1:]
