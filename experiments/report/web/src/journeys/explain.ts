/** Why an event happened: the chance, the draw, what else could have happened, and the group whose rates were used. */
import { BIRTHDAY, CHANCE, type Dataset, drawn as isDrawn, OUTCOME, PLACE, TOGETHER } from "./dataset";
import { type Life, type LifeEvent, situation, told } from "./story";
import { lengthWords } from "../shared/time";
import { onHundred, oneIn, percent } from "../shared/numbers";

export interface Possibility {
  label: string;
  chance: number;
  /** For outcomes that are tried in turn: the share of all cases. */
  overall: number | null;
  taken: boolean;
}

export interface Reason {
  /** What decided, as sentences. */
  decided: string[];
  /** Empty where nothing else was open. */
  possibilities: Possibility[];
  caption: string;
  /** Whose rates were used, as sentences. */
  group: string[];
  law: string;
}

/** The engine takes what was drawn below its chance; a row that says otherwise is told, not smoothed over. */
export function drawFits(event: LifeEvent): boolean {
  return event.draw < event.chance || event.chance >= 1;
}

function drawWords(event: LifeEvent): string[] {
  const [needed, drawn] = onHundred(event.chance, event.draw);
  return [
    `A number between 0 and 100 was drawn at random: ${drawn}. It had to be below ${needed}.`,
    drawFits(event)
      ? "The draw was below the chance, so it happened."
      : "The draw was not below the chance: this row of the log does not fit, please report it.",
  ];
}

function decided(event: LifeEvent, overall: number | null): string[] {
  const { chance, origin } = event;
  if (origin === BIRTHDAY) return ["This is a rule and not a matter of chance: it happens on the 18th birthday."];
  if (origin === CHANCE) {
    const often = oneIn(chance);
    return [`In that week the chance of this was ${percent(chance)}${often ? ` (${often} weeks like it)` : ""}.`, ...drawWords(event)];
  }
  if (origin === OUTCOME) {
    const total = overall === null ? "" : ` Over all, this is the outcome in ${percent(overall)} of such cases.`;
    const first = `This was decided at once, in the same week as the event before it.${total} The outcomes are tried in turn, as listed.`;
    return chance >= 1
      ? [first, "None before it was drawn, and it is the last one, so it happened."]
      : [first, `When its turn came, its chance was ${percent(chance)}.`, ...drawWords(event)];
  }
  if (origin === TOGETHER) {
    return [
      `What happens to one child of a family may happen to a brother or sister in the same week. The chance of this was ${percent(chance)}.`,
      ...drawWords(event),
    ];
  }
  if (origin === PLACE) {
    return [
      "This followed from the homes there were, which are limited in this run: there was none of the kind that was looked for, a home closed, or a place came free for a child who had waited.",
    ];
  }
  return [
    "This was set before the run and not drawn: births, arrivals and moves follow the published and projected number of children in the area.",
  ];
}

function groupOf(data: Dataset, life: Life, event: LifeEvent): string[] {
  const { words } = data;
  const [whole] = situation(data, event.from);
  const stayed = event.waited > 0 ? `Time in that situation (${whole}): ${lengthWords(event.waited)}.` : "";
  if (life.alone) return ["The chances are those for young people who came to England alone.", stayed].filter(Boolean);
  const weeks = event.week - life.birth;
  const band = words.age_edges.findLastIndex((edge) => weeks >= edge);
  const ages = words.ages[Math.min(Math.max(band, 0), words.ages.length - 1)];
  return [
    `The chances are those for children aged ${ages}, in a family of the risk class "${words.risks[data.child.risk[life.i]!]}", ${words.histories[event.history]}.`,
    ...data.about.also,
    stayed,
  ].filter(Boolean);
}

/** All that the page can say about one event. */
export function reasonFor(data: Dataset, life: Life, event: LifeEvent): Reason {
  const { option, legend } = data;
  const weekly = event.origin === CHANCE;
  const drawn = isDrawn(event.origin) && event.origin !== TOGETHER;
  const possibilities: Possibility[] = [];
  let none = 1;
  for (let row = data.firstOption[event.row]!; drawn && row < data.firstOption[event.row + 1]!; row++) {
    const chance = option.chance[row]!;
    const taken = option.transition[row] === event.transition && option.to[row] === event.to;
    const label = told(data, { transition: option.transition[row]!, from: event.from }, life.girl);
    possibilities.push({ label, chance, overall: weekly ? null : none * chance, taken });
    none *= 1 - chance;
  }
  const overall = possibilities.find((p) => p.taken)?.overall ?? null;
  if (weekly && possibilities.length) {
    possibilities.sort((a, b) => Number(b.taken) - Number(a.taken) || b.chance - a.chance);
    possibilities.push({ label: "none of these: things stay as they are", chance: none, overall: null, taken: false });
  }
  return {
    decided: decided(event, overall),
    possibilities,
    caption: weekly ? "What could have happened in that week, each with a draw of its own" : "The outcomes, in the order in which they are tried",
    group: drawn ? groupOf(data, life, event) : [],
    law: legend.transitions[event.transition]!.law || legend.states[event.to]!.law,
  };
}
