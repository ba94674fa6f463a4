import { describe, expect, it } from "vitest";

import { OUTCOME } from "./dataset";
import { headline } from "./headline";
import { type Life, lifeOf } from "./story";
import {
  ASSESSED, ASSESSMENT_BEGAN, CAME_INTO_CARE, CHILDRENS_HOME, CLOSED, ENQUIRY_BEGAN, ENQUIRY_ON_PLAN, ENTERING, FOSTER, HOME,
  IN_NEED, MOVED, NEED_PLAN_BEGAN, NOT_IN_NEED, PLACED, PLAN_BEGAN, PLAN_ENDED, PLAN_WENT_ON, PROTECTED, REFERRED, REUNIFIED,
  type ToyEvent, toyData, UNDER_ENQUIRY, WAS_REFERRED, WENT_HOME,
} from "./testing";

const referred = (week: number): ToyEvent => ({ week, transition: WAS_REFERRED, to: REFERRED });
const assessment = (week: number): ToyEvent[] =>
  [referred(week), { week, transition: ASSESSMENT_BEGAN, to: ASSESSED, origin: OUTCOME }];
const closed = (week: number): ToyEvent[] => [referred(week), { week, transition: CLOSED, to: HOME, origin: OUTCOME }];
const contact = (week: number): ToyEvent[] => [...assessment(week), { week: week + 6, transition: NOT_IN_NEED, to: HOME }];
const plan = (week: number): ToyEvent[] =>
  [{ week, transition: PLAN_BEGAN, to: PROTECTED }, { week: week + 9, transition: PLAN_ENDED, to: HOME }];
const intoCare = (week: number): ToyEvent[] =>
  [{ week, transition: CAME_INTO_CARE, to: ENTERING }, { week, transition: PLACED, to: FOSTER, origin: OUTCOME }];

function short(events: ToyEvent[], most?: number): { life: Life; numbers: number[]; sentences: string[] } {
  const data = toyData([{ events }]);
  const life = lifeOf(data, 0);
  const told = headline(data, life.events, true, most);
  return { life, numbers: told.map((e) => e.number), sentences: told.map((e) => e.sentence) };
}

describe("headline", () => {
  it("tells a contact as the referral and its outcome, without the step between them", () => {
    const { life, sentences } = short(contact(101));
    expect(sentences).toEqual([
      "In March 2022, when she was 2, she was referred to children's social care.",
      "In April 2022, when she was 3, the assessment found no need.",
    ]);
    expect(life.events[1]!.sentence).toContain("began an assessment");
  });

  it("tells the step where there is no outcome yet", () => {
    expect(short(assessment(101)).sentences)
      .toEqual(["In March 2022, when she was 2, she was referred to children's social care; a social worker began an assessment."]);
  });

  it("keeps what followed at once with the event before it", () => {
    const data = toyData([{ events: intoCare(150) }]);
    const [first] = headline(data, lifeOf(data, 0).events, true);
    expect(first!.sentence).toBe("In February 2023, when she was 3, she became looked after; she went to live with foster carers.");
    expect(first!.then.map((e) => e.number)).toEqual([2]);
  });

  it("prefers care and plans, and never tells more than so many", () => {
    const events = [10, 30, 50, 70].flatMap(contact).concat(plan(100), [120, 140].flatMap(contact), intoCare(200));
    const { numbers } = short(events);
    expect(numbers).toHaveLength(11);
    expect(numbers.slice(-1)).toEqual([21]);
    expect(short(events, 3).numbers).toEqual([13, 14, 21]);
  });

  it("tells the end of each plan, contact and time in care whose beginning it tells", () => {
    const home: ToyEvent = { week: 260, transition: WENT_HOME, to: REUNIFIED };
    const moves = [210, 220, 230].map((week) => ({ week, transition: MOVED, to: CHILDRENS_HOME }));
    const events = [...contact(10), ...plan(30), ...contact(50), ...plan(70), ...closed(90), ...intoCare(200), ...moves, home];
    for (let most = 1; most <= 14; most++) {
      const { numbers } = short(events, most);
      expect(numbers.length).toBeLessThanOrEqual(most);
      for (const [begin, end] of [[1, 3], [4, 5], [6, 8], [9, 10], [13, 18]] as const) {
        if (numbers.includes(begin)) expect(numbers).toContain(end);
      }
      for (const [begin, end] of [[1, 3], [6, 8]] as const) expect(numbers.includes(end)).toBe(numbers.includes(begin));
    }
  });

  it("bears an enquiry during a plan, and an end that is the next beginning", () => {
    const enquiry = (week: number): ToyEvent[] =>
      [{ week, transition: ENQUIRY_BEGAN, to: ENQUIRY_ON_PLAN }, { week: week + 3, transition: PLAN_WENT_ON, to: IN_NEED }];
    const events = [...assessment(10), { week: 16, transition: NEED_PLAN_BEGAN, to: IN_NEED }, ...enquiry(20), ...enquiry(30),
      { week: 50, transition: PLAN_ENDED, to: HOME }];
    expect(short(events).numbers).toEqual([1, 3, 4, 5, 6, 7, 8]);
    expect(short(events, 5).numbers).toEqual([1, 3, 4, 5, 8]);
    expect(short(events, 2).numbers).toEqual([3, 8]);
  });

  it("tells an enquiry with the referral before it, or neither", () => {
    const events = [...assessment(10), { week: 14, transition: ENQUIRY_BEGAN, to: UNDER_ENQUIRY }, ...plan(18)];
    expect(short(events).numbers).toEqual([1, 3, 4, 5]);
    expect(short(events, 3).numbers).toEqual([4, 5]);
  });

  it("tells of no events nothing", () => {
    expect(short([]).numbers).toEqual([]);
  });
});
