/**
 * Finding children by what happened to them.
 *
 * A pattern is a list of steps. Steps are met in their order, each after the one before it, at the earliest place:
 *
 * - a **situation** step (kind "state") is met each time a child comes into one of its states from outside of them. The
 *   situation on the first day counts as one time, at the age at which it began. What happens within one week is one
 *   step of time: a child who is back in the same situation by the end of the week has not come into it anew.
 * - an **event** step is met each time one of its events happens.
 * - `times` says how many times it must be met, `before` that it must be so before that birthday.
 * - a `never` step says that it is not met at any time in the simulated years; its place in the order does not matter.
 */
import type { Dataset, PatternStep } from "./dataset";
import { WEEKS_PER_YEAR } from "../shared/time";

interface Moment {
  /** Order in the life: -1 is the first day, then the rows. */
  at: number;
  week: number;
}

function moments(data: Dataset, i: number, step: PatternStep, wanted: Uint8Array): Moment[] {
  const { child, event } = data;
  const found: Moment[] = [];
  const first = data.firstEvent[i]!, end = data.firstEvent[i + 1]!;
  if (step.kind === "event") {
    for (let row = first; row < end; row++) {
      if (wanted[event.transition[row]!]) found.push({ at: row, week: event.week[row]! });
    }
    return found;
  }
  let inside = wanted[child.state[i]!] === 1;
  if (inside) found.push({ at: -1, week: child.since[i]! });
  for (let row = first; row < end; ) {
    const week = event.week[row]!;
    let entered = -1, last = row;
    for (; row < end && event.week[row] === week; row++) {
      if (entered < 0 && wanted[event.to[row]!]) entered = row;
      last = row;
    }
    if (entered >= 0 && !inside) found.push({ at: entered, week });
    inside = wanted[event.to[last]!] === 1;
  }
  return found;
}

function flags(codes: number[]): Uint8Array {
  const flag = new Uint8Array(256);
  for (const code of codes) flag[code] = 1;
  return flag;
}

/** Positions of the children who match every step. */
export function matching(data: Dataset, steps: PatternStep[], alone = false): number[] {
  const wanted = steps.map((step) => flags(step.codes));
  const found: number[] = [];
  for (let i = 0; i < data.n; i++) {
    if ((!alone || data.child.alone[i] === 1) && matches(data, i, steps, wanted)) found.push(i);
  }
  return found;
}

function matches(data: Dataset, i: number, steps: PatternStep[], wanted: Uint8Array[]): boolean {
  let after = -2;
  for (const [k, step] of steps.entries()) {
    const all = moments(data, i, step, wanted[k]!);
    if (step.never) {
      if (all.length > 0) return false;
      continue;
    }
    const met = all.filter((moment) => moment.at > after)[step.times - 1];
    if (!met) return false;
    if (step.before !== null && met.week >= data.child.birth[i]! + step.before * WEEKS_PER_YEAR) return false;
    after = met.at;
  }
  return true;
}

/** One step in words: "On a child protection plan, at least 2 times, before age 5". */
export function stepWords(step: PatternStep): string {
  if (step.never) return `never: ${step.label}`;
  const times = step.times > 1 ? `, at least ${step.times} times` : "";
  const before = step.before !== null ? `, before age ${step.before}` : "";
  return `${step.label}${times}${before}`;
}

/** The whole pattern in words. */
export function patternWords(steps: PatternStep[], alone = false): string {
  const inOrder = steps.filter((step) => !step.never).map(stepWords);
  const never = steps.filter((step) => step.never).map(stepWords);
  const parts = [...(alone ? ["came to England alone"] : []), ...(inOrder.length ? [inOrder.join("; then ")] : []), ...never];
  return parts.join("; ");
}
