"""The page of reference on statutory clocks, read off the table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from abm.clocks import Rule
from abm.describe import table
from calibration.statutory import Source, Statute

_BEFORE = """# Statutory clocks

Time limits and rules that shape journeys in England, and what the model does with each. Clocks are **off unless asked
for**: then the model does not enforce time limits, and how long things take comes from published durations. What they
do when they are on is told in [Statutory clocks, switched on](../explanation/clocks.md). Laws are those of the
framework in force in 2026 unless a row has dates; a row without dates is taken to hold throughout.

Marks: **seen**: read in a public source, named at the foot of the page. **Unverified**: from memory, to be checked
before anybody relies on it. **Computed**: from figures of the Department for Education.
"""
_WITH = """
## With clocks on

A part of the chance of these transitions, in a window of weeks, is moved into the week in which the review or limit is
due. **How large a part is assumed for every rule: bold, with its range.** So are the windows. Weeks count from
the beginning of the clock: week 13 is the thirteenth, in which three months are over.
"""


def reference_statutes(statutes: Iterable[Statute], sources: Iterable[Source]) -> str:
    """Return the page: every rule with its mark and sources, what clocks do when on, and the sources."""
    statutes = tuple(statutes)
    rows = [
        (s.event, s.rule, _dates(s.begins, s.until), s.mark, ", ".join(map(str, s.sources)), s.model) for s in statutes
    ]
    clocks = [_clock(s.event, s.clock) for s in statutes if s.clock is not None]
    lines = [
        _BEFORE,
        *table(("what", "rule", "in force", "mark", "source", "in the model, clocks off"), rows),
        _WITH.strip() + "\n",
        *table(("what", "key and mark", "clock", "transitions", "due in week", "from weeks", "part moved"), clocks),
        "## Sources",
        "",
        *(f"{s.number}. {s.words}{f' (<{s.url}>)' if s.url else ''}." for s in sources),
    ]
    return "\n".join(lines) + "\n"


def _dates(begins: date | None, until: date | None) -> str:
    since = f"from {_day(begins)}" if begins else ""
    return " ".join(part for part in (since, f"until {_day(until)}" if until else "") if part)


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = "January February March April May June July August September October November December".split()


def _clock(event: str, rule: Rule) -> tuple[str, ...]:
    due = ", ".join(str(week + 1) for _, week, _ in rule.windows)
    window = ", ".join(f"{low + 1} to {high}" for low, _, high in rule.windows)
    part = f"**{rule.concentration:g} A** ({rule.low:g} to {rule.high:g}): {rule.basis}"
    named = ", ".join(f"`{name}`" for name in rule.transitions)
    return event, f"`{rule.key}`, {rule.mark}", f"`{rule.clock}`", named, due, window, part
