/** One child's life, read from the columns: stretches of time in each state, and events as sentences. */
import { type Dataset, OUTCOME, PLAN, type Stage } from "./dataset";
import { ageAt, ageWords, monthOf, WEEKS_PER_YEAR } from "../shared/time";

export interface Stretch {
  state: number;
  from: number;
  to: number;
}

export interface LifeEvent {
  /** Row among all events, and place in this life from 1. */
  row: number;
  number: number;
  week: number;
  age: number;
  transition: number;
  from: number;
  to: number;
  origin: number;
  chance: number;
  draw: number;
  /** The child's history when it was decided: earlier weeks only. */
  history: number;
  /** Weeks in the state that it left; while looked after, in care whatever the home. */
  waited: number;
  sentence: string;
  significance: number;
  /** In a short telling: what followed at once in the same week, told with it. */
  then: LifeEvent[];
}

export interface Life {
  i: number;
  id: number;
  girl: boolean;
  alone: boolean;
  birth: number;
  /** The weeks in which this child is in the simulation. */
  from: number;
  to: number;
  /** Before the first event: a state that began in `since`. */
  startState: number;
  since: number;
  stretches: Stretch[];
  events: LifeEvent[];
}

const PRONOUNS = {
  girl: { they: "she", them: "her", their: "her", were: "was" },
  boy: { they: "he", them: "him", their: "his", were: "was" },
};

/** Fill a declared sentence: "{They} {were} adopted." -> "she was adopted". */
export function clause(sentence: string, girl: boolean): string {
  const words: Record<string, string> = girl ? PRONOUNS.girl : PRONOUNS.boy;
  const filled = sentence.replace(/\{(\w+)\}/g, (all, word: string) =>
    Object.hasOwn(words, word.toLowerCase()) ? words[word.toLowerCase()]! : all).trim();
  return filled.charAt(0).toLowerCase() + filled.slice(1).replace(/\.$/, "");
}

/** "In March 2022, aged 4, she was referred to children's social care." */
export function sentenceOf(sentence: string, girl: boolean, month: string, age: number): string {
  const told = clause(sentence, girl);
  const they = girl ? "she" : "he";
  const when = told.startsWith(`${they} `) ? `aged ${ageWords(age)}` : `when ${they} was ${age < 1 ? "under 1" : age}`;
  return `In ${month}, ${when}, ${told}.`;
}

const OPEN_STAGES: readonly Stage[] = ["plan", "care"];

/** How much an event matters in a short telling: 0 (a step on the way) to 6. */
export function significance(data: Dataset, from: number, to: number, origin: number): number {
  const states = data.legend.states;
  const [a, b] = [states[from]!.stage, states[to]!.stage];
  if (b === "care" && a !== "care") return 6;
  if (a === "care" && b !== "care") return 6;
  if (b === "after_care" || a === "after_care") return 5;
  if (states[to]!.key === "protected" || (a === "plan" && b === "home")) return 4;
  if (OPEN_STAGES.includes(a) && a === b) return 3;
  if (b === "plan") return 3;
  if (a === "home" && b === "front_door") return 2;
  if (origin === PLAN) return 2;
  return b === "left" ? 2 : 1;
}

/** Read the life of the child at position `i`. */
export function lifeOf(data: Dataset, i: number): Life {
  const { child, event } = data;
  const birth = child.birth[i]!, girl = child.sex[i] === 0;
  const enter = child.enter[i]!;
  const stretches: Stretch[] = [];
  const events: LifeEvent[] = [];
  let state = child.state[i]!, began = child.since[i]!, history = child.history[i]!, reached = history;
  let week = -1;
  const inCare = (code: number): boolean => data.legend.states[code]!.stage === "care";
  const from = Math.max(0, enter);
  let drawn = from;
  for (let row = data.firstEvent[i]!; row < data.firstEvent[i + 1]!; row++) {
    const now = event.week[row]!, transition = event.transition[row]!, to = event.to[row]!, origin = event.origin[row]!;
    if (now > week) history = reached;
    week = now;
    if (now > drawn) stretches.push({ state, from: drawn, to: now });
    drawn = Math.max(drawn, now);
    const declared = data.legend.transitions[transition]!;
    const age = ageAt(now, birth);
    const sentence = now === birth && origin === PLAN
      ? `In ${monthOf(now, data.firstYear)}, ${clause(declared.sentence, girl)}.`
      : sentenceOf(declared.sentence, girl, monthOf(now, data.firstYear), age);
    events.push({
      row, number: events.length + 1, week: now, age, transition, from: event.from[row]!, to, origin,
      chance: event.chance[row]!, draw: event.draw[row]!, history, waited: now - began, sentence,
      significance: significance(data, event.from[row]!, to, origin), then: [],
    });
    if (to !== state && !(inCare(state) && inCare(to))) began = now;
    state = to;
    reached = Math.max(reached, declared.history);
  }
  const end = data.about.n_weeks;
  if (end > drawn) stretches.push({ state, from: drawn, to: end });
  return {
    i, id: child.id[i]!, girl, alone: child.alone[i] === 1, birth, from, to: end,
    startState: child.state[i]!, since: child.since[i]!, stretches: merged(stretches), events,
  };
}

/** Join stretches of the same state that touch. */
function merged(stretches: Stretch[]): Stretch[] {
  const out: Stretch[] = [];
  for (const stretch of stretches) {
    const last = out.at(-1);
    if (last?.state === stretch.state && last.to === stretch.from) last.to = stretch.to;
    else out.push({ ...stretch });
  }
  return out;
}

/** The status lane: all homes in care as one stretch, marked by state -1. */
export function statusStretches(data: Dataset, stretches: Stretch[]): Stretch[] {
  const inCare = (state: number): boolean => data.legend.states[state]!.stage === "care";
  return merged(stretches.map((s) => (inCare(s.state) ? { ...s, state: -1 } : s)));
}

/** Events with what followed at once in the same week told in the same sentence. */
export function joined(data: Dataset, events: LifeEvent[], girl: boolean): LifeEvent[] {
  const out: LifeEvent[] = [];
  for (const event of events) {
    const last = out.at(-1);
    if (last && event.origin === OUTCOME && event.week === last.week) {
      last.then.push(event);
      last.significance = Math.max(last.significance, event.significance);
      const told = clause(data.legend.transitions[event.transition]!.sentence, girl);
      last.sentence = `${last.sentence.slice(0, -1)}; ${told}.`;
    } else out.push({ ...event, then: [] });
  }
  return out;
}

/** At most `most` events that matter most, in the order of time; steps on the way are left out. */
export function headline(data: Dataset, events: LifeEvent[], girl: boolean, most = 12): LifeEvent[] {
  return joined(data, events, girl)
    .filter((e) => e.significance > 1)
    .sort((a, b) => b.significance - a.significance || a.number - b.number)
    .slice(0, most)
    .sort((a, b) => a.number - b.number);
}

/** The weeks from shortly before the first event to shortly after the last one or the end of the last open stretch. */
export function activeSpan(data: Dataset, life: Life): [number, number] {
  const busy = life.stretches.filter((s) => ["front_door", "plan", "care"].includes(data.legend.states[s.state]!.stage));
  const weeks = [...life.events.map((e) => e.week), ...busy.flatMap((s) => [s.from, s.to])];
  if (weeks.length === 0) return [life.from, life.to];
  const pad = WEEKS_PER_YEAR / 4;
  return [Math.max(0, Math.min(...weeks) - pad), Math.min(life.to, Math.max(...weeks) + pad)];
}

/** "girl, aged 4 to 12 in these years". */
export function who(life: Life): string {
  const first = Math.max(0, ageAt(life.from, life.birth));
  const last = Math.min(18, Math.max(0, ageAt(life.to - 1, life.birth)));
  const noun = life.girl ? "girl" : "boy";
  return `${noun}, ${first === last ? `aged ${ageWords(first)}` : `aged ${ageWords(first)} to ${last}`} in the years shown`;
}

/** "sister, 3 years older", as seen from `life`. */
export function relation(life: Life, other: Life): string {
  const years = Math.round(Math.abs(life.birth - other.birth) / WEEKS_PER_YEAR);
  const noun = other.girl ? "sister" : "brother";
  if (years === 0) return life.birth === other.birth ? `${noun}, a twin` : `${noun}, about the same age`;
  return `${noun}, ${years} year${years === 1 ? "" : "s"} ${other.birth < life.birth ? "older" : "younger"}`;
}
