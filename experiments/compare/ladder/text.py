"""The ladder as plain text, for a screen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from abm.outputs import output_named
from experiments.compare.ladder.climb import BASELINE, FIGURES, Gap, Ladder
from experiments.compare.ladder.refinements import Refinement
from experiments.compare.ladder.rungs import MARKOV_SENTENCE, NOT_YET
from experiments.compare.ladder.sentences import sentences, term_of

WIDTH, COLUMN = 52, 10
NOT_REFITTED = (
    "Nothing is fitted again on any rung: each takes means of the same fitted tables along the full model's course. So "
    "a term tells what leaving a mechanism out does to a model that is otherwise right, not what a modeller would get "
    "who fitted the smaller model anew."
)
ALL_ORDERS = (
    "Terms are means over every order in which mechanisms can be added (Shapley values) of exact expected values; "
    "those of mechanisms that couple children are means of paired runs with the same luck, added last and in "
    "the order of the ladder, with their standard errors."
)


def years_shown(ladder: Ladder, part: str) -> list[int]:
    """Return the years that stand in the text; all are in the table."""
    last = ladder.years[-1]
    first = ladder.years[0] if part == BASELINE or ladder.policy is None else ladder.policy.from_year
    return sorted({min(first + ahead, last) for ahead in (0, 2, 4)} | {last})


def lines(ladder: Ladder, refinements: Sequence[Refinement] = ()) -> Iterator[str]:
    """Give the lines of the text."""
    yield f"{ladder.area}: what lies between system dynamics and the simulation"
    yield ""
    for part in ladder.gaps:
        if part != BASELINE and ladder.policy is not None:
            yield from _wrapped(f"Under the policy ({ladder.policy.sentence}):")
        for sentence in sentences(ladder, part, FIGURES[0], ladder.years[-1]):
            yield from _wrapped(sentence)
    yield ""
    yield from _wrapped(f"Rung 0. {MARKOV_SENTENCE}")
    for rung in ladder.rungs:
        yield from _wrapped(f"Rung {rung.number}. {rung.sentence}" + ("" if rung.is_there else f" ({NOT_YET})"))
    yield ""
    yield from _wrapped(NOT_REFITTED)
    yield from _wrapped(ALL_ORDERS)
    for part in ladder.gaps:
        title = (
            "As things are" if part == BASELINE or ladder.policy is None else f"The policy: {ladder.policy.sentence}"
        )
        yield ""
        yield title
        yield "=" * len(title)
        yield from _part(ladder, part, refinements)


def _part(ladder: Ladder, part: str, refinements: Sequence[Refinement]) -> Iterator[str]:
    gap, years = ladder.gaps[part], years_shown(ladder, part)
    at = [ladder.years.index(year) for year in years]
    for x, figure in enumerate(FIGURES):
        yield ""
        yield f"{output_named(figure).label:<{WIDTH}}" + "".join(f"{year:>{COLUMN}}" for year in years)
        yield from _rows(ladder, gap, x, at)
        yield ""
        for sentence in sentences(ladder, part, figure, years[-1]):
            yield from _wrapped(sentence)
        if refinements:
            yield ""
            yield f"  {'System dynamics, refined':<{WIDTH - 2}}" + "".join(f"{year:>{COLUMN}}" for year in years)
            for kind in refinements:
                values = kind.figures[0 if part == BASELINE else 1, x, at]
                yield f"    {kind.name:<{WIDTH - 4}}" + "".join(f"{v:>{COLUMN}.1f}" for v in values)
            yield from _wrapped(_removed(ladder, part, x, at[-1], refinements), "    ")


def _rows(ladder: Ladder, gap: Gap, x: int, at: list[int]) -> Iterator[str]:
    def row(name: str, values: Iterable[float], form: str = ".1f") -> str:
        return f"  {name:<{WIDTH - 2}}" + "".join(f"{f'{v:{form}}':>{COLUMN}}" for v in values)

    yield row("classic system dynamics", gap.system[x, at])
    for rung in ladder.rungs:
        name = f"{rung.number} {rung.name}"
        if not rung.is_there:
            yield f"  {name:<{WIDTH - 2}}{NOT_YET:>{COLUMN * len(at)}}"
        elif rung.switches:
            yield row(name, [term_of(rung, gap, x, y) for y in at], "+.1f")
            if len(rung.switches) > 1:
                for key, part in rung.switches:
                    yield row(f"    {part}", gap.terms[key][x, at], "+.1f")
        elif rung.key in gap.coupled:
            estimate = gap.coupled[rung.key]
            yield row(name, estimate.mean[x, at], "+.1f")
            yield row("    its standard error", estimate.se[x, at])
        else:
            yield f"  {name:<{WIDTH - 2}}{'needs runs (--runs)':>{COLUMN * len(at)}}"
    yield row("simulation", (gap.system + gap.total)[x, at])
    if gap.finer is not None:
        yield row("  with every week on the clock", gap.finer[x, at], "+.2f")
    if gap.runs is not None:
        yield row("  mean of runs less expected value", gap.runs.mean[x, at], "+.1f")
        yield row("    its standard error", gap.runs.se[x, at])


def _removed(ladder: Ladder, part: str, x: int, y: int, refinements: Sequence[Refinement]) -> str:
    """Return how much of the gap to the simulation each refinement leaves."""
    gap, place = ladder.gaps[part], 0 if part == BASELINE else 1
    full = float((gap.system + gap.total)[x, y])
    left = [float(kind.figures[place, x, y]) - full for kind in refinements]
    told = [f"{kind.name} {value:+.1f}" for kind, value in zip(refinements, left, strict=True)]
    return f"Left of the gap in {ladder.years[y]}: {', '.join(told)}."


def _wrapped(text: str, indent: str = "  ") -> Iterator[str]:

    yield from textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent)
