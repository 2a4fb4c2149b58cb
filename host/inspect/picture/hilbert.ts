/** Hilbert's curve: neighbours on the disk are neighbours in the square. */

export interface Cell {
  readonly x: number;
  readonly y: number;
}

/**
 * Place of a step of the curve.
 *
 * @param order the square has a side of 2^order cells
 * @param step from 0 to 4^order - 1
 */
export const hilbertCell = (order: number, step: number): Cell => {
  let [x, y, rest] = [0, 0, step];
  for (let side = 1; side < 2 ** order; side *= 2) {
    const right = (rest >> 1) & 1;
    const down = (rest ^ right) & 1;
    if (down === 0) {
      if (right === 1) [x, y] = [side - 1 - x, side - 1 - y];
      [x, y] = [y, x];
    }
    x += side * right;
    y += side * down;
    rest = Math.floor(rest / 4);
  }
  return { x, y };
};
