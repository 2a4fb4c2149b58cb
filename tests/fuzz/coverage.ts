/** Which parts of the project's code have run: V8's own counts, by blocks. */

import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector';

/** Code whose coverage steers; it is loaded from these folders. */
const WATCHED = /\/(host|cli)\/[^?]*\.ts$/;

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks of code seen so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** Whether code has run since the last call that never ran before. */
  isNew(): boolean {
    const before = this.#seen.size;
    const { result } = this.#post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    for (const { url, functions } of result) {
      if (!WATCHED.test(url)) continue;
      for (const { functionName, ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          // How often, roughly, is news, too: a second turn of a loop is another way through.
          const often = Math.min(3, Math.floor(Math.log2(count + 1)));
          if (count > 0) this.#seen.add(`${url} ${functionName} ${startOffset} ${endOffset} ${often}`);
        }
      }
    }
    return this.#seen.size > before;
  }

  stop(): void {
    this.#session.disconnect();
  }

  #post(method: string, parameters?: object): unknown {
    let answer: unknown;
    // The session answers before post() returns.
    this.#session.post(method, parameters, (error: Error | null, result?: object) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  }
}
