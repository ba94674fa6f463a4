/** Drawings are as wide as their box on the screen; on paper the box is another, which no browser measures in time. */
import { flushSync } from "svelte";

const PAPER = 640;

class Printing {
  now = $state(false);

  constructor() {
    const turn = (on: boolean) => (): void => flushSync(() => { this.now = on; });
    addEventListener("beforeprint", turn(true));
    addEventListener("afterprint", turn(false));
  }

  /** The width to draw at: the measured one, or a share of a sheet of A4 while printing. */
  width(measured: number, share = 1): number {
    return this.now ? Math.floor(PAPER * share) : measured;
  }
}

export const printing = new Printing();
