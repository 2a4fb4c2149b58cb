/** One tooltip for all plots: it follows the pointer over their shapes. */

const GAP = 14;

const placeAt = (tip: HTMLElement, x: number, y: number): void => {
  const { width, height } = tip.getBoundingClientRect();
  const left = x + GAP + width > window.innerWidth ? x - GAP - width : x + GAP;
  const top = y + GAP + height > window.innerHeight ? y - GAP - height : y + GAP;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
};

/**
 * Shows texts of shapes.
 *
 * @param shapes that Plot drew of rows of data: each knows the number of its row
 * @param textOf lines of a row
 */
export const showTips = (shapes: Iterable<SVGElement>, textOf: (row: number) => string): void => {
  const tip = document.getElementById('tip');
  if (!tip) return;
  for (const shape of shapes) {
    const row = (shape as SVGElement & { readonly __data__: number }).__data__;
    shape.addEventListener('pointermove', ({ clientX, clientY }) => {
      tip.textContent = textOf(row);
      tip.hidden = false;
      placeAt(tip, clientX, clientY);
    });
    shape.addEventListener('pointerleave', () => (tip.hidden = true));
  }
};
