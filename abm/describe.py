"""The journey in words, derived from the declarations: legend, listing, pages of reference.

Everything here is read off what is declared, so that none of it can differ from what is simulated. `python
docs/generate.py` writes the pages of docs/reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from abm.outputs import OUTPUTS, Output
from abm.parameters import STATUSES, Value
from abm.pathway import DIARY, HISTORIES, STAGES, Journey, State, Transition

STAGE_WORDS = {
    "home": "At home",
    "front_door": "The front door",
    "plan": "On a plan",
    "care": "Looked after",
    "after_care": "After care",
    "left": "Not in the area, or grown up",
}
"""What each stage is called where people read."""

CHANCE, AT_ONCE = "by chance, week by week", "at once, as one of the outcomes"
BIRTHDAY, PLAN = "on a birthday", "as planned"
_NEUTRAL = {"they": "they", "them": "them", "their": "their", "were": "were"}
_FACTORS = {
    "level": "Level",
    "unaccompanied": "Level for unaccompanied children",
    "age": "By age in years",
    "risk": "By risk class of the family",
    "history": "By history",
    "band": "By weeks on the clock of the state",
    "since_closure": "By weeks since the last closure, for children known before",
    "since_birth": "By weeks since birth, for children not known before",
}


def legend(journey: Journey) -> dict[str, Any]:
    """Return states and transitions as plain data, each in the order of its code in the log."""
    return {
        "states": [
            {"key": s.key, "label": s.label, "colour": s.colour, "law": s.law, "stage": s.stage} for s in journey.states
        ],
        "transitions": [
            {
                "key": t.key,
                "label": in_words(t.key),
                "sentence": t.sentence,
                "to": t.target,
                "law": t.law,
                "sources": list(t.sources),
                "history": t.history,
                "told_from": dict(t.told_from),
            }
            for t in journey.transitions
        ],
    }


def in_words(key: str) -> str:
    """Return a key as words: "came_into_care" becomes "came into care"."""
    return key.replace("_", " ").replace("childrens", "children's").replace("pre proceedings", "pre-proceedings")


def told(sentence: str) -> str:
    """Return a declared sentence about one child with "they" for the child."""
    return sentence.format(**_NEUTRAL, **{key.capitalize(): word.capitalize() for key, word in _NEUTRAL.items()})


def how(journey: Journey, transition: Transition, source: str) -> str:
    """Return how a transition out of one state comes about: CHANCE, AT_ONCE, BIRTHDAY or PLAN."""
    edge = journey.edge(transition.key, source)
    if journey.tables.weekly[edge]:
        return CHANCE
    if journey.tables.outcome[edge]:
        return AT_ONCE
    return PLAN if transition.key in DIARY else BIRTHDAY


def by_stage(journey: Journey) -> list[tuple[str, list[State]]]:
    """Return the stages that have states, in their order, each with its states in the order of declaration."""
    found = [(stage, [s for s in journey.states if s.stage == stage]) for stage in STAGES]
    return [(stage, states) for stage, states in found if states]


def listing(journey: Journey) -> str:
    """Return the journey as plain text: under each state, what can happen to a child there and where it leads."""
    lines = []
    for stage, states in by_stage(journey):
        lines += ["", STAGE_WORDS[stage].upper()]
        for state in states:
            lines += ["", state.label + (" (left in the same week)" if state.at_once else "")]
            for t in (t for t in journey.transitions if state.key in t.sources):
                target = journey.states[journey.state_index[t.target]].label
                lines.append(f"  {in_words(t.key)} -> {target}  [{how(journey, t, state.key)}]")
    return "\n".join(lines[1:]) + "\n"


# Pages of reference, in Markdown -------------------------------------------------------------------------------------


def slug(title: str) -> str:
    """Return the anchor that Markdown readers give a heading."""
    return "".join(c for c in title.strip().lower().replace(" ", "-") if c.isalnum() or c in "-_")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; a bar inside a cell is escaped."""
    body = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)] + [""]


def _weeks(bands: tuple[int, ...]) -> str:
    return f"at {', '.join(str(b) for b in bands[1:])} weeks" if len(bands) > 1 else "does not change"


def _to_state(state: State) -> str:
    return f"[{state.label}](states.md#{slug(state.label)})"


def reference_states(journey: Journey) -> str:
    """Return the page of the states a child can be in, by stage."""
    lines = ["# States", "", 'Each key completes the sentence "the child is ...".', ""]
    for stage, states in by_stage(journey):
        lines += [f"## {STAGE_WORDS[stage]}", ""]
        for state in states:
            lines += [f"### {state.label}", "", *_about_state(journey, state)]
    return "\n".join(lines)


def _about_state(journey: Journey, state: State) -> list[str]:
    facts = [("Key", f"`{state.key}`"), ("Law and guidance", state.law or "none named")]
    if state.at_once:
        facts.append(("Stay", "left in the week it is entered, by one of its outcomes"))
    elif any(how(journey, t, state.key) == CHANCE for t in journey.transitions if state.key in t.sources):
        shared = [s.label for s in journey.states if s.clock and s.clock == state.clock and s is not state]
        clock = f"shared with: {'; '.join(shared)}" if shared else "its own"
        facts += [("Clock", clock), ("Chances change", _weeks(state.bands))]
    if state.at_18:
        facts.append(("18th birthday", in_words(state.at_18)))
    for title, found in (
        ("Entered when the child", [t for t in journey.transitions if t.target == state.key]),
        ("Left when the child", [t for t in journey.transitions if state.key in t.sources]),
    ):
        words = ", ".join(f"[{in_words(t.key)}](transitions.md#{slug(in_words(t.key))})" for t in found)
        facts.append((title, words or "never"))
    return _points(facts)


def _points(facts: Iterable[tuple[str, str]]) -> list[str]:
    return [*(f"- **{name}:** {text}" for name, text in facts), ""]


def reference_transitions(journey: Journey) -> str:
    """Return the page of what can happen to a child."""
    lines = ["# Transitions", "", 'Each key completes the sentence "the child ...".', ""]
    for t in journey.transitions:
        manners: dict[str, list[str]] = {}
        for source in t.sources:
            label = _to_state(journey.states[journey.state_index[source]])
            manners.setdefault(how(journey, t, source), []).append(label)
        target = journey.states[journey.state_index[t.target]]
        facts = [("Key", f"`{t.key}`"), ("Told as", told(t.sentence))]
        facts += [(f"From, {manner}", "; ".join(labels)) for manner, labels in manners.items()]
        facts.append(("To", _to_state(target)))
        if t.history:
            facts.append(("History from the next week on", f"at least: {HISTORIES[t.history]}"))
        if t.clock_at:
            facts.append(("On arrival the clock shows", f"{t.clock_at} weeks"))
        if t.law:
            facts.append(("Law and guidance", t.law))
        lines += [f"## {in_words(t.key)}", "", *_points(facts)]
    return "\n".join(lines)


def _counted(output: Output) -> str:
    if output.states:
        text = f"children at 31 March who are {_keys(output.states)}"
    else:
        text = f"{'children who' if output.distinct else 'each time a child'} {_keys(output.events)}"
    if output.less:
        text += f", less each time a child {_keys(output.less)}"
    if output.percent_of:
        text += f"; as a percentage of `{output.percent_of}`"
    return text + (f". {output.note}" if output.note else "")


def _keys(keys: Sequence[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def reference_outputs() -> str:
    """Return the page of the figures that come out of a run, with their published twins."""
    head = ("Figure", "Key", "Unit", "Counts", "Published as")
    rows = [(o.label, f"`{o.key}`", o.unit, _counted(o), o.published_as) for o in OUTPUTS]
    intro = "By year ending 31 March; read in the same way off the simulation, expected values and system dynamics."
    return "\n".join(["# Figures", "", intro, "", *table(head, rows)])


def parts_of(key: str) -> tuple[str, str, str, str]:
    """Return (transition, state, factor, key of the factor) of a number's key, "" for what is not there."""
    parts = key.split("/")
    for place in (1, 2):
        if len(parts) > place and parts[place] in _FACTORS:
            return parts[0], parts[1] if place == 2 else "", parts[place], "/".join(parts[place + 1 :])
    return key, "", "", ""


def reference_parameters(values: Iterable[Value]) -> str:
    """Return the page of numbers by transition, a table for each factor with a column for each of its keys.

    A number carries the first letter of its status; those that are assumed are bold.

    values  keyed "transition/state/factor/key"; state and key may be left out. Others are listed at the end.
    """
    found = list(values)
    sources = list(dict.fromkeys(v.source for v in found))
    grouped: dict[str, dict[str, dict[str, dict[str, Value]]]] = {}
    others = []
    for value in found:
        transition, state, factor, key = parts_of(value.key)
        if factor:
            grouped.setdefault(transition, {}).setdefault(factor, {}).setdefault(state, {})[key] = value
        else:
            others.append(value)
    counts = ", ".join(f"{n} {status}" for status in STATUSES if (n := sum(v.status == status for v in found)))
    lines = [
        "# Parameters", "",
        f"{len(found)} numbers: {counts}. The letter after a number is its status: "
        + ", ".join(f"{s[0].upper()} {s}" for s in STATUSES) + ". **Assumed numbers are bold.**", "",
        "A rate is the product of the factors below; a factor that has no row is 1. Levels are hazards a year, or "
        "weights where one of several outcomes follows at once.", "",
    ]  # fmt: skip
    for transition, factors in grouped.items():
        lines += [f"## {in_words(transition)}", ""]
        for factor in (f for f in _FACTORS if f in factors):
            lines += [f"**{_FACTORS[factor]}**", "", *_factor_tables(factors[factor], sources)]
    if others:
        lines += ["## Other numbers", "", *_factor_tables({v.key: {"": v} for v in others}, sources, "Number")]
    lines += ["## Sources of the numbers", ""] + [f"{n}. {source}" for n, source in enumerate(sources, 1)] + [""]
    return "\n".join(lines)


def _factor_tables(rows: dict[str, dict[str, Value]], sources: list[str], what: str = "From") -> list[str]:
    """Return tables with a row for each state and a column for each key; one for all states with the same keys.

    States with the same numbers share a row.
    """
    tables: dict[tuple[str, ...], dict[tuple[str, ...], list[str]]] = {}
    for state, row in rows.items():
        cells = tuple(_number(value) for value in row.values())
        tail = (next(iter(row.values())).unit, _range(row.values()), _cited(row.values(), sources))
        tables.setdefault(tuple(row), {}).setdefault((*cells, *tail), []).append(state)
    lines = []
    for keys, joined in tables.items():
        head = [what, *(key or "value" for key in keys), "unit", "plausible range", "source"]
        named = [["; ".join(in_words(s) or "every state" for s in states), *cells] for cells, states in joined.items()]
        lines += table(head, named)
    return lines


def _number(value: Value) -> str:
    text = f"{'certain' if value.value == inf else f'{value.value:.4g}'}\u00a0{value.status[0].upper()}"
    return f"**{text}**" if value.status == "assumed" else text


def _range(values: Iterable[Value]) -> str:
    """Return the range in multiples of the number, if it is the same for all, else of each."""
    moving = [v for v in values if 0 < v.value < inf]
    spans = dict.fromkeys(f"{v.low / v.value:.2g} to {v.high / v.value:.2g} times" for v in moving)
    return "; ".join(spans) or "none"


def _cited(values: Iterable[Value], sources: list[str]) -> str:
    return ", ".join(str(n) for n in sorted({sources.index(v.source) + 1 for v in values}))
