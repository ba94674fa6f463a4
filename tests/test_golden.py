"""Golden numbers: a few results that must not move unless somebody means them to.

    python tests/test_golden.py --update

writes golden.json beside this file anew and prints what changed. A change is at least a minor version, and its
difference is quoted in CHANGELOG.md. No area is fitted here: the fit has its own tests.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.outputs import CARE, CEASED, FOSTER, ON_A_PLAN, STARTED
from abm.simulate import simulate
from calibration.census import census
from calibration.national import RISK_SHARES, arrival_ages, base_figures
from calibration.rates import read_rates
from calibration.shapes import published_shape
from calibration.stationary import Children, steady
from calibration.statistics import ENGLAND, read_statistics
from tests.abm.toys import busy_parameters, small_area

FROZEN = Path(__file__).with_name("golden.json")
COMMAND = "python tests/test_golden.py --update"
IF_MEANT = (
    f"If you meant to change this, run `{COMMAND}` and quote the difference in CHANGELOG.md; a change is at least a "
    "minor version. If not, undo what moved it."
)
RTOL = 1e-6
"""Sums of floating-point numbers may differ in their last digits from machine to machine; whole numbers may not."""


def of_the_toy_run():
    """Return a run of a made-up area under the declared journey: bit for bit the same on every machine."""
    run = simulate(small_area(), busy_parameters(), 1, JOURNEY)
    return {
        "toy run: children": len(run.population),
        "toy run: events": run.rows.child.size,
        "toy run: digest": run.digest,
    }


def of_the_rates():
    """Return what England's shipped rates are, to six digits."""
    values = read_rates(JOURNEY).values
    lines = sorted(f"{v.key} {v.value:.6g} {v.low:.6g} {v.high:.6g}\n" for v in values)
    return {
        "national rates: numbers": len(values),
        "national rates: SHA-256 of the numbers to six digits": sha256("".join(lines).encode()).hexdigest(),
    }


def of_england():
    """Return England's children in a steady flow under the shipped rates, without any yearly factor."""
    statistics = read_statistics()
    ages = census(statistics, ENGLAND).counts[0]
    arrivals = base_figures(statistics, ENGLAND)["uasc_started"]
    children = Children(ages, RISK_SHARES, arrivals, arrival_ages(published_shape(statistics)))
    now = steady(JOURNEY, MeanField(JOURNEY, make_grid(JOURNEY)), read_rates(JOURNEY), children)
    return {
        "England, steady: children referred at least once before 18, share": now.ever_referred(),
        "England, steady: referrals a year": now.all_flows("was_referred"),
        "England, steady: enquiries a year": now.all_flows("enquiry_began", "enquiry_began_on_plan"),
        "England, steady: children with a child protection plan": now.stock(*ON_A_PLAN),
        "England, steady: children looked after": now.stock(*CARE) + now.alone(*CARE),
        "England, steady: children looked after who came alone": now.alone(*CARE),
        "England, steady: children with foster carers": now.stock(*FOSTER) + now.alone(*FOSTER),
        "England, steady: children who become looked after a year": now.all_flows(*STARTED),
        "England, steady: children who leave care before 18 a year": now.all_flows(*CEASED),
    }


PARTS = {"toy run": of_the_toy_run, "national rates": of_the_rates, "England": of_england}


def differences(frozen, now):
    """Return a line for each number that moved, came or went, by its name: what it was and what it is."""
    lines = {}
    for name in dict.fromkeys([*frozen, *now]):
        old, new = frozen.get(name, "none"), now.get(name, "none")
        near = isinstance(old, float) and isinstance(new, float) and old == pytest.approx(new, rel=RTOL)
        if old != new and not near:
            lines[name] = f"{name}: {old} -> {new}"
    return lines


@pytest.mark.parametrize("part", PARTS)
def test_golden_numbers_have_not_moved(part):
    frozen = {name: value for name, value in read().items() if name.startswith(part)}
    moved = differences(frozen, PARTS[part]())
    if moved:
        pytest.fail("\n  ".join(["Golden numbers moved:", *moved.values()]) + f"\n{IF_MEANT}", pytrace=False)


def test_a_number_that_moves_is_told_and_one_that_trembles_is_not():
    frozen = {"steady": 100.0, "count": 7, "gone": 1, "trembles": 1.0}
    now = {"steady": 100.001, "count": 8, "new": 2, "trembles": 1.0 + 1e-9}
    assert list(differences(frozen, now).values()) == [
        "steady: 100.0 -> 100.001", "count: 7 -> 8", "gone: 1 -> none", "new: none -> 2"
    ]  # fmt: skip


def read():
    return json.loads(FROZEN.read_text("utf-8"))


def update():
    """Freeze what is found now and print what changed; numbers that only tremble stay as they are."""
    frozen = read() if FROZEN.exists() else {}
    now = {name: value for part in PARTS.values() for name, value in part().items()}
    moved = differences(frozen, now)
    kept = {name: value if name in moved else frozen[name] for name, value in now.items()}
    FROZEN.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8", newline="\n")
    told = [*moved.values(), "Quote these in CHANGELOG.md; a change is at least a minor version."]
    print("\n".join(told) if moved else "Nothing moved.")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(f"To freeze golden numbers anew: {COMMAND}")
    update()
