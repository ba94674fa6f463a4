/** A short telling of a life: the events that matter most, beginnings together with their ends. */
import { type Dataset, OUTCOME, PLACE, PLAN, TOGETHER } from "./dataset";
import { type LifeEvent, told } from "./story";

/** How much an event matters in a short telling: 0 (a step on the way) to 6. */
export function significance(data: Dataset, { transition, from, to, origin }: LifeEvent): number {
  const { legend, words } = data;
  if (words.steps.includes(legend.transitions[transition]!.key)) return 0;
  const [a, b] = [legend.states[from]!, legend.states[to]!];
  if ((a.stage === "care") !== (b.stage === "care")) return 6;
  if (a.stage === "after_care" || b.stage === "after_care") return 5;
  if (b.key === "protected" || (a.stage === "plan" && b.stage === "home")) return 4;
  const waiting = words.waiting.includes(a.key) || words.waiting.includes(b.key);
  if (waiting && a.stage === b.stage) return 2;
  if (b.stage === "plan" || b.stage === "care") return 3;
  if (a.stage === "home" && b.stage === "front_door") return 2;
  if (waiting || origin === PLAN || b.stage === "left") return 2;
  return 1;
}

/** Whether it follows at once on an event before it in the same week, and is told with it. */
const follows = (event: LifeEvent, before: LifeEvent | undefined): boolean =>
  before !== undefined && [OUTCOME, TOGETHER, PLACE].includes(event.origin) && event.week === before.week;

/** Events with what followed at once in the same week told in the same sentence. */
export function joined(data: Dataset, events: LifeEvent[], girl: boolean): LifeEvent[] {
  const out: LifeEvent[] = [];
  for (const event of events) {
    const last = out.at(-1);
    if (last && follows(event, last)) last.then.push(event);
    else out.push({ ...event, then: [] });
  }
  // A step on the way goes without saying where its outcome is known.
  out.forEach((event, k) => {
    const said = event.then.filter((later) => k === out.length - 1 || significance(data, later) > 0);
    const clauses = said.map((later) => told(data, later, girl));
    event.sentence = [event.sentence.slice(0, -1), ...clauses].join("; ") + ".";
  });
  return out;
}

/** What a child is in, as far as it has an end that belongs to it: an assessment or enquiry, a plan, or care. */
function mattersOf(data: Dataset, state: number): string[] {
  const { clock, key, stage } = data.legend.states[state]!;
  const { protected: plan, waiting } = data.words;
  const matters = waiting.includes(key) ? [key] : [];
  if (stage === "care") matters.push("care");
  if (stage === "plan") matters.push(plan.includes(key) ? "child protection plan" : clock);
  return matters;
}

/** For each event of a joined telling, the places of those that end what it began. */
function ends(data: Dataset, events: LifeEvent[]): number[][] {
  const before = events.map((e) => mattersOf(data, e.from));
  const after = events.map((e) => mattersOf(data, (e.then.at(-1) ?? e).to));
  return events.map((_, k) => {
    const began = after[k]!.filter((matter) => !before[k]!.includes(matter));
    const ended = began.map((matter) => events.findIndex((_, later) => later > k && !after[later]!.includes(matter)));
    return ended.filter((later) => later > 0);
  });
}

/**
 * At most `most` events that matter most, in the order of time: care and plans first, steps on the way left out.
 *
 * Whoever reads that something began reads how it ended, if it ended; a contact is told with its outcome or not at all.
 */
export function headline(data: Dataset, events: LifeEvent[], girl: boolean, most = 12): LifeEvent[] {
  const all = joined(data, events, girl);
  const end = ends(data, all);
  const weight = all.map((e) => Math.max(...[e, ...e.then].map((one) => significance(data, one))));
  const withEnds = (k: number): number[] => [k, ...end[k]!.flatMap(withEnds)];
  // What led to it, through a whole contact: an enquiry is not told without the referral before it.
  const beginnings = (k: number): number[] =>
    all.flatMap((_, j) => (end[j]!.includes(k) && weight[j]! > 0 ? [j, ...(weight[j]! > 2 ? [] : beginnings(j))] : []));
  const chosen = new Set<number>();
  const take = (wanted: number[]): boolean => {
    const added = new Set(wanted.filter((k) => !chosen.has(k)));
    if (chosen.size + added.size > most) return false;
    added.forEach((k) => chosen.add(k));
    return true;
  };
  const order = all.map((_, k) => k).filter((k) => weight[k]! > 0).sort((a, b) => weight[b]! - weight[a]! || a - b);
  for (const k of order) {
    if (!take([k, ...beginnings(k)].flatMap(withEnds)) && weight[k]! > 2) take(withEnds(k));
  }
  return all.filter((_, k) => chosen.has(k));
}
