"""Runs in batches, by Mesa's batch_run."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from mesa.batchrunner import batch_run as mesa_batch_run

from abm.mesa_model.model import CareModel


def batch_run(
    model_class: type[CareModel],
    parameters: Mapping[str, Any],
    *,
    rng: Iterable[int],
    max_steps: int | None = None,
    number_processes: int | None = 1,
    data_collection_period: int = -1,
    display_progress: bool = False,
) -> list[dict[str, Any]]:
    """Run Mesa's batch_run with a seed for each run, alike on every Mesa.

    Mesa 3.3 takes seeds among the parameters and 3.5 beside them (among the parameters it overwrites them with none);
    3.3 counts one step more. Rows are as Mesa gives them, with "Step" the number of weeks simulated.

    Parameters
    ----------
    parameters
        Keyword arguments of the model; a list or tuple is gone through, value by value.
    rng
        The seeds: each combination of parameters is run with each of them.
    max_steps
        Weeks at most; to the end of the scenario if None.
    """
    seeds = [int(seed) for seed in rng]
    given = {name: value if isinstance(value, (list, tuple)) else [value] for name, value in parameters.items()}
    common = {
        "number_processes": number_processes,
        "data_collection_period": data_collection_period,
        "display_progress": display_progress,
    }
    if max_steps is None:
        max_steps = max(scenario.n_weeks for scenario in given["scenario"])
    if "rng" in inspect.signature(mesa_batch_run).parameters:
        rows = mesa_batch_run(model_class, given, rng=seeds, max_steps=max_steps, **common)
        return [{**row, "Step": int(row["Step"])} for row in rows]
    rows = mesa_batch_run(model_class, {"rng": seeds, **given}, max_steps=max_steps - 1, **common)
    return [{**row, "Step": row["Step"] + 1} for row in rows]
