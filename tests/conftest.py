"""What every test shares: repeatable examples, and a loud word when there is no browser."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Processes side by side would wait for each other's threads; this must stand before numpy is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# No deadline: the first call of a compiled function compiles it. Derandomised: a test fails for all of us or for none.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
LEFT_OUT = pytest.StashKey[int]()


def find_browser() -> str | None:
    """Return the path of a Chromium (or JOURNEYS_BROWSER's), or None."""
    chosen = os.environ.get("JOURNEYS_BROWSER")
    if chosen:
        return chosen
    edge = Path(os.environ.get("PROGRAMFILES(X86)", ""), "Microsoft", "Edge", "Application", "msedge.exe")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or (str(edge) if edge.is_file() else None)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Path of the browser for tests marked `browser`."""
    path = find_browser()
    assert path, "a test that uses browser_path must carry the mark browser"
    return path


def pytest_collection_modifyitems(config, items):
    if find_browser():
        return
    waiting = [item for item in items if item.get_closest_marker("browser")]
    config.stash[LEFT_OUT] = len(waiting)
    for item in waiting:
        item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


def pytest_terminal_summary(terminalreporter, config):
    count = config.stash.get(LEFT_OUT, 0)
    if count:
        terminalreporter.section("BROWSER TESTS LEFT OUT", sep="!", yellow=True, bold=True)
        terminalreporter.line(
            f"{count} browser tests did NOT run: there is no Chromium here. Install it (Debian: apt-get install "
            "chromium) or name one in JOURNEYS_BROWSER.",
            yellow=True,
        )
