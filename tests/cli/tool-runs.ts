/** Runs of tools in one process, tool-loop.mjs, which ends with this one. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Outcome {
  /** null if the run did not end by itself */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const LOOP = fileURLToPath(new URL('tool-loop.mjs', import.meta.url));
/** What a run leaves in the process adds up. */
const RUNS_PER_PROCESS = 64;
const LIMIT_MS = 20_000;
const POLL_MS = 1;
const EAGAIN = 'EAGAIN';

const pause = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);

/** A process that runs tools. */
class Loop {
  readonly #pid: number;
  readonly #questions: number;
  readonly #answers: number;
  #runs = 0;

  /** @param base path that the names of its files begin with */
  constructor(base: string, environment: NodeJS.ProcessEnv) {
    const [questions, answers] = [`${base}.questions`, `${base}.answers`];
    for (const path of [questions, answers]) rmSync(path, { force: true });
    execFileSync('mkfifo', [questions, answers]);
    const child = spawn(process.execPath, [LOOP, questions, answers], { env: environment, stdio: 'ignore' });
    child.unref();
    this.#pid = child.pid!;
    this.#answers = openSync(answers, constants.O_RDONLY | constants.O_NONBLOCK);
    const ready = this.#answer(true);
    if (ready !== 'ready') {
      child.kill('SIGKILL');
      throw new Error(`cannot start ${LOOP}: it says '${ready}', expected 'ready'`);
    }
    this.#questions = openSync(questions, 'w');
  }

  /** The next line that the process writes; undefined if it ends before that, or has not got there in time. */
  #answer(begins = false): string | undefined {
    const end = Date.now() + LIMIT_MS;
    const piece = Buffer.alloc(64);
    let text = '';
    while (Date.now() < end) {
      try {
        const count = readSync(this.#answers, piece);
        text += piece.toString('latin1', 0, count);
        if (text.endsWith('\n')) return text.slice(0, -1);
        if (count > 0) continue;
        // Nobody has it open: not yet, or not any more.
        if (!begins) return undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== EAGAIN) throw error;
      }
      pause();
    }
    return undefined;
  }

  /** Whether it has done its share. */
  get isUsed(): boolean {
    return this.#runs >= RUNS_PER_PROCESS;
  }

  /** @returns the exit status; null if the process had to be ended for it, or has ended */
  run(words: readonly string[]): number | null {
    this.#runs++;
    writeSync(this.#questions, words.map((word) => `${word}\0`).join(''));
    const answer = this.#answer();
    return answer === undefined ? null : Number(answer);
  }

  end(): void {
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    closeSync(this.#questions);
    closeSync(this.#answers);
  }
}

/** Runs tools in one process after the other, in one environment. */
export class ToolRuns {
  readonly #base: string;
  readonly #environment: NodeJS.ProcessEnv;
  #loop: Loop | undefined;

  /** @param base path that the names of its files begin with */
  constructor(base: string, environment: NodeJS.ProcessEnv) {
    this.#base = base;
    this.#environment = environment;
    process.on('exit', () => this.#end());
  }

  #end(): void {
    this.#loop?.end();
    this.#loop = undefined;
  }

  /**
   * Runs a program to its end.
   *
   * @param variables what is added to the environment
   */
  run(program: string, args: readonly string[], cwd: string, variables: Readonly<Record<string, string>>): Outcome {
    this.#loop ??= new Loop(this.#base, this.#environment);
    const [output, errors] = [`${this.#base}.out`, `${this.#base}.err`];
    for (const path of [output, errors]) writeFileSync(path, '');
    const added = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const words = [output, errors, cwd, `${added.length}`, ...added, `${args.length + 1}`, program, ...args];
    const status = this.#loop.run(words);
    if (status === null || this.#loop.isUsed) this.#end();
    return { status, stdout: readFileSync(output, 'utf8'), stderr: readFileSync(errors, 'utf8') };
  }
}
