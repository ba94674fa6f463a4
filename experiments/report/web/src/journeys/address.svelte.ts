/** The address of the page (after #) as state: which child and which pattern; back and forward work. */
import { type Address, readAddress, writeAddress } from "./choices";

export class AddressState {
  now: Address = $state(readAddress(location.hash));

  constructor() {
    addEventListener("hashchange", () => {
      this.now = readAddress(location.hash);
    });
  }

  /** Change part of the address; `quietly` adds no step to the history of the browser. */
  set(part: Partial<Address>, quietly = false): void {
    const next = { ...this.now, ...part };
    const text = writeAddress(next);
    if (text === location.hash) return;
    if (quietly) {
      history.replaceState(null, "", text);
      this.now = next;
    } else location.hash = text;
  }

  /** The link to a child under the present pattern. */
  linkTo(child: number): string {
    return writeAddress({ ...this.now, child });
  }
}
