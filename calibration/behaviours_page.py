"""The page of reference on the system's own behaviours, read off the table."""

from __future__ import annotations

from abm.behaviour import FORMS, HISTORY_WORDS, LOOPS, Behaviours, Link
from abm.describe import in_words, table
from abm.pathway import Journey

_BEFORE = """# The system's own behaviours

Every link of the causal loop diagram, as it is shipped in `calibration/published/behaviours.csv`. What the behaviours
are, what they do and how to edit the table is told in
[The system's own behaviours](../explanation/behaviours.md).

Strengths are at their middle, with the plausible range. **Assumed strengths are bold**: no published figure says how
large they are, whatever is published on their direction.

```{figure} loops.svg
:alt: The causal loop diagram; the tables below say the same in words.

The causal loop diagram, drawn from the table.
```
"""


def reference_behaviours(behaviours: Behaviours, journey: Journey) -> str:
    """Return the page: the loops, the forms of a link, every link with its evidence."""
    loops = [(code, name, ", ".join(f"`{k.key}`" for k in _own(behaviours, code))) for code, name in LOOPS.items()]
    rows = [
        (
            f"`{k.key}`", ", ".join(map(in_words, k.source)), "+" if k.sign > 0 else "\u2212", _target(k),
            str(k.delay_weeks or ""), _strength(k), k.form, " ".join(k.loops), _evidence(k),
        )
        for k in behaviours.links
    ]  # fmt: skip
    head = ("link", "from", "", "to", "weeks", "strength (range)", "form", "loops", "evidence")
    lines = [
        _BEFORE,
        "## Loops",
        "",
        "R reinforces a change, B balances it. A link is off when all its loops are.",
        "",
        *table(("", "loop", "links of this loop alone"), loops),
        "## How a strength is meant",
        "",
        *table(("form", "meaning"), [(f"`{form}`", words) for form, words in FORMS.items()]),
        "## Links",
        "",
        *table(head, rows),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _own(behaviours: Behaviours, code: str) -> list[Link]:
    return [k for k in behaviours.links if k.loops == (code,)]


def _target(link: Link) -> str:
    words = {histories: word for word, histories in HISTORY_WORDS.items()}[link.histories]
    return ", ".join(map(in_words, link.target)) + (f" (children {words})" if words else "")


def _strength(link: Link) -> str:
    number = f"**{link.strength:g} A**" if link.evidence == "assumed" else f"{link.strength:g}"
    return number if link.low == link.high else f"{number} ({link.low:g} to {link.high:g})"


def _evidence(link: Link) -> str:
    if link.evidence == "definition":
        return "definition" + (f". {link.note}" if link.note else "")
    return f"{link.evidence}; {link.reference}" + (f". {link.note}" if link.note else "")
