import { describe, expect, it } from "vitest";

import { type CourseChart, courseShape, HEIGHT } from "./course";
import { inWords } from "./describe";
import { shapeOf, yearLabels } from "./geometry";
import { figuresOf, type Frame } from "./report";

const row = (year: number, series: string, statistic: string, value: number | null) =>
  ["cla", "Looked after", "children", year, series, statistic, value];
const FRAME: Frame = {
  columns: ["figure", "label", "unit", "year", "series", "statistic", "value"],
  rows: [
    row(2026, "sd", "value", 620), row(2025, "published", "value", 600), row(2025, "sd", "value", 610), row(2025, "abm", "median", 605),
    row(2025, "abm", "p5", 570), row(2025, "abm", "p95", 640), row(2026, "abm", "median", 615), row(2026, "abm", "p5", null),
  ],
};

describe("figuresOf", () => {
  const [figure] = figuresOf(FRAME);
  it("groups the long frame by figure, series and year", () => {
    expect(figure!.years).toEqual([2025, 2026]);
    expect(figure!.published.get(2025)).toBe(600);
    expect(figure!.abm.get("p5")!.has(2026)).toBe(false);
  });
  it("tells the chart in words", () => {
    expect(inWords(figure!)).toBe(
      "Looked after, by year ending 31 March. In 2025: published 600; system dynamics 610; agent-based median 605, 90% of runs from 570 to 640. In 2026: system dynamics 620; agent-based median 615.",
    );
  });
  it("draws from zero unless asked otherwise", () => {
    expect(shapeOf(figure!, 400, false).ticks[0]).toBe(0);
    expect(shapeOf(figure!, 400, true).ticks[0]).toBeGreaterThan(500);
  });
  it("draws a figure without any value, and one that never moves", () => {
    const empty = figuresOf({ ...FRAME, rows: [row(2025, "published", "value", null)] })[0]!;
    expect(shapeOf(empty, 400, false).ticks.length).toBeGreaterThan(1);
    const flat = figuresOf({ ...FRAME, rows: [row(2025, "sd", "value", 0), row(2026, "sd", "value", 0)] })[0]!;
    expect(shapeOf(flat, 400, true).ticks.every(Number.isFinite)).toBe(true);
  });
  it("labels years without touching, always with the last one", () => {
    const years = [2021, 2022, 2023, 2024, 2025, 2026, 2027, 2028, 2029, 2030];
    expect(yearLabels(years, 700)).toHaveLength(10);
    expect(yearLabels(years, 400)).toEqual([2022, 2024, 2026, 2028, 2030]);
    expect(yearLabels(years, 290)).toEqual([2025, 2030]);
  });
});

describe("courseShape", () => {
  const line = { name: "Anxiety", middle: [1, 1.49, 1.35], low: [1, 1.48, null], high: [1, 1.5, null], first: [1, 1.49, 1.34] };
  const chart: CourseChart = {
    key: "anxiety", title: "Anxiety", unit: "ratio", x: [2021, 2021.5, 2022], lines: [line], description: "",
    frame: { columns: [], rows: [] },
  };
  it("draws a line, a band where it is known, and no label where there is one line", () => {
    const shape = courseShape(chart, 320);
    expect(shape.lines[0]!.middle.match(/[ML]/g)).toEqual(["M", "L", "L"]);
    expect(shape.lines[0]!.band.match(/Z/g)).toHaveLength(1);
    expect(shape.lines[0]!.label).toBeNull();
    expect(shape.ticks[0]).toBeGreaterThan(0.5);
  });
  it("labels several lines apart from each other, within the chart, where there is room", () => {
    const two = { ...chart, lines: [line, { ...line, name: "Fear" }] };
    const labels = courseShape(two, 320).lines.map((one) => one.label!);
    expect(Math.abs(labels[0]!.y - labels[1]!.y)).toBeGreaterThanOrEqual(16);
    expect(Math.max(...labels.map((label) => label.y))).toBeLessThan(HEIGHT);
    expect(courseShape({ ...two, lines: [line, { ...line, name: "Supported accommodation, waiting" }] }, 320).lines[0]!.label).toBeNull();
  });
  it("begins at zero where numbers come near it, and draws what is nothing or never moves", () => {
    const of = (middle: (number | null)[]): CourseChart => ({ ...chart, lines: [{ name: "", middle, low: null, high: null, first: null }] });
    expect(courseShape(of([3, 9, 4]), 320).ticks[0]).toBe(0);
    for (const middle of [[null, null, null], [0, 0, 0], [1, 1, 1]]) {
      const shape = courseShape(of(middle), 320);
      expect(shape.ticks.length).toBeGreaterThan(1);
      expect(shape.ticks.every(Number.isFinite)).toBe(true);
      expect(shape.lines[0]!.middle).not.toContain("NaN");
    }
  });
});
