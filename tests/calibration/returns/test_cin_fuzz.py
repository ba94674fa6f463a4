"""Broken files: each is read with findings or refused in a sentence, never a traceback, a hang or a value told."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pytest
import xlsxwriter

from abm.errors import CareError
from calibration.returns.annex_a import read_annex_a
from calibration.returns.cin import read_cin
from calibration.returns.findings import Findings
from tests.calibration.returns.files_annex_a import LISTS, csvs, workbook
from tests.calibration.returns.files_cin import (
    assessment,
    case,
    census,
    child,
    el,
    enquiry,
    need_plan,
    protection_plan,
    write_flat,
)  # fmt: skip

KEY, BIRTH = "ZQX77431", "2013-05-17"
PERSONAL = (KEY, KEY.casefold(), BIRTH, "17/05/2013")
WHOLE = child(
    KEY,
    case(
        "2023-05-01", assessment("2023-05-02", "2023-06-20", "4B", "16A"), enquiry("2023-05-10", "2023-05-26"),
        need_plan("2023-05-20", "2023-05-26"), protection_plan("2023-05-26", None, "2023-08-01"),
        el("PreProceedingsandFGDM", PPStartDate="2023-10-01"),
    ),
    case("2024-01-01", nfa="1"),
    birth=BIRTH, Sex="F",
)  # fmt: skip
TEXT = ('<?xml version="1.0" encoding="UTF-8"?>\n' + census(2024, WHOLE, child("B", case("2023-09-01")))).encode()


def truncated(data: bytearray) -> bytes:
    return bytes(data[: random.randrange(len(data))])


def flipped(data: bytearray) -> bytes:
    for _ in range(random.choice([1, 1, 1, 5, 50])):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def cut_out(data: bytearray) -> bytes:
    start = random.randrange(len(data))
    del data[start : start + random.randrange(1, 300)]
    return bytes(data)


def doubled(data: bytearray) -> bytes:
    start, end = sorted(random.sample(range(len(data)), 2))
    return bytes(data[:end] + data[start:])


STRANGE = (
    b"", b"31/02/2023", b"0000-00-00", b"99999999999999999999", b"-1", b"NaN", b"\x00", b"\xff\xfe", b"=1+1", b"1e400",
    "\u0661\u0662".encode(), b"9999-12-31", b"1899-12-30", b"<!--", b"&amp;", b"&x;", b"]]>", b'"', b"\n", b"a" * 5000,
)  # fmt: skip
OTHERS = (
    (b"LAchildID", b"ChildKey"), (b"CINreferralDate", b"CINreferalDate"), (b"Message", b"Massage"),
    (b"Child>", b"Kid>"), (b"2023", b"20A3"), (b"2023-", b"1023-"), (b"-05-", b"-13-"), (b"2024", b"2042"),
    (b"<Year>", b"<Year><Year>"), (b"</Reviews>", b""), (b"UTF-8", b"UTF-7"), (b"UTF-8", b"shift_jis"),
    (b"CINdetails", b"cin:details"), (b",", b";"), (b"Child Unique ID", b"Name"), (b"Date of", b"Day of"),
)  # fmt: skip


def strange_cell(data: bytearray) -> bytes:
    """Put something strange before a cell."""
    mark = b">" if b"<" in data else b","
    at = random.choice([i for i, sign in enumerate(data) if sign == mark[0]]) + 1
    return bytes(data[:at] + random.choice(STRANGE) + data[at:])


def other_words(data: bytearray) -> bytes:
    """Change names of elements or columns, or values that are alike."""
    was, now = random.choice(OTHERS)
    return bytes(data).replace(was, now)


def nested(data: bytearray) -> bytes:
    deep = random.choice([30, 100, 20_000])
    tag = random.choice([b"a", b"Child", b"CINdetails", b"Header", b"Reviews"])
    at = bytes(data).find(b"<CINdetails>")
    ends = b"".join([b"</", tag, b">"]) * deep if random.random() < 0.5 else b""
    return bytes(data[:at] + b"".join([b"<", tag, b">"]) * deep + ends + data[at:])


def entities(data: bytearray) -> bytes:
    laughs = b'<!DOCTYPE m [<!ENTITY a "' + b"ha" * 50 + b'">'
    for one, two in zip(b"abcdefgh", b"bcdefghi", strict=True):
        laughs += b'<!ENTITY %c "%s">' % (two, b"&%c;" % one * 20)
    return bytes(data).replace(b"<Message>", laughs + b"]><Message>").replace(b">N1<", b">&i;<")


def recoded(data: bytearray) -> bytes:
    text = bytes(data).decode("utf-8", "replace")
    return text.encode(random.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "utf-7"]), "replace")


ANY = (truncated, flipped, cut_out, doubled)
OF_TEXT = (*ANY, strange_cell, other_words, recoded)
OF_XML = (*OF_TEXT, nested, entities)


def survives(path: Path, read: Callable[[Findings], object]) -> str:
    """Return "read" or "refused"; anything else fails."""
    findings, began = Findings(), perf_counter()
    refused = None
    try:
        read(findings)
    except CareError as error:
        refused = error
    assert perf_counter() - began < 20, f"{path} took too long"
    assert refused is None or refused.remedy.endswith("."), refused
    said, how = (str(refused), "refused") if refused else ("", "read")
    told = said + str(findings.frame().rows())
    assert not any(value in told for value in PERSONAL), told
    return how


def broken(folder: Path, seed: int) -> str:
    """Break one file of one kind and read it."""
    random.seed(seed)
    kind = random.choice(["xml", "xml", "flat", "cin book", "annex a", "annex a csv"])
    if kind == "xml":
        path = folder / "cin.xml"
        path.write_bytes(random.choice(OF_XML)(bytearray(TEXT)))
        return survives(path, lambda findings: read_cin([path], findings))
    if kind == "flat":
        tables = write_flat(folder / "2024", [WHOLE])
        path = random.choice(sorted(tables.iterdir()))
        path.write_bytes(random.choice(OF_TEXT)(bytearray(path.read_bytes())))
        return survives(path, lambda findings: read_cin([tables], findings))
    if kind == "cin book":
        path = folder / "cin_2024.xlsx"
        with xlsxwriter.Workbook(str(path)) as book:
            sheet = book.add_worksheet("CINdetails")
            sheet.write_row(0, 0, ["LAchildID", "CINdetailsID", "CINreferralDate"])
            sheet.write_row(1, 0, [KEY, "1", "2023-05-01"])
        path.write_bytes(random.choice(ANY)(bytearray(path.read_bytes())))
        return survives(path, lambda findings: read_cin([path], findings))
    lists = {
        name: [row | {"Child Unique ID": KEY, "Date of Birth": BIRTH} for row in rows] for name, rows in LISTS.items()
    }
    if kind == "annex a":
        path = workbook(folder / "annex.xlsx", lists)
        path.write_bytes(random.choice(ANY)(bytearray(path.read_bytes())))
    else:
        name = random.choice(list(lists))
        path = csvs(folder / "lists", {name: lists[name]}) / f"{name}.csv"
        path.write_bytes(random.choice(OF_TEXT)(bytearray(path.read_bytes())))
    return survives(path, lambda findings: read_annex_a([path], findings))


@pytest.mark.parametrize("seed", range(3))
def test_broken_files_a_few(tmp_path: Path, seed: int) -> None:
    for i in range(20):
        (tmp_path / str(i)).mkdir()
        broken(tmp_path / str(i), 1000 + 20 * seed + i)


@pytest.mark.slow
def test_broken_files_many(tmp_path: Path) -> None:
    how = []
    for i in range(2000):
        folder = tmp_path / str(i)
        folder.mkdir()
        how.append(broken(folder, 10_000 + i))
    # Both ends happen often: the mutations are neither all fatal nor all harmless.
    assert min(how.count("read"), how.count("refused")) > 400
