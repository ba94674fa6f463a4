/** Children, events and possibilities as columns, with an index from each child to its rows. */
import { type Container, open } from "../shared/payload";

export type Stage = "home" | "front_door" | "plan" | "care" | "after_care" | "left";

export interface State {
  key: string;
  label: string;
  colour: string;
  law: string;
  stage: Stage;
  /** States with the same one count time together: homes of care count the time in care. */
  clock: string;
}

export interface Transition {
  key: string;
  label: string;
  sentence: string;
  /** The sentence for a child who comes from one state, by the key of that state. */
  told_from: Record<string, string>;
  law: string;
  /** The least history a child has from the week after. */
  history: number;
}

export interface PatternStep {
  kind: "state" | "event";
  codes: number[];
  label: string;
  times: number;
  before: number | null;
  never: boolean;
}

export interface ReadyPattern {
  key: string;
  title: string;
  steps: PatternStep[];
  /** Only children who came to England alone. */
  alone: boolean;
}

export interface About {
  area: string;
  area_code: string;
  seed: number;
  first_day: string;
  n_weeks: number;
  scale: number;
  version: string;
  digest: string;
  assumed: string[];
  /** What else the chances depend on in this run, as sentences. */
  also: string[];
  /** Whether what happens to one child touches brothers and sisters. */
  together: boolean;
}

export interface Words {
  risks: string[];
  histories: string[];
  ages: string[];
  age_edges: number[];
  /** Keys of transitions that a short telling leaves out once their outcome is told. */
  steps: string[];
  /** Keys of states: those that end with an outcome, and those of a child protection plan. */
  waiting: string[];
  protected: string[];
}

export interface Header {
  about: About;
  legend: { states: State[]; transitions: Transition[] };
  patterns: ReadyPattern[];
  words: Words;
  /** Of how many simulated children those on the page are drawn, and one in how many families is on it. */
  n_simulated: number;
  one_in: number;
}

/** How an event was decided. */
export const CHANCE = 0, OUTCOME = 1, BIRTHDAY = 2, PLAN = 3, TOGETHER = 4, PLACE = 5;

/** Whether the chance and the draw of an event are told. */
export const drawn = (origin: number): boolean => origin === CHANCE || origin === OUTCOME || origin === TOGETHER;

type Numbers = ArrayLike<number>;

export interface Dataset extends Header {
  n: number;
  firstYear: number;
  child: Record<"id" | "family" | "birth" | "sex" | "risk" | "alone" | "enter" | "leave" | "state" | "history" | "since", Numbers>;
  event: Record<"week" | "step" | "transition" | "from" | "to" | "origin" | "chance" | "draw", Numbers>;
  option: Record<"transition" | "to" | "chance", Numbers>;
  /** Rows of child i are firstEvent[i] .. firstEvent[i + 1] - 1; the same for the possibilities of an event. */
  firstEvent: Uint32Array;
  firstOption: Uint32Array;
  /** Position of a child by its number, and the positions of each family. */
  position: Map<number, number>;
  families: Map<number, number[]>;
}

function starts(counts: Numbers): Uint32Array {
  const first = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) first[i + 1] = first[i]! + counts[i]!;
  return first;
}

/** Arrange the columns of a container. */
export function arrange({ header, numbers }: Container<Header>): Dataset {
  const id = numbers("child.id");
  const family = numbers("child.family");
  const position = new Map<number, number>();
  const families = new Map<number, number[]>();
  for (let i = 0; i < id.length; i++) {
    position.set(id[i]!, i);
    const together = families.get(family[i]!);
    if (together) together.push(i);
    else families.set(family[i]!, [i]);
  }
  return {
    ...header,
    n: id.length,
    firstYear: Number(header.about.first_day.slice(0, 4)),
    child: {
      id, family,
      birth: numbers("child.birth"), sex: numbers("child.sex"), risk: numbers("child.risk"), alone: numbers("child.alone"),
      enter: numbers("child.enter"), leave: numbers("child.leave"), state: numbers("child.state"),
      history: numbers("child.history"), since: numbers("child.since"),
    },
    event: {
      week: numbers("event.week"), step: numbers("event.step"), transition: numbers("event.transition"),
      from: numbers("event.from"), to: numbers("event.to"), origin: numbers("event.origin"),
      chance: numbers("event.chance"), draw: numbers("event.draw"),
    },
    option: { transition: numbers("option.transition"), to: numbers("option.to"), chance: numbers("option.chance") },
    firstEvent: starts(numbers("child.n_events")),
    firstOption: starts(numbers("event.n_options")),
    position,
    families,
  };
}

export async function load(base64: string): Promise<Dataset> {
  return arrange(await open<Header>(base64));
}

/** Brothers and sisters who are in the page, eldest first. */
export function brothersAndSisters(data: Dataset, i: number): number[] {
  if (data.child.alone[i]) return [];
  const together = data.families.get(data.child.family[i]!) ?? [];
  return together.filter((j) => j !== i).sort((a, b) => data.child.birth[a]! - data.child.birth[b]! || a - b);
}
