"""Small journeys and a slow, obvious twin of the engine, for tests."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from abm.draws import week_word, word
from abm.journey import JOURNEY
from abm.parameters import CERTAIN, Parameters
from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_GROUPS,
    WEEKS_TO_18,
    Journey,
    State,
    Transition,
    group_of,
    unaccompanied_group,
)
from abm.population import Population, population_of
from abm.quiet import small_draws
from abm.scenario import DayOne, PopulationPlan, Scenario


def state(key, stage="home", **more):
    return State(key, key, "", "#000000", stage, **more)


def moves(key, sources, target, **more):
    return Transition(key, tuple(sources.split()), target, key, **more)


TWO = Journey(
    states=(state("well"), state("helped")),
    transitions=(moves("was_helped", "well", "helped"), moves("got_well", "helped", "well")),
)
"""Two states and the way there and back."""

THREE = Journey(
    states=(
        state("elsewhere", "left"),
        state("at_home", at_18="grew_up"),
        state("asked", "front_door", at_once=True),
        state("helped", "plan", bands=(0, 2), at_18="grew_up"),
        state("grown_up", "left"),
    ),
    transitions=(
        moves("born", "elsewhere", "at_home"),
        moves("moved_away", "at_home", "elsewhere"),
        moves("was_asked", "at_home", "asked", history=1),
        moves("help_began", "asked", "helped"),
        moves("was_sent_home", "asked", "at_home"),
        moves("help_ended", "helped", "at_home"),
        moves("grew_up", "at_home helped", "grown_up"),
    ),
)
"""A child is at home, is asked about, is helped or sent home at once, and grows up."""


def rates_of(journey: Journey, **per_year: float) -> np.ndarray:
    """Rates equal for all groups and bands, by transition; 0 for those not named."""
    rates = np.zeros((journey.tables.n_edges, N_GROUPS, journey.tables.max_bands))
    for key, rate in per_year.items():
        rates[journey.edges_of(key)] = rate
    return rates


def parameters_of(journey: Journey, rates: np.ndarray, n_years: int = 1) -> Parameters:
    return Parameters(rates, np.ones((n_years, len(journey.transitions))))


def empty_scenario(n_weeks: int) -> Scenario:
    """A scenario whose children are given to `simulate` by hand."""
    years = -(-n_weeks // 52)
    nobody = PopulationPlan(
        ages=np.zeros(18), births=np.zeros(years), moves=np.zeros((years, 18)), unaccompanied=np.zeros(18),
        arrivals=np.zeros(years), arrival_ages=np.zeros(18), risk_shares=np.ones(4) / 4, family_sizes=np.ones(1),
        spacing_weeks=150.0,
    )  # fmt: skip
    nowhere = DayOne(
        *(np.zeros(1, np.uint8),) * 2, *(np.zeros(1, np.int32),) * 2, np.ones((18, 4, 1)), np.ones((18, 1))
    )
    return Scenario("", "Toy", 2021, n_weeks, 1, nobody, nowhere)


CELLS = (
    # state, history, weeks on the clock, chance
    ("at_home", 0, 0, 0, 0.850),
    ("at_home", 1, 0, 100, 0.050),
    ("at_home", 2, 0, 100, 0.030),
    ("receiving_early_help", 1, 0, 40, 0.010),
    ("being_assessed", 1, 0, 8, 0.012),
    ("in_need", 2, 0, 60, 0.020),
    ("protected", 2, 0, 60, 0.008),
    ("foster", 2, 0, 300, 0.012),
    ("childrens_home", 2, 0, 200, 0.006),
    ("secure_home", 2, 0, 20, 0.0004),
    ("supported_accommodation", 2, 0, 20, 0.0016),
)


def small_area(n_children: int = 300, n_weeks: int = 156, sample: int = 1) -> Scenario:
    """A made-up area of the declared journey: everything that a real scenario has, small."""
    years = -(-n_weeks // 52)
    year_of_age = n_children / 18
    net = np.zeros((years, 18))
    net[:, :9], net[:, 9:] = 0.03 * year_of_age, -0.03 * year_of_age
    alone, arrival_ages = np.zeros(18), np.zeros(18)
    alone[15:], arrival_ages[14:] = n_children / 300, (0.1, 0.2, 0.3, 0.4)
    plan = PopulationPlan(
        ages=np.full(18, year_of_age), births=np.full(years, year_of_age), moves=net, unaccompanied=alone,
        arrivals=np.full(years, n_children / 100), arrival_ages=arrival_ages,
        risk_shares=np.array([0.62, 0.24, 0.10, 0.04]), family_sizes=np.array([0.45, 0.40, 0.11, 0.03, 0.01]),
        spacing_weeks=150.0,
    )  # fmt: skip
    states, histories, starts, ends, chances = zip(*CELLS, strict=True)
    chance = np.broadcast_to(np.array(chances), (18, 4, len(CELLS)))
    care = np.array([name in ("foster", "supported_accommodation") for name in states], float)
    day_one = DayOne(
        np.array([JOURNEY.state_index[name] for name in states], np.uint8), np.array(histories, np.uint8),
        np.array(starts, np.int32), np.array(ends, np.int32), chance / chance.sum(axis=2, keepdims=True),
        np.broadcast_to(care / care.sum(), (18, len(CELLS))),
    )  # fmt: skip
    return Scenario("E06999999", "Toyshire", 2021, n_weeks, sample, plan, day_one)


def busy_parameters(n_years: int = 3, seed: int = 7) -> Parameters:
    """Made-up rates of the declared journey under which much happens; they differ by group and band."""
    rng = np.random.default_rng(seed)
    tables = JOURNEY.tables
    rates = rng.uniform(0.1, 2.0, (tables.n_edges, N_GROUPS, tables.max_bands))
    rates[JOURNEY.edges_of("was_referred")] *= 0.4
    return Parameters(rates, rng.uniform(0.7, 1.4, (n_years, len(JOURNEY.transitions))))


@dataclass
class Case:
    journey: Journey
    parameters: Parameters
    population: Population
    n_weeks: int
    seed: int


def random_case(rng: random.Random) -> Case:
    """A random small journey with rates, children and everything that can happen to them."""
    stays = [f"stay{i}" for i in range(rng.randint(1, 3))]
    gates = [f"gate{i}" for i in range(rng.randint(0, 2))]
    bands = tuple(sorted({0, *rng.sample(range(1, 40), rng.randint(0, 3))}))
    quiet = [rng.random() < 0.6 for _ in range(4)]
    states = [
        state("elsewhere", "left"), state("at_home", bands=bands, at_18="grew_up", quiet=quiet.pop()),
        state("grown_up", "left"),
    ]  # fmt: skip
    for name in stays:
        shared = rng.random() < 0.5
        own = (0, *sorted(rng.sample(range(1, 12), rng.randint(0, 2))))
        states.append(
            state(name, "plan", bands=bands if shared else own, clock="shared" if shared else "", at_18="grew_up",
                  quiet=quiet.pop())
        )  # fmt: skip
    states += [state(name, "front_door", at_once=True) for name in gates]
    transitions = [
        moves("born", "elsewhere", "at_home"),
        moves("came_alone", "elsewhere", gates[0] if gates else stays[0], history=2),
        moves("moved_away", "at_home", "elsewhere"),
        moves("grew_up", " ".join(["at_home", *stays]), "grown_up"),
    ]
    homes = ["at_home", *stays]
    for number in range(rng.randint(2, 7)):
        sources = rng.sample(homes, rng.randint(1, len(homes)))
        transitions.append(
            moves(f"went{number}", " ".join(sources), rng.choice([*homes, *gates]), history=rng.randint(0, 2),
                  clock_at=rng.choice((0, 0, 5, 60)))
        )  # fmt: skip
    for name in (*stays, *gates):
        transitions.append(moves(f"to_{name}", "at_home", name))
    for number, name in enumerate(gates):
        for target in rng.sample([*homes, *gates[number + 1 :]], rng.randint(1, len(homes))):
            transitions.append(moves(f"{name}_to_{target}", name, target, history=rng.randint(0, 1)))
    journey = Journey(tuple(states), tuple(transitions))

    numbers = np.random.default_rng(rng.getrandbits(32))
    tables = journey.tables
    rates = numbers.choice([0.0, 0.05, 0.5, 4.0, 40.0, np.inf], (tables.n_edges, N_GROUPS, tables.max_bands),
                           p=[0.3, 0.1, 0.25, 0.2, 0.14, 0.01])  # fmt: skip
    weights = numbers.choice([0.0, 1.0, 2.5], (tables.n_edges, N_GROUPS, tables.max_bands))
    rates[tables.outcome] = weights[tables.outcome]
    for s in np.flatnonzero(tables.at_once):
        last = max(e for e in range(tables.first[s], tables.first[s + 1]) if tables.outcome[e])
        rates[last] += 1.0
    parameters = Parameters(rates, numbers.choice([0.5, 1.0, 1.7], (2, len(transitions))))

    n, n_weeks = rng.randint(1, 8), rng.randint(1, 120)
    edge = numbers.choice([-1, -1, journey.edges_of("born")[0], journey.edges_of("came_alone")[0]], n)
    day_one = edge < 0
    enter = np.where(day_one, 0, numbers.integers(0, n_weeks + 10, n))
    age = numbers.choice([0, 3, 50, 255, 500, 700, 830, 900, 930], n)
    age[edge == journey.edges_of("born")[0]] = 0
    population = population_of(
        birth_week=enter - age, enter_week=enter, enter_edge=edge, risk=numbers.integers(0, 4, n),
        uasc=edge == journey.edges_of("came_alone")[0], leave_week=numbers.integers(0, 3 * n_weeks, n),
        state=np.where(day_one, numbers.choice([journey.state_index[name] for name in homes], n), 0),
        history=numbers.integers(0, 3, n), since_week=np.where(day_one, -1 - numbers.integers(0, 50, n), enter),
    )  # fmt: skip
    return Case(journey, parameters, population, n_weeks, rng.getrandbits(64))


def obvious(case: Case) -> list[tuple[int, ...]]:
    """Simulate child by child and week by week in plain Python: (week, child, step, edge, threshold, draw), sorted."""
    journey, tables, who = case.journey, case.journey.tables, case.population
    thresholds = case.parameters.thresholds(journey)
    log = []
    for i in range(len(who)):
        at, history, since = int(who.state[i]), int(who.history[i]), int(who.since_week[i])
        for week in range(case.n_weeks):
            age = week - int(who.birth_week[i])
            band = sum(age >= first for first in AGE_EDGES_WEEKS[1:-1])
            group = unaccompanied_group(band) if who.uasc[i] else group_of(band, int(who.risk[i]), history)
            year = min(week // 52, len(thresholds) - 1)
            edges = range(tables.first[at], tables.first[at + 1])
            taken = None
            if who.enter_edge[i] >= 0 and week < who.enter_week[i]:
                continue
            if who.enter_edge[i] >= 0 and week == who.enter_week[i]:
                taken = (int(who.enter_edge[i]), CERTAIN, 0)
            elif age >= WEEKS_TO_18 and tables.birthday[at] >= 0:
                taken = (int(tables.birthday[at]), CERTAIN, 0)
            elif week == who.leave_week[i] and journey.states[at].key == "at_home":
                taken = (journey.edge("moved_away", "at_home"), CERTAIN, 0)
            else:
                clock = week - since - 1
                band = int(tables.band[at, min(clock, tables.band.shape[1] - 1)])
                fired = []
                for e in edges:
                    if tables.weekly[e]:
                        chance = int(thresholds[year, e, group, band])
                        key = (case.seed, int(who.child[i]))
                        if journey.states[at].quiet:
                            draw = small_draws(*key, week // 52, int(tables.purpose[e]))[week % 52]
                        else:
                            draw = week_word(*key, week, int(tables.purpose[e]))
                        if draw < chance:
                            fired.append((e, chance, draw))
                for candidate in fired:
                    if taken is None or candidate[2] * taken[1] < taken[2] * candidate[1]:
                        taken = candidate
            step, after = 0, history
            while taken is not None:
                e = taken[0]
                log.append((week, i, step, *taken))
                after = max(after, int(tables.history[e]))
                to = int(tables.target[e])
                if tables.clock[to] != tables.clock[at]:
                    since = week - int(tables.clock_at[e])
                at, step, taken = to, step + 1, None
                if tables.at_once[at]:
                    for e in range(tables.first[at], tables.first[at + 1]):
                        chance = int(thresholds[year, e, group, 0])
                        draw = word(case.seed, int(who.child[i]), week, int(tables.purpose[e]))
                        if tables.outcome[e] and draw < chance:
                            taken = (e, chance, draw)
                            break
                    assert taken is not None
            history = after
    return sorted(log)
