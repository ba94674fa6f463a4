"""What tests of calibration share."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.statistics import Statistics, read_statistics

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "published" / "published_statistics.csv.gz"


@pytest.fixture(scope="session")
def reference() -> Statistics:
    """Return the figures of every authority; they stand beside the project, not in it."""
    if not REFERENCE.exists():
        pytest.skip("the reference tables are not beside the project")
    return read_statistics(REFERENCE)
