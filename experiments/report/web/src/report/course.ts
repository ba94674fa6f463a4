/** Small charts of what was beside the children: lines over years, with bands where they are known. */
import { bandPath, linear, linePath, roundTicks, type Scale, spread } from "../shared/scale";
import type { Frame } from "./report";

type Values = (number | null)[];

export interface CourseLine {
  name: string;
  middle: Values;
  low: Values | null;
  high: Values | null;
  first: Values | null;
}

export interface CourseChart {
  key: string;
  title: string;
  unit: string;
  /** Where points stand: 2021 is 31 March 2021. */
  x: number[];
  lines: CourseLine[];
  description: string;
  frame: Frame;
}

export interface Node {
  tag: string;
  attributes: Record<string, string>;
  text: string;
  inside: Node[];
}

export interface SystemSection {
  told: string[];
  assumed: string;
  warnings: string[];
  loops: Frame | null;
  changed: Frame | null;
  groups: { key: string; title: string; note: string; charts: CourseChart[] }[];
  tables: { caption: string; frame: Frame }[];
  diagram: Node | null;
}

export const MARGIN = { top: 16, right: 20, bottom: 26, left: 58 };
export const HEIGHT = 210;
/** About the width of a letter of a label. */
const LETTER = 8.2;

export interface CourseShape {
  x: Scale;
  y: Scale;
  right: number;
  ticks: number[];
  years: number[];
  lines: { name: string; kind: number; band: string; middle: string; first: string; label: { at: number; y: number } | null }[];
}

const known = (values: Values): number[] => values.filter((value) => value !== null);

export function courseShape(chart: CourseChart, width: number): CourseShape {
  const many = chart.lines.length > 1;
  const letters = many ? Math.max(...chart.lines.map((line) => line.name.length)) : 0;
  // Labels stand beside the lines where there is room for both, and in the key alone where there is not.
  const beside = many && letters * LETTER < width * 0.4;
  const right = width - MARGIN.right - (beside ? letters * LETTER : 0);
  const values = chart.lines.flatMap((line) => [line.middle, line.low ?? [], line.high ?? [], line.first ?? []].flatMap(known));
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  // From zero where zero is near; a ratio that hardly moves is not blown up to a drama.
  const from = low > high / 2 ? Math.min(low, high * 0.9) : Math.min(low, 0);
  const ticks = roundTicks(from, Math.max(high, from + 1e-9 + Math.abs(from) * 0.1), 4);
  const [begin, end] = [Math.floor(chart.x[0] ?? 0), chart.x.at(-1) ?? 1];
  const x = linear(begin, end, MARGIN.left + 4, Math.max(MARGIN.left + 20, right));
  const y = linear(ticks[0]!, ticks.at(-1)!, HEIGHT - MARGIN.bottom, MARGIN.top);
  const at = (value: number | null | undefined): number | null => (value === null || value === undefined ? null : y(value));
  const path = (series: Values | null): string => linePath((series ?? []).map((value, k) => [x(chart.x[k]!), at(value)]));
  const ends = chart.lines.map((line) => at(line.middle.at(-1)));
  const moved = spread(ends.map((one) => one ?? 0), 16, MARGIN.top + 4, HEIGHT - MARGIN.bottom);
  const each = (right - MARGIN.left) / Math.max(1, end - begin);
  const every = each >= 40 ? 1 : each >= 20 ? 2 : 5;
  const years = Array.from({ length: Math.floor(end) - begin + 1 }, (_, k) => begin + k)
    .filter((year) => year > begin - 1 && (Math.floor(end) - year) % every === 0);
  return {
    x, y, right, ticks, years,
    lines: chart.lines.map((line, kind) => ({
      name: line.name, kind,
      band: line.low && line.high
        ? bandPath(line.low.map((value, k) => [x(chart.x[k]!), at(value), at(line.high![k])]))
        : "",
      middle: path(line.middle),
      first: path(line.first),
      label: beside && ends[kind] !== null ? { at: ends[kind]!, y: moved[kind]! } : null,
    })),
  };
}
