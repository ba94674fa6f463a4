/** One child's life, read from the columns: stretches of time in each state, and events as sentences. */
import { BIRTHDAY, type Dataset, PLACE, PLAN, TOGETHER } from "./dataset";
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
  /** Weeks on the clock of the state that it left: in most homes of care the time in care. NaN where it is not known. */
  waited: number;
  sentence: string;
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

const IN_CARE_WORDS = "looked after";

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

/** The declared sentence of a transition for a child who comes from the state `from`. */
export function declaredSentence(data: Dataset, transition: number, from: number): string {
  const { sentence, told_from } = data.legend.transitions[transition]!;
  const { key } = data.legend.states[from]!;
  return Object.hasOwn(told_from, key) ? told_from[key]! : sentence;
}

/** What happened in one event: "she was adopted". */
export function told(data: Dataset, event: { transition: number; from: number }, girl: boolean): string {
  return clause(declaredSentence(data, event.transition, event.from), girl);
}

/** "when she was 4". */
function ageClause(girl: boolean, age: number): string {
  return `when ${girl ? "she" : "he"} was ${ageWords(age)}`;
}

/** What a sentence says of how an event came about, where that was not the child's own chance. */
export function cameAbout(origin: number): string {
  if (origin === TOGETHER) return ", together with a brother or sister";
  return origin === PLACE ? ", where a home was found" : "";
}

/** "In March 2022, when she was 4, she was referred." At a birth and a birthday, which tell the age, without it. */
export function sentenceOf(what: string, girl: boolean, month: string, age: number | null): string {
  return `In ${month}, ${age === null ? "" : `${ageClause(girl, age)}, `}${what}.`;
}

/**
 * What a state is called in a sentence, in two parts: what its clock counts, and the rest.
 *
 * ["looked after", "living with parents"], ["on a child in need plan", "under a section 47 enquiry"], ["adopted", ""]
 */
export function situation(data: Dataset, state: number): [string, string] {
  const small = (label: string): string => label.charAt(0).toLowerCase() + label.slice(1);
  const { clock, label, stage } = data.legend.states[state]!;
  const together = data.legend.states.filter((s) => s.clock === clock);
  const whole = together.length < 2 ? small(label) : stage === "care" ? IN_CARE_WORDS : small(together[0]!.label);
  const all = small(label);
  if (all === whole) return [whole, ""];
  return [whole, all.startsWith(`${whole}, `) ? all.slice(whole.length + 2) : all];
}

/** The situation on the first day: "he was looked after (since March 2014, when he was 5), living with parents". */
export function dayOne(data: Dataset, life: Life): string {
  const { stage } = data.legend.states[life.startState]!;
  const [whole, rest] = situation(data, life.startState);
  // Since birth goes without saying; how long ago an order was made or a child adopted is not known.
  const known = life.since < 0 && life.since > life.birth && !(stage === "after_care" && life.since === -1);
  const since = known
    ? `since ${monthOf(life.since, data.firstYear)}, ${ageClause(life.girl, ageAt(life.since, life.birth))}`
    : "";
  // A home with a clock of its own does not say by itself that a child is looked after.
  const was = `${life.girl ? "she" : "he"} was ${stage === "care" && whole !== IN_CARE_WORDS ? `${IN_CARE_WORDS}, ` : ""}`;
  if (rest) return `${was}${whole}${since && ` (${since})`}, ${rest}`;
  return `${was}${whole}${since && `, ${since}`}`;
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
  const { states } = data.legend;
  const inCare = (code: number): boolean => states[code]!.stage === "care";
  // A home with a clock of its own does not end the time in care.
  const inCareTime = (code: number): boolean => situation(data, code)[0] === IN_CARE_WORDS;
  let care = inCareTime(state) ? began : NaN;
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
    const known = (now === birth && origin === PLAN) || origin === BIRTHDAY;
    const place = { transition, from: event.from[row]! };
    const sentence = sentenceOf(told(data, place, girl) + cameAbout(origin), girl, monthOf(now, data.firstYear), known ? null : age);
    events.push({
      row, number: events.length + 1, week: now, age, transition, from: event.from[row]!, to, origin,
      chance: event.chance[row]!, draw: event.draw[row]!, history, waited: now - began, sentence,
      then: [],
    });
    if (inCare(to) && !inCare(state)) care = now;
    if (states[to]!.clock !== states[state]!.clock) began = inCare(state) && inCareTime(to) ? care : now;
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
