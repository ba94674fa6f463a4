/** A chart in words, for those who hear it and for those who check it. */
import { BANDS, type Figure, withUnit } from "./report";
import { count } from "../shared/numbers";

function atYear(figure: Figure, year: number): string {
  const say = (n: number | undefined): string => (n === undefined ? "not known" : withUnit(count(n), figure.unit));
  const parts: string[] = [];
  if (figure.published.has(year)) parts.push(`published ${say(figure.published.get(year))}`);
  if (figure.sd.has(year)) parts.push(`system dynamics ${say(figure.sd.get(year))}`);
  const median = figure.abm.get("median")?.get(year);
  if (median !== undefined) {
    const [low, high, share] = BANDS[0];
    const [a, b] = [figure.abm.get(low)?.get(year), figure.abm.get(high)?.get(year)];
    const band = a !== undefined && b !== undefined ? `, ${share} of runs from ${say(a)} to ${say(b)}` : "";
    parts.push(`agent-based median ${say(median)}${band}`);
  }
  return parts.length ? `In ${year}: ${parts.join("; ")}.` : "";
}

/** The chart at its last published year and at its last year. */
export function inWords(figure: Figure): string {
  const published = [...figure.published.keys()].sort((a, b) => a - b);
  const last = figure.years.at(-1);
  const years = [...new Set([published.at(-1), last])].filter((year) => year !== undefined);
  return `${figure.label}, by year ending 31 March. ${years.map((year) => atYear(figure, year)).join(" ")}`.trim();
}
