/** Putting found children in an order: typical first, unusual first, or by number. */
import type { Dataset } from "./dataset";

export type Order = "typical" | "unusual" | "number";

export function median(values: number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Measure {
  nEvents: number;
  /** Weeks on a plan, looked after or at the front door. */
  weeksOpen: number;
}

/** The two lengths by which journeys are compared. */
export function measure(data: Dataset, i: number, open: Uint8Array): Measure {
  const { child, event } = data;
  const first = data.firstEvent[i]!, end = data.firstEvent[i + 1]!;
  let state = child.state[i]!, since = Math.max(0, child.enter[i]!), weeksOpen = 0;
  for (let row = first; row < end; row++) {
    if (open[state]) weeksOpen += event.week[row]! - since;
    since = event.week[row]!;
    state = event.to[row]!;
  }
  if (open[state]) weeksOpen += Math.max(0, data.about.n_weeks - since);
  return { nEvents: end - first, weeksOpen };
}

/** Flags of the states in which a child is open to services. */
export function openStates(data: Dataset): Uint8Array {
  return Uint8Array.from(data.legend.states, (s) => (["front_door", "plan", "care"].includes(s.stage) ? 1 : 0));
}

/**
 * Sort positions. "Typical" is near the median of the found children in number of events and in weeks open, both
 * measured on a log scale (twice as many counts like half as many); "unusual" is the reverse.
 */
export function ordered(data: Dataset, found: number[], order: Order): number[] {
  if (order === "number") return found;
  const open = openStates(data);
  const lengths = found.map((i) => {
    const { nEvents, weeksOpen } = measure(data, i, open);
    return [Math.log1p(nEvents), Math.log1p(weeksOpen)] as const;
  });
  const middle = [median(lengths.map((l) => l[0])), median(lengths.map((l) => l[1]))] as const;
  const far = lengths.map((l) => Math.abs(l[0] - middle[0]) + Math.abs(l[1] - middle[1]));
  const sign = order === "typical" ? 1 : -1;
  return found.map((i, k) => ({ i, far: far[k]! })).sort((a, b) => sign * (a.far - b.far) || a.i - b.i).map(({ i }) => i);
}
