"""What machine this is, in words, and what the system tells of time and memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("numpy", "numba", "polars", "scipy", "mesa")


def facts() -> dict[str, str]:
    """Return the machine and the versions, in words."""
    return {
        "processor": _processor(),
        "cores": f"{os.cpu_count()}",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        named = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model na")]
        caches = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
        sizes = [path.read_text().strip() for path in caches[2:]]
        levels = f" (caches of level 2 and 3: {', '.join(sizes)})" if sizes else ""
        if named:
            return f"{named[0]}{levels}"
    return platform.processor() or "not known"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"
    except (AttributeError, ValueError, OSError):
        return "not known"


def load() -> float:
    """Return how busy the machine is: processes that ran or waited, over the last minute; 0 where it is not told."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def _status(name: str) -> int:
    """Return a number of bytes that Linux tells of this process; 0 elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def held_bytes() -> int:
    """Return the memory that this process holds now, in bytes; 0 where the system does not tell."""
    return _status("VmRSS")


def forget_peak() -> None:
    """Let the peak count from now on, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """Return the most memory held (since `forget_peak`, on Linux), in bytes; 0 where the system does not tell."""
    if peak := _status("VmHWM"):
        return peak
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def seconds_of(command: Sequence[str], times: int) -> tuple[float, float]:
    """Return seconds of processor and of the clock that a command takes from start to end: medians of some times."""
    used, passed = [], []
    for _ in range(times):
        before, began = os.times(), time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        passed.append(time.perf_counter() - began)
        after = os.times()
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return median(used), median(passed)
