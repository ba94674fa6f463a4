"""Breaks files as they get broken: cut off, mixed up, saved by another program, or filled with what nobody expects."""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable

ODD = (
    "", " ", '"', '""', "'", ",", ";", "\t", "\n", "\r", "\x00", "\ufeff", "é", "👧", "ß", "İ", "-", "0", "-1", "1e308",
    "99999999999999999999", "99999", "00000", "1.5", "inf", "nan", "NULL", "=1+1", "31/02/2020", "29/02/2020",
    "00/00/0000", "0000-00-00", "9999-12-31", "2020-13-01", "1/1/1", "31/12/1899", "2020-06-31T25:61", "x" * 3000,
    "2023-24", "X1", "S", "\u0661\u0662/\u0660\u0661/\u0662\u0660\u0662\u0660", "\ud7ff", "\\", "{}", "%s", "../..",
)  # fmt: skip


def broken(data: bytes, draw: random.Random) -> bytes:
    """Return the bytes of a file, broken in one to three ways."""
    if data.startswith(b"PK") and draw.random() < 0.7:
        return _inside_of_a_zip(data, draw)
    for _ in range(draw.randint(1, 3)):
        data = draw.choice(_WAYS)(data, draw)
    return data


def _somewhere(data: bytes, draw: random.Random) -> int:
    return draw.randint(0, len(data))


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: _somewhere(data, draw)]


def _flip(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randint(1, 20)):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _twice(data: bytes, draw: random.Random) -> bytes:
    a, b = sorted((_somewhere(data, draw), _somewhere(data, draw)))
    return data[:b] + data[a:b] + data[b:]


def _insert(data: bytes, draw: random.Random) -> bytes:
    at = _somewhere(data, draw)
    return data[:at] + draw.randbytes(draw.randint(1, 60)) + data[at:]


def _odd_cells(data: bytes, draw: random.Random) -> bytes:
    lines = [line.split(",") for line in data.decode("utf-8", "replace").split("\n")]
    for _ in range(draw.randint(1, 30)):
        line = draw.choice(lines)
        line[draw.randrange(len(line))] = draw.choice(ODD)
    return "\n".join(",".join(line) for line in lines).encode("utf-8", "surrogatepass")


def _mixed_lines(data: bytes, draw: random.Random) -> bytes:
    lines = data.split(b"\n")
    draw.shuffle(lines)
    return b"\n".join(lines)


def _without_a_column(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(8)
    return b"\n".join(b",".join(c for i, c in enumerate(line.split(b",")) if i != at) for line in data.split(b"\n"))


def _one_column_for_all(data: bytes, draw: random.Random) -> bytes:
    at, cell = draw.randrange(8), draw.choice(ODD).encode("utf-8", "surrogatepass")
    lines = [line.split(b",") for line in data.split(b"\n")]
    return b"\n".join(b",".join(cell if i == at else c for i, c in enumerate(line)) for line in lines)


def _saved_otherwise(data: bytes, draw: random.Random) -> bytes:
    code = draw.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp037"])
    return data.decode("utf-8", "replace").encode(code, "replace")


def _other_separator(data: bytes, draw: random.Random) -> bytes:
    return data.replace(b",", draw.choice([b";", b"\t", b"|", b'","', b",,", b"\r\n", b" "]))


def _inside_of_a_zip(data: bytes, draw: random.Random) -> bytes:
    """Break one part of a workbook, so that what unpacks it finds nothing wrong."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    name = draw.choice(sorted(parts))
    if draw.random() < 0.2:
        del parts[name]
    else:
        parts[name] = draw.choice((_cut, _flip, _twice, _insert, _nothing_of_it, _digits))(parts[name], draw)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as book:
        for name, part in parts.items():
            book.writestr(name, part)
    return made.getvalue()


def _digits(data: bytes, draw: random.Random) -> bytes:
    """Put other numbers in: rows, columns and counts that are none."""
    numbers = list(re.finditer(rb"\d+", data))
    if not numbers:
        return data
    at = draw.choice(numbers)
    number = draw.choice([b"0", b"-1", b"4294967296", b"99999999999999999999", b"1048577", b"x"])
    return data[: at.start()] + number + data[at.end() :]


def _nothing_of_it(data: bytes, draw: random.Random) -> bytes:
    return draw.randbytes(draw.randint(0, 400))


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut, _flip, _twice, _insert, _odd_cells, _mixed_lines, _without_a_column, _one_column_for_all, _saved_otherwise,
    _other_separator, _nothing_of_it,
)  # fmt: skip
