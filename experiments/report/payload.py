"""Data inside a page: one container of a JSON header and columns, gzip, base64, put into a built template.

The reader of the container is web/src/shared/payload.ts; the two change together, and FORMAT with them.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.files import replacing

FORMAT = 1
PLACEHOLDER = "JOURNEYS_DATA_GOES_HERE"
TEMPLATES = Path(__file__).parent / "web_dist"
_WHOLE = 2.0**32
_MOST_LOOKED_UP = 65_536
_WIDTHS = (("u8", np.uint8), ("u16", np.uint16), ("u32", np.uint32))


@dataclass(frozen=True)
class Column:
    """One column as it stands in the container: `codec` says how the page makes numbers of it again."""

    name: str
    kind: str
    codec: str
    values: NDArray[Any]


def _whole_numbers(name: str, values: NDArray[Any], codec: str = "plain") -> Column:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind, dtype in _WIDTHS:
        if low >= 0 and high <= np.iinfo(dtype).max:
            return Column(name, kind, codec, values.astype(dtype))
    smallest, largest = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    if low < smallest or high > largest:
        raise CareError(
            f"A number in the column '{name}' does not fit into the page",
            f"{low} to {high}",
            f"The page takes whole numbers from {smallest} to {largest}",
        )
    return Column(name, "i32", codec, values.astype(np.int32))


def columns_of(name: str, values: NDArray[Any]) -> list[Column]:
    """Return a column in the smallest form that gives back exactly the same numbers.

    Whole numbers take the narrowest type. Chances and draws, which the engine decides in 32 bits, become whole
    numbers over 2**32, or codes into a list of the different values where these are few; others stay as they are.
    """
    if values.dtype == np.bool_ or np.issubdtype(values.dtype, np.integer):
        return [_whole_numbers(name, values.astype(np.int64))]
    different, codes = np.unique(values, return_inverse=True)
    if different.size <= min(_MOST_LOOKED_UP, values.size // 4):
        return [_whole_numbers(name, codes, "lookup"), Column(f"{name}.values", "f64", "plain", different)]
    scaled = values * _WHOLE
    if np.array_equal(scaled, np.floor(scaled)) and scaled.min() >= 0 and scaled.max() < _WHOLE:
        return [Column(name, "u32", "share", scaled.astype(np.uint32))]
    return [Column(name, "f64", "plain", values.astype(np.float64))]


def _planes(values: NDArray[Any]) -> bytes:
    """Return the bytes of little-endian numbers, all first bytes first: it compresses to about half."""
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<")))
    return little.view(np.uint8).reshape(values.size, -1).T.tobytes() if values.size else b""


def pack(header: dict[str, Any], columns: list[Column] | None = None) -> str:
    """Return header and columns as base64 text: the same text for the same data, whenever and wherever it is made."""
    listed, body = [], bytearray()
    for column in columns or []:
        listed.append(
            {
                "name": column.name,
                "type": column.kind,
                "codec": column.codec,
                "length": int(column.values.size),
                "offset": len(body),
            }
        )
        body += _planes(column.values)
    head = json.dumps({**header, "format": FORMAT, "columns": listed}, ensure_ascii=False, allow_nan=False).encode()
    container = len(head).to_bytes(4, "little") + head + bytes(body)
    return base64.b64encode(gzip.compress(container, compresslevel=6, mtime=0)).decode("ascii")


def write_page(path: Path, template: str, data: str) -> None:
    """Put packed data into a built template and write the page: wholly or not at all.

    Errors
    ------
    CareError
        When the template is not built, or when the file cannot be written.
    """
    source = TEMPLATES / template
    try:
        page = source.read_text(encoding="utf-8")
    except OSError as error:
        raise CareError(
            f"The page '{template}' is not built yet",
            "experiments/report/web_dist",
            "Run `python run.py demo`, or `npm ci` and `npm run build` in experiments/report/web",
        ) from error
    if page.count(PLACEHOLDER) != 1:
        raise CareError(
            f"The built page '{template}' has no place for its data",
            "experiments/report/web_dist",
            "Run `npm run build` in experiments/report/web again",
        )
    write_whole(path, page.replace(PLACEHOLDER, data))


def write_whole(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it: a reader never meets half of it."""
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            # A temporary file is private; a page is for whoever may read the folder.
            temporary.chmod(0o644)
    except OSError as error:
        raise CareError(
            f"The file '{path}' cannot be written: {error.strerror or error}",
            remedy="Choose a folder that you can write to",
        ) from error


def need_columns(frame: pl.DataFrame, name: str, wanted: tuple[str, ...]) -> None:
    """Stop with a sentence when a frame lacks a column."""
    for column in wanted:
        if column not in frame.columns:
            raise CareError(
                f"The {name} have no column '{column}'",
                f"columns: {', '.join(frame.columns)}",
                f"{did_you_mean(column, frame.columns)}Hand over the frame as the simulation makes it",
            )
