// One interface over every engine and every build of the core, and a simulated COW file that serves its index sections.

import { readFileSync } from 'node:fs';
import { instantiateSync } from '@assemblyscript/loader';
import * as assert from 'uvu/assert';
import { instantiate } from 'wasm3-binding';
import { type CORE_EXPORTS, STATS } from '../../host/core-exports.js';
import {
  BLOCK_SECTORS,
  BUFFER_BYTES,
  CORE_ERRNOS,
  EXPECTATIONS,
  MODES,
  type Named,
  PROOFS,
  REFUSALS,
  RUN_BYTES,
  RUN_KINDS,
  SECTION_BYTES,
  SECTION_REQUESTS,
  SLICE_BLOCKS,
  STATUS_MISS,
  STATUS_ROOM,
} from '../../host/layout.js';

export type ExportName = (typeof CORE_EXPORTS)[number]['name'] | 'debug_out_of_bounds';

/** An instance of the core in some engine. */
export interface Instance {
  call(name: ExportName, ...values: bigint[]): bigint;
  /** Linear memory; valid until the next call that grows it. */
  readonly memory: ArrayBuffer;
  close(): void;
}

export interface Engine {
  readonly name: string;
  readonly build: 'release' | 'debug';
  readonly interpreter: 'V8' | 'wasm3';
  load(bytes?: Uint8Array): Instance;
}

const FILES = { release: 'core.wasm', debug: 'core.debug.wasm' } as const;

/** The bytes of a build of the core. */
export const coreBytes = (build: Engine['build']): Buffer<ArrayBuffer> =>
  Buffer.from(readFileSync(new URL(`../../build/${FILES[build]}`, import.meta.url)));

const loadInV8 = (bytes: Uint8Array): Instance => {
  const { exports } = instantiateSync<Record<string, (...values: bigint[]) => bigint>>(bytes);
  const linear = exports.memory!;
  return {
    call: (name, ...values) => exports[name]!(...values),
    get memory() {
      return linear.buffer as ArrayBuffer;
    },
    close: () => {},
  };
};

const engine = (interpreter: Engine['interpreter'], build: Engine['build']): Engine => ({
  name: `${interpreter} ${build}`,
  build,
  interpreter,
  load: (bytes = coreBytes(build)) => (interpreter === 'V8' ? loadInV8(bytes) : instantiate(bytes)),
});

export const V8_RELEASE = engine('V8', 'release');
export const WASM3_RELEASE = engine('wasm3', 'release');
export const V8_DEBUG = engine('V8', 'debug');
export const ENGINES = [V8_RELEASE, V8_DEBUG, WASM3_RELEASE, engine('wasm3', 'debug')];

/** The same engine, which compiles the core once for many instances of it. */
export const compiledOnce = (which: Engine): Engine => {
  const bytes = coreBytes(which.build);
  if (which.interpreter !== 'V8') return { ...which, load: () => which.load(bytes) };
  const module = new WebAssembly.Module(bytes);
  const load: Engine['load'] = () => {
    const exports = new WebAssembly.Instance(module).exports as Record<string, (...values: bigint[]) => bigint>;
    const linear = exports.memory as unknown as WebAssembly.Memory;
    return {
      call: (name, ...values) => exports[name]!(...values),
      get memory() {
        return linear.buffer as ArrayBuffer;
      },
      close: () => {},
    };
  };
  return { ...which, load };
};

const valueIn = (table: readonly Named[], name: string): bigint => {
  const row = table.find((candidate) => candidate.name === name);
  if (!row) throw new RangeError(`no ${name} in the table`);
  return BigInt(row.value);
};

export const errno = (name: string): bigint => -valueIn(CORE_ERRNOS, name);
export const refusal = (name: string): bigint => valueIn(REFUSALS, name);
export type ProofKind = 'END' | 'WHOLE' | 'STAMPS' | 'TIE';
export const proofKind = (kind: ProofKind): bigint => valueIn(PROOFS, kind);
export const expectation = (name: string): bigint => valueIn(EXPECTATIONS, name);
export const SNAPSHOT = valueIn(MODES, 'SNAPSHOT');
export const INCREMENTAL = valueIn(MODES, 'INCREMENTAL');
export const ORIGIN = Number(valueIn(RUN_KINDS, 'ORIGIN'));
export const COW = Number(valueIn(RUN_KINDS, 'COW'));
export const ZERO = Number(valueIn(RUN_KINDS, 'ZERO'));
export const READY = valueIn(SECTION_REQUESTS, 'READY');
export const READ = valueIn(SECTION_REQUESTS, 'READ');
export const WRITE = valueIn(SECTION_REQUESTS, 'WRITE');
export const AGAIN = valueIn(SECTION_REQUESTS, 'AGAIN');
export const MISS = BigInt(STATUS_MISS);
export const ROOM = BigInt(STATUS_ROOM);

export const MIB = 1n << 20n;
export const SECTION_BLOCKS = 4096n;
export const SECTION_SECTORS = SECTION_BLOCKS * BigInt(BLOCK_SECTORS);
/** Large enough for any test's copies. */
export const PLENTY = 1n << 50n;

/** [start, count, kind] */
export type Run = readonly [start: number, count: number, kind: number];

export interface Setup {
  readonly nrSectors: bigint;
  readonly cacheBytes?: bigint;
  readonly mode?: bigint;
  readonly fsize?: bigint;
}

/** A core with the part of the stub that serves its sections. */
export class Bench {
  /** What the COW file holds of the index, by section. */
  readonly file = new Map<bigint, Uint8Array>();
  readonly #instance: Instance;

  constructor(which: Engine, setup?: Setup, core?: Uint8Array) {
    this.#instance = which.load(core);
    if (!setup) return;
    assert.is(this.call('init', setup.nrSectors, setup.cacheBytes ?? 0n, setup.mode ?? SNAPSHOT), 0n);
    assert.is(this.call('header_create', setup.fsize ?? PLENTY, 1n), 0n);
  }

  call(name: ExportName, ...values: (bigint | number)[]): bigint {
    return this.#instance.call(name, ...values.map(BigInt));
  }

  close(): void {
    this.#instance.close();
  }

  get memoryBytes(): number {
    return this.#instance.memory.byteLength;
  }

  stat(field: string): bigint {
    return this.call('stat', valueIn(STATS, field));
  }

  bytes(address: bigint, length: number): Buffer {
    return Buffer.from(this.#instance.memory, Number(address), length);
  }

  buffer(): Buffer {
    return this.bytes(this.call('buffer_address'), BUFFER_BYTES);
  }

  runs(count: bigint): Run[] {
    assert.ok(count >= 0n, `${count} runs`);
    const records = this.bytes(this.call('runs_address'), Number(count) * RUN_BYTES);
    return Array.from({ length: Number(count) }, (_, i) => [
      Number(records.readBigUInt64LE(i * RUN_BYTES)),
      records.readUInt32LE(i * RUN_BYTES + 8),
      records.readUInt32LE(i * RUN_BYTES + 12),
    ]);
  }

  /** plan_copy with ranges [sector, nr_sectors]; the runs, or the negative result. */
  planCopy(ranges: readonly (readonly [bigint, bigint])[], maxBlocks = 1n << 40n): Run[] | bigint {
    const buffer = this.buffer();
    ranges.forEach(([sector, length], i) => {
      buffer.writeBigUInt64LE(BigInt.asUintN(64, sector), i * 16);
      buffer.writeBigUInt64LE(BigInt.asUintN(64, length), i * 16 + 8);
    });
    const result = this.call('plan_copy', ranges.length, maxBlocks);
    return result < 0n ? result : this.runs(result);
  }

  /** plan_read, again and again, with every missing section served; the runs up to what cannot be read, or that result. */
  planRead(sector: bigint, nrSectors: bigint): Run[] | bigint {
    const end = sector + nrSectors;
    const runs: Run[] = [];
    for (let at = sector; ; ) {
      const result = this.served('plan_read', at, end - at);
      if (result < 0n && !runs.length) return result;
      if (result <= 0n) return joined(runs);
      const planned = this.runs(result);
      runs.push(...planned);
      const blocks = planned.reduce((sum, [, count]) => sum + count, 0);
      at = (at / BigInt(BLOCK_SECTORS) + BigInt(blocks)) * BigInt(BLOCK_SECTORS);
      if (at >= end) return joined(runs);
    }
  }

  /** Calls an export again until it misses no section. */
  served(name: ExportName, ...values: (bigint | number)[]): bigint {
    for (;;) {
      const result = this.call(name, ...values);
      if (result !== MISS) return result;
      this.loadSection(this.call('miss_section'));
    }
  }

  /** Calls an export of a range for one slice after the other. `unit`: what a block is in the numbers it takes. */
  inSlices(name: ExportName, first: bigint, count: bigint, unit: bigint): bigint[] {
    const slice = BigInt(SLICE_BLOCKS) * unit;
    const results: bigint[] = [];
    for (let at = first, piece: bigint; at < first + count; at += piece) {
      const left = first + count - at;
      piece = slice - (at % slice);
      if (left < piece) piece = left;
      const result = this.call(name, at, piece);
      assert.ok(result >= 0n, `${name}: ${result}`);
      results.push(result);
    }
    return results;
  }

  /** mark() of all of a range. Returns the number of blocks newly marked. */
  markAll(sector: bigint, nrSectors: bigint): bigint {
    return sum(this.inSlices('mark', sector, nrSectors, BigInt(BLOCK_SECTORS)));
  }

  /** Commits all of block..block+count. */
  commit(block: bigint, count: bigint): void {
    for (let done = 0n; done < count; ) {
      const result = this.served('commit_copy', block + done, count - done);
      assert.ok(result > 0n, `commit_copy: ${result}`);
      done += result;
    }
  }

  /** Makes a section resident. `failing`: the first I/O of that kind fails, and the attempt ends. */
  loadSection(section: bigint, failing?: bigint): void {
    for (;;) {
      const result = this.call('section_request', section);
      if (result === READY) return;
      assert.ok(result === READ || result === WRITE, `section_request: ${result}`);
      if (result === failing) return;
      if (result === READ) this.#readIn();
      else this.#writeOut();
    }
  }

  /** Writes every dirty section to the file. */
  flush(): void {
    const end = this.stat('NR_SECTIONS');
    for (let from = 0n; (from = this.call('next_dirty_section', from)) < end; from++) this.#writeOut();
  }

  /** Writes the section handed out to the file. `meanwhile` runs while the write is under way. */
  writeOut(meanwhile?: () => void): void {
    this.#writeOut(meanwhile);
  }

  #readIn(): void {
    const section = this.call('io_section');
    assert.is(this.call('io_offset'), 4096n + section * BigInt(SECTION_BYTES));
    const memory = this.bytes(this.call('io_address'), SECTION_BYTES);
    memory.set(this.file.get(section) ?? new Uint8Array(SECTION_BYTES));
    assert.is(this.call('section_read_done', section), 0n);
  }

  #writeOut(meanwhile?: () => void): void {
    const section = this.call('io_section');
    assert.is(this.call('io_offset'), 4096n + section * BigInt(SECTION_BYTES));
    const copy = Uint8Array.from(this.bytes(this.call('io_address'), SECTION_BYTES));
    meanwhile?.();
    this.file.set(section, copy);
    assert.is(this.call('section_write_done'), 0n);
  }
}

export const sum = (numbers: readonly bigint[]): bigint => numbers.reduce((all, one) => all + one, 0n);

/** Runs, those that go on where the one before ends as one. */
const joined = (runs: readonly Run[]): Run[] => {
  const all: Run[] = [];
  for (const [start, count, kind] of runs) {
    const last = all.at(-1);
    if (last && last[2] === kind && last[0] + last[1] === start) all[all.length - 1] = [last[0], last[1] + count, kind];
    else all.push([start, count, kind]);
  }
  return all;
};

/** An index section's entries as numbers. */
export const entriesOf = (section: Uint8Array): number[] =>
  Array.from(new BigUint64Array(section.buffer, section.byteOffset, section.byteLength / 8), Number);
