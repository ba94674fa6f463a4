"""Sets of agents as Mesa users know them, over rows of arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from mesa.agent import AgentSet
from numpy.typing import NDArray

from abm.errors import CareError
from abm.mesa_model.agents import CHILD_READERS, ChildAgent, View

try:
    from mesa.agentset import GroupBy
except ImportError:  # Mesa 3.3
    from mesa.agent import GroupBy

if TYPE_CHECKING:
    from abm.mesa_model.model import CareModel


class ArrayAgentSet(AgentSet):
    """An AgentSet over rows of arrays: views are made as they are asked for, columns are read whole.

    Mesa's own keeps weak references to its agents, under which views would vanish.
    """

    def __init__(self, model: CareModel, kind: type[View], rows: NDArray[np.int64]) -> None:
        self.model, self.kind, self.rows, self.random = model, kind, rows, model.random

    def _with(self, rows: NDArray[np.int64], inplace: bool = False) -> ArrayAgentSet:
        if not inplace:
            return ArrayAgentSet(self.model, self.kind, rows)
        self.rows = rows
        return self

    def __len__(self) -> int:
        """Return the number of agents."""
        return int(self.rows.size)

    def __iter__(self) -> Iterator[View]:
        """Go through the agents in order."""
        return (self.kind(self.model, row) for row in self.rows)

    def __contains__(self, agent: object) -> bool:
        """Tell whether an agent is in the set."""
        if not isinstance(agent, self.kind) or agent.model is not self.model:
            return False
        return bool((self.rows == agent.row).any())

    def __getitem__(self, item: Any) -> Any:
        """Return an agent, or a list of them for a slice."""
        return self.to_list()[item] if isinstance(item, slice) else self.kind(self.model, self.rows[item])

    def __copy__(self) -> ArrayAgentSet:
        """Return a set of the same agents."""
        return self._with(self.rows)

    def to_list(self) -> list[View]:
        """Return the agents as a list."""
        return list(self)

    def get(self, attr_names: str | list[str], handle_missing: str = "error", default_value: Any = None) -> list[Any]:
        """Return an attribute of each agent, or a list of attributes of each."""
        if isinstance(attr_names, str):
            if self.kind is ChildAgent and attr_names in CHILD_READERS:
                values: list[Any] = CHILD_READERS[attr_names](self.model, self.rows).tolist()
                return values
            if handle_missing == "error":
                return [getattr(agent, attr_names) for agent in self]
            if handle_missing == "default":
                return [getattr(agent, attr_names, default_value) for agent in self]
            raise ValueError(f"Unknown handle_missing option: {handle_missing}, should be 'error' or 'default'")
        columns = [self.get(name, handle_missing, default_value) for name in attr_names]
        return [list(row) for row in zip(*columns, strict=True)]

    def set(self, attr_name: str, value: Any) -> ArrayAgentSet:
        """Set an attribute of each agent: refused, as agents are views."""
        return self.do(setattr, attr_name, value)

    def agg(self, attribute: str, func: Callable[..., Any] | Iterable[Callable[..., Any]]) -> Any:
        """Return a function, or a list of functions, of an attribute of all agents."""
        values = self.get(attribute)
        return func(values) if callable(func) else [f(values) for f in func]

    def map(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Call a method of each agent, or a function on it, and return the results."""
        if isinstance(method, str):
            return [getattr(agent, method)(*args, **kwargs) for agent in self]
        return [method(agent, *args, **kwargs) for agent in self]

    def do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> ArrayAgentSet:
        """Call a method of each agent, or a function on it."""
        self.map(method, *args, **kwargs)
        return self

    def shuffle(self, inplace: bool = False) -> ArrayAgentSet:
        """Return the agents in a random order, drawn from the model's `random`."""
        rows = self.rows.tolist()
        self.random.shuffle(rows)
        return self._with(np.array(rows, np.int64), inplace)

    def shuffle_do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> ArrayAgentSet:
        """Call a method of each agent in a random order; it changes no result, as all luck is keyed."""
        self.shuffle().do(method, *args, **kwargs)
        return self

    def sort(self, key: Callable[[Any], Any] | str, ascending: bool = False, inplace: bool = False) -> ArrayAgentSet:
        """Return the agents in the order of an attribute or a function."""
        values = self.get(key) if isinstance(key, str) else [key(agent) for agent in self]
        order = sorted(range(len(values)), key=values.__getitem__, reverse=not ascending)
        return self._with(self.rows[order], inplace)

    def select(
        self,
        filter_func: Callable[[Any], bool] | None = None,
        at_most: Any = float("inf"),
        inplace: bool = False,
        agent_type: type | None = None,
    ) -> ArrayAgentSet:
        """Return the agents for whom a function is true; at most so many, or at most that share of them (a float)."""
        if isinstance(at_most, float) and at_most <= 1.0:
            at_most = int(len(self) * at_most)
        if agent_type is not None and not issubclass(self.kind, agent_type):
            at_most = 0
        rows: list[int] = []
        for agent in self:
            if len(rows) >= at_most:
                break
            if filter_func is None or filter_func(agent):
                rows.append(agent.row)
        return self._with(np.array(rows, np.int64), inplace)

    def groupby(self, by: Callable[[Any], Any] | str, result_type: str = "agentset") -> Any:
        """Return the agents in groups by an attribute or a function, as Mesa's GroupBy."""
        groups: dict[Any, list[int]] = defaultdict(list)
        values = self.get(by) if isinstance(by, str) else [by(agent) for agent in self]
        for value, row in zip(values, self.rows.tolist(), strict=True):
            groups[value].append(row)
        sets = {value: self._with(np.array(rows, np.int64)) for value, rows in groups.items()}
        return GroupBy(sets if result_type == "agentset" else {value: found.to_list() for value, found in sets.items()})

    def add(self, agent: object) -> None:
        """Refuse: the plan of the population says who is there."""
        raise CareError("Agents cannot be added or removed here", remedy="Change the scenario's population plan")

    discard = remove = add
