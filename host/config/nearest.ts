/** The word that somebody meant who wrote another one. */

/** How many letters must be added, removed or replaced to make one word of another. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

/** The most that a slip of a few letters changes. */
const SLIP = 2;

/** The nearest of some words, if it is near enough; an underscore is a dash. */
export const nearest = (word: string, words: readonly string[]): string | undefined => {
  const written = word.toLowerCase().replaceAll('_', '-').slice(0, 64);
  const [best] = words
    .map((candidate) => ({ candidate, far: distance(written, candidate) }))
    .sort((a, b) => a.far - b.far);
  return best && best.far <= Math.min(SLIP, best.candidate.length - 2) ? best.candidate : undefined;
};
