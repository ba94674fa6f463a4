"""One figure out of several: the newest release that holds it is taken.

A release holds a figure if it gives a number, or a mark that says there is one (small and hidden, or rounding to
zero). So what the newest release hides stays hidden, even if an older one showed it; what it does not have at all (not
available, not applicable, blank) is taken from the newest of the others. Of files of one release, the one that is
declared first.

An older table that files are put on top of has no marks, so what its own releases hid cannot be seen in it. Files
therefore add nothing to a group of figures (area, measure, year, and what stands before " | " in the breakdown) of
which it has a newer release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from abm.errors import CareError
from calibration.downloads.cells import CELLS, HIDING, MARKS, Found
from calibration.refusals import KEY

BASE = (*KEY, "area_name", "value", "source_id", "release")
"""Columns of an older table that files are put on top of; release is the year of its source, 0 if that is not known."""


@dataclass(frozen=True)
class Revision:
    """Figures that two releases give differently.

    Attributes
    ----------
    newer, older
        source_id of the one taken and of the other.
    both, different
        Figures that both give as numbers, and how many of those differ.
    largest
        The largest difference in percent of the older number.
    """

    newer: str
    older: str
    both: int
    different: int
    largest: float


@dataclass(frozen=True)
class Merged:
    """Figures of all files.

    Attributes
    ----------
    figures
        One row a figure, with a number: columns of CELLS but mark, `file` (place in the list of files; of an older
        table, their number), `source_id` and `release`.
    left_out
        For each file, and last for an older table: reason -> cells that did not become a figure.
    revisions
        Where releases differ.
    """

    figures: pl.DataFrame
    left_out: tuple[dict[str, int], ...]
    revisions: tuple[Revision, ...]


def merge(found: Sequence[Found], order: Sequence[str], base: pl.DataFrame | None = None) -> Merged:
    """Merge what several files hold.

    Parameters
    ----------
    found
        What each file holds; no two with the same content.
    order
        Keys of the declarations in their order.
    base
        Figures of an older table, columns BASE; of one release, the files are taken.

    Raises
    ------
    CareError
        When a file gives one figure twice, or two files of one kind and release differ.
    """
    for one in found:
        _refuse_a_figure_twice(one)
    parts = [
        one.cells.with_columns(
            file=pl.lit(n, pl.UInt32), source_id=pl.lit(one.source_id), release=pl.lit(one.release, pl.Int32),
            order=pl.lit(order.index(one.rule.key), pl.UInt32),
        )
        for n, one in enumerate(found)
    ]  # fmt: skip
    if base is not None:
        parts.append(_as_part(base, len(found), len(order)))
    held = pl.col("value").is_not_null() | pl.col("mark").is_in(HIDING)
    cells = pl.concat(parts).with_columns(held=held)
    # Rows that hold a figure first, then the newest; what comes first is taken.
    cells = cells.sort(
        [*KEY, "held", "release", "order", "file"], descending=[*(False for _ in KEY), True, True, False, False]
    ).with_columns(place=pl.int_range(pl.len()).over(KEY))
    _refuse_two_of_one_release(found, cells)
    first = cells.filter(pl.col("place") == 0).select(
        *KEY, first_value="value", first_held="held", first_mark="mark", first_id="source_id"
    )
    rest = cells.filter(pl.col("place") > 0).join(first, on=list(KEY), how="left", maintain_order="left")
    taken = cells.filter((pl.col("place") == 0) & pl.col("value").is_not_null())
    late = _late(taken, base) if base is not None else taken.clear()
    taken = taken.join(late, on=list(KEY), how="anti", maintain_order="left")
    left_out: list[dict[str, int]] = [{} for _ in parts]
    hidden = cells.filter((pl.col("place") == 0) & pl.col("value").is_null())
    _count(left_out, hidden.with_columns(why=pl.col("mark").replace_strict(MARKS)))
    _count(left_out, rest.with_columns(why=_why_not_taken()))
    _count(left_out, late.with_columns(why=pl.lit("not in the older table, which has a newer release of that year")))
    return Merged(taken.drop("order", "held", "place", "mark"), tuple(left_out), _revisions(rest))


def _as_part(base: pl.DataFrame, file: int, order: int) -> pl.DataFrame:
    return base.select(
        *(pl.col(key) for key in CELLS if key in base.columns and key != "mark"),
        mark=pl.lit(None, pl.String), row=pl.lit(0, pl.UInt32), column=pl.lit("value"),
        file=pl.lit(file, pl.UInt32), source_id=pl.col("source_id"), release=pl.col("release").cast(pl.Int32),
        order=pl.lit(order, pl.UInt32),
    ).select(*CELLS, "file", "source_id", "release", "order")  # fmt: skip


def _late(taken: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    """Return figures that the older table has not, though it has a newer release of their group."""
    group = ["area_code", "measure", "year", "group"]
    of_group = pl.col("breakdown").str.extract(r"^(.+?) \| ").fill_null("").alias("group")
    newest = base.with_columns(of_group).group_by(group).agg(pl.col("release").max().alias("theirs"))
    new = taken.join(base, on=list(KEY), how="anti", maintain_order="left").with_columns(of_group)
    return new.join(newest, on=group, how="inner").filter(pl.col("release") < pl.col("theirs"))


def _why_not_taken() -> pl.Expr:
    """Return why a cell was not taken that is not the first for its figure."""
    number, first = pl.col("value").is_not_null(), pl.col("first_value").is_not_null()
    same = pl.col("value") == pl.col("first_value")
    return (
        pl.when(number & first & same).then(pl.lit("the same in a newer or other file"))
        .when(number & first).then(pl.lit("revised in a newer or other file"))
        .when(number & pl.col("first_held")).then(pl.lit("shown here, hidden in the newest release"))
        .otherwise(pl.col("mark").replace_strict(MARKS))
    )  # fmt: skip


def _count(left_out: list[dict[str, int]], cells: pl.DataFrame) -> None:
    for file, why, n in cells.group_by("file", "why").len().sort("file", "why").iter_rows():
        left_out[file][why] = left_out[file].get(why, 0) + n


def _revisions(rest: pl.DataFrame) -> tuple[Revision, ...]:
    both = rest.filter(pl.col("value").is_not_null() & pl.col("first_value").is_not_null())
    apart = (pl.col("first_value") - pl.col("value")).abs()
    told = both.group_by("first_id", "source_id").agg(
        pl.len().alias("both"),
        (apart > 0).sum().alias("different"),
        pl.when(pl.col("value") > 0).then(100 * apart / pl.col("value")).max().alias("largest"),
    )
    rows = told.sort("first_id", "source_id").iter_rows()
    return tuple(Revision(newer, older, n, different, largest or 0.0) for newer, older, n, different, largest in rows)


# Refusals -------------------------------------------------------------------------------------------------------------


def _refuse_a_figure_twice(found: Found) -> None:
    twice = found.cells.filter(found.cells.select(KEY).is_duplicated())
    if twice.is_empty():
        return
    one = twice.row(0, named=True)
    rows = twice.filter(pl.all_horizontal(pl.col(key) == one[key] for key in KEY))["row"].to_list()
    figure = f"'{one['measure']}', '{one['breakdown']}' ({one['unit']})"
    raise CareError(
        f"{figure} of {one['area_code']} in {one['year']} is there twice",
        f"{found.sheet.source.name}, rows {rows[0]} and {rows[1]}, column {one['column']}",
        "Keep one of the two rows; or download the file again",
    )


def _refuse_two_of_one_release(found: Sequence[Found], cells: pl.DataFrame) -> None:
    """Refuse two different files of one kind and release: which of them corrects the other cannot be told."""
    held = cells.filter(pl.col("held") & (pl.col("file") < len(found)))
    keys = [*KEY, "release", "order"]
    several = held.filter(held.select(keys).is_duplicated()).sort(*keys, "file")
    differing = several.filter((pl.col("value").fill_null(-1.0).n_unique() > 1).over(keys))
    if differing.is_empty():
        return
    one, two = differing.head(2).iter_rows(named=True)
    names = [found[row["file"]].sheet.source.name for row in (one, two)]
    raise CareError(
        f"Two files are the release of {one['release']} of '{found[one['file']].rule.title}' and differ",
        f"{names[0]}, row {one['row']}, and {names[1]}, row {two['row']}, column {one['column']}",
        "Give only the one that was published last",
    )
