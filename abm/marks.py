"""Marks: hashes of what a run is made of, to tell whether something on disk belongs to what is in hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from abm.pathway import Journey


def journey_mark(journey: Journey) -> str:
    """Return a hash of all that decides where children can go and when chances change, without words and colours."""
    states = [(s.key, s.stage, s.bands, s.clock, s.at_once, s.at_18) for s in journey.states]
    transitions = [(t.key, t.sources, t.target, t.history, t.clock_at) for t in journey.transitions]
    return hashlib.sha256(repr((states, transitions)).encode()).hexdigest()


def mark_of(value: Any) -> str:
    """Return a hash of arrays, numbers, texts, and of tuples, mappings and dataclasses of them: of every bit."""
    sha = hashlib.sha256()
    _add(sha, value)
    return sha.hexdigest()


def _add(sha: Any, value: Any) -> None:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        sha.update(f"array {plain.dtype.str} {plain.shape};".encode())
        sha.update(plain.reshape(-1).view(np.uint8))
    elif is_dataclass(value):
        sha.update(f"{type(value).__name__} {len(fields(value))};".encode())
        for field in fields(value):
            sha.update(f"{field.name}:".encode())
            _add(sha, getattr(value, field.name))
    elif isinstance(value, tuple):
        sha.update(f"tuple {len(value)};".encode())
        for item in value:
            _add(sha, item)
    elif isinstance(value, Mapping):
        _add(sha, tuple((key, value[key]) for key in sorted(value)))
    elif isinstance(value, str | int | float | None):
        sha.update(f"{value!r};".encode())
    else:
        raise TypeError(f"no mark can be made of a {type(value).__name__}")
