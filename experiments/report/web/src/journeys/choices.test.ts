import { describe, expect, it } from "vitest";

import { choices, type Line, linesToText, problem, readAddress, steps, textToLines, writeAddress } from "./choices";
import { bars, markers, safeColour } from "./layout";
import { isLight } from "./hatches";
import { median, ordered } from "./order";
import { lifeOf } from "./story";
import { CLOSED, FOSTER, HOME, PROTECTED, REFERRED, toyData, WAS_REFERRED } from "./testing";
import { linear } from "../shared/scale";

const data = toyData([{}]);
const offered = choices(data);

describe("the builder", () => {
  it("offers groups, situations and events, and no situation outside of the area", () => {
    expect(offered.find((c) => c.key === "any_care")!.codes).toEqual([5, 6, 7, 12]);
    expect(offered.some((c) => c.key === "s.elsewhere")).toBe(false);
    expect(offered.filter((c) => c.kind === "event")).toHaveLength(15);
  });

  it("keeps lines in the address and reads them back", () => {
    const lines: Line[] = [
      { choice: "s.protected", times: 2, before: 5, never: false }, { choice: "e.was_referred", times: 1, before: null, never: true },
    ];
    expect(linesToText(lines)).toBe("s.protected*2<5,!e.was_referred");
    expect(textToLines(linesToText(lines), offered)).toEqual(lines);
    expect(steps(lines, offered)[0]).toMatchObject({ kind: "state", codes: [PROTECTED], times: 2, before: 5 });
  });

  it("takes nothing on trust from an address", () => {
    expect(textToLines("s.nowhere,<script>,s.protected*99,s.protected<0,,", offered)).toEqual([]);
    expect(readAddress("#child=12x&pattern=<b>")).toEqual({ child: null, pattern: "", lines: "" });
    expect(readAddress("#child=12&pattern=own&lines=any_care")).toEqual({ child: 12, pattern: "own", lines: "any_care" });
    expect(readAddress(writeAddress({ child: 7, pattern: "own", lines: "s.protected*2<5" })).lines).toBe("s.protected*2<5");
  });

  it("says what is wrong with a line", () => {
    const line: Line = { choice: "any_care", times: 1, before: null, never: false };
    expect(problem(line)).toBe("");
    expect(problem({ ...line, times: 0 })).toContain("1 to 20");
    expect(problem({ ...line, before: 40 })).toContain("1 to 18");
    expect(problem({ ...line, before: Number.NaN })).toContain("whole number");
  });
});

describe("order", () => {
  const referred = (n: number) => ({
    events: Array.from({ length: n }, (_, k) => [
      { week: k * 20, transition: WAS_REFERRED, to: REFERRED }, { week: k * 20 + 4, transition: CLOSED, to: HOME },
    ]).flat(),
  });
  const many = toyData([referred(1), referred(3), referred(3), referred(4), referred(20)]);
  it("puts the middle first for typical, the farthest first for unusual", () => {
    expect(ordered(many, [0, 1, 2, 3, 4], "typical").slice(0, 2)).toEqual([1, 2]);
    expect(ordered(many, [0, 1, 2, 3, 4], "unusual")[0]).toBe(4);
    expect(ordered(many, [3, 1], "number")).toEqual([3, 1]);
  });
  it("knows the median", () => {
    expect([median([]), median([3]), median([4, 1]), median([9, 1, 2])]).toEqual([0, 3, 2.5, 2]);
  });
});

describe("layout", () => {
  it("never lets markers cover each other", () => {
    const life = lifeOf(toyData([{ events: Array.from({ length: 30 }, (_, k) => ({ week: k * 3, transition: WAS_REFERRED, to: REFERRED })) }]), 0);
    const placed = markers(life.events, linear(0, 520, 0, 600), 0, 520, 3);
    for (const a of placed) {
      for (const b of placed) if (a !== b && a.row === b.row) expect(Math.abs(a.x - b.x)).toBeGreaterThanOrEqual(26);
    }
    expect(placed.length).toBeGreaterThan(5);
  });

  it("names only bars whose labels have room", () => {
    const made = bars(data, [{ state: HOME, from: 0, to: 10 }, { state: FOSTER, from: 10, to: 520 }], linear(0, 520, 0, 600), 0, 520);
    expect(made.map((b) => b.showLabel)).toEqual([false, true]);
  });

  it("lets no style through a colour", () => {
    expect(safeColour("url(//x)")).toBe("#767676");
    expect(safeColour("#12436D")).toBe("#12436D");
    expect([isLight("#ffffff"), isLight("#12436D")]).toEqual([true, false]);
  });
});
