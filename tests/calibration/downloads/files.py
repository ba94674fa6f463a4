"""Files that tests of downloads make: small ones by hand, and excerpts of released ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from calibration.downloads.rules import Rules, read_rules

RELEASED = Path(__file__).parent / "released"

PLACES = "time_period,time_identifier,geographic_level,country_code,country_name,region_code,region_name"
AUTHORITY = "old_la_code,new_la_code,la_name"
B1 = (
    "category,Anypoint_episodes,Anypoint_child,Started_episodes,Started_child,Ended_episodes,Ended_child,"
    "At31_episodes,awaiting_assessment"
)
D3 = "category,CPP_start,CPP_subsequent,CPP_subsequent_percent"
RATE = "population_type,population_estimate,children_count,rate_per_10000"


@cache
def rules() -> Rules:
    return read_rules()


def england(year: str, *cells: object, kind: str = "Reporting year") -> str:
    return f"{year},{kind},National,E92000001,England,,,,,," + ",".join(map(str, cells))


def region(year: str, *cells: object) -> str:
    return f"{year},Reporting year,Regional,E92000001,England,E12000002,North West,,,," + ",".join(map(str, cells))


def authority(
    year: str, *cells: object, code: str = "E06000009", name: str = "Blackpool", kind: str = "Reporting year"
) -> str:
    place = f"{year},{kind},Local authority,E92000001,England,E12000002,North West,890,{code},{name},"
    return place + ",".join(map(str, cells))


def table(columns: str, rows: Iterable[str]) -> str:
    return "\n".join([f"{PLACES},{AUTHORITY},{columns}", *rows]) + "\n"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
