/** What a run prints of its tasks, and at its end. */
import type { Result } from './task.js';

const indented = (text: string): string => text.trimEnd().replace(/^/gm, '  ');
const firstLine = (text: string): string => text.trim().split('\n')[0]!;

/** Prints how a task ended: one line, and why it failed. */
export function report({ task, verdict, seconds }: Result, willRepeat: boolean, say: (line: string) => void): void {
  const { passed, failed, note, why } = verdict;
  const counts = passed + failed > 1 ? `: ${passed} passed, ${failed} failed` : '';
  const time = note === undefined ? `${seconds.toFixed(0)} s` : `${seconds.toFixed(0)} s: ${note}`;
  say(`${failed > 0 ? 'FAIL' : 'pass'}  ${task.name}${counts}  (${time})`);
  if (why !== undefined) say(indented(why));
  if (willRepeat) say('  it will be run once more, alone');
}

/** Prints the last lines of a run. @returns whether something ran and nothing failed */
export function conclude(results: readonly Result[], say: (line: string) => void): boolean {
  const sum = (key: 'passed' | 'failed'): number => results.reduce((total, { verdict }) => total + verdict[key], 0);
  for (const { task } of results.filter(({ verdict }) => verdict.failed > 0)) say(`failed: ${task.name}`);
  for (const { task, verdict, flaky } of results) {
    if (flaky === undefined) continue;
    say(`flaky: ${task.name} (first failure: ${firstLine(flaky.verdict.why ?? 'unknown')})`);
    say(`  logs: ${flaky.verdict.logs ?? 'none'}, ${verdict.logs ?? 'none'}`);
  }
  say(`${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') === 0 && sum('passed') > 0;
}
