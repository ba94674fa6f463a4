"""A fit on disk: saved whole, read back to the last bit, refused when it is damaged or of another journey.

`fit.json` holds everything that is small, as text; `fit.parquet` holds the arrays, one number a row. Nothing in them is
code. Figures that were solved from others because their publisher hid them steer a fit but are not written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from math import isfinite, prod
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import polars as pl
from numpy.typing import NDArray

import abm
from abm.errors import CareError
from abm.files import read_signed, sha256_of, signed
from abm.journey import JOURNEY
from abm.marks import journey_mark
from calibration.fit import Fitted
from calibration.readings import SOLVED
from calibration.statistics import Statistics
from calibration.system import SystemFit

# What `abm.files` and `abm.marks` have may be asked for here too.
__all__ = [
    "ARRAYS", "FIT", "SavedFit", "journey_mark", "load_fit", "new_fit", "read_signed", "save_fit", "sha256_of",
    "signed",
]  # fmt: skip

FORMAT = 1
FIT, ARRAYS = "fit.json", "fit.parquet"
_WHAT = "A fit of journeys-abm: what was fitted to the published figures of an area, ready to be simulated."
_KINDS = {"float64": np.float64, "int32": np.int32, "int64": np.int64, "uint8": np.uint8, "bool": np.bool_}
_PACKED_ARRAY = {"array", "kind", "shape"}
_AGAIN = "Make it again with 'journeys calibrate'"


@dataclass(frozen=True)
class SavedFit:
    """A fit and what it was made from.

    fitted      the area as it is simulated; its targets are those that are published
    system      classic system dynamics of the area, fitted by itself
    statistics  the table of published figures: {"file": its name, "sha256": of its bytes}; and "rates": what they are,
                where the fit starts from others than the declared ones
    """

    fitted: Fitted
    system: SystemFit
    statistics: dict[str, str]


def new_fit(fitted: Fitted, system: SystemFit, statistics: Statistics) -> SavedFit:
    """Return a fit as it is saved: with its table, and without the figures that must not be shown."""
    shown = tuple(target for target in fitted.targets if SOLVED not in target.note)
    table = {"file": statistics.path.name, "sha256": sha256_of(statistics.path)}
    return SavedFit(replace(fitted, targets=shown), system, table)


def save_fit(fit: SavedFit, folder: Path) -> None:
    """Write `fit.json` and `fit.parquet` into a folder that is there; a fit that is cut short cannot be read back."""
    packing = _Packing()
    told = {"fitted": packing.pack(fit.fitted, "fitted"), "system": packing.pack(fit.system, "system")}
    packing.frame().write_parquet(folder / ARRAYS, compression="zstd")
    header = {
        "what": _WHAT,
        "format": FORMAT,
        "version": abm.__version__,
        "journey": journey_mark(JOURNEY),
        "statistics": fit.statistics,
        "arrays": {"file": ARRAYS, "sha256": sha256_of(folder / ARRAYS)},
    }
    (folder / FIT).write_text(signed(header | told), encoding="utf-8", newline="\n")


def load_fit(folder: Path) -> SavedFit:
    """Read a fit back.

    Errors
    ------
    CareError
        When there is none, when a file was changed or cut short, or when it was made for another declared journey.
    """
    told = read_signed(folder / FIT, _AGAIN)
    if told.get("format") != FORMAT or told.get("journey") != journey_mark(JOURNEY):
        raise CareError(
            f"This fit was made by version {told.get('version')}, for another journey than that of version "
            f"{abm.__version__}",
            str(folder / FIT),
            _AGAIN,
        )
    arrays = _read_arrays(folder / ARRAYS, str(told["arrays"]["sha256"]))
    try:
        unpacking = _Unpacking(arrays)
        fitted = unpacking.unpack(Fitted, told["fitted"], "fitted")
        system = unpacking.unpack(SystemFit, told["system"], "system")
    except (KeyError, TypeError, ValueError) as fault:
        raise CareError("This fit lacks something that this version needs", str(folder / FIT), _AGAIN) from fault
    return SavedFit(fitted, system, told["statistics"])


# Dataclasses as plain data --------------------------------------------------------------------------------------------


class _Packing:
    """Turns dataclasses into plain data, and keeps their arrays."""

    def __init__(self) -> None:
        self.arrays: list[tuple[str, NDArray[Any]]] = []
        self.seen: dict[int, str] = {}

    def pack(self, value: Any, path: str) -> Any:
        if isinstance(value, np.ndarray):
            self.arrays.append((path, value))
            return {"array": path, "kind": str(value.dtype), "shape": list(value.shape)}
        if isinstance(value, tuple):
            # The declared numbers stand in a book of rates and in the parameters made of it: once is enough.
            if len(value) > 10 and id(value) in self.seen:
                return {"same_as": self.seen[id(value)]}
            self.seen[id(value)] = path
            return [self.pack(item, f"{path}.{k}") for k, item in enumerate(value)]
        if isinstance(value, dict):
            return {str(key): self.pack(item, f"{path}.{key}") for key, item in value.items()}
        if is_dataclass(value):
            return {f.name: self.pack(getattr(value, f.name), f"{path}.{f.name}") for f in fields(value)}
        value = value.item() if isinstance(value, np.generic) else value
        # JSON has no word for infinity, the rate of what is certain.
        return repr(value) if isinstance(value, float) and not isfinite(value) else value

    def frame(self) -> pl.DataFrame:
        """Return all arrays as rows (array, value); every number is exact as float64."""
        names = [name for name, _ in self.arrays]
        sizes = [array.size for _, array in self.arrays]
        values = [array.astype(np.float64).ravel() for _, array in self.arrays]
        array = pl.Series(np.repeat(np.arange(len(names)), sizes)).cast(pl.UInt32)
        return pl.DataFrame(
            {
                "array": array.replace_strict(list(range(len(names))), names, return_dtype=pl.Enum(names)),
                "value": np.concatenate(values) if values else np.zeros(0),
            }
        )


def _read_arrays(path: Path, mark: str) -> dict[str, NDArray[np.float64]]:
    try:
        whole = sha256_of(path) == mark
    except OSError as fault:
        raise CareError(f"There is no readable '{path.name}' here", str(path.parent), _AGAIN) from fault
    if not whole:
        raise CareError(f"The file '{path.name}' is damaged or of another fit", str(path), _AGAIN)
    parts = pl.read_parquet(path).partition_by("array", as_dict=True, include_key=False, maintain_order=True)
    return {str(name): part["value"].to_numpy() for (name,), part in parts.items()}


class _Unpacking:
    """Makes dataclasses again, as their annotations say."""

    def __init__(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        self.arrays = arrays
        self.made: dict[str, Any] = {}

    def unpack(self, kind: Any, data: Any, path: str) -> Any:
        # An array is known by its data: how `NDArray` takes itself apart differs between versions of numpy.
        packed = isinstance(data, dict) and data.keys() == _PACKED_ARRAY
        value = self._array(data) if packed else self._as(kind)(data, path)
        self.made[path] = value
        return value

    def _as(self, kind: Any) -> Callable[[Any, str], Any]:
        origin, inner = get_origin(kind), get_args(kind)
        if origin is tuple:
            return lambda data, path: self._tuple(inner, data, path)
        if origin is dict:
            return lambda data, path: {k: self.unpack(inner[1], v, f"{path}.{k}") for k, v in data.items()}
        if origin in (Union, UnionType):
            (some,) = (one for one in inner if one is not NoneType)  # of the form `X | None`
            return lambda data, path: None if data is None else self._as(some)(data, path)
        if is_dataclass(kind):
            return lambda data, path: self._dataclass(kind, data, path)
        return lambda data, _path: _plain(kind, data)

    def _array(self, data: Any) -> NDArray[Any]:
        shape = tuple(data["shape"])
        # Parquet has no rows for an empty array.
        values = self.arrays[data["array"]] if prod(shape) else np.zeros(0)
        return values.reshape(shape).astype(_KINDS[data["kind"]])

    def _tuple(self, inner: tuple[Any, ...], data: Any, path: str) -> tuple[Any, ...]:
        if isinstance(data, dict):
            same: tuple[Any, ...] = self.made[data["same_as"]]
            return same
        kinds = (inner[0],) * len(data) if inner[-1] is Ellipsis else inner
        return tuple(self.unpack(k, item, f"{path}.{n}") for n, (k, item) in enumerate(zip(kinds, data, strict=True)))

    def _dataclass(self, kind: Any, data: Any, path: str) -> Any:
        hints = _kinds_of(kind)
        return kind(**{f.name: self.unpack(hints[f.name], data[f.name], f"{path}.{f.name}") for f in fields(kind)})


# Annotations are text until they are evaluated, which takes longer than reading the file: once a kind is enough.
_kinds_of = cache(get_type_hints)


def _plain(kind: Any, data: Any) -> Any:
    if kind is float and isinstance(data, int | str) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind):
        raise TypeError(f"{data!r} is not of the kind {kind}")
    return data
