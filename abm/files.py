"""Files that are written whole or not at all, and that tell when a single bit of them was changed.

Two kinds: text as JSON that holds its own SHA-256 (`signed`), and columns: arrays, one after the other.

A file of columns is one line of text, a signed header, then the bytes of each array, little-endian, in the order of the
header, which names kind, shape and SHA-256 of each:

    journeys-abm columns 1 000000001234     (the last number: bytes of the header)

Why not Parquet: arrays of different lengths and of two dimensions stand in one file, so it is replaced in one step; the
same arrays give the same bytes whatever library is installed; every bit is covered by a digest that we check before
anything is made of it; and nothing is decoded, so it is read as fast as it is hashed. Nothing in it is code, and
nothing that reads it could run any.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from math import prod
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError

_FIRST_WORDS, _DIGITS = b"journeys-abm columns 1 ", 12
KINDS = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f8")
"""Kinds of numbers that a file of columns may hold, as numpy writes them."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Written whole or not at all ------------------------------------------------------------------------------------------


@contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`, which takes the place of `path` if all goes well and is removed if not.

    It takes the place only when its bytes are on the disk: after a crash, of the program or (if `lasting`) of the
    machine, the old file stands there or the new one. A program that is killed meanwhile leaves the temporary file: see
    `sweep`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, but an ordinary file: others may read it as the folder's settings allow.
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part") as file:
        name = Path(file.name)
    try:
        yield name
        if lasting:
            settle(name)
        os.replace(name, path)
        if lasting:
            settle(path.parent)
    finally:
        name.unlink(missing_ok=True)


def settle(path: Path) -> None:
    """Wait until what was written to a file, or the names in a folder, are on the disk."""
    is_folder = path.is_dir()
    # Not every system lets a folder be opened, and one that does not keeps the order of names by itself.
    with suppress(OSError) if is_folder else nullcontext():
        handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep(path: Path) -> None:
    """Remove what programs that were killed while replacing `path` left beside it; no other may be replacing it now."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.part")
    for entry in sorted(path.parent.iterdir()):
        if ours.fullmatch(entry.name):
            entry.unlink(missing_ok=True)


# Text that tells when it was changed ----------------------------------------------------------------------------------


def signed(told: Mapping[str, Any]) -> str:
    """Return JSON with the SHA-256 of itself as its last entry; NaN and infinity are errors."""
    plain = json.dumps(dict(told), ensure_ascii=False, allow_nan=False, indent=1)
    mark = hashlib.sha256(plain.encode()).hexdigest()
    return json.dumps({**told, "sha256": mark}, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _unsigned(text: str) -> dict[str, Any] | None:
    """Return what `signed` was given, or None when a single character differs."""
    try:
        told: dict[str, Any] = json.loads(text)
        del told["sha256"]
        return told if signed(told) == text else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def read_signed(path: Path, remedy: str) -> dict[str, Any]:
    """Read what `signed` wrote, or raise CareError when it is not there or a single character differs."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as fault:
        raise CareError(f"There is no readable '{path.name}' here", str(path.parent), remedy) from fault
    except UnicodeDecodeError as fault:
        raise CareError(f"The file '{path.name}' is damaged", str(path), remedy) from fault
    told = _unsigned(text)
    if told is None:
        raise CareError(f"The file '{path.name}' is damaged or was changed by hand", str(path), remedy)
    return told


# Columns --------------------------------------------------------------------------------------------------------------


def write_columns(path: Path, told: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays and what is told about them, whole or not at all; the same give the same bytes.

    Parameters
    ----------
    told
        Plain data for the header; not "columns" and "sha256", which are added.
    columns
        Arrays of any shapes by name, of the KINDS.

    Errors
    ------
    CareError
        For an array of another kind, and when the file cannot be written; what stood there before stays.
    """
    listed, parts = [], []
    for name, column in columns.items():
        plain = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
        if plain.dtype.str not in KINDS:
            raise CareError(f"Column '{name}' is of the kind {column.dtype}", str(path), f"Use {', '.join(KINDS)}")
        parts.append(plain.reshape(-1).view(np.uint8))
        mark = hashlib.sha256(parts[-1].data).hexdigest()
        listed.append({"name": name, "kind": plain.dtype.str, "shape": list(column.shape), "sha256": mark})
    header = signed({**told, "columns": listed}).encode()
    try:
        with replacing(path) as part, part.open("wb") as file:
            file.write(_first_line(len(header)) + header)
            for plain in parts:
                file.write(plain.data)
    except OSError as fault:
        raise CareError(
            f"The file '{path.name}' cannot be written: {fault.strerror or fault}",
            str(path.parent),
            "Free some space, or choose a folder that you can write to",
        ) from fault


def read_columns(path: Path, remedy: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_columns` wrote: what was told, and the arrays by name.

    Errors
    ------
    CareError
        With this remedy, when there is no such file, when it is no file of columns, and when a single bit differs from
        what was written.
    """

    def damaged(how: str) -> CareError:
        return CareError(f"The file '{path.name}' {how}", str(path), remedy)

    try:
        # A pipe could be waited for without end.
        if not path.is_file():
            raise CareError(f"There is no file '{path.name}' here", str(path.parent), remedy)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(len(_first_line(0)))
            digits = first[len(_FIRST_WORDS) : -1]
            if not digits.isdigit() or first != _first_line(int(digits)):
                raise damaged("is damaged in its first line, or no file of columns of this version")
            told = _unsigned(file.read(min(int(digits), size)).decode("utf-8", "replace"))
            if told is None:
                raise damaged("is damaged in its header")
            listed = [(c["name"], c["kind"], tuple(c["shape"]), c["sha256"]) for c in told.pop("columns")]
            if not all(kind in KINDS and min(shape, default=0) >= 0 for _, kind, shape, _ in listed):
                raise damaged("has a column of an unknown kind")
            # Before any room is made for them: what the header says must be what is there.
            expected = file.tell() + sum(np.dtype(kind).itemsize * prod(shape) for _, kind, shape, _ in listed)
            if size != expected:
                raise damaged(f"is damaged: it has {size} bytes instead of {expected}")
            columns = {}
            for name, kind, shape, mark in listed:
                column = np.empty(prod(shape), kind)
                file.readinto(column.view(np.uint8).data)
                if hashlib.sha256(column.view(np.uint8).data).hexdigest() != mark:
                    raise damaged(f"is damaged in its column '{name}'")
                columns[name] = column.astype(column.dtype.newbyteorder("="), copy=False).reshape(shape)
            return told, columns
    except OSError as fault:
        raise CareError(
            f"The file '{path.name}' cannot be read: {fault.strerror or fault}", str(path.parent), remedy
        ) from fault
    except (KeyError, TypeError, ValueError) as fault:
        raise damaged("is no file of columns") from fault


def _first_line(header: int) -> bytes:
    return _FIRST_WORDS + b"%0*d\n" % (_DIGITS, header)
