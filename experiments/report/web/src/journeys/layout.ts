/** Where things stand on the time axis: plain geometry, no drawing. */
import type { Dataset, Stage } from "./dataset";
import type { LifeEvent, Stretch } from "./story";
import type { Scale } from "../shared/scale";

export const BAR = 30;
/** Bars rise with how far a child is into the system, so that height tells it as well as colour. */
const HEIGHT: Record<Stage, number> = { home: 4, front_door: 12, plan: 20, care: 30, after_care: 12, left: 2 };
export const IN_CARE = -1;

export interface Bar {
  state: number;
  stage: Stage;
  x: number;
  width: number;
  height: number;
  label: string;
  colour: string;
  /** Which of the patterns it is filled with; two states of one stage never share one. */
  pattern: number;
  showLabel: boolean;
}

export const N_PATTERNS = 8;

/** The pattern of each state: its place among the states of its stage. */
export function patternOf(data: Dataset, state: number): number {
  const { stage } = data.legend.states[state]!;
  return data.legend.states.slice(0, state).filter((s) => s.stage === stage).length % N_PATTERNS;
}

/** A colour as declared, or grey: nothing else is let into a style. */
export function safeColour(colour: string): string {
  return /^#[0-9a-f]{6}$/i.test(colour) ? colour : "#767676";
}

/** Rough width of a text in pixels at 14 px; labels need not be exact, only not to run into each other. */
export function textWidth(text: string): number {
  return text.length * 8;
}

/** Stretches as bars. A label is shown where it does not run into the next shown one or off the end. */
export function bars(data: Dataset, stretches: Stretch[], x: Scale, from: number, to: number): Bar[] {
  const made = stretches
    .filter((s) => s.to > from && s.from < to)
    .map((s): Bar => {
      const declared = s.state === IN_CARE ? null : data.legend.states[s.state]!;
      const stage = declared?.stage ?? "care";
      const left = x(Math.max(s.from, from));
      return {
        state: s.state, stage, x: left, width: Math.max(2, x(Math.min(s.to, to)) - left), height: HEIGHT[stage],
        label: declared?.label ?? "Looked after", colour: safeColour(declared?.colour ?? "#801650"),
        pattern: declared ? patternOf(data, s.state) : 0, showLabel: false,
      };
    });
  const right = x(to);
  // The longest stretches are named first; at home is named only where there is room left.
  const order = made.map((_, k) => k).sort((a, b) => rank(made[b]!) - rank(made[a]!) || a - b);
  const taken: [number, number][] = [];
  for (const k of order) {
    const bar = made[k]!;
    const end = bar.x + textWidth(bar.label);
    if (end > right + 2 || taken.some(([a, b]) => bar.x < b + 8 && end + 8 > a)) continue;
    bar.showLabel = true;
    taken.push([bar.x, end]);
  }
  return made;
}

const rank = (bar: Bar): number => (bar.stage === "home" || bar.stage === "left" ? 0 : 1000) + bar.width;

export interface Marker {
  event: LifeEvent;
  x: number;
  row: number;
}

export const MARKER = 26;

/** Put numbered markers into at most `rows` rows so that none covers another; those without room are left out. */
export function markers(events: LifeEvent[], x: Scale, from: number, to: number, rows: number): Marker[] {
  const ends = new Array<number>(rows).fill(-Infinity);
  const placed: Marker[] = [];
  for (const event of events) {
    if (event.week < from || event.week > to) continue;
    const at = x(event.week);
    const row = ends.findIndex((end) => at - MARKER / 2 >= end);
    if (row < 0) continue;
    ends[row] = at + MARKER / 2;
    placed.push({ event, x: at, row });
  }
  return placed;
}
