/** Weeks of the simulation as months, years and ages. A year is 52 weeks; week 0 begins on 1 April. */

export const WEEKS_PER_YEAR = 52;
const MONTHS = ["April", "May", "June", "July", "August", "September", "October", "November", "December", "January",
  "February", "March"] as const;
const DAYS = [30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31] as const;
const DAYS_TO_JANUARY = 275;

/** The month in which a week begins: "March 2022". */
export function monthOf(week: number, firstYear: number): string {
  const year = Math.floor(week / WEEKS_PER_YEAR);
  let day = Math.floor(((week - year * WEEKS_PER_YEAR) * 365) / WEEKS_PER_YEAR);
  let month = 0;
  while (day >= DAYS[month]!) day -= DAYS[month++]!;
  return `${MONTHS[month]} ${firstYear + year + (month >= 9 ? 1 : 0)}`;
}

/** Completed years of age. */
export function ageAt(week: number, birthWeek: number): number {
  return Math.floor((week - birthWeek) / WEEKS_PER_YEAR);
}

/** "under 1" or "4". */
export function ageWords(age: number): string {
  return age < 1 ? "under 1" : String(age);
}

/** "1 week", "14 weeks", "about 3 years". */
export function lengthWords(weeks: number): string {
  if (weeks < 104) return weeks === 1 ? "1 week" : `${weeks} weeks`;
  const years = Math.round((weeks / WEEKS_PER_YEAR) * 2) / 2;
  return `about ${Number.isInteger(years) ? years : `${Math.floor(years)} and a half`} years`;
}

export interface Tick {
  week: number;
  label: string;
}

/** The first of January of each year between two weeks. */
export function yearTicks(from: number, to: number, firstYear: number): Tick[] {
  const offset = (DAYS_TO_JANUARY / 365) * WEEKS_PER_YEAR;
  const first = Math.ceil((from - offset) / WEEKS_PER_YEAR);
  const ticks: Tick[] = [];
  for (let k = first; offset + k * WEEKS_PER_YEAR <= to; k++) {
    ticks.push({ week: offset + k * WEEKS_PER_YEAR, label: String(firstYear + k + 1) });
  }
  return ticks;
}

/** The birthdays, 0 to 18, between two weeks. */
export function birthdayTicks(from: number, to: number, birthWeek: number): Tick[] {
  const ticks: Tick[] = [];
  for (let age = 0; age <= 18; age++) {
    const week = birthWeek + age * WEEKS_PER_YEAR;
    if (week >= from && week <= to) ticks.push({ week, label: String(age) });
  }
  return ticks;
}

/** Keep every n-th tick so that at most `most` remain. */
export function thinned(ticks: Tick[], most: number): Tick[] {
  const every = Math.max(1, Math.ceil(ticks.length / Math.max(1, most)));
  return ticks.filter((tick) => Number(tick.label) % every === 0);
}
