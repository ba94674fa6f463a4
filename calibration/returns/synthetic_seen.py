"""What of a simulated run its returns can hold: the log that reading them back must give, row for row.

A plain reading of the run, child by child, that shares no code with `assemble`. What returns do not hold:

* *who is never in one*: children never referred, planned for or looked after while the run lasts;
* *births and moves*: who was born, moved in or moved away; a child seen once is taken to stay until 18;
* *early help*: as if the child were at home;
* *pre-proceedings* that ended before the census asked for them (that of 2026): as if the plan went on; where kin took
  the child in, both rows stand in that week;
* *enquiries that still go on* when the run ends, beside an assessment of more than 45 working days: after 15 as if the
  child were in need;
* *homes and orders after care* of children who were there on day one: as if they had been at home;
* *risk, families, history before the run*, chances and draws.
"""

from __future__ import annotations

import polars as pl

from abm.journey import HOMES
from abm.pathway import WEEKS_TO_18
from calibration.returns.dates import date_of, week_of_date
from calibration.returns.synthetic import Stories, Story, end_of_year, start_of_year
from calibration.returns.synthetic_cin import PRE_PROCEEDINGS_FROM, cases_of
from calibration.returns.working_days import after_working_days

KNOWN_ON_DAY_ONE = (
    "being_assessed", "under_enquiry", "in_need", "in_need_under_enquiry", "protected", "in_pre_proceedings", *HOMES,
)  # fmt: skip
"""States on day one that returns tell of."""
AS_SEEN = {
    ("referred", "passed_to_early_help"): "closed_with_no_further_action",
    ("being_assessed", "stepped_down_to_early_help"): "needs_met_at_assessment",
    ("in_need", "stepped_down_to_early_help"): "child_in_need_plan_ended",
}
"""Transitions that look like others where early help is not seen."""
ENDS_UNTOLD = {"under_enquiry": "child_in_need_plan_began", "in_need_under_enquiry": "child_in_need_plan_went_on"}
"""What is presumed of an enquiry whose end no census tells."""
NOT_SEEN = ("born", "moved_in", "moved_away", "early_help_ended")
SCHEMA = {"child": pl.Int32, "week": pl.Int32, "step": pl.Int32, "transition": pl.String, "from": pl.String}


def seen(stories: Stories) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of the log that returns hold, and the children in it.

    Rows: child (number in the run), week, step, transition, from (keys), in order of child, week, step. Children:
    child, state (key, before the first row), seen_from.
    """
    rows: list[tuple[int, int, int, str, str]] = []
    children: list[tuple[int, str, int]] = []
    for story in stories:
        mine, state = _of_child(story, stories)
        if state in KNOWN_ON_DAY_ONE:
            children.append((story.child, state, 0))
        elif mine:
            children.append((story.child, state, mine[0][0] + 1))
        last, step = -1, 0
        for week, transition, source in mine:
            step = step + 1 if week == last else 0
            last = week
            rows.append((story.child, week, step, transition, source))
    kinds = {"child": pl.Int32, "state": pl.String, "seen_from": pl.Int32}
    return pl.DataFrame(rows, schema=SCHEMA, orient="row"), pl.DataFrame(children, schema=kinds, orient="row")


def _of_child(story: Story, stories: Stories) -> tuple[list[tuple[int, str, str]], str]:
    """Return what is seen of one child, as (week, transition, from), and its state before."""
    journey, start = stories.journey, start_of_year(PRE_PROCEEDINGS_FROM)
    letters = _spans_of_pre_proceedings(story)
    now = first = story.state if story.state in KNOWN_ON_DAY_ONE else "elsewhere" if _arrives(story) else "at_home"
    out: list[tuple[int, str, str]] = []

    def take(week: int, transition: str) -> None:
        nonlocal now
        out.append((week, transition, now))
        now = journey.transitions[journey.transition_index[transition]].target

    def told(which: int) -> bool:
        """Whether a census asked for the pre-proceedings that are the child's number `which`."""
        end = letters[which][1]
        return stories.years[-1] >= PRE_PROCEEDINGS_FROM and (end is None or end >= start)

    letter = 0
    if now == "in_pre_proceedings":
        if not told(0):
            now = first = "protected"
        letter = 1
    for event in story.events:
        name = AS_SEEN.get((event.source, event.transition), event.transition)
        if name in NOT_SEEN:
            continue
        if name in ("grew_up", "settled_at_home") and now == "at_home":
            continue
        if name == "pre_proceedings_began":
            letter += 1
            if not told(letter - 1):
                continue
        if name == "went_to_live_with_kin" and now == "protected":
            take(event.week, "pre_proceedings_began")
        if name.startswith("came_back_into_care") and now == "at_home":
            take(event.week, "was_referred")
            name = "came_into_care"
        take(event.week, name)
    if now in ENDS_UNTOLD and (week := _presumed_end(story, stories)) is not None:
        take(week, ENDS_UNTOLD[now])
    adult = story.birth_week + WEEKS_TO_18
    if now == "at_home" and adult < stories.n_weeks and (out or first in KNOWN_ON_DAY_ONE):
        take(adult, "grew_up")
    return out, first


def _arrives(story: Story) -> bool:
    return bool(story.events) and story.events[0].transition == "came_alone"


def _spans_of_pre_proceedings(story: Story) -> list[tuple[int, int | None]]:
    """Return (first, last day) of each of a child's pre-proceedings; None while they last."""
    spans: list[tuple[int, int | None]] = [(0, None)] if story.state == "in_pre_proceedings" else []
    for event in story.events:
        if event.transition == "pre_proceedings_began":
            spans.append((story.day(event), None))
        elif event.source == "in_pre_proceedings":
            spans[-1] = (spans[-1][0], story.day(event))
    return spans


def _presumed_end(story: Story, stories: Stories) -> int | None:
    """Return the week in which an enquiry that the run leaves open is presumed to end, None where it goes on."""
    case = cases_of(story)[-1]
    began = pl.Series([date_of(case.assessments[-1].start), date_of(case.enquiries[-1].start)])
    done, ended = (after_working_days(began, days)[place] for place, days in enumerate((45, 15)))
    if done >= date_of(end_of_year(stories.years[-1])):
        return None
    week = week_of_date(ended, stories.first_year)
    return week if week < stories.n_weeks else None
