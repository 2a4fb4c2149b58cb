/** What the parts of the bench share: medians, and lines that say what was measured, beside what, and what was aimed at. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Milliseconds of one contender, a value per round; round for round beside the others'. */
export type Times = ReadonlyMap<string, readonly number[]>;

/** Median over rounds of (baseline / contender in the same round). */
export function ratio(times: Times, contender: string, baseline: string): number {
  const base = times.get(baseline) ?? [];
  return median((times.get(contender) ?? []).map((value, round) => base[round]! / value));
}

export function verdict(value: number, aim: number | undefined, atLeast = true): string {
  if (aim === undefined) return '';
  const isReached = atLeast ? value >= aim : value <= aim;
  return `${isReached ? 'reached' : 'MISSED'} (aim ${aim})`;
}

/** A table: each contender's least and median time, and its ratio to the baseline. */
export function printTimes(
  title: string,
  times: Times,
  baseline: string,
  aims: Readonly<Record<string, number>>,
): void {
  console.log(`\n${title}`);
  console.log(`  ${''.padEnd(22)}${'least ms'.padStart(10)}${'median ms'.padStart(11)}${'ratio'.padStart(8)}`);
  for (const [contender, values] of times) {
    const value = ratio(times, contender, baseline);
    console.log(
      `  ${contender.padEnd(22)}${Math.min(...values)
        .toFixed(0)
        .padStart(10)}${median(values).toFixed(0).padStart(11)}` +
        `${value.toFixed(2).padStart(8)}  ${verdict(value, aims[contender])}`,
    );
  }
}
