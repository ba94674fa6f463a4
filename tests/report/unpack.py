"""The container read back in Python: what web/src/shared/payload.ts does in the browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

WIDTHS = {"u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "i32": np.int32, "f64": np.float64}


def unpack(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and columns of a packed container."""
    raw = gzip.decompress(base64.b64decode(text, validate=True))
    size = int.from_bytes(raw[:4], "little")
    header = json.loads(raw[4 : 4 + size])
    plain: dict[str, np.ndarray] = {}
    for column in header["columns"]:
        kind = np.dtype(WIDTHS[column["type"]])
        begin = 4 + size + column["offset"]
        planes = np.frombuffer(raw[begin : begin + column["length"] * kind.itemsize], np.uint8)
        plain[column["name"]] = planes.reshape(kind.itemsize, -1).T.copy().view(kind).ravel()
    columns = {}
    for column in header["columns"]:
        name, values = column["name"], plain[column["name"]]
        if column["codec"] == "share":
            values = values / 2.0**32
        elif column["codec"] == "lookup":
            values = plain[f"{name}.values"][values]
        if not name.endswith(".values"):
            columns[name] = values
    return header, columns


def unpack_page(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and columns of a written page."""
    found = re.search(r'id="data">([A-Za-z0-9+/=]+)</script>', path.read_text(encoding="utf-8"))
    assert found, "the page holds no data"
    return unpack(found[1])
