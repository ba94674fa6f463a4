"""A million rows of SSDA903: how long reading takes, how much memory; made files read back as what was made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from calibration.returns.findings import Findings
from calibration.returns.ssda903 import read_care
from tests.calibration.returns.made_903 import make

SECONDS, GIGABYTES = 20.0, 2.0
YEARS = range(2015, 2025)
READ = """
import json, resource, sys, time
from pathlib import Path
from calibration.returns.findings import Findings
from calibration.returns.quality_page import write_quality_page
from calibration.returns.ssda903 import read_care
began = time.perf_counter()
findings = Findings()
tables = read_care([Path(sys.argv[1])], findings)
read = time.perf_counter() - began
write_quality_page(Path(sys.argv[1]) / "page", findings, {})
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "read": read, "page": time.perf_counter() - began - read, "cpu": used.ru_utime + used.ru_stime,
    "gigabytes": used.ru_maxrss * 1024 / 1e9, "episodes": tables.episodes.height,
}))
"""


def measured(folder: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", READ, str(folder)], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


@pytest.mark.bench
@pytest.mark.slow
def test_a_million_rows_are_read_in_20_seconds_and_2_gigabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(tmp_path, 185_000, YEARS)
    assert made.rows >= 1_000_000
    # The better of two, as others may work on the machine.
    told = min((measured(tmp_path) for _ in range(2)), key=lambda one: one["read"])
    with capsys.disabled():
        print(f"\n{made.rows:,} rows of episodes: {told}")
    assert told["read"] < SECONDS
    assert told["gigabytes"] < GIGABYTES


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y-%m-%d"])
def test_made_files_of_ten_years_read_back_as_what_was_made(tmp_path: Path, form: str) -> None:
    made = make(tmp_path, 150, YEARS, seed=3, form=form)
    findings = Findings()
    tables = read_care([tmp_path], findings)
    open_ = pl.col("DEC") > pl.date(2024, 3, 31)
    wanted = made.truth.with_columns(pl.col("DECOM", "DEC").cast(pl.Int32).cast(pl.Date))
    wanted = wanted.with_columns(pl.when(~open_).then(pl.col(name)).alias(name) for name in ("DEC", "REC"))
    names = {"DECOM": "start", "DEC": "end", "LS": "legal", "CIN": "need", "PLACE_PROVIDER": "provider"}
    names["REASON_PLACE_CHANGE"] = "place_change"
    wanted = wanted.rename({name: names.get(name, name.lower()) for name in wanted.columns})
    read = tables.episodes.select(wanted.columns)
    assert read.equals(wanted.sort("child", "start"))
    assert set(findings.counts()) == {"903-told-again", "903-care-began-before"}
    assert findings.counts()["903-told-again"] == made.rows - read.height
    assert tables.years == tuple(YEARS)
