import { describe, expect, it } from "vitest";

import type { PatternStep } from "./dataset";
import { matching, patternWords } from "./patterns";
import {
  CAME_INTO_CARE, CLOSED, ENTERING, FOSTER, HOME, IN_NEED, PLACED, PLAN_BEGAN, PLAN_ENDED, PROTECTED, REFERRED, REUNIFIED,
  type ToyEvent, toyData, WAS_REFERRED, WENT_HOME,
} from "./testing";

const state = (codes: number[], more: Partial<PatternStep> = {}): PatternStep =>
  ({ kind: "state", codes, label: "a state", times: 1, before: null, never: false, ...more });
const event = (codes: number[], more: Partial<PatternStep> = {}): PatternStep => ({ ...state(codes, more), kind: "event" });
const CARE = state([ENTERING, FOSTER]);

const onPlan = (week: number): ToyEvent => ({ week, transition: PLAN_BEGAN, to: PROTECTED });
const planEnds = (week: number): ToyEvent => ({ week, transition: PLAN_ENDED, to: HOME });
const intoCare = (week: number): ToyEvent[] =>
  [{ week, transition: CAME_INTO_CARE, to: ENTERING }, { week, transition: PLACED, to: FOSTER, origin: 1 }];
const home = (week: number): ToyEvent => ({ week, transition: WENT_HOME, to: REUNIFIED });

describe("matching", () => {
  it("finds a plan twice, then care, and nothing less", () => {
    const data = toyData([
      { events: [onPlan(10), planEnds(30), onPlan(50), ...intoCare(60)] },
      { events: [onPlan(10), planEnds(30), ...intoCare(60)] },
      { events: [onPlan(10), ...intoCare(20), home(40), onPlan(50)] },
      { events: [onPlan(10), planEnds(30), onPlan(50)] },
    ]);
    expect(matching(data, [state([PROTECTED], { times: 2 }), CARE])).toEqual([0]);
  });

  it("counts the situation on the first day as one time, at the age at which it began", () => {
    const data = toyData([{ state: PROTECTED, birth: -60, since: -20, events: [planEnds(30), onPlan(50)] }]);
    expect(matching(data, [state([PROTECTED], { times: 2 })])).toEqual([0]);
    expect(matching(data, [state([PROTECTED], { before: 1 })])).toEqual([0]);
    expect(matching(data, [state([PROTECTED], { times: 2, before: 1 })])).toEqual([]);
  });

  it("does not count a move within the situation, nor a detour within one week", () => {
    const data = toyData([
      { events: [...intoCare(10), { week: 30, transition: PLACED, to: FOSTER }] },
      { state: IN_NEED, events: [
        { week: 10, transition: WAS_REFERRED, to: REFERRED }, { week: 10, transition: PLAN_BEGAN, to: IN_NEED, origin: 1 },
      ] },
    ]);
    expect(matching(data, [{ ...CARE, times: 2 }])).toEqual([]);
    expect(matching(data, [state([IN_NEED], { times: 2 })])).toEqual([]);
    expect(matching(data, [state([REFERRED])])).toEqual([1]);
  });

  it("finds care, home, care in that order only", () => {
    const data = toyData([
      { events: [...intoCare(10), home(30), ...intoCare(50)] },
      { events: [...intoCare(10), home(30)] },
      { state: FOSTER, events: [home(30), ...intoCare(40)] },
    ]);
    expect(matching(data, [CARE, state([REUNIFIED]), CARE])).toEqual([0, 2]);
  });

  it("counts events, and leaves out what must never happen, wherever it stands in the order", () => {
    const referred = (week: number): ToyEvent[] =>
      [{ week, transition: WAS_REFERRED, to: REFERRED }, { week, transition: CLOSED, to: HOME, origin: 1 }];
    const data = toyData([
      { events: [...referred(1), ...referred(9), ...referred(20)] },
      { events: [...referred(1), ...referred(9), ...referred(20), onPlan(30)] },
      { events: [...referred(1), ...referred(9)] },
    ]);
    const never = state([PROTECTED], { never: true });
    const steps = [event([WAS_REFERRED], { times: 3 }), never];
    expect(matching(data, steps)).toEqual([0]);
    expect(matching(data, steps.toReversed())).toEqual([0]);
  });

  it("keeps to the age limit: before the birthday, not on it", () => {
    const data = toyData([{ birth: 0, enter: 0, events: [onPlan(51)] }, { birth: 0, events: [onPlan(52)] }]);
    expect(matching(data, [state([PROTECTED], { before: 1 })])).toEqual([0]);
  });

  it("can ask for children who came alone only", () => {
    expect(matching(toyData([{}, { alone: true }]), [], true)).toEqual([1]);
  });
});

describe("patternWords", () => {
  it("tells the steps in order and what never happens last", () => {
    const steps = [state([1], { label: "looked after", never: true }), state([2], { label: "on a plan", times: 2, before: 5 }), event([3], { label: "was adopted" })];
    expect(patternWords(steps)).toBe("on a plan, at least 2 times, before age 5; then was adopted; never: looked after");
  });
});
