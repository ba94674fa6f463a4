"""The job of `journeys returns read`: returns to an event log and a quality page.

The log of an authority's returns is a folder like that of a run, and marked in its manifest as observed: pages that
show children one by one refuse it (`results.read_manifest`). Whatever is written appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

import abm
from abm.errors import CareError
from calibration.returns import annex_a, cin, ssda903
from calibration.returns.assemble import CARE, NEED, SEEN, Link, Observed, assemble
from calibration.returns.cin_cells import MANY_BEFORE as MANY_BEFORE_CIN
from calibration.returns.findings import Findings, Rule
from calibration.returns.quality_page import write_quality_page
from calibration.returns.reading import read_tables
from calibration.returns.reading_books import WORKBOOKS
from calibration.returns.reading_files import files_of
from calibration.returns.reading_table import header_key
from calibration.returns.reading_text import TEXTS
from calibration.returns.ssda903_episodes import MANY_BEFORE as MANY_BEFORE_903
from calibration.returns.synthetic import SIMULATED, SIMULATED_CHILD
from calibration.returns.tables import CareTables, NeedTables
from experiments import results
from experiments.estimate_words import FEW_LINKED, in_care_words

SSDA903, CIN, ANNEX_A = "SSDA903", "CIN Census", "Annex A"
READERS: tuple[tuple[str, Callable[[Path], bool]], ...] = (
    (ANNEX_A, annex_a.recognises),
    (SSDA903, ssda903.recognises),
    (CIN, cin.recognises),
)
"""What each file is, told by its content: the first that says so."""
WHAT = (
    "An event log put together from an authority's returns: real children, without names, numbers and dates. It is "
    "personal data all the same: keep it in the authority."
)
GAPS = (
    "Who came and left within them is told nowhere, and of those who were there before, when and how they left. So "
    "their weeks are not watched: nothing in them is counted, and what no later file has is taken to have ended then. "
    "Children who were at home before them, home from care among them, are not watched after them until seen again."
)
NEARLY_ALL = 0.95
"""Share of looked-after children who are to be found in the other return; assumed, the census is to hold them all."""
NOT_IN_BOTH = " (In simulated files, children in care from before them are in the SSDA903 alone.)"
WHAT_SIMULATED = "An event log put together from files that 'journeys returns write' made: no child in it is real."
NOT_A_RETURN = Rule(
    "file-not-a-return",
    "The file is no table of SSDA903, CIN Census or Annex A.",
    "It was not used.",
    effect="left out",
)
_CARE_KEYS, _NEED_KEYS = ("CHILD", "CARE"), ("LACHILDID", "NEED")
_LINK = "It needs the columns CHILD (as in the SSDA903) and LAchildID (as in the CIN Census)."


def read(
    what: Iterable[Path], target: Path, *, same_ids: bool = False, link: Path | None = None, year: int | None = None,
    named_by_start: bool = False, until: date | None = None,
) -> list[str]:  # fmt: skip
    """Read returns, write the log and the quality page into a folder, and return what to tell.

    Parameters
    ----------
    named_by_start
        Whether a year in the name of an SSDA903 file is that in which its year begins.
    until
        The last day of the six months of Annex A; the latest date in its lists if None.

    Raises
    ------
    CareError
        When no file is a return, when a return cannot be read at all, or when the folder cannot be written.
    """
    if same_ids and link is not None:
        raise CareError("--same-ids and --link say two things", "journeys returns read", "Give one of them")
    results.refuse_what_is_not_ours(target)
    findings = Findings()
    sorted_files = _sorted(list(what), findings)
    for option, given, kind in (("--named-by-start", named_by_start, SSDA903), ("--until", until, ANNEX_A)):
        if given and kind not in sorted_files:
            raise CareError(f"{option} is for {kind}, and no file is one", "journeys returns read", "Leave it out")
    care, need = _tables(sorted_files, findings, year, named_by_start, until)
    if (same_ids or link) and (care is None or need is None):
        option = "--same-ids" if same_ids else "--link"
        raise CareError(
            f"{option} is for two returns, and there is one", "journeys returns read",
            "Add the files of the other return, or leave the option out",
        )  # fmt: skip
    # The lists of Annex A have one number for a child.
    same = same_ids or set(sorted_files) == {ANNEX_A}
    between = _link(link) if link is not None else Link() if same and care is not None and need is not None else None
    observed = assemble(care, need, findings, link=between)
    if (same_ids or link) and not _in_both(observed):
        raise CareError(
            "No child is in both returns, so children cannot be the same as you say",
            "--same-ids" if same_ids else str(link),
            "Look whether both write numbers alike (zeros in front, letters); if not, give a table with --link, or "
            "leave the option out",
        )  # fmt: skip
    simulated = _is_simulated(sorted_files, observed)
    about = _about(sorted_files, observed, care, need, between, simulated=simulated)
    with results.new_folder(target) as folder:
        results.write_table(observed.events, folder, results.EVENTS)
        results.write_table(observed.children, folder, results.CHILDREN)
        with results.writing(folder):
            write_quality_page(folder, findings, about, simulated=simulated)
        facts = {**_facts(sorted_files, observed, findings, about), "simulated": simulated}
        results.write_manifest(folder, facts, WHAT_SIMULATED if simulated else WHAT)
    return _told(findings, target, about, simulated=simulated)


def _sorted(what: list[Path], findings: Findings) -> dict[str, list[Path]]:
    """Return the files of each return; what is none becomes a finding."""
    found: dict[str, list[Path]] = {}
    unknown = []
    for path, name in files_of(what, TEXTS | WORKBOOKS | {".xml"}):
        kind = next((kind for kind, recognises in READERS if recognises(path)), None)
        if kind is None:
            unknown.append(name)
        else:
            found.setdefault(kind, []).append(path)
    if not found:
        raise CareError(
            f"None of {len(unknown)} files is a return", ", ".join(map(str, what)),
            "We read SSDA903 and CIN Census (CSV, Excel, XML) and Annex A (Excel), told by their columns",
        )  # fmt: skip
    for name in unknown:
        findings.add(NOT_A_RETURN, findings.file(name))
    return found


def _tables(
    files: dict[str, list[Path]], findings: Findings, year: int | None, named_by_start: bool, until: date | None
) -> tuple[CareTables | None, NeedTables | None]:  # fmt: skip
    """Read the files of each return; of two that tell the same, both cannot be taken."""
    care = None
    if SSDA903 in files:
        care = ssda903.read_care(files[SSDA903], findings, year=year, named_by_start=named_by_start)
    need = cin.read_cin(files[CIN], findings, year=year) if CIN in files else None
    if ANNEX_A in files:
        care_too, need_too = annex_a.read_annex_a(files[ANNEX_A], findings, observed_to=until)
        for ours, theirs, name in ((care, care_too, SSDA903), (need, need_too, CIN)):
            if ours is not None and theirs is not None:
                raise CareError(
                    f"Annex A and {name} tell of the same children twice", "journeys returns read",
                    "Read them into a folder each",
                )  # fmt: skip
        care, need = care or care_too, need or need_too
    return care, need


def _link(path: Path) -> Link:
    """Read which child of the one return is which of the other."""
    tables = read_tables(path, Findings(), known={*_CARE_KEYS, *_NEED_KEYS}) if path.is_file() else []
    if not tables:
        raise CareError("There is no table that links children here", str(path), _LINK)
    for table in tables:
        by_key = {header_key(name): name for name in table.frame.columns}
        care = next((by_key[key] for key in _CARE_KEYS if key in by_key), None)
        need = next((by_key[key] for key in _NEED_KEYS if key in by_key), None)
        if care and need:
            keys = [pl.col(name).str.to_uppercase().alias(to) for name, to in ((care, "care"), (need, "need"))]
            pairs = table.frame.select(*keys, "row").drop_nulls().unique(["care", "need"], keep="first")
            twice = pairs.filter(pl.col("care").is_duplicated() | pl.col("need").is_duplicated()).sort("row")
            if twice.height:
                raise CareError(
                    "The table links a child to two others", f"{path}, row {twice['row'][0]}",
                    "Each number may stand once in each column",
                )  # fmt: skip
            return Link(pairs.select("care", "need"))
    raise CareError("The table that links children has other columns", str(path), _LINK)


def _about(
    files: dict[str, list[Path]], observed: Observed, care: CareTables | None, need: NeedTables | None,
    link: Link | None, *, simulated: bool,
) -> dict[str, str]:  # fmt: skip
    """Return what is told at the top of the quality page and in the manifest."""
    told = {
        "Returns": ", ".join(
            f"{kind} ({len(paths)} {'file' if len(paths) == 1 else 'files'})" for kind, paths in files.items()
        ),
        "Years of the log": "ending 31 March " + _span(observed.first_year, observed.last_year),
        "Children in the log": f"{observed.told['children']:,}",
        "Events": f"{observed.told['events']:,}",
        "Events filled in": f"{observed.told['inferred']:,}, because the journey needs a step that no return tells",
    }
    if observed.told["left_out"]:
        told["Children who are not in the log"] = (
            f"{observed.told['left_out']:,}: nothing that a log can hold is told of them in these years"
        )
    for tables, name in ((care, "looked-after children"), (need, "children in need")):
        if tables is not None and tables.years:
            years = list(tables.years)
            gaps = sorted(set(range(years[0], years[-1] + 1)) - set(years))
            lacks = f"; no file of {', '.join(map(str, gaps))}" if gaps else ""
            told[f"Years of {name}"] = _span(years[0], years[-1]) + lacks
    if observed.gaps:
        told["What years without a file do"] = GAPS
    if CARE in observed.sees or CARE + NEED in observed.sees:
        told["In care when the log begins"] = in_care_words(
            f"{observed.told['in_care_at_first']:,}", f"{observed.told['in_care_since_unknown']:,}"
        )
    if care is None or need is None:
        only = "looked-after children" if need is None else "children in need"
        told["What the log tells"] = f"Only {only}: no other return was read."
    elif link is None:
        told["What the log tells"] = (
            "Children of the two returns stand apart, because nothing says which are the same: --same-ids or --link "
            "does."
        )
    else:
        both = _in_both(observed)
        looked_after = observed.keys.filter(pl.col("care") != "").height
        told["Looked-after children who are in both returns"] = f"{both:,} of {looked_after:,}"
        if both < NEARLY_ALL * looked_after:
            told[FEW_LINKED] = (
                f"Only {100 * both / looked_after:.0f}% of the looked-after children were found in the other return, "
                "and nearly all should be: each one who is missing there makes coming into care look rarer than it is."
                f"{NOT_IN_BOTH if simulated else ''}"
            )
        if link.pairs is not None:
            told["Children linked"] = f"{both:,} of {link.pairs.height:,} in the table of links"
    return told


def _in_both(observed: Observed) -> int:
    """Return how many children both returns tell of."""
    return observed.keys.filter((pl.col("care") != "") & (pl.col("need") != "")).height


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _facts(
    files: dict[str, list[Path]], observed: Observed, findings: Findings, about: dict[str, str]
) -> dict[str, Any]:
    return {
        "observed": True,
        "first_year": observed.first_year,
        "weeks": observed.n_weeks,
        "digest": observed.digest,
        "not_watched": [list(gap) for gap in observed.gaps],
        "counts": dict(observed.told),
        "sees": {str(number): words for number, words in SEEN.items()},
        "about": about,
        "returns": {kind: len(paths) for kind, paths in files.items()},
        "findings": findings.counts(),
        "versions": {"journeys-abm": abm.__version__, "polars": pl.__version__},
    }


def _is_simulated(files: dict[str, list[Path]], observed: Observed) -> bool:
    """Tell whether all files and all children are marked as `returns_writing` marks them."""
    names = all(path.name.startswith(f"{SIMULATED}_") for paths in files.values() for path in paths)
    marked = pl.all_horizontal((pl.col("care", "need") == "") | pl.col("care", "need").str.starts_with(SIMULATED_CHILD))
    return names and bool(observed.keys.select(marked.all()).item())


def _told(findings: Findings, target: Path, about: dict[str, str], *, simulated: bool) -> list[str]:
    lines = [f"{name}: {words}" for name, words in about.items() if name != FEW_LINKED]
    counts = findings.counts()
    lines.append(f"Findings: {sum(counts.values()):,} of {len(counts)} kinds.")
    if FEW_LINKED in about:
        lines.append(f"Take care: {about[FEW_LINKED]}")
    for code in sorted({MANY_BEFORE_903.code, MANY_BEFORE_CIN.code} & set(counts)):
        rule = findings.rule(code)
        lines.append(f"Take care: {rule.sentence} {rule.action}")
    lines.append(f"Look at them first: {target / 'quality.html'}")
    lines.append(
        "Every child in them is simulated, not a real child."
        if simulated
        else "These are real children's journeys. Keep the folder in the authority."
    )
    return lines
