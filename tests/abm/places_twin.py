"""The week of limited places in plain Python, as a reader would write it: the slow obvious twin of the loops."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from abm.draws import area_seed, word
from abm.exact import kernel_fires
from abm.pathway import purpose_of
from abm.places import EMERGENCY, HOME_CLOSED, IN_KIND, NEED_OF_KIND, OFF_THE_LIST, OUT_OF_KIND, REQUEST, WAITS
from abm.places_rules import TIERS

NEVER = 1 << 30
PURPOSES = {
    name: purpose_of(text)
    for name, text in {
        "closes": "home: stops taking children",
        "at_once": "home: closes at once",
        "opens": "homes: open",
        "beds": "home: beds",
        "band": "home: distance",
        "ages": "home: ages",
        "turn": "home: turn",
        "child": "child: turn for a home",
        "together": "family: plan to live together",
    }.items()
}


@dataclass
class Home:
    number: int
    key: int
    kind: int
    band: int
    beds: int
    ages: tuple[int, int]
    opened: int
    stops: int = NEVER
    closed: int = NEVER
    children: list[int] = field(default_factory=list)

    def takes(self, week):
        return self.opened <= week < min(self.stops, self.closed)

    def fits(self, ages, n):
        return len(self.children) + n <= self.beds and all(self.ages[0] <= age < self.ages[1] for age in ages)


def limit(share):
    return math.floor(share * 2**32 + 0.5)


class Twin:
    def __init__(self, beds, rules, family, birth, need, seed, area=""):
        self.rules, self.family, self.birth, self.urgency = rules, family, birth, need
        self.seed, self.week = area_seed(seed, area), 0
        self.homes, self.home, self.want, self.since, self.waits = [], {}, {}, {}, {}
        self.noticed = [0.0] * 4
        self.reference = []
        for kind in range(4):
            n = 0
            for band in range(3):
                left = int(beds[kind][band])
                while left:
                    home = self.new_home(1 << 31 | kind << 28 | n, kind, band, -1)
                    home.beds = min(home.beds, left)
                    left -= home.beds
                    n += 1
            self.reference.append(n)

    def draw(self, identity, week, purpose):
        return word(self.seed, identity & 0xFFFFFFFF, week, PURPOSES[purpose])

    def chosen(self, key, purpose, shares):
        drawn, running = self.draw(key, 0, purpose), 0.0
        last = max(k for k, share in enumerate(shares) if share > 0)
        for k, share in enumerate(shares[:last]):
            running += share
            if drawn < limit(running / sum(shares)):
                return k
        return last

    def new_home(self, key, kind, band, opened):
        rules = self.rules
        if band is None:
            band = self.chosen(key, "band", rules.bands[kind])
        beds = 1 + self.chosen(key, "beds", rules.beds[kind][band])
        begin, end, _ = rules.ages[kind][self.chosen(key, "ages", [share for *_, share in rules.ages[kind]])]
        home = Home(len(self.homes), key, kind, band, beds, (round(52 * begin), round(52 * end)), opened)
        self.homes.append(home)
        return home

    def leave(self, child):
        if child in self.home:
            self.homes[self.home.pop(child)].children.remove(child)

    def forget(self, child):
        for known in (self.want, self.since, self.waits):
            known.pop(child, None)

    def close_and_open(self):
        rules, week = self.rules, self.week
        there = [home for home in self.homes if home.opened <= week < home.closed]
        beds_to_come = [sum(h.beds for h in self.homes if h.kind == kind and h.opened > week) for kind in range(4)]
        losses = []
        for kind in range(4):
            taking = [home for home in there if home.kind == kind and home.takes(week)]
            places = sum(home.beds for home in taking)
            factor = 1.0
            if places:
                factor += rules.stress[kind] * (sum(len(h.children) for h in taking) / places - rules.target[kind])
            losses.append(limit(kernel_fires(rules.loss_per_year[kind] * min(max(factor, 0.25), 4.0) / 52)))
        for home in there:
            if home.takes(week) and self.draw(home.key, week, "closes") < losses[home.kind]:
                home.stops = week
                if self.draw(home.key, week, "at_once") < limit(rules.at_once[home.kind]):
                    home.closed = week
            if home.stops <= week and not home.children:
                home.closed = week
        for kind in range(4):
            expected = rules.recruit_per_year[kind] * self.reference[kind] / 52
            if rules.adjust_weeks[kind]:
                needing = sum(want == NEED_OF_KIND[kind] for want in self.want.values())
                self.noticed[kind] += 1.0 / rules.notice_weeks[kind] * (needing - self.noticed[kind])
                places = beds_to_come[kind] + sum(h.beds for h in there if h.kind == kind and h.takes(week))
                gap = self.noticed[kind] / rules.target[kind] - places
                mean = sum(
                    share * sum(s * (n + 1) for n, s in enumerate(shares)) / sum(shares)
                    for share, shares in zip(rules.bands[kind], rules.beds[kind], strict=True)
                ) / sum(rules.bands[kind])
                expected += rules.loss_per_year[kind] * sum(h.kind == kind for h in there) / 52
                expected += gap / (mean * rules.adjust_weeks[kind])
            for k in range(self.poisson(self.draw(kind, week, "opens"), expected) if expected > 0 else 0):
                self.new_home((week + 1) << 14 | kind << 12 | k, kind, None, week + rules.delay_weeks[kind])

    @staticmethod
    def poisson(drawn, mean):
        mean = min(mean, 50.0)
        u, n, chance = (drawn + 0.5) / 2**32, 0, 1.0 - kernel_fires(mean)
        total = chance
        while u >= total and n < 128:
            n += 1
            chance *= mean / n
            total += chance
        return n

    def advance(self, requests, left):
        """requests: child, need, roof; returns child -> (home, outcome, why)."""
        week, rows = self.week, {}
        for child in left:
            self.leave(child)
            self.forget(child)
        self.close_and_open()
        before = dict(self.waits)
        for child, want, roof in sorted(requests):
            if not (self.want.get(child) == want and self.waits.get(child)):
                self.since[child] = week
            self.want[child] = want
            rows[child] = {"avoid": self.home.get(child), "roofless": not roof, "why": REQUEST}
            if not roof:
                self.leave(child)
            self.waits.pop(child, None)
        for home in self.homes:
            if home.closed != week:
                continue
            for child in list(home.children):
                self.leave(child)
                if child in rows:
                    rows[child]["roofless"] = True
                    continue
                if not self.waits.get(child):
                    self.since[child] = week
                rows[child] = {"avoid": home.number, "roofless": True, "why": HOME_CLOSED}
                self.waits.pop(child, None)
        for child in sorted(before):
            if child not in self.waits:
                continue
            if self.waits[child] == "stays" and week - self.since[child] >= self.rules.settled_weeks:
                self.forget(child)
                if child in self.home:
                    self.want[child] = NEED_OF_KIND[self.homes[self.home[child]].kind]
                continue
            roofless = self.waits[child] == "emergency"
            rows[child] = {"avoid": self.home.get(child), "roofless": roofless, "why": OFF_THE_LIST}
        answers = self.match(rows)
        self.week += 1
        return answers

    def match(self, rows, spill=True, any_age=False):
        """Serve the children one group after the other; beds that are left stay taken until the end."""
        week, went, answers = self.week, {}, {}

        def turn(child):
            return (-self.urgency[child], self.since[child], self.draw(child, self.since[child], "child"), child)

        def free(home, group):
            ages = () if any_age else [week - self.birth[child] for child in group]
            lately = [child for child, to in went.items() if to == home.number]
            taken = len(home.children) + len(lately)
            return (
                home.takes(week)
                and taken + len(group) <= home.beds
                and all(home.ages[0] <= age < home.ages[1] for age in ages)
                and not any(rows[child]["avoid"] == home.number for child in group)
            )

        def look(group, want, roofless):
            own, other = TIERS[want]
            tiers = [(kind, band) for band in range(3) for kind in own]
            plan = self.draw(self.family[group[0]], 0, "together") < limit(self.rules.together)
            order = {tier: k for k, tier in enumerate(tiers)}

            def place(home):
                return order[home.kind, home.band], self.draw(home.key, week, "turn"), home.number

            if plan:
                lives = {**self.home, **went}
                kin = {to for child, to in lives.items() if self.family[child] == self.family[group[0]]}
                found = [self.homes[h] for h in kin if self.homes[h].kind in own and free(self.homes[h], group)]
                if found:
                    return min(found, key=place)
            if roofless and spill and len(group) == 1:
                tiers = tiers + [(kind, band) for kind in other for band in range(3)]
            order = {tier: k for k, tier in enumerate(tiers)}
            found = [h for h in self.homes if (h.kind, h.band) in order and free(h, group)]
            return min(found, key=place) if found else None

        alone = set()
        for child in sorted(rows, key=turn):
            if child in answers:
                continue
            want, roofless = self.want[child], rows[child]["roofless"]
            plan = self.draw(self.family[child], 0, "together") < limit(self.rules.together)
            group = [child]
            if plan and child not in alone:
                group = [
                    c for c in sorted(rows)
                    if self.family[c] == self.family[child] and self.want[c] == want
                    and rows[c]["roofless"] == roofless
                ]  # fmt: skip
            home = look(group, want, roofless)
            if home is None and len(group) > 1:
                alone |= set(group)
                group = [child]
                home = look(group, want, roofless)
            for c in group:
                if home is None:
                    outcome = EMERGENCY if roofless else WAITS
                else:
                    outcome = IN_KIND if NEED_OF_KIND[home.kind] == want else OUT_OF_KIND
                    went[c] = home.number
                answers[c] = (home.number if home else -1, outcome, rows[c]["why"])
        for child, (number, outcome, _) in answers.items():
            if number >= 0:
                self.leave(child)
                self.home[child] = number
                self.homes[number].children.append(child)
            self.waits.pop(child, None)
            if outcome != IN_KIND:
                self.waits[child] = "emergency" if outcome == EMERGENCY else "stays"
        return {
            child: answer for child, answer in answers.items()
            if answer[2] != OFF_THE_LIST or answer[1] in (IN_KIND, OUT_OF_KIND)
        }  # fmt: skip

    def settle(self, children):
        self.week = -1
        rows = {}
        for child, want in children:
            self.want[child], self.since[child] = want, -1
            rows[child] = {"avoid": None, "roofless": True, "why": REQUEST}
        first = self.match(rows, spill=False)
        again = {child: rows[child] for child, answer in first.items() if answer[1] == EMERGENCY}
        answers = {**first, **(self.match(again, spill=False, any_age=True) if again else {})}
        self.week = 0
        for kind in (2, 3):
            self.noticed[kind] = float(sum(want == NEED_OF_KIND[kind] for want in self.want.values()))
        return answers
