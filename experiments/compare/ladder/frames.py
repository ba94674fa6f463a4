"""The ladder as a table: one row for each term, figure and year."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from experiments.compare.ladder.climb import FIGURES, Ladder
from experiments.compare.ladder.refinements import Refinement
from experiments.compare.ladder.rungs import NOT_YET
from experiments.compare.ladder.sentences import is_divided

ALL_ORDERS, IN_ORDER, RUNS = "expected values, all orders", "expected values, in order", "paired runs"
EXPECTED = "expected values"
COLUMNS = {
    "part": pl.String, "figure": pl.String, "year": pl.Int32, "kind": pl.String, "key": pl.String, "name": pl.String,
    "method": pl.String, "value": pl.Float64, "se": pl.Float64, "share": pl.Float64,
}  # fmt: skip
"""part    baseline, or policy (its effect)
kind    system (classic system dynamics), term, in_order, simulation, check, absent, refinement
value   children or events a year of the whole area; of terms, what they add; null for what is not yet in the model
se      standard error, where it is an estimate by runs
share   of the gap, for terms, where the gap is large enough to be divided"""


def ladder_frame(ladder: Ladder, refinements: Sequence[Refinement] = ()) -> pl.DataFrame:
    """Return every term of a ladder in the long form; see COLUMNS."""
    rows: list[tuple[object, ...]] = []
    for place, (part, gap) in enumerate(ladder.gaps.items()):
        for x, figure in enumerate(FIGURES):
            for y, year in enumerate(ladder.years):
                at = (part, figure, year)
                total = float(gap.total[x, y])
                told = is_divided(part, gap, x, y)

                def share(value: float, total: float = total, told: bool = told) -> float | None:
                    return value / total if told else None

                rows.append(
                    (*at, "system", "system", "classic system dynamics", EXPECTED, gap.system[x, y], None, None)
                )
                for rung in ladder.rungs:
                    for key, name in rung.switches:
                        term = float(gap.terms[key][x, y])
                        rows.append((*at, "term", key, name, ALL_ORDERS, term, None, share(term)))
                        rows.append((*at, "in_order", key, name, IN_ORDER, gap.in_order[key][x, y], None, None))
                    if rung.key in gap.coupled:
                        mean, se = (float(v[x, y]) for v in (gap.coupled[rung.key].mean, gap.coupled[rung.key].se))
                        rows.append((*at, "term", rung.key, rung.name, RUNS, mean, se, share(mean)))
                    if not rung.is_there:
                        rows.append((*at, "absent", rung.key, rung.name, NOT_YET, None, None, None))
                rows.append(
                    (*at, "simulation", "simulation", "simulation", EXPECTED, gap.system[x, y] + total, None, None)
                )
                if gap.runs is not None:
                    mean, se = float(gap.runs.mean[x, y]), float(gap.runs.se[x, y])
                    rows.append((*at, "check", "runs", "runs less expected value", RUNS, mean, se, None))
                if gap.finer is not None:
                    finer = gap.finer[x, y]
                    rows.append((*at, "check", "finer", "every week on the clock", EXPECTED, finer, None, None))
                for kind in refinements:
                    value = kind.figures[place, x, y]
                    rows.append((*at, "refinement", kind.key, kind.name, EXPECTED, value, None, None))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
