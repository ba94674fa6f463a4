"""What the ladder says in words: how far the two views are apart, and what of it comes from where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan

from abm.outputs import output_named
from experiments.compare.ladder.climb import BASELINE, FIGURES, Gap, Ladder
from experiments.compare.ladder.rungs import Rung

LEAST_SHARE, LEAST = 0.01, 1.0
"""A gap below 1% of the simulation's figure (of the policy's effect: 3%), or below one child, is not divided."""
LEAST_OF_EFFECT = 0.03
PULLS_BACK = 0.25
"""Where what pulls the other way is more than this part of the gap, shares mislead: children are told instead."""
CLEAR = 2.0
"""An estimate is told as different from none at this many standard errors."""


def when(figure: str, year: int) -> str:
    """Return what a figure of a year is of, in words."""
    return f"at 31 March {year}" if output_named(figure).states else f"in the year to 31 March {year}"


def term_of(rung: Rung, gap: Gap, figure: int, year: int) -> float:
    """Return what a rung adds to the gap, over all orders, or by runs."""
    if rung.switches:
        return sum(float(gap.terms[key][figure, year]) for key, _ in rung.switches)
    return float(gap.coupled[rung.key].mean[figure, year]) if rung.key in gap.coupled else float("nan")


def is_divided(part: str, gap: Gap, figure: int, year: int) -> bool:
    """Tell whether the gap is large enough for shares of it to mean something."""
    total = abs(float(gap.total[figure, year]))
    level = abs(float(gap.system[figure, year] + gap.total[figure, year]))
    return total >= max(LEAST, (LEAST_SHARE if part == BASELINE else LEAST_OF_EFFECT) * level)


def sentences(ladder: Ladder, part: str, figure: str, year: int) -> list[str]:
    """Return how far system dynamics and the simulation are apart in a figure and year, and why."""
    gap, x, y = ladder.gaps[part], FIGURES.index(figure), ladder.years.index(year)
    system, total = float(gap.system[x, y]), float(gap.total[x, y])
    simulated = system + total
    label = output_named(figure).label.replace(" at 31 March", "")
    out = [
        _levels(label, figure, year, system, simulated)
        if part == BASELINE
        else _effects(label, figure, year, system, simulated)
    ]
    if not is_divided(part, gap, x, y):
        out.append(f"The gap of {children(total)} is too small to be divided.")
    else:
        out.append(_shares(ladder.rungs, gap, x, y, total, when(figure, year)))
    return [*out, *_noise(ladder, gap, x, y)]


def children(number: float) -> str:
    """Return a number of children with its sign, and decimals where it is small."""
    return f"{number:+.0f}" if abs(number) >= 10 else f"{number:+.1f}"


def _levels(label: str, figure: str, year: int, system: float, simulated: float) -> str:
    apart = f" ({100 * (system / simulated - 1):+.1f}%)" if simulated else ""
    return (
        f"{label} {when(figure, year)}: system dynamics has {system:.0f}{apart} where the simulation has "
        f"{simulated:.0f}."
    )


def _effects(label: str, figure: str, year: int, system: float, simulated: float) -> str:
    out = (
        f"{label} {when(figure, year)}: system dynamics says the policy changes it by {children(system)}, the "
        f"simulation by {children(simulated)}"
    )
    if system * simulated < 0 and abs(simulated) >= LEAST:
        return f"{out}: they differ in its direction."
    if abs(simulated) < LEAST:
        return f"{out}."
    more = 100 * (abs(system) / abs(simulated) - 1)
    if abs(more) < 100 * LEAST_OF_EFFECT:
        return f"{out}: they agree within {100 * LEAST_OF_EFFECT:.0f}%."
    return f"{out}: system dynamics {'overstates' if more > 0 else 'understates'} the effect by {abs(more):.0f}%."


def _shares(rungs: Sequence[Rung], gap: Gap, x: int, y: int, total: float, when_: str) -> str:
    terms = [(rung, term) for rung in rungs if not isnan(term := term_of(rung, gap, x, y))]
    terms.sort(key=lambda pair: -pair[1] / total)
    with_it = [(rung, term) for rung, term in terms if term / total >= 0.005]
    back = [(rung, term) for rung, term in terms if term / total <= -0.005]
    if -sum(term for _, term in back) / total > PULLS_BACK:
        adds = _and(f"{rung.name} {children(term)}" for rung, term in (*with_it, *reversed(back)))
        return f"Mechanisms pull both ways: {adds}; together {children(total)}."
    first, *others = with_it
    words = f"{_percent(first[1], total)} of the gap {when_} ({children(total)}) comes from {first[0].name}"
    words += _parts(first[0], gap, x, y, total) + _error(first[0], gap, x, y, total)
    if others:
        words += ", " + _and(
            f"{_percent(term, total)} from {rung.name}{_error(rung, gap, x, y, total)}" for rung, term in others
        )
    if back:
        words += "; less " + _and(
            f"{_percent(-term, total)} for {rung.name}{_error(rung, gap, x, y, total)}" for rung, term in back
        )
    return f"{words}."


def _parts(rung: Rung, gap: Gap, x: int, y: int, total: float) -> str:
    if len(rung.switches) < 2:
        return ""
    return f" ({_and(f'{name} {_percent(gap.terms[key][x, y], total)}' for key, name in rung.switches)})"


def _error(rung: Rung, gap: Gap, x: int, y: int, total: float) -> str:
    if rung.key not in gap.coupled or isnan(se := float(gap.coupled[rung.key].se[x, y])):
        return ""
    return f" (standard error {_percent(se, abs(total))})"


def _noise(ladder: Ladder, gap: Gap, x: int, y: int) -> list[str]:
    out = []
    for rung in ladder.rungs:
        if rung.key in gap.coupled:
            estimate = gap.coupled[rung.key]
            mean, se = float(estimate.mean[x, y]), float(estimate.se[x, y])
            if isnan(se):
                out.append(f"The term of {rung.name} is of one run, so its error is not known.")
            elif abs(mean) < CLEAR * se:
                out.append(
                    f"The term of {rung.name} ({children(mean)}, standard error {se:.1f} over {len(ladder.seeds)} "
                    "runs) is not told apart from chance."
                )
    return out


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}%"


def _and(words: Iterable[str]) -> str:
    several = list(words)
    return several[0] if len(several) == 1 else f"{', '.join(several[:-1])} and {several[-1]}"
