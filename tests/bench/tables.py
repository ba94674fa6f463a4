"""Tables of figures, as text for a terminal and as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.agreement import FALSE_ALARM
from tests.bench.floor import ROW_BYTES, Floor
from tests.bench.race import OURS, Result
from tests.bench.reach import Growth, OneArea, Row


@dataclass(frozen=True)
class Table:
    """A table with a heading, and sentences below it."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the table in columns of equal width."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.columns))]
        shown = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.heading, "-" * len(self.heading), *shown, *self.below])

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        shown = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        return "\n".join([f"### {self.heading}", "", *shown, *(f"\n{line}" for line in self.below)])


def race_table(result: Result, versions: dict[str, str]) -> Table:
    """Return engines beside ours at one size."""
    size = result.size
    rows = []
    for name, timed in sorted(result.times.items(), key=lambda item: -item[1].running):
        agreement = result.agreements.get(name)
        agrees = (
            ""
            if agreement is None
            else f"{'yes' if agreement.holds else 'NO'}: z {agreement.z:.1f}, p {agreement.p:.2g}"
        )
        making = "" if name == OURS else f"{timed.making:.2f}"
        rows.append(
            (
                name, versions[name], f"{timed.running:.3f}", making,
                f"{result.nanoseconds(name):,.1f}", f"{result.ratio(name):,.1f}", agrees,
            )
        )  # fmt: skip
    rows += [(name, told, "", "", "", "", "") for name, told in versions.items() if "not installed" in told]
    cells = max((a.cells for a in result.agreements.values()), default=0)
    runs = "; ".join(f"{name} {a.runs[0]} and {a.runs[1]}" for name, a in result.agreements.items())
    below = (
        f"One run: {result.events:,.0f} events in {result.child_weeks:,.0f} child-weeks. "
        "Seconds of processor, one thread. Making is not part of a run.",
        f"Agreement: {cells} numbers of each rival and ours compared; p is the chance of the least likely difference, "
        f"times their number, and z that difference in standard errors; refused below {FALSE_ALARM:g}. "
        f"Runs compared: {runs}.",
        f"A planted fault, a rival that ignores bands of time: {'NOT FOUND' if result.planted.holds else 'found'} "
        f"(z {result.planted.z:.0f}).",
    )
    heading = (
        f"The declared journey, {size.children:,} children on day one, {size.weeks} weeks, best of {size.rounds} rounds"
    )
    columns = ("engine", "what it is", "run, s", "making, s", "ns per child-week", "times ours", "agrees")
    return Table(heading, columns, tuple(rows), below)


def floor_table(floor: Floor, one: OneArea, children: int) -> Table:
    """Return what the machine can do at best, and what ours needs."""
    event = one.run / one.events * 1e9
    rows = (
        ("random access in 4 MB, each waiting for the last", f"{floor.access_4mb:.0f} ns"),
        ("random access in 64 MB", f"{floor.access_64mb:.0f} ns"),
        ("keyed draw, straight loop", f"{floor.draw_straight:.1f} ns"),
        ("keyed draw, loop with branches", f"{floor.draw_branchy:.1f} ns"),
        ("reading memory, one thread; two", f"{floor.read_one:.1f} GB/s; {floor.read_two:.1f} GB/s"),
        ("writing memory, one thread", f"{floor.write_one:.1f} GB/s"),
        ("estimated floor of an event", f"{floor.event:.0f} ns"),
        (f"ours, {children:,} children: an event", f"{event:.0f} ns, {event / floor.event:.1f} times the floor"),
        ("ours: a child-week", f"{one.run / one.child_weeks * 1e9:.2f} ns"),
        ("ours without the log: an event", f"{one.quiet / one.events * 1e9:.0f} ns"),
    )
    below = (
        "The floor is two draws in a loop with branches (when, and what), one random access in 4 MB (the chances that "
        f"hold then and there) and {ROW_BYTES} bytes of log written, read and written again in order. One thread.",
        "Ours, an event: the time of a whole run over its events, so it holds what children need to whom nothing "
        "happens.",
    )
    return Table("This machine's floor", ("what", "measured"), rows, below)


def coupling_table(seconds: dict[str, float], children: int) -> Table:
    """Return what each mechanism costs in one area."""
    alone = next(iter(seconds.values()))
    return Table(
        f"What coupling costs: {children:,} children, ten years, log in memory",
        ("what is simulated", "s", "times the journey alone"),
        tuple((name, f"{took:.3f}", f"{took / alone:.1f}") for name, took in seconds.items()),
        (
            "Each mechanism is looked at between two weeks, so the loop over children is called once a week, not once. "
            "Seconds of processor, one thread, children given; the best of some rounds. Strengths as shipped.",
        ),
    )


def growth_table(grown: Sequence[Growth]) -> Table:
    """Return time and memory by number of children."""
    rows, below = [], []
    for each in grown:
        for n, seconds, held in zip(each.children, each.seconds, each.bytes, strict=True):
            rows.append(
                (
                    each.name, f"{n:,}", f"{seconds:.2f}", f"{seconds / n * 1e6:.2f}", f"{held / 1e6:,.0f}",
                    f"{held / n:,.0f}",
                )
            )  # fmt: skip
        time, memory = each.exponents()
        steep_time, steep_memory = each.steepest()
        below.append(
            f"{each.name}: exponent of time {time:.3f}, of memory {memory:.3f}; steepest between two sizes "
            f"{steep_time:.3f} and {steep_memory:.3f}."
        )
    columns = ("as", "children on day one", "s", "microseconds per child", "MB", "bytes per child")
    below.append("Ten years, children made too; memory is what a new process held at most, less what it held before.")
    return Table("Growth with the number of children", columns, tuple(rows), tuple(below))


def reach_table(rows: Iterable[Row], smaller: bool = False) -> Table:
    """Return what is to be reached beside what was measured; of smaller work than that, without a verdict."""
    shown = tuple(
        (
            row.work, row.told(row.values), row.told(row.reach), row.told(row.beyond),
            "" if smaller else row.verdict, row.note,
        )
        for row in rows
    )  # fmt: skip
    below = ("Smaller work than that to be reached, so no row says whether it is.",) if smaller else ()
    return Table("What is to be reached", ("work", "measured", "reach", "beyond", "", "note"), shown, below)


BUSY = "The machine had other work too: times by the clock, and what rests on them, are longer than on a quiet one."


def figures_table(facts: dict[str, str], busy: bool) -> Table:
    """Return the machine."""
    return Table("The machine", ("what", "which"), tuple(facts.items()), (BUSY,) if busy else ())
