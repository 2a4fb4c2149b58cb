/** Positions seen so far: one bit each, in pages made when they are needed. */

const PAGE_BITS = 32768;

export class PositionSet {
  readonly #pages = new Map<number, Uint8Array>();

  /**
   * Adds a position.
   *
   * @returns false if it was there already
   */
  add(position: number): boolean {
    const number = Math.floor(position / PAGE_BITS);
    let page = this.#pages.get(number);
    if (!page) this.#pages.set(number, (page = new Uint8Array(PAGE_BITS / 8)));
    const bit = position % PAGE_BITS;
    const mask = 1 << (bit & 7);
    const byte = page[bit >> 3] ?? 0;
    page[bit >> 3] = byte | mask;
    return (byte & mask) === 0;
  }
}
