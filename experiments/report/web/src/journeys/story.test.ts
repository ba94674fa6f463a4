import { describe, expect, it } from "vitest";

import { BIRTHDAY, brothersAndSisters, OUTCOME, PLACE, PLAN, TOGETHER } from "./dataset";
import { drawFits, reasonFor } from "./explain";
import { activeSpan, clause, dayOne, lifeOf, relation, sentenceOf, statusStretches, who } from "./story";
import {
  ADOPTED, BORN, CAME_INTO_CARE, CHILDRENS_HOME, CLOSED, ELSEWHERE, ENQUIRY_ON_PLAN, ENTERING, FOSTER, GREW_UP, GROWN_UP,
  HOME, MOVED, PLACED, PLACED_FOR_ADOPTION, REFERRED, type ToyChild, toyData, WAS_REFERRED,
} from "./testing";

const LIFE = {
  birth: -200, since: -200,
  events: [
    { week: 101, transition: WAS_REFERRED, to: REFERRED, chance: 0.0031, draw: 0.0012, options: [[WAS_REFERRED, REFERRED, 0.0031]] as [number, number, number][] },
    { week: 101, transition: CLOSED, to: HOME, origin: OUTCOME, chance: 0.5, draw: 0.25,
      options: [[CAME_INTO_CARE, ENTERING, 0.2], [CLOSED, HOME, 0.5]] as [number, number, number][] },
    { week: 150, transition: CAME_INTO_CARE, to: ENTERING },
    { week: 150, transition: PLACED, to: FOSTER, origin: OUTCOME, chance: 1, draw: 0.9 },
    { week: 170, transition: MOVED, to: CHILDRENS_HOME },
  ],
};

describe("sentences", () => {
  it("says she, he, her, his and the month and age", () => {
    expect(sentenceOf("she was referred to children's social care", true, "March 2022", 4))
      .toBe("In March 2022, when she was 4, she was referred to children's social care.");
    expect(sentenceOf("a conference decided on a child protection plan", false, "May 2020", 0))
      .toBe("In May 2020, when he was under 1, a conference decided on a child protection plan.");
    expect(sentenceOf("he turned 18", false, "May 2020", null)).toBe("In May 2020, he turned 18.");
    expect(clause("{They} went home to {their} family.", false)).toBe("he went home to his family");
  });

  it("leaves an unknown word as it is", () => {
    expect(clause("{constructor} {they}.", true)).toBe("{constructor} she");
  });
});

describe("lifeOf", () => {
  const data = toyData([LIFE]);
  const life = lifeOf(data, 0);

  it("tells each event once, in order, numbered", () => {
    expect(life.events.map((e) => e.number)).toEqual([1, 2, 3, 4, 5]);
    expect(life.events[0]!.sentence).toBe("In March 2022, when she was 5, she was referred to children's social care.");
  });

  it("uses the history of earlier weeks, not of the same week", () => {
    expect(life.events.map((e) => e.history)).toEqual([0, 0, 1, 1, 2]);
  });

  it("measures the time in the situation, in care whatever the home", () => {
    expect(life.events.map((e) => e.waited)).toEqual([301, 0, 49, 0, 20]);
  });

  it("makes stretches that fill the time without a gap", () => {
    expect(life.stretches).toEqual([
      { state: HOME, from: 0, to: 150 }, { state: FOSTER, from: 150, to: 170 }, { state: CHILDRENS_HOME, from: 170, to: 520 },
    ]);
    expect(statusStretches(data, life.stretches)).toEqual([{ state: HOME, from: 0, to: 150 }, { state: -1, from: 150, to: 520 }]);
  });

  it("tells an event by the state that it leaves", () => {
    const moves = [{ week: 10, transition: MOVED, to: CHILDRENS_HOME }, { week: 20, transition: MOVED, to: CHILDRENS_HOME }];
    const moved = lifeOf(toyData([{ state: FOSTER, events: moves }]), 0);
    expect(moved.events.map((e) => e.sentence)).toEqual([
      "In June 2020, when she was 1, she moved to a children's home.", "In August 2020, when she was 1, she moved to another children's home.",
    ]);
  });

  it("tells a birthday without the age, which it says itself", () => {
    const grown = lifeOf(toyData([{ birth: -900, sex: 1, events: [{ week: 36, transition: GREW_UP, to: GROWN_UP, origin: BIRTHDAY }] }]), 0);
    expect(grown.events[0]!.sentence).toBe("In December 2020, he turned 18.");
  });

  it("says who it is, and spans the active time", () => {
    expect(who(life)).toBe("girl, aged 3 to 13 in the years shown");
    expect(activeSpan(data, life)).toEqual([88, 520]);
  });

  it("begins a life with its birth", () => {
    const born = lifeOf(toyData([{ state: ELSEWHERE, birth: 60, enter: 60, since: 60, events: [{ week: 60, transition: BORN, to: HOME, origin: PLAN }] }]), 0);
    expect(born.events[0]!.sentence).toBe("In May 2021, she was born.");
    expect(born.stretches).toEqual([{ state: HOME, from: 60, to: 520 }]);
  });
});

describe("dayOne", () => {
  const there = (child: ToyChild): string => {
    const data = toyData([{ birth: -600, since: -310, ...child }]);
    return dayOne(data, lifeOf(data, 0));
  };

  it("counts the time in care, not in the home, and the time on a plan, not under an enquiry", () => {
    expect(there({ state: FOSTER, sex: 1 })).toBe("he was looked after (since April 2014, when he was 5), living with foster carers");
    expect(there({ state: ENQUIRY_ON_PLAN }))
      .toBe("she was on a child in need plan (since April 2014, when she was 5), under a section 47 enquiry");
    expect(there({ state: PLACED_FOR_ADOPTION, since: -20 }))
      .toBe("she was looked after, placed for adoption, since November 2019, when she was 11");
  });

  it("says since when only where it is known and not since birth", () => {
    expect(there({})).toBe("she was at home, not open to services, since April 2014, when she was 5");
    expect(there({ since: -600 })).toBe("she was at home, not open to services");
    expect(there({ state: ADOPTED, since: -1 })).toBe("she was adopted");
    expect(there({ since: -590 })).toBe("she was at home, not open to services, since November 2008, when she was under 1");
  });
});

describe("reasonFor", () => {
  const data = toyData([LIFE, { birth: -900, events: [{ week: 36, transition: GREW_UP, to: GROWN_UP, origin: BIRTHDAY }] }]);
  const life = lifeOf(data, 0);

  it("gives the chance, the draw and the group", () => {
    const reason = reasonFor(data, life, life.events[0]!);
    expect(reason.decided.join(" ")).toBe(
      "In that week the chance of this was 0.31% (about 1 in 320 weeks like it). A number between 0 and 100 was drawn at random: 0.12. It had to be below 0.31. The draw was below the chance, so it happened.",
    );
    expect(reason.group[0]).toBe('The chances are those for children aged 5 to 9, in a family of the risk class "raised", not referred before.');
    expect(reason.possibilities.map((p) => p.chance)).toEqual([0.0031, 1 - 0.0031]);
  });

  it("turns outcomes that are tried in turn into shares of all cases", () => {
    const reason = reasonFor(data, life, life.events[1]!);
    expect(reason.possibilities.map((p) => p.overall)).toEqual([0.2, 0.4]);
    expect(reason.decided.join(" ")).toContain("this is the outcome in 40.0% of such cases");
  });

  it("tells a birthday as a rule and gives no chance", () => {
    const other = lifeOf(data, 1);
    const reason = reasonFor(data, other, other.events[0]!);
    expect(reason.decided).toEqual(["This is a rule and not a matter of chance: it happens on the 18th birthday."]);
    expect(reason.possibilities).toEqual([]);
  });

  it("tells what came about with a brother or sister, and as homes were found", () => {
    const together = { week: 30, transition: WAS_REFERRED, to: REFERRED, origin: TOGETHER, chance: 0.6, draw: 0.25 };
    const moved = { week: 90, transition: MOVED, to: CHILDRENS_HOME, origin: PLACE, chance: 1, draw: 0 };
    const child = toyData([{ state: FOSTER, events: [moved] }, { birth: -300, events: [together] }]);
    const [housed, referred] = [lifeOf(child, 0), lifeOf(child, 1)];
    expect(referred.events[0]!.sentence).toContain("she was referred to children's social care, together with a brother or sister.");
    expect(reasonFor(child, referred, referred.events[0]!).decided.join(" ")).toBe(
      "What happens to one child of a family may happen to a brother or sister in the same week. The chance of this was 60.0%. A number between 0 and 100 was drawn at random: 25.00. It had to be below 60.00. The draw was below the chance, so it happened.",
    );
    expect(housed.events[0]!.sentence).toContain("she moved to a children's home, where a home was found.");
    const reason = reasonFor(child, housed, housed.events[0]!);
    expect(reason.decided.join(" ")).toContain("This followed from the homes there were");
    expect([reason.possibilities, reason.group]).toEqual([[], []]);
  });

  it("tells what else the chances depend on", () => {
    const also = { ...data, about: { ...data.about, also: ["They also depend on the family."] } };
    expect(reasonFor(also, life, life.events[0]!).group[1]).toBe("They also depend on the family.");
  });

  it("does not smooth over a draw that does not fit", () => {
    const wrong = { ...life.events[0]!, draw: 0.9 };
    expect(drawFits(wrong)).toBe(false);
    expect(reasonFor(data, life, wrong).decided.join(" ")).toContain("does not fit");
  });
});

describe("brothers and sisters", () => {
  it("lists the family eldest first, and nobody for a child who came alone", () => {
    const data = toyData([
      { family: 1, birth: 0 }, { family: 1, birth: -300, sex: 1 }, { family: 2 }, { family: 1, birth: 200 }, { family: 1, alone: true },
    ]);
    expect(brothersAndSisters(data, 0)).toEqual([1, 4, 3]);
    expect(brothersAndSisters(data, 4)).toEqual([]);
    expect(relation(lifeOf(data, 0), lifeOf(data, 1))).toBe("brother, 6 years older");
    expect(relation(lifeOf(data, 0), lifeOf(data, 3))).toBe("sister, 4 years younger");
  });
});
