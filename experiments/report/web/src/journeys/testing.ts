/** A small journey and hand-made lives for the tests. */
import { arrange, type Dataset, type Header, type Stage } from "./dataset";

type Codes<N extends number, T extends number[] = []> = T["length"] extends N ? T : Codes<N, [...T, number]>;

/** The codes of what is declared, each a number of its own. */
function codes<N extends number>(declared: unknown[], n: N): Codes<N> {
  if (declared.length !== n) throw new Error(`${declared.length} are declared, ${n} are named`);
  return declared.map((_, k) => k) as Codes<N>;
}

export const STATES: [string, Stage][] = [
  ["elsewhere", "left"], ["at_home", "home"], ["referred", "front_door"], ["in_need", "plan"], ["protected", "plan"],
  ["entering_care", "care"], ["foster", "care"], ["childrens_home", "care"], ["reunified", "after_care"], ["grown_up", "left"],
  ["being_assessed", "front_door"], ["in_need_under_enquiry", "plan"], ["placed_for_adoption", "care"], ["adopted", "after_care"],
  ["under_enquiry", "front_door"],
];
const NAMES: Record<string, string> = {
  at_home: "At home, not open to services", foster: "Living with foster carers", in_need: "On a child in need plan",
  in_need_under_enquiry: "On a child in need plan, under a section 47 enquiry", placed_for_adoption: "Placed for adoption",
  adopted: "Adopted",
};
const CLOCKS: Record<string, string> = {
  entering_care: "care", foster: "care", childrens_home: "care", in_need: "need_plan", in_need_under_enquiry: "need_plan",
};
export const [ELSEWHERE, HOME, REFERRED, IN_NEED, PROTECTED, ENTERING, FOSTER, CHILDRENS_HOME, REUNIFIED, GROWN_UP,
  ASSESSED, ENQUIRY_ON_PLAN, PLACED_FOR_ADOPTION, ADOPTED, UNDER_ENQUIRY] = codes(STATES, 15);

const TRANSITIONS: [string, string, number][] = [
  ["born", "{They} {were} born.", 0], ["was_referred", "{They} {were} referred to children's social care.", 1],
  ["closed", "The referral was closed.", 0], ["plan_began", "A conference decided on a child protection plan.", 2],
  ["plan_ended", "The plan ended.", 0], ["came_into_care", "{They} became looked after.", 2],
  ["placed", "{They} went to live with foster carers.", 0], ["moved", "{They} moved to a children's home.", 0],
  ["went_home", "{They} went home to {their} family.", 0], ["grew_up", "{They} turned 18.", 0],
  ["assessment_began", "A social worker began an assessment.", 0], ["not_in_need", "The assessment found no need.", 0],
  ["need_plan_began", "A child in need plan began.", 2], ["enquiry_began_on_plan", "An enquiry began.", 0],
  ["plan_went_on", "The enquiry ended.", 0],
];
export const [BORN, WAS_REFERRED, CLOSED, PLAN_BEGAN, PLAN_ENDED, CAME_INTO_CARE, PLACED, MOVED, WENT_HOME, GREW_UP,
  ASSESSMENT_BEGAN, NOT_IN_NEED, NEED_PLAN_BEGAN, ENQUIRY_BEGAN, PLAN_WENT_ON] = codes(TRANSITIONS, 15);

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
    digest: "0", assumed: [], also: [], together: false,
  },
  legend: {
    states: STATES.map(([key, stage]) => ({
      key, label: NAMES[key] ?? `State ${key}`, colour: "#12436D", law: "", stage, clock: CLOCKS[key] ?? key,
    })),
    transitions: TRANSITIONS.map(([key, sentence, history]) => ({
      key, label: key.replaceAll("_", " "), sentence, law: "", history,
      told_from: key === "moved" ? { childrens_home: "{They} moved to another children's home." } : ({} as Record<string, string>),
    })),
  },
  patterns: [],
  words: {
    risks: ["low", "moderate", "raised", "high"], histories: ["not referred before", "referred before", "planned for before"],
    ages: ["under 1", "1 to 4", "5 to 9", "10 to 15", "16 to 17"], age_edges: [0, 52, 260, 520, 832],
    steps: ["assessment_began"], waiting: ["being_assessed", "under_enquiry", "in_need_under_enquiry"], protected: ["protected"],
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
