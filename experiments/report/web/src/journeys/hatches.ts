/** Hatchings that lie over the colour of a bar, so that colour is never alone. */
import type { Bar } from "./layout";

/** Dark lines on light colours, light lines on dark ones. */
export function isLight(colour: string): boolean {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b! > 0.3;
}

/** What fills the second rectangle of a bar: nothing for plain bars. */
export function hatch(bar: Pick<Bar, "pattern" | "colour">): string | undefined {
  return bar.pattern === 0 ? undefined : `url(#hatch-${isLight(bar.colour) ? "dark" : "light"}-${bar.pattern})`;
}

/** The lines of each pattern in a square of 8 by 8. */
export const HATCHES: readonly string[] = [
  "",
  "M0,8L8,0M-2,2L2,-2M6,10L10,6",
  "M0,0L8,8M-2,6L2,10M6,-2L10,2",
  "M0,4H8",
  "M4,0V8",
  "M0,4H8M4,0V8",
  "M0,8L8,0M0,0L8,8",
  "M3,4H5M7,0H9M-1,0H1M7,8H9M-1,8H1",
];
