/** Runs tasks, several at once, and repeats alone what may have failed by chance. */
import { report } from './report.js';
import type { Result, Task, Verdict } from './task.js';

/** Several failures are no accident: if more tasks fail, none is repeated. */
const MOST_REPEATED = 3;

/** Runs one task, whatever it throws. */
async function runTask(task: Task, attempt: number): Promise<Result> {
  const began = Date.now();
  const ended = (verdict: Verdict): Result => ({ task, verdict, seconds: (Date.now() - began) / 1000 });
  try {
    return ended(await task.run(attempt));
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return ended({ passed: 0, failed: 1, why, final: true });
  }
}

const urgent = (a: Task, b: Task): number =>
  Number(b.early ?? false) - Number(a.early ?? false) || b.seconds - a.seconds;

/**
 * Runs tasks and reports each as it ends.
 *
 * @param jobs how many run at once
 * @param say takes the lines of the report
 * @returns how they ended, each once
 */
export async function runTasks(tasks: readonly Task[], jobs: number, say: (line: string) => void): Promise<Result[]> {
  const waiting = [...tasks].sort(urgent);
  const ended = new Map<Task, Result>();
  const results: Result[] = [];
  const wakeUp: (() => void)[] = [];
  const end = (result: Result, willRepeat: boolean): void => {
    ended.set(result.task, result);
    results.push(result);
    report(result, willRepeat, say);
    for (const wake of wakeUp.splice(0)) wake();
  };
  const isReady = ({ after = [] }: Task): boolean => after.every((other) => ended.has(other));
  const worker = async (): Promise<void> => {
    while (waiting.length > 0) {
      const index = waiting.findIndex(isReady);
      if (index < 0) {
        await new Promise<void>((wake) => wakeUp.push(wake));
        continue;
      }
      const [task] = waiting.splice(index, 1);
      const missing = task!.after?.find((other) => ended.get(other)!.verdict.failed > 0);
      const result: Result = missing
        ? {
            task: task!,
            seconds: 0,
            verdict: { passed: 0, failed: 1, why: `not run: ${missing.name} failed`, final: true },
          }
        : await runTask(task!, 1);
      end(result, mayBeRepeated(result));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return repeat(results, say);
}

const mayBeRepeated = ({ task, verdict }: Result): boolean =>
  verdict.failed > 0 && task.mayBeRepeated === true && verdict.final !== true;

/** Runs what failed once more, with nothing beside it; one that passes then is flaky, and has passed. */
async function repeat(results: readonly Result[], say: (line: string) => void): Promise<Result[]> {
  const again = results.filter(mayBeRepeated);
  if (again.length > MOST_REPEATED) {
    say(`${again.length} tasks failed that may be repeated: too many for chance, none is`);
    return [...results];
  }
  const repeated = new Map<Task, Result>();
  for (const first of again) {
    const second = await runTask(first.task, 2);
    report(second, false, say);
    repeated.set(first.task, second.verdict.failed > 0 ? second : { ...second, flaky: first });
  }
  return results.map((result) => repeated.get(result.task) ?? result);
}
