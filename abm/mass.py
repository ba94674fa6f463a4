"""The compiled inner loop of expected values: mass moved on by a week. The loops over children are in `abm.kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import compiled


@compiled(nogil=True)
def advance_mass(
    step_rows: Any, step_columns: Any, step: Any, flow_rows: Any, flow_columns: Any, flow: Any, band: Any,
    mass: Any, moved: Any, happened: Any,
) -> None:  # fmt: skip
    """Move a mean field's mass on by a week, each column by the matrix of its age band, and count what happens.

    step_rows, step_columns  int32  a sparse pattern by rows (cells x cells); flow_rows, flow_columns (E x cells)
    step, flow   float64[nonzeros, ages]   values of the patterns by age band
    band         int64[J]                  age band of each column
    mass, moved  float64[cells, J]         before and after
    happened     float64[ages, E]          added to: events of the week by age band
    """
    n_cells, n_columns = mass.shape
    by_band, live = np.zeros((happened.shape[0], n_cells)), np.zeros(n_cells, np.bool_)
    # Many cells hold nobody at all (children in care without a history, columns not yet born): they are passed over.
    first, end = n_columns, 0
    for c in range(n_cells):
        for j in range(n_columns):
            if mass[c, j] != 0.0:
                by_band[band[j], c] += mass[c, j]
                live[c] = True
                first, end = min(first, j), max(end, j + 1)
    for r in range(n_cells):
        for j in range(n_columns):
            moved[r, j] = 0.0
        for p in range(step_rows[r], step_rows[r + 1]):
            c = step_columns[p]
            if live[c]:
                for j in range(first, end):
                    moved[r, j] += step[p, band[j]] * mass[c, j]
    for e in range(flow_rows.size - 1):
        for p in range(flow_rows[e], flow_rows[e + 1]):
            for a in range(happened.shape[0]):
                happened[a, e] += flow[p, a] * by_band[a, flow_columns[p]]
