/** A small journey and hand-made lives for the tests. */
import { arrange, type Dataset, type Header, type Stage } from "./dataset";

export const STATES: [string, Stage][] = [
  ["elsewhere", "left"], ["at_home", "home"], ["referred", "front_door"], ["in_need", "plan"], ["protected", "plan"],
  ["entering_care", "care"], ["foster", "care"], ["childrens_home", "care"], ["reunified", "after_care"], ["grown_up", "left"],
];
export const [ELSEWHERE, HOME, REFERRED, IN_NEED, PROTECTED, ENTERING, FOSTER, CHILDRENS_HOME, REUNIFIED, GROWN_UP] =
  STATES.map((_, k) => k) as [number, number, number, number, number, number, number, number, number, number];

const TRANSITIONS: [string, string, number][] = [
  ["born", "{They} {were} born.", 0], ["was_referred", "{They} {were} referred to children's social care.", 1],
  ["closed", "The referral was closed.", 0], ["plan_began", "A conference decided on a child protection plan.", 2],
  ["plan_ended", "The plan ended.", 0], ["came_into_care", "{They} became looked after.", 2],
  ["placed", "{They} went to live with foster carers.", 0], ["moved", "{They} moved to a children's home.", 0],
  ["went_home", "{They} went home to {their} family.", 0], ["grew_up", "{They} turned 18.", 0],
];
export const [BORN, WAS_REFERRED, CLOSED, PLAN_BEGAN, PLAN_ENDED, CAME_INTO_CARE, PLACED, MOVED, WENT_HOME, GREW_UP] =
  TRANSITIONS.map((_, k) => k) as [number, number, number, number, number, number, number, number, number, number];

export interface ToyEvent {
  week: number;
  transition: number;
  to: number;
  origin?: number;
  chance?: number;
  draw?: number;
  /** Transition, target, chance. */
  options?: [number, number, number][];
}

export interface ToyChild {
  state?: number;
  birth?: number;
  since?: number;
  enter?: number;
  family?: number;
  sex?: number;
  alone?: boolean;
  history?: number;
  events?: ToyEvent[];
}

export const HEADER: Header = {
  about: {
    area: "Toytown", area_code: "E06000000", seed: 1, first_day: "2020-04-01", n_weeks: 520, scale: 1, version: "0",
    digest: "0", assumed: [],
  },
  legend: {
    states: STATES.map(([key, stage]) => ({ key, label: `State ${key}`, colour: "#12436D", law: "", stage })),
    transitions: TRANSITIONS.map(([key, sentence, history]) => ({ key, label: key.replaceAll("_", " "), sentence, law: "", history })),
  },
  patterns: [],
  words: {
    risks: ["low", "moderate", "raised", "high"], histories: ["not referred before", "referred before", "planned for before"],
    ages: ["under 1", "1 to 4", "5 to 9", "10 to 15", "16 to 17"], age_edges: [0, 52, 260, 520, 832],
  },
  n_simulated: 100,
  one_in: 1,
};

/** Children whose events lead from state to state in the order given. */
export function toyData(children: ToyChild[]): Dataset {
  const columns = new Map<string, number[]>();
  const put = (name: string, value: number): void => {
    columns.set(name, [...(columns.get(name) ?? []), value]);
  };
  children.forEach((child, id) => {
    const events = child.events ?? [];
    const whole: Record<string, number> = {
      id, family: child.family ?? id, birth: child.birth ?? -52, sex: child.sex ?? 0, risk: 2, alone: child.alone ? 1 : 0,
      enter: child.enter ?? 0, leave: 520, state: child.state ?? HOME, history: child.history ?? 0,
      since: child.since ?? -10, n_events: events.length,
    };
    for (const [name, value] of Object.entries(whole)) put(`child.${name}`, value);
    let state = child.state ?? HOME, week = -1, step = 0;
    for (const event of events) {
      step = event.week === week ? step + 1 : 0;
      week = event.week;
      const row: Record<string, number> = {
        week, step, transition: event.transition, from: state, to: event.to, origin: event.origin ?? 0,
        chance: event.chance ?? 0.01, draw: event.draw ?? 0.005, n_options: event.options?.length ?? 0,
      };
      for (const [name, value] of Object.entries(row)) put(`event.${name}`, value);
      for (const [transition, to, chance] of event.options ?? []) {
        put("option.transition", transition);
        put("option.to", to);
        put("option.chance", chance);
      }
      state = event.to;
    }
  });
  return arrange({ header: HEADER, numbers: (name) => columns.get(name) ?? [] });
}
