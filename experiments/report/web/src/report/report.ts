/** The report's data: frames as columns and rows, figures as series by year. */
import { open } from "../shared/payload";
import type { SystemSection } from "./course";

export type Cell = string | number | boolean | null;

export interface Frame {
  columns: string[];
  rows: Cell[][];
}

export interface Assumed {
  name: string;
  value: Cell;
  unit: string;
  low: Cell;
  high: Cell;
  status: string;
  source: string;
}

export interface About {
  area: string;
  fit_end: number;
  forecast_fit_end: number;
  tolerance: number;
  /** How many runs there are if they are too few for bands to be read as intervals, else 0. */
  few_runs: number;
  headline: string[];
  missed: string[];
  assumed: Assumed[];
  /** What else is known about the run, as name and value. */
  facts: [string, string][];
}

export interface Header {
  about: About;
  figures: Frame;
  forecast: Frame | null;
  residuals: Frame;
  metrics: Frame;
  /** What is shown of the mechanisms that are on; null if none are. */
  system: SystemSection | null;
  tables: { key: string; title: string; caption: string; frame: Frame }[];
}

export const BANDS = [["p5", "p95", "90%"], ["p10", "p90", "80%"], ["p25", "p75", "50%"]] as const;

type Series = Map<number, number>;

/** One published figure with its twins. Series are by year. */
export interface Figure {
  key: string;
  label: string;
  unit: string;
  years: number[];
  published: Series;
  sd: Series;
  abm: Map<string, Series>;
}

/** Rows as objects. */
export function records(frame: Frame): Record<string, Cell>[] {
  return frame.rows.map((row) => Object.fromEntries(frame.columns.map((name, k) => [name, row[k] ?? null])));
}

/** Group the long frame by figure, in the order in which figures first stand in it. */
export function figuresOf(frame: Frame): Figure[] {
  const made = new Map<string, Figure>();
  for (const { figure, label, unit, year, series, statistic, value } of records(frame)) {
    const key = String(figure);
    const one: Figure = made.get(key)
      ?? { key, label: String(label), unit: String(unit), years: [], published: new Map(), sd: new Map(), abm: new Map() };
    made.set(key, one);
    const at = Number(year);
    if (!one.years.includes(at)) one.years.push(at);
    if (typeof value !== "number") continue;
    if (series === "published") one.published.set(at, value);
    else if (series === "sd") one.sd.set(at, value);
    else if (series === "abm") {
      const name = String(statistic);
      one.abm.set(name, (one.abm.get(name) ?? new Map<number, number>()).set(at, value));
    }
  }
  for (const one of made.values()) one.years.sort((a, b) => a - b);
  return [...made.values()];
}

/** "percent" figures carry their sign; counts are plain. */
export function withUnit(text: string, unit: string): string {
  return unit === "percent" ? `${text}%` : text;
}

export async function load(base64: string): Promise<Header> {
  return (await open<Header>(base64)).header;
}
