/** Straight scales and round ticks for our own charts. */

export type Scale = (value: number) => number;

/** Map [from, to] to [start, end]. An empty domain maps to the start. */
export function linear(from: number, to: number, start: number, end: number): Scale {
  const slope = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * slope;
}

/** Round numbers from at most `low` to at least `high`, about `n` of them. */
export function roundTicks(low: number, high: number, n: number): number[] {
  if (!(high > low)) return [low, low + 1];
  const rough = (high - low) / Math.max(1, n - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((m) => m * power >= rough * 0.999) ?? 10);
  const ticks: number[] = [];
  for (let k = Math.floor(low / step + 1e-9); ; k++) {
    ticks.push(Number((k * step).toPrecision(12)));
    if (k * step >= high - step * 1e-9) return ticks;
  }
}

/** Move labels apart: positions at least `gap` from each other, in the same order, as near as can be, within bounds. */
export function spread(wanted: number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]! || a - b);
  const placed: number[] = wanted.slice();
  let floor = low;
  for (const i of order) {
    placed[i] = Math.max(wanted[i]!, floor);
    floor = placed[i] + gap;
  }
  let ceiling = high;
  for (const i of order.reverse()) {
    placed[i] = Math.min(placed[i]!, ceiling);
    ceiling = placed[i] - gap;
  }
  return placed;
}

/** A line through points, with a gap where a value is missing. */
export function linePath(points: [number, number | null][]): string {
  let path = "";
  let pen = "M";
  for (const [x, y] of points) {
    if (y === null) pen = "M";
    else {
      path += `${pen}${x.toFixed(1)},${y.toFixed(1)}`;
      pen = "L";
    }
  }
  return path;
}

/** The area between two lines, as closed pieces where both are known. */
export function bandPath(points: [number, number | null, number | null][]): string {
  const pieces: [number, number, number][][] = [[]];
  for (const [x, low, high] of points) {
    if (low === null || high === null) pieces.push([]);
    else pieces.at(-1)!.push([x, low, high]);
  }
  return pieces
    .filter((piece) => piece.length > 0)
    .map((piece) => {
      const out = piece.map(([x, low]) => `${x.toFixed(1)},${low.toFixed(1)}`);
      const back = piece.toReversed().map(([x, , high]) => `${x.toFixed(1)},${high.toFixed(1)}`);
      return `M${[...out, ...back].join("L")}Z`;
    })
    .join("");
}
