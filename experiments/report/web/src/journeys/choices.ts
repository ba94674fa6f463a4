/** What the builder offers as a step, from the legend, and how a chosen pattern is kept in the address. */
import type { Dataset, PatternStep, Stage } from "./dataset";

export interface Choice {
  key: string;
  label: string;
  group: "Groups of situations" | "Situations" | "Events";
  kind: "state" | "event";
  codes: number[];
}

const GROUPS: { key: string; label: string; stages: Stage[] }[] = [
  { key: "any_help", label: "Open to children's social care in any way", stages: ["front_door", "plan", "care"] },
  { key: "any_plan", label: "On any plan, not looked after", stages: ["plan"] },
  { key: "any_care", label: "Looked after, in any home", stages: ["care"] },
  { key: "any_after", label: "After care: home, special guardians, adopted", stages: ["after_care"] },
  { key: "any_home", label: "At home, not in care", stages: ["home"] },
];

/** All steps that can be chosen: groups of states, single states in which time is spent, events. */
export function choices(data: Dataset): Choice[] {
  const { states, transitions } = data.legend;
  const coded = states.map((state, code) => ({ state, code }));
  const groups = GROUPS.map(({ key, label, stages }) => ({
    key, label, group: "Groups of situations" as const, kind: "state" as const,
    codes: coded.filter(({ state }) => stages.includes(state.stage)).map(({ code }) => code),
  })).filter((choice) => choice.codes.length > 0);
  return [
    ...groups,
    ...coded.filter(({ state }) => state.stage !== "left").map(({ state, code }) => ({
      key: `s.${state.key}`, label: state.label, group: "Situations" as const, kind: "state" as const, codes: [code],
    })),
    ...transitions.map((transition, code) => ({
      key: `e.${transition.key}`, label: transition.label, group: "Events" as const, kind: "event" as const, codes: [code],
    })),
  ];
}

/** One line of the builder. */
export interface Line {
  choice: string;
  times: number;
  before: number | null;
  never: boolean;
}

const TIMES = { low: 1, high: 20 };
const AGE = { low: 1, high: 18 };

const within = (n: number, { low, high }: { low: number; high: number }): boolean =>
  Number.isInteger(n) && n >= low && n <= high;

/** What is wrong with a line, in words, or nothing. */
export function problem(line: Line): string {
  if (!within(line.times, TIMES)) return `"At least" must be a whole number from ${TIMES.low} to ${TIMES.high}.`;
  if (line.before !== null && !within(line.before, AGE)) {
    return `"Before age" must be a whole number from ${AGE.low} to ${AGE.high}, or empty.`;
  }
  return "";
}

/** Lines as steps; lines with a problem or an unknown choice are left out. */
export function steps(lines: Line[], offered: Choice[]): PatternStep[] {
  return lines.flatMap((line) => {
    const choice = offered.find((c) => c.key === line.choice);
    if (!choice || problem(line)) return [];
    const { kind, codes, label } = choice;
    return [{ kind, codes, label, times: line.times, before: line.before, never: line.never }];
  });
}

/** Lines as text for the address: "s.protected*2<5,any_care,!e.was_adopted". */
export function linesToText(lines: Line[]): string {
  return lines
    .map((l) => `${l.never ? "!" : ""}${l.choice}${l.times > 1 ? `*${l.times}` : ""}${l.before === null ? "" : `<${l.before}`}`)
    .join(",");
}

/** The reverse; whatever is not understood is left out. */
export function textToLines(text: string, offered: Choice[]): Line[] {
  const known = new Set(offered.map((choice) => choice.key));
  return text.split(",").slice(0, 12).flatMap((part) => {
    const found = /^(!?)([\w.]+)(?:\*(\d{1,2}))?(?:<(\d{1,2}))?$/.exec(part);
    if (!found || !known.has(found[2]!)) return [];
    const line = {
      never: found[1] === "!", choice: found[2]!, times: Number(found[3] ?? 1), before: found[4] ? Number(found[4]) : null,
    };
    return problem(line) ? [] : [line];
  });
}

export interface Address {
  child: number | null;
  pattern: string;
  lines: string;
}

/** Read "#child=12&pattern=adopted&lines=..."; anything may stand in an address, so nothing is taken on trust. */
export function readAddress(hash: string): Address {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const child = /^\d{1,9}$/.exec(fields.get("child") ?? "");
  const pattern = /^\w{1,60}$/.exec(fields.get("pattern") ?? "");
  return { child: child ? Number(child[0]) : null, pattern: pattern?.[0] ?? "", lines: (fields.get("lines") ?? "").slice(0, 1000) };
}

export function writeAddress({ child, pattern, lines }: Address): string {
  const fields = new URLSearchParams();
  if (pattern) fields.set("pattern", pattern);
  if (lines) fields.set("lines", lines);
  if (child !== null) fields.set("child", String(child));
  return `#${fields}`;
}
