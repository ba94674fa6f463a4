"""What a link may be: every reason to refuse one, with the column of the table it stands in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from abm.behaviour import ADDITIVE, EVIDENCE, FORMS, LOOPS, STOCKS, Behaviours, Link
from abm.errors import CareError, did_you_mean
from abm.pathway import Journey

LEAST_FLOW_DELAY = 4
"""Weeks over which a weekly number of events is smoothed at least: a small area has weeks without any."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a link: its key, the column, what, and what to do."""

    key: str
    column: str
    what: str
    remedy: str


def check(behaviours: Behaviours, journey: Journey) -> None:
    """Raise CareError for the first link that cannot be."""
    for problem in problems(behaviours, journey):
        raise CareError(problem.what, f"link '{problem.key}', {problem.column}", problem.remedy)


def problems(behaviours: Behaviours, journey: Journey) -> Iterator[Problem]:
    """Give what is wrong with links, in their order."""
    links = behaviours.links
    acting = acting_transitions(journey)
    made = {k.target[0] for k in links if len(k.target) == 1 and k.target[0] not in journey.transition_index}
    used = {name for k in links for name in k.source}
    for link in links:
        for column, what, remedy in _of_link(link, journey, acting, made, used):
            yield Problem(link.key, column, what, remedy)
    _, stuck = in_order(sorted(made | set(STOCKS)), waits(links))
    if stuck:
        key = next(k.key for k in links if not k.delay_weeks and k.target[0] in stuck and k.source[0] in stuck)
        around = ", ".join(stuck)
        yield Problem(key, "delay_weeks", f"A loop closes within a week ({around})", "Give one of its links a delay")


def acting_transitions(journey: Journey) -> list[str]:
    """Return the transitions that factors act on: those by chance, not those of plans and birthdays."""
    tables = journey.tables
    by_chance = {int(t) for t, yes in zip(tables.transition, tables.weekly | tables.outcome, strict=True) if yes}
    return [transition.key for t, transition in enumerate(journey.transitions) if t in by_chance]


def in_order(variables: Sequence[str], waits: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Return the variables so that each comes after those it waits for, and those that wait for one another."""
    left = list(variables)
    order: list[str] = []
    while True:
        ready = [v for v in left if not any(target == v and source in left for source, target in waits)]
        if not ready:
            return order, left
        order += ready
        left = [v for v in left if v not in ready]


def waits(links: Sequence[Link]) -> list[tuple[str, str]]:
    """Who needs whose value of the same week: links without delay, but into a stock that a week only changes."""
    out = [
        (k.source[0], k.target[0])
        for k in links
        if not k.delay_weeks and k.form not in ("weight", "fading") and k.target[0] != "permanent_workers"
    ]
    return [*out, ("permanent_workers", "agency_share")]


def _of_link(
    link: Link, journey: Journey, acting: list[str], made: set[str], used: set[str]
) -> Iterator[tuple[str, str, str]]:
    yield from _of_numbers(link)
    yield from _of_words(link)
    yield from _of_target(link, journey, acting, used)
    yield from _of_source(link, journey, made)
    yield from _of_form(link)


def _of_numbers(link: Link) -> Iterator[tuple[str, str, str]]:
    if not 0 <= link.low <= link.high < float("inf"):
        yield (
            "low" if link.low < 0 else "high",
            f"The range {link.low:g} to {link.high:g} is not possible",
            "Give 0 or more, the lower first",
        )
    elif link.strength and not link.low <= link.strength <= link.high:
        said = f"The strength {link.strength:g} is outside its range of {link.low:g} to {link.high:g}"
        yield "strength", said, "Widen the range, or choose a strength within it"
    if link.delay_weeks < 0:
        yield "delay_weeks", "A delay is below 0", "Give whole weeks, 0 or more"
    if link.sign not in (-1, 1):
        yield "polarity", "A polarity is neither + nor -", "Write + or -"


def _of_words(link: Link) -> Iterator[tuple[str, str, str]]:
    for column, words, known in (
        ("form", (link.form,), FORMS), ("loops", link.loops, LOOPS), ("evidence", (link.evidence,), EVIDENCE),
    ):  # fmt: skip
        for word in words:
            if word not in known:
                remedy = did_you_mean(word, known) or f"Known: {', '.join(known)}"
                yield column, f"There is no {column.rstrip('s')} '{word}'", remedy


def _of_target(link: Link, journey: Journey, acting: list[str], used: set[str]) -> Iterator[tuple[str, str, str]]:
    to_transitions = any(name in journey.transition_index for name in link.target)
    if len(link.target) > 1 or to_transitions:
        for name in link.target:
            if name not in acting:
                planned = name in journey.transition_index
                what = "happens on a planned date and answers to nothing" if planned else "is not a transition"
                yield "to", f"'{name}' {what}", did_you_mean(name, acting) or "Name transitions, or one variable"
        if link.form not in ("elasticity", "share"):
            yield "form", f"A link to transitions cannot be of the form '{link.form}'", "Use elasticity or share"
        return
    if len(link.histories) != 3:
        yield "history", "Only a link to transitions can concern some children", "Leave history empty"
    name = link.target[0]
    if name not in used:
        known = [*acting, *sorted(used)]
        yield "to", f"'{name}' leads nowhere", did_you_mean(name, known) or "Name a transition or a variable in use"


def _of_source(link: Link, journey: Journey, made: set[str]) -> Iterator[tuple[str, str, str]]:
    states, transitions = journey.state_index, journey.transition_index
    if link.form == "weight":
        known = transitions if link.source[0] in transitions else states
        for name in link.source:
            if name not in known:
                both = [*states, *transitions]
                remedy = did_you_mean(name, both) or "Name states, or transitions, but not both"
                yield "from", f"'{name}' cannot be counted beside the others", remedy
        if known is transitions and link.delay_weeks < LEAST_FLOW_DELAY:
            yield "delay_weeks", "Events of single weeks are too few", f"Give at least {LEAST_FLOW_DELAY} weeks"
        return
    known_variables = sorted(made | set(STOCKS))
    if len(link.source) > 1 or link.source[0] not in known_variables:
        name = " ".join(link.source)
        remedy = did_you_mean(name, known_variables) or "Name one variable that a link leads to"
        yield "from", f"Nothing sets '{name}'", remedy


def _of_form(link: Link) -> Iterator[tuple[str, str, str]]:
    source, target, form = link.source[0], link.target[0], link.form
    if form == "definition" and link.strength not in (0.0, 1.0):
        yield "strength", f"The definition '{link.key}' has the strength {link.strength:g}", "Write on (1) or off (0)"
    if form == "fading":
        if (source, target) != ("anxiety", "anxiety") or link.delay_weeks < 1 or link.strength not in (0.0, 1.0):
            yield "form", "Only anxiety fades, over a week or more", "Lead from anxiety to anxiety, strength on or off"
        return
    if form == "per year" and target != "permanent_workers":
        yield "form", "Only permanent workers are made up for in a year", "Use another form"
    counts_posts = target in ADDITIVE or target == "workers"
    leavers = target == "permanent_workers" and form == "definition"
    if form == "weight" and link.sign < 0:
        yield "polarity", "What is counted cannot count below nothing", "Write +"
    if form == "weight" and (counts_posts or target == "anxiety"):
        yield "to", f"'{target}' is not counted in children", "Count children in a variable of its own"
    elif form != "weight" and counts_posts and (source in ADDITIVE) == leavers:
        need = "an index" if leavers else "workers, vacancies or shares of them"
        yield "from", f"'{target}' is made of {need}, not of '{source}'", "See the table that is shipped"
