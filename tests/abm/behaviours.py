"""Links, courses and a slow twin of the system's own behaviours, for tests."""

from __future__ import annotations

import math

import numpy as np

from abm.behaviour import ADDITIVE, Behaviours, Demand, Incident, Link, Reference, StaffTime, Workforce
from abm.journey import JOURNEY
from abm.pathway import N_HISTORIES

WORKFORCE = Workforce(permanent=200.0, agency=30.0, vacancies=40.0, turnover=0.15, caseload=16.0)
TABLES = JOURNEY.tables
N_STATES, N_EDGES = TABLES.n_states, TABLES.n_edges
T = JOURNEY.transition_index


def link(source, target, strength=0.5, *, sign=1, delay=0, form="elasticity", key="", loops="R1", known=(0, 1, 2)):
    """A link with most left out; a range that any strength is in."""
    return Link(
        key or f"{source} to {target}".replace(" ", "_"), tuple(source.split()), tuple(target.split()), known, sign,
        delay, strength, 0.0, 1e6, form, "", tuple(loops.split()), "assumed", "a test", "",
    )  # fmt: skip


def linked(*links):
    return Behaviours(tuple(links))


def steady_reference(weeks=60, stock=1000.0, flow=20.0):
    flows = np.full((weeks, N_EDGES), flow)
    flows[0] = 0.0
    return Reference(np.full((weeks, N_STATES), stock), flows)


def stocks_with(reference, week=0, **factors):
    """The reference's stocks, with some states larger or smaller by a factor."""
    stocks = reference.stocks[week].copy()
    for name, factor in factors.items():
        stocks[JOURNEY.state_index[name]] *= factor
    return stocks


def course(seed, weeks, reference):
    """Stocks and flows that wander about the reference."""
    rng = np.random.default_rng(seed)
    walk = np.exp(np.cumsum(rng.normal(0, 0.05, (weeks, N_STATES)), axis=0))
    return np.round(reference.stocks[:weeks] * walk), rng.poisson(reference.flows[:weeks]).astype(float)


def twin(behaviours, reference, workforce, stocks, flows, shocks=()):
    """What factors should be, float64[weeks, T, 3]: names in dictionaries, logarithms of the library, in any order."""
    agency0, vacant0 = workforce.agency / workforce.permanent, workforce.vacancies / workforce.permanent
    links = behaviours.links
    permanent, anxious, felt, smooth = 0.0, 0.0, {k.key: 0.0 for k in links}, {}
    out = []
    for week in range(len(stocks)):
        anxious += sum(s.size for s in shocks if isinstance(s, Incident) and s.week == week)
        value = {}

        def counted(name, week=week):
            seen = there = 0.0
            weights = [k.strength for k in links if k.form == "weight" and k.target == (name,)]
            if not sum(weights):
                return 0.0
            for k in links:
                if k.form != "weight" or k.target != (name,):
                    continue
                if k.source[0] in T:
                    edges = JOURNEY.edges_of(*k.source)
                    pair = np.array([flows[week, edges].sum(), reference.flows[week, edges].sum()])
                else:
                    places = [JOURNEY.state_index[s] for s in k.source]
                    pair = np.array([stocks[week, places].sum(), reference.stocks[week, places].sum()])
                if k.delay_weeks:
                    before = smooth.get((k.key, week - 1), pair)
                    pair = smooth[k.key, week] = before + (pair - before) / k.delay_weeks
                seen, there = seen + k.strength * pair[0], there + k.strength * pair[1]
            one = sum(weights) / len(weights)
            return math.log((seen + one) / (there + one))

        def into(name, forms=("elasticity", "share", "definition")):
            return sum(
                k.sign * k.strength * (felt[k.key] if k.delay_weeks else value_of(k.source[0]))
                for k in links
                if k.target == (name,) and k.form in forms
            )

        def value_of(name, week=week, value=value, permanent=permanent, anxious=anxious):
            if name in value:
                return value[name]
            if name == "permanent_workers":
                return permanent
            total = into(name) + counted(name)
            if name == "agency_workers":
                total = max(total, -agency0)
            elif name == "vacancies":
                total = max(total, -vacant0)
            elif name == "agency_share":
                total = (agency0 + total) / (1 + permanent + agency0 + total) - agency0 / (1 + agency0)
            elif name == "workers":
                time = math.prod(s.factor for s in shocks if isinstance(s, StaffTime) and s.from_week <= week)
                total = math.log((1 + agency0 + total) / (1 + agency0) * time)
            elif name == "anxiety":
                total += math.log(1 + anxious)
            value[name] = total if name in ADDITIVE else max(-math.log(3), min(math.log(3), total))
            return value[name]

        factors = np.ones((len(JOURNEY.transitions), N_HISTORIES))
        logs = np.zeros_like(factors)
        for k in links:
            if k.target[0] in T:
                for name in k.target:
                    for history in k.histories:
                        add = felt[k.key] if k.delay_weeks else value_of(k.source[0])
                        logs[T[name], history] += k.sign * k.strength * add
        factors = np.exp(np.clip(logs, -math.log(4), math.log(4)))
        for s in shocks:
            if isinstance(s, Demand) and s.from_week <= week:
                factors[[T[name] for name in s.transitions]] *= s.factor
        out.append(factors)
        names = {k.source[0] for k in links if k.form not in ("weight",)}
        now = {name: value_of(name) for name in sorted(names)}
        stay = math.exp(-into("permanent_workers", ("definition",)))
        hired = into("permanent_workers", ("per year",))
        step = (workforce.turnover * (1 - stay * (1 + permanent)) + hired) / 52
        permanent = min(1.0, max(-0.9, permanent + step))
        anxious *= 1 - sum(k.strength / k.delay_weeks for k in links if k.form == "fading")
        for k in links:
            if k.delay_weeks and k.form not in ("weight", "fading"):
                felt[k.key] += (now[k.source[0]] - felt[k.key]) / k.delay_weeks
    return np.array(out)
