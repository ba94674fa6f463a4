"""Makes SSDA903 files of any size, for measuring and searching: random and consistent, not like a real authority."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from calibration.returns.ssda903_files import COLUMNS

_DAY_0 = date(1970, 1, 1)


@dataclass(frozen=True)
class Made:
    """What was made: how many rows of episodes, and the episodes as they truly are."""

    rows: int
    truth: pl.DataFrame


def make(folder: Path, children: int, years: range, seed: int = 1, form: str = "%d/%m/%Y") -> Made:
    """Write a header and an episodes file for each year (ending 31 March) into a folder.

    Each child has one chain of one to eight episodes, about half a year each; every return has the episodes that were
    open at any time of its year, as known on 31 March. They are too young to grow up meanwhile.
    """
    draw = np.random.default_rng(seed)
    first, last = _day(years[0] - 1, 4, 1), _day(years[-1], 3, 31)
    n = draw.integers(1, 9, children)
    child = np.repeat(np.arange(children), n)
    number = np.arange(n.sum()) - np.repeat(n.cumsum() - n, n)
    lengths = 1 + draw.geometric(1 / 180, n.sum())
    begins = draw.integers(first - 700, last, children)
    before = lengths.cumsum() - lengths
    start = np.repeat(begins, n) + before - np.repeat(before[n.cumsum() - n], n)
    end = start + lengths
    ends_chain = number == np.repeat(n, n) - 1
    places = np.array(["U1", "U3", "U4", "U6", "K2", "R1", "S1"])
    leaving = np.array(["E4A", "E4B", "E13", "E8", "E3"])
    truth = pl.DataFrame(
        {
            "CHILD": (1_000_000 + child).astype(str),
            "DECOM": start,
            "RNE": np.where(number == 0, "S", draw.choice(["P", "L", "T"], child.size)),
            "LS": draw.choice(["C1", "C2", "V2"], child.size),
            "CIN": np.repeat(draw.choice(["N1", "N4", "N5"], children), n),
            "PLACE": draw.choice(places, child.size),
            "PLACE_PROVIDER": draw.choice(["PR1", "PR4"], child.size),
            "DEC": end,
            "REC": np.where(ends_chain, draw.choice(leaving, child.size), "X1"),
            "REASON_PLACE_CHANGE": draw.choice(["CARPL", "OTHER"], child.size),
        }
    )
    truth = truth.filter((pl.col("DECOM") <= last) & (pl.col("DEC") >= first))
    births = begins - draw.integers(0, 8 * 365, children)
    folder.mkdir(parents=True, exist_ok=True)
    rows = 0
    for year in years:
        begin, close = _day(year - 1, 4, 1), _day(year, 3, 31)
        seen = truth.filter((pl.col("DECOM") <= close) & (pl.col("DEC") >= begin))
        open_ = pl.col("DEC") > close
        seen = seen.with_columns(
            pl.when(~open_).then("DEC").alias("DEC"), pl.when(~open_).then("REC").alias("REC")
        ).with_columns(pl.col("DECOM", "DEC").cast(pl.Int32).cast(pl.Date).dt.strftime(form))
        post = [pl.lit("AB1 2").alias("HOME_POST"), pl.lit("AB1 2").alias("PL_POST"), pl.lit("SC123456").alias("URN")]
        seen.with_columns(post).select(COLUMNS["Episodes"]).write_csv(folder / f"episodes_{year}.csv")
        known = np.unique(seen["CHILD"].cast(pl.Int64).to_numpy() - 1_000_000)
        pl.DataFrame(
            {
                "CHILD": (1_000_000 + known).astype(str),
                "SEX": 1 + known % 2,
                "DOB": pl.Series(births[known].astype(np.int32)).cast(pl.Date).dt.strftime(form),
                "ETHNIC": "WBRI",
                "UPN": "UN1",
                "MOTHER": "",
                "MC_DOB": "",
            }
        ).write_csv(folder / f"header_{year}.csv")
        rows += seen.height
    return Made(rows, truth)


def _day(year: int, month: int, day: int) -> int:
    return (date(year, month, day) - _DAY_0).days


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), int(sys.argv[2]), range(2015, 2025)).rows)
