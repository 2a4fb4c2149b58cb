/** Runs spin on tests/model/pipeline.pml. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODEL = fileURLToPath(new URL('pipeline.pml', import.meta.url));
/** Of a search; far more than any run of the model has. */
const DEPTH = 100_000;
const OUTPUT_BYTES = 64 * 1024 * 1024;

export interface Search {
  /** macros of the model: bounds, and a mutant */
  readonly bounds: Readonly<Record<string, number>>;
  readonly mutant?: string;
  /** for cycles, which no run of the model may have, instead of assertions and deadlocks */
  readonly cycles?: boolean;
  /** the compiler's -O; a long search pays for more */
  readonly optimize?: number;
  /** 2 to this power places in the table of states */
  readonly table?: number;
}

export interface Found {
  readonly states: number;
  /** what is wrong, in pan's words; empty if nothing is */
  readonly error: string;
  /** the steps that lead to it */
  readonly steps: readonly string[];
  readonly seconds: number;
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES,
  });
  if (error && 'code' in error && error.code === 'ENOENT')
    throw new Error(`${command} is not installed; bash scripts/setup.sh installs it`);
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with status ${status}: ${stdout}${stderr}`);
  return stdout;
}

const firstMatch = (pattern: RegExp, text: string): string => pattern.exec(text)?.[1]?.trim() ?? '';

function search({ bounds, mutant, cycles = false, optimize = 0, table = 22 }: Search, folder: string): Found {
  const macros = Object.entries(bounds).map(([name, value]) => `-D${name}=${value}`);
  run('spin', ['-a', ...macros, ...(mutant === undefined ? [] : [`-DMUTANT_${mutant}`]), MODEL], folder);
  // Cycles: of a model without progress labels each is one without progress.
  const kind = cycles ? '-DNP' : '-DSAFETY';
  run('gcc', ['-w', `-O${optimize}`, '-DVECTORSZ=512', '-DCOLLAPSE', kind, '-o', 'pan', 'pan.c'], folder);
  const began = Date.now();
  const output = run('./pan', [`-m${DEPTH}`, `-w${table}`, ...(cycles ? ['-l'] : [])], folder);
  const seconds = (Date.now() - began) / 1000;
  const errors = firstMatch(/errors: (\d+)/, output);
  if (errors === '' || /max search depth too small|Search not completed/.test(output.replace(/pan: wrote[\s\S]*/, '')))
    throw new Error(`the search was not completed: ${output}`);
  const states = Number(firstMatch(/^\s*(\d+) states, stored/m, output));
  if (errors === '0') return { states, error: '', steps: [], seconds };
  const error = firstMatch(/^pan:1: (.*?)(?: \(at depth \d+\))?$/m, output);
  const replay = run('./pan', ['-r', 'pipeline.pml.trail'], folder);
  const steps = replay.split('\n').filter((line) => /^\s*(?:write|reader|worker|disk|request)\b.*: /.test(line));
  return { states, error, steps: steps.map((line) => line.trim()), seconds };
}

/** Searches all states of the model, up to the first error. */
export function searchModel(wanted: Search): Found {
  const folder = mkdtempSync(join(tmpdir(), 'datto-model-'));
  try {
    return search(wanted, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
