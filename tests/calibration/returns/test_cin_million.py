"""A CIN Census of a million rows: how long reading takes, and how much memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.calibration.returns.files_cin import read
from tests.calibration.returns.made_cin import make

SECONDS, GIGABYTES = 20.0, 2.0
READ = """
import json, resource, sys, time
from pathlib import Path
from calibration.returns.cin import read_cin
from calibration.returns.findings import Findings
began = time.perf_counter()
tables = read_cin([Path(sys.argv[1])], Findings())
took = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "read": took, "cpu": used.ru_utime + used.ru_stime, "gigabytes": used.ru_maxrss * 1024 / 1e9,
    "children": tables.children.height,
}))
"""


def measured(path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


@pytest.mark.bench
@pytest.mark.slow
def test_a_census_of_a_million_rows_is_read_in_20_seconds_and_2_gigabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(tmp_path / "cin.xml", 230_000, 2025)
    assert made >= 1_000_000
    # The better of two, as others may work on the machine.
    told = min((measured(tmp_path / "cin.xml") for _ in range(2)), key=lambda one: one["read"])
    with capsys.disabled():
        print(f"\n{made:,} rows of modules: {told}")
    # On a machine that others use too, the time it was at work for us.
    assert min(told["read"], told["cpu"]) < SECONDS
    assert told["gigabytes"] < GIGABYTES


def test_a_made_census_is_read_whole(tmp_path: Path) -> None:
    made = make(tmp_path / "cin.xml", 200, 2025)
    tables, findings = read(tmp_path)
    modules = (tables.children, tables.referrals, tables.assessments, tables.enquiries, tables.need_plans)
    # Of a made census only what is after its last day is left out, and plans that overlap are joined.
    gone = sum(findings.counts().get(code, 0) for code in ("cin-begins-after-census", "cin-4004"))
    assert sum(frame.height for frame in modules) + gone == made
