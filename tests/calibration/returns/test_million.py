"""A million rows of returns to an event log: the promise is 20 seconds and 2 GB, the reading of the files included."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from calibration.returns.synthetic import Stories
from calibration.returns.synthetic903 import write_ssda903
from calibration.returns.synthetic_cin import write_cin
from tests.calibration.returns.busy import busy_run

ROWS, SECONDS, MEGABYTES = 1_000_000, 20, 2_000
MODULES = (
    "ChildIdentifiers", "CINdetails", "Assessments", "CINPlanDates", "Section47", "ChildProtectionPlans",
    "PreProceedingsandFGDM",
)  # fmt: skip
WORK = """
import json, resource, sys, time
from pathlib import Path
from experiments import returns_jobs
begin = time.process_time()
told = returns_jobs.read([Path(sys.argv[1])], Path(sys.argv[2]), same_ids=True)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": time.process_time() - begin, "megabytes": used.ru_maxrss / 1024, "told": told}))
"""


def _many(path: Path, times: int) -> int:
    """Repeat a file's children under other numbers; returns its rows."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        head, *lines = text.splitlines()
        copies = [line.replace("SIM0", f"SIM{n:03d}X") for n in range(times) for line in lines]
        path.write_text("\n".join([head, *copies, ""]), encoding="utf-8")
        return len(copies)
    before, rest = text.split(" <Children>\n")
    children, after = rest.split(" </Children>")
    copies = [children.replace("SIM0", f"SIM{n:03d}X") for n in range(times)]
    path.write_text(f"{before} <Children>\n{''.join(copies)} </Children>{after}", encoding="utf-8")
    return times * sum(children.count(f"<{module}>") for module in MODULES)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="memory is measured by a call that Windows lacks")
def test_a_million_rows(tmp_path: Path):
    """Measured on the processor's own clock, which other work on the machine does not move much."""
    folder = tmp_path / "returns"
    folder.mkdir()
    stories = Stories.of_run(busy_run(1, n_children=400))
    files = [*write_ssda903(stories, folder), *write_cin(stories, folder)]
    once = sum(_many(path, 1) for path in files)
    rows = sum(_many(path, -(-ROWS // once)) for path in files)
    assert rows >= ROWS
    command = [sys.executable, "-c", WORK, str(folder), str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    found = json.loads(done.stdout)
    print(f"{rows:,} rows: {found['seconds']:.1f} s, {found['megabytes']:.0f} MB; {found['told']}")
    assert found["seconds"] < SECONDS
    assert found["megabytes"] < MEGABYTES
