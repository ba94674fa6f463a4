/** Numbers as people read them. */

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

/** "12,345"; others keep one decimal, or three significant figures, below 0.1 two. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return "not known";
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return whole.format(value);
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return String(Number(value.toPrecision(Math.abs(value) < 0.1 ? 2 : 3)));
}

/** A share of the whole: "12.3%", "0.31%", "less than 0.01%". */
export function percent(share: number): string {
  if (share === 0) return "0%";
  if (share === 1) return "100%";
  if (share < 0.0001) return "less than 0.01%";
  if (share > 0.9999) return "more than 99.99%";
  if (share >= 0.0995 && share < 0.9995) return `${(share * 100).toFixed(1)}%`;
  return `${(share * 100).toFixed(share >= 0.9995 ? 2 : Math.max(2, decimals(share * 100, 2)))}%`;
}

/** How many decimals show `figures` significant figures of a number below 100. */
function decimals(value: number, figures: number): number {
  return Math.max(0, figures - 1 - Math.floor(Math.log10(value)));
}

/** "about 1 in 320", or nothing for chances above 1 in 3. */
export function oneIn(chance: number): string {
  if (chance <= 0 || chance > 1 / 3) return "";
  const n = 1 / chance;
  const rounded = n < 20 ? Math.round(n) : Number(n.toPrecision(2));
  return `about 1 in ${whole.format(rounded)}`;
}

/** Two numbers of 0 to 100 with as many decimals as it takes to see which is the larger. */
export function onHundred(chance: number, draw: number): [string, string] {
  const small = Math.min(...[chance, draw].filter((n) => n > 0), 1);
  let places = Math.min(8, Math.max(2, decimals(small * 100, 2)));
  while (places < 8 && chance !== draw && (chance * 100).toFixed(places) === (draw * 100).toFixed(places)) places++;
  return [(chance * 100).toFixed(places), (draw * 100).toFixed(places)];
}

/** A share of difference with its sign, in words for screen readers and eyes alike: "3.2% above". */
export function difference(share: number): string {
  if (!Number.isFinite(share)) return "not known";
  const size = (Math.abs(share) * 100).toFixed(1);
  if (Number(size) === 0) return "equal";
  return `${size}% ${share > 0 ? "above" : "below"}`;
}

/** "1 child", "2 children". */
export function children(n: number): string {
  return n === 1 ? "1 child" : `${whole.format(n)} children`;
}
