// The core with a counter of the operations that it runs, in V8.
//
// Each straight piece of code adds its number of operations to the counter as it begins. Local variables and constants are
// operands in an interpreter, and blocks have no code, so these do not count. What fills or copies memory counts 1 for each
// 16 bytes as well.

import { readFileSync } from 'node:fs';
import wabt from 'wabt';
import { type Engine, V8_RELEASE } from './harness.js';

const BULK_SHIFT = 4;
const OPERAND = /^(local\.get|[if](32|64)\.const|block|loop|else|end|drop|nop|unreachable)\b/;
/** Behind these another piece begins. */
const BRANCH = /^(loop|if|else|end|br_if)\b/;
const BULK = /^memory\.(copy|fill)\b/;

/** Counts `number`, an i64 that is on the stack. */
const add = ['global.get $operations', 'i64.add', 'global.set $operations'];

/** The operations of one piece, what counts them ahead. */
function counted(piece: readonly string[]): string[] {
  const nr = piece.filter((line) => !OPERAND.test(line)).length;
  const lines = piece.flatMap((line) =>
    BULK.test(line)
      ? [
          'local.tee $bytes',
          line,
          'local.get $bytes',
          'i64.extend_i32_u',
          `i64.const ${BULK_SHIFT}`,
          'i64.shr_u',
          ...add,
        ]
      : [line],
  );
  return nr ? [`i64.const ${nr}`, ...add, ...lines] : lines;
}

/** A function of the text format, as the compiler writes it: one instruction a line. */
function countedFunction(lines: readonly string[]): string[] {
  const body = lines.findIndex((line, at) => at > 0 && !line.startsWith('(local'));
  const pieces: string[][] = [[]];
  for (const line of lines.slice(body)) {
    pieces.at(-1)!.push(line);
    if (BRANCH.test(line)) pieces.push([]);
  }
  return [...lines.slice(0, body), '(local $bytes i32)', ...pieces.flatMap(counted), ')'];
}

function countedModule(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const output: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    if (!lines[at]!.startsWith('(func ')) {
      output.push(lines[at]!);
      if (lines[at]!.startsWith('(memory '))
        output.push('(global $operations (export "operations") (mut i64) (i64.const 0))');
      continue;
    }
    const end = lines.indexOf(')', at);
    output.push(...countedFunction(lines.slice(at, end)));
    at = end;
  }
  return output.join('\n');
}

/** The release build of the core, with a counter. */
export async function countingCore(): Promise<Buffer> {
  const text = readFileSync(new URL('../../build/core.wat', import.meta.url), 'utf8');
  const parsed = (await wabt()).parseWat('core.wat', countedModule(text), { bulk_memory: true, mutable_globals: true });
  return Buffer.from(parsed.toBinary({}).buffer);
}

/** The most operations that one call of each export took, by name. */
export type Costs = Map<string, number>;

/** V8, with a core of countingCore() in it, which notes what its calls cost. */
export function countingEngine(core: Uint8Array<ArrayBuffer>, costs: Costs): Engine {
  const module = new WebAssembly.Module(core);
  const load: Engine['load'] = () => {
    const exports = new WebAssembly.Instance(module).exports as Record<string, (...values: bigint[]) => bigint>;
    const operations = exports.operations as unknown as WebAssembly.Global<'i64'>;
    const linear = exports.memory as unknown as WebAssembly.Memory;
    return {
      call: (name, ...values) => {
        operations.value = 0n;
        const result = exports[name]!(...values);
        costs.set(name, Math.max(costs.get(name) ?? 0, Number(operations.value)));
        return result;
      },
      get memory() {
        return linear.buffer as ArrayBuffer;
      },
      close: () => {},
    };
  };
  return { ...V8_RELEASE, name: 'V8 counting', load };
}
