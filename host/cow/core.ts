/** The core in V8: its exports as raw 64-bit integers, and its two areas of linear memory (docs/CORE.md). */
import { readFileSync } from 'node:fs';
import { instantiateSync } from '@assemblyscript/loader';
import { builtFile } from '../built-file.js';
import { CORE_EXPORTS, STATS } from '../core-exports.js';
import { RefusalError } from '../errors.js';
import { BUFFER_BYTES, RUN_BYTES, RUNS_MAX } from '../layout.js';

export type CoreExportName = (typeof CORE_EXPORTS)[number]['name'];

/** A run of blocks; the meaning of `start` depends on the call that returned it. */
export interface CoreRun {
  readonly start: number;
  readonly count: number;
  /** One of RUN_KINDS. */
  readonly kind: number;
}

type RawExport = (...args: bigint[]) => bigint;

const statFields: ReadonlyMap<string, bigint> = new Map(STATS.map(({ name, value }) => [name, BigInt(value)]));

/** One instance of the core, for one origin. */
export class Core {
  readonly #exports: Readonly<Record<string, RawExport>>;
  readonly #memory: WebAssembly.Memory;
  readonly #bufferAddress: number;
  readonly #runsAddress: number;

  /**
   * @param file the compiled core
   * @throws RefusalError CORE_MISMATCH if its exports are not those of the table, or it imports something
   */
  constructor(file: URL | string = builtFile('core.wasm')) {
    const module = new WebAssembly.Module(readFileSync(file));
    const [wanted] = WebAssembly.Module.imports(module);
    if (wanted)
      throw new RefusalError('CORE_MISMATCH', `cannot load the core: it imports ${wanted.name}, expected none`);
    const { exports } = instantiateSync<Record<string, RawExport>>(module);
    for (const { name } of CORE_EXPORTS) {
      if (typeof exports[name] === 'function') continue;
      throw new RefusalError('CORE_MISMATCH', `cannot load the core: it has no export ${name}`);
    }
    if (!exports.memory) throw new RefusalError('CORE_MISMATCH', 'cannot load the core: it exports no memory');
    this.#exports = exports;
    this.#memory = exports.memory;
    this.#bufferAddress = Number(this.call('buffer_address'));
    this.#runsAddress = Number(this.call('runs_address'));
  }

  /**
   * Calls an export.
   *
   * @returns its result, a signed 64-bit integer: below zero a negative errno or STATUS_MISS
   * @throws WebAssembly.RuntimeError if the core traps
   */
  call(name: CoreExportName, ...args: ReadonlyArray<bigint | number>): bigint {
    const run = this.#exports[name];
    if (!run) throw new RangeError(`the core has no export ${name}`);
    return run(...args.map(BigInt));
  }

  /** Value of a statistic as an unsigned integer. `field` is a name of STATS. */
  stat(field: string): bigint {
    const index = statFields.get(field);
    if (index === undefined) throw new RangeError(`the core has no statistic ${field}`);
    return BigInt.asUintN(64, this.call('stat', index));
  }

  /** The buffer area, BUFFER_BYTES long. Valid until the next `init`. */
  buffer(): Buffer {
    return Buffer.from(this.#memory.buffer, this.#bufferAddress, BUFFER_BYTES);
  }

  /** The first `count` records of the runs area, copied. */
  runs(count: number): CoreRun[] {
    if (count < 0 || count > RUNS_MAX) throw new RangeError(`${count} runs, expected at most ${RUNS_MAX}`);
    const view = new DataView(this.#memory.buffer, this.#runsAddress, count * RUN_BYTES);
    const runs: CoreRun[] = new Array<CoreRun>(count);
    for (let index = 0; index < count; index++) {
      const at = index * RUN_BYTES;
      runs[index] = {
        start: Number(view.getBigUint64(at, true)),
        count: view.getUint32(at + 8, true),
        kind: view.getUint32(at + 12, true),
      };
    }
    return runs;
  }
}
