"""Words and ready patterns of the journeys page.

Patterns name states and transitions of abm/journey.py. `patterns_for` leaves out a pattern that names something a
legend does not have, so that the page also shows a toy journey; a test holds every pattern against the declared one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from abm.journey import JOURNEY
from abm.pathway import AGE_BANDS, AGE_EDGES_WEEKS, N_AGES, RISK_CLASSES

PROTECTED = ("protected", "in_pre_proceedings")
"""States in which a child is on a child protection plan."""

STEPS = ("assessment_began",)
"""What a short telling leaves out once its outcome is told."""

WAITING = ("being_assessed", "under_enquiry", "in_need_under_enquiry")
"""States that end with an outcome: a short telling tells it with what led there."""

CLOCKS = {state.key: state.clock or state.key for state in JOURNEY.states}
"""On which clock time is counted in each state: in homes of care the time in care, whatever the home."""

HISTORY_WORDS = ("not referred before", "referred before", "on a plan or looked after before")

AGE_WORDS = tuple("under 1" if band == "0" else band.replace("-", " to ") for band in AGE_BANDS)


def words() -> dict[str, Any]:
    """Return what the page needs beside the legend: words by code, and the states and transitions it treats apart."""
    return {
        "risks": list(RISK_CLASSES),
        "histories": list(HISTORY_WORDS),
        "ages": list(AGE_WORDS),
        "age_edges": list(AGE_EDGES_WEEKS[:N_AGES]),
        "steps": list(STEPS),
        "waiting": list(WAITING),
        "protected": list(PROTECTED),
    }


@dataclass(frozen=True)
class Step:
    """One step of a pattern: states by key or by `stage`, or `events` by key; see web/src/journeys/patterns.ts."""

    label: str
    states: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    times: int = 1
    before: int | None = None
    never: bool = False


@dataclass(frozen=True)
class Pattern:
    """A ready pattern: what it is called and its steps in order; `alone` is for unaccompanied children only."""

    key: str
    title: str
    steps: tuple[Step, ...] = ()
    alone: bool = False


_ON_PLAN = "on a child protection plan"
_CARE = Step("looked after", stages=("care",))

PATTERNS = (
    Pattern(
        "plan_twice_then_care",
        "Child protection plan twice, then looked after",
        (Step(_ON_PLAN, states=PROTECTED, times=2), _CARE),
    ),
    Pattern(
        "care_home_care",
        "Looked after, home, looked after again",
        (_CARE, Step("home from care", states=("reunified",)), _CARE),
    ),
    Pattern(
        "referred_three_times_never_a_plan",
        "Referred three times, never a plan",
        (
            Step("referred", events=("was_referred",), times=3),
            Step("on any plan or looked after", stages=("plan", "care"), never=True),
        ),
    ),
    Pattern(
        "plan_ended_never_care",
        "Child protection plan that ended, never looked after",
        (
            Step("plan ended", events=("child_protection_plan_ended", "stepped_down_to_child_in_need")),
            Step("looked after", stages=("care",), never=True),
        ),
    ),
    Pattern(
        "care_before_one",
        "Looked after before the first birthday",
        (Step("looked after", stages=("care",), before=1),),
    ),
    Pattern(
        "many_homes",
        "Three or more moves from home to home while looked after",
        (
            Step(
                "moved to another home while looked after",
                events=(
                    "moved_to_kinship_carers",
                    "moved_to_foster_carers",
                    "moved_to_childrens_home",
                    "moved_to_supported_accommodation",
                    "moved_to_secure_home",
                    "moved_elsewhere",
                ),
                times=3,
            ),
        ),
    ),
    Pattern("adopted", "Adopted", (Step("adopted", events=("was_adopted",)),)),
    Pattern(
        "special_guardianship",
        "A home for good with special guardians",
        (_CARE, Step("special guardianship granted", events=("special_guardianship_granted",))),
    ),
    Pattern("came_alone", "Came alone to England (unaccompanied)", alone=True),
    Pattern("care_until_18", "Looked after until 18", (Step("left care at 18", events=("left_care_at_18",)),)),
)


def _codes(step: Step, states: list[dict[str, Any]], transitions: list[dict[str, Any]]) -> list[int] | None:
    """Return the codes a step means, or None when the legend lacks one of them."""
    if step.events:
        by_key = {transition["key"]: code for code, transition in enumerate(transitions)}
        return None if any(key not in by_key for key in step.events) else [by_key[key] for key in step.events]
    if step.stages:
        return [code for code, state in enumerate(states) if state["stage"] in step.stages] or None
    by_key = {state["key"]: code for code, state in enumerate(states)}
    return None if any(key not in by_key for key in step.states) else [by_key[key] for key in step.states]


def patterns_for(legend: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ready patterns in the codes of a legend, in the form that the page reads."""
    made = []
    for pattern in PATTERNS:
        coded = [_codes(step, legend["states"], legend["transitions"]) for step in pattern.steps]
        if all(codes is not None for codes in coded):
            steps = [
                {
                    "kind": "event" if step.events else "state",
                    "codes": codes,
                    "label": step.label,
                    "times": step.times,
                    "before": step.before,
                    "never": step.never,
                }
                for step, codes in zip(pattern.steps, coded, strict=True)
            ]
            made.append({"key": pattern.key, "title": pattern.title, "steps": steps, "alone": pattern.alone})
    return made
