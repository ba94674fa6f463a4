/** The shapes of one chart: plain geometry, no drawing. */
import { BANDS, type Figure } from "./report";
import { bandPath, linear, linePath, roundTicks, type Scale, spread } from "../shared/scale";

export const MARGIN = { top: 24, right: 92, bottom: 26, left: 58 };
export const HEIGHT = 270;
/** About the width of the word "Published". */
const LABEL = 76;

export interface ChartShape {
  x: Scale;
  y: Scale;
  ticks: number[];
  years: number[];
  bands: { path: string; share: string }[];
  median: string;
  sd: string;
  points: { x: number; y: number; year: number; value: number }[];
  labels: { text: string; y: number; at: number; x: number; kind: "published" | "sd" | "abm"; side: boolean }[];
}

/** Lowest and highest value drawn. */
export function extent(figure: Figure): [number, number] {
  const series = [figure.published, figure.sd, ...figure.abm.values()];
  const values = series.flatMap((one) => [...one.values()]);
  return values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
}

export function shapeOf(figure: Figure, width: number, zoomed: boolean): ChartShape {
  const years = figure.years;
  const [low, high] = extent(figure);
  const room = HEIGHT - MARGIN.top - MARGIN.bottom;
  const ticks = roundTicks(zoomed ? low : Math.min(0, low), high > low || !zoomed ? Math.max(high, 1e-9) : high + 1, 5);
  const x = linear(years[0] ?? 0, years.at(-1) ?? 1, MARGIN.left + 6, Math.max(MARGIN.left + 20, width - MARGIN.right));
  const y = linear(ticks[0]!, ticks.at(-1)!, MARGIN.top + room, MARGIN.top);
  const at = (series: Map<number, number> | undefined, year: number): number | null => {
    const value = series?.get(year);
    return value === undefined ? null : y(value);
  };
  const median = figure.abm.get("median");
  const points = years.flatMap((year) => {
    const value = figure.published.get(year);
    return value === undefined ? [] : [{ x: x(year), y: y(value), year, value }];
  });
  const end = (series: Map<number, number> | undefined): [number, number] | undefined =>
    [...(series ?? [])].sort((a, b) => a[0] - b[0]).at(-1);
  const ends = ([["abm", "ABM", end(median)], ["sd", "SD", end(figure.sd)], ["published", "Published", end(figure.published)]] as const)
    .flatMap(([kind, text, last]) => (last ? [{ kind, text, year: last[0], at: y(last[1]) }] : []));
  // The published points end earlier than the lines do: their label stands over their last point.
  const right = ends.filter((e) => x(e.year) > x(years.at(-1)!) - 1);
  const moved = spread(right.map((e) => e.at), 17, MARGIN.top + 6, HEIGHT - MARGIN.bottom - 2);
  const labels = ends.map((e) => {
    const k = right.indexOf(e);
    if (k >= 0) return { kind: e.kind, text: e.text, at: e.at, y: moved[k]!, x: x(e.year) + 14, side: true };
    const middle = Math.max(MARGIN.left + LABEL / 2, x(e.year) - LABEL / 2);
    return { kind: e.kind, text: e.text, at: e.at, y: clearOf(figure, x, y, middle), x: middle, side: false };
  });
  return {
    x, y, ticks, years, points, labels,
    bands: BANDS.map(([a, b, share]) => ({
      share, path: bandPath(years.map((year) => [x(year), at(figure.abm.get(a), year), at(figure.abm.get(b), year)])),
    })),
    median: linePath(years.map((year) => [x(year), at(median, year)])),
    sd: linePath(years.map((year) => [x(year), at(figure.sd, year)])),
  };
}

/** A height for a label around `middle`: above points and lines there, or below them where there is no room above. */
function clearOf(figure: Figure, x: Scale, y: Scale, middle: number): number {
  const near = figure.years.filter((year) => Math.abs(x(year) - middle) <= LABEL / 2 + 24);
  const drawn = [figure.published, figure.sd, figure.abm.get("median") ?? new Map<number, number>()]
    .flatMap((series) => near.flatMap((year) => (series.has(year) ? [y(series.get(year)!)] : [])));
  const above = Math.min(...drawn) - 8;
  return above >= MARGIN.top + 12 ? above : Math.min(HEIGHT - MARGIN.bottom - 4, Math.max(...drawn) + 20);
}

/** Years to label: all, or every second or fifth where they would touch. */
export function yearLabels(years: number[], width: number): number[] {
  const each = (width - MARGIN.left - MARGIN.right) / Math.max(1, years.length - 1);
  const every = each >= 40 ? 1 : each >= 20 ? 2 : 5;
  const last = years.at(-1) ?? 0;
  return years.filter((year) => (last - year) % every === 0);
}
