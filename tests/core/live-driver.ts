// What the store does with a core in incremental mode so that its checkpoint stays true: live checkpoints, clean ones, the dirty
// map, and the load of what is on disk after the power was cut.

import * as assert from 'uvu/assert';
import { COW_HEADER_SIZE, MAP_BLOCKS_MAX, STATUS_REGION } from '../../host/layout.js';
import { type Bench, errno, type ProofKind, proofKind, ROOM } from './harness.js';

export const REGION = BigInt(STATUS_REGION);
const BLOCK = 4096;

/** The COW file. Offsets and lengths are multiples of a block. */
export interface CowFile {
  /** The bytes may be lost, or some sectors of them, until flush(). */
  write(offset: number, bytes: Buffer): void;
  flush(): void;
  /** They are on disk as this returns. */
  writeDurably(offset: number, bytes: Buffer): void;
  read(offset: number, length: number): Buffer;
}

/** A COW file that no power cut meets. */
export class PlainFile implements CowFile {
  readonly blocks = new Map<number, Buffer>();

  write(offset: number, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += BLOCK) this.blocks.set(offset + at, bytes.subarray(at, at + BLOCK));
  }

  flush(): void {}

  writeDurably(offset: number, bytes: Buffer): void {
    this.write(offset, bytes);
  }

  read(offset: number, length: number): Buffer {
    const parts: Buffer[] = [];
    for (let at = offset; at < offset + length; at += BLOCK) parts.push(this.blocks.get(at) ?? Buffer.alloc(BLOCK));
    return Buffer.concat(parts);
  }
}

/** What is done while other writes come: between these steps they are marked, but for the last two. */
export type Phase = 'idle' | 'pieces' | 'switch' | 'map' | 'clean' | 'resume';

/** Looks at a filesystem. `read`: a block of it. Returns what proof_next() says at last. */
export const lookAt = (bench: Bench, kind: ProofKind, read: (block: number) => Buffer): bigint => {
  assert.is(bench.call('proof_begin', proofKind(kind)), 0n);
  for (let block: bigint; ; ) {
    block = bench.call('proof_next');
    if (block < 0n) return block;
    bench.buffer().set(read(Number(block)));
    assert.is(bench.call('proof_block', BLOCK), 0n);
  }
};

export class Driver {
  readonly bench: Bench;
  file: CowFile;
  /** The next snapshot's, in which the next live checkpoint is made. */
  next: CowFile | undefined;
  /** What a read of block 0 answers. */
  readonly superblock: () => Buffer;
  /** Comes between two steps: anything else may happen there. */
  readonly between: (phase: Phase) => void;
  phase: Phase = 'idle';
  /** What a read of any other block of the origin answers. */
  other: (block: number) => Buffer = () => Buffer.alloc(BLOCK);

  constructor(bench: Bench, file: CowFile, superblock: () => Buffer, between: (phase: Phase) => void = () => {}) {
    this.bench = bench;
    this.file = file;
    this.superblock = superblock;
    this.between = between;
  }

  look(kind: ProofKind): bigint {
    return lookAt(this.bench, kind, (block) => (block ? this.other(block) : this.superblock()));
  }

  #step(): void {
    this.between(this.phase);
  }

  #in<Result>(phase: Phase, act: () => Result): Result {
    const before = this.phase;
    this.phase = phase;
    try {
      return act();
    } finally {
      this.phase = before;
    }
  }

  #bytes(length: bigint): Buffer {
    return Buffer.from(this.bench.buffer().subarray(0, Number(length)));
  }

  /** Calls an export that says 0, a refusal or an errno, again if it needs room. */
  #roomy(name: 'record_import' | 'map_recover', ...values: bigint[]): bigint {
    for (;;) {
      const result = this.bench.call(name, ...values);
      if (result !== ROOM) return result;
      assert.is(this.bench.call('room_make'), 0n);
    }
  }

  /** `goes`: is it to be written? Else it was. */
  identity(superblock: Buffer, goes = true): bigint {
    this.bench.buffer().set(superblock);
    return this.bench.call('live_identity', goes ? 1n : 0n);
  }

  tie(): void {
    assert.is(this.bench.call('record_begin'), 0n);
    this.bench.call('record_extent', 0n, 8000n, 4000n);
    this.bench.call('record_extent', 4000n, 72000n, 160n);
  }

  /** Stores C and M. `survey`: so many chunks at once. Returns what record_plan() says. */
  #storePieces(): bigint {
    const { bench } = this;
    const chunks = bench.stat('MASK_CHUNKS');
    this.tie();
    for (let chunk = 0n; chunk < chunks; chunk++) {
      bench.call('record_survey', chunk);
      if (chunk % 16n === 0n) this.#step();
    }
    const planned = bench.call('record_plan');
    if (planned < 0n) return planned;
    for (let bytes: bigint; (bytes = bench.call('record_next')) !== 0n; ) {
      this.#step();
      assert.is(bench.call('record_export'), bytes);
      this.#nextFile.write(Number(bench.call('record_offset')), this.#bytes(bytes));
      this.#step();
    }
    this.#nextFile.flush();
    return planned;
  }

  /** All that was written before is durable as well. */
  #writeHeader(name: 'live_encode' | 'record_encode' | 'header_encode', file = this.file): void {
    const bytes = name === 'header_encode' ? this.bench.call(name, 0n) : this.bench.call(name);
    assert.is(bytes, BigInt(COW_HEADER_SIZE));
    const header = this.#bytes(bytes);
    file.flush();
    file.writeDurably(0, header);
  }

  get #nextFile(): CowFile {
    return this.next ?? this.file;
  }

  /** The present file names the next one, which has the checkpoint. */
  #leaveFile(): void {
    this.bench.buffer().fill(0, 0, COW_HEADER_SIZE);
    this.bench.buffer().write('/next', 'latin1');
    const bytes = this.bench.call('header_close', 0n);
    this.file.writeDurably(0, this.#bytes(bytes));
  }

  /** Writes all blocks of a new map. */
  #writeWholeMap(before: (block: bigint, count: bigint) => void): void {
    const blocks = this.bench.stat('MAP_BLOCKS');
    const most = BigInt(MAP_BLOCKS_MAX);
    for (let block = 0n; block < blocks; block += most) {
      const count = blocks - block < most ? blocks - block : most;
      before(block, count);
      this.#step();
      this.#writeMap(block, count, this.#nextFile);
    }
  }

  #writeMap(block: bigint, count: bigint, file = this.file): void {
    assert.is(this.bench.call('map_export', block, count), count * BigInt(BLOCK));
    file.writeDurably(Number(this.bench.call('map_offset', block)), this.#bytes(count * BigInt(BLOCK)));
  }

  /** Makes a live checkpoint. Returns 0, or why there is no room. */
  live(): bigint {
    const begun = this.bench.call('live_begin');
    if (begun < 0n) return begun;
    const planned = this.#in('pieces', () => this.#storePieces());
    if (planned < 0n) return planned;
    this.#in('switch', () => {
      this.#writeWholeMap((block, count) => {
        if (!block) assert.is(this.identity(this.superblock(), false), 1n);
        assert.is(this.bench.call('live_switch', block, count), 0n);
      });
      this.#writeHeader('live_encode', this.#nextFile);
      if (this.next) this.#leaveFile();
      assert.is(this.bench.call('live_commit'), 0n);
      this.file = this.#nextFile;
      this.next = undefined;
    });
    return 0n;
  }

  /**
   * The core of the next snapshot takes over the live checkpoint, which was made in its file. Nothing waits.
   *
   * @param rest what live_rest() says of the log
   */
  handOver(to: Bench, rest: readonly bigint[] = [0n, 0n, 0n]): void {
    const { bench } = this;
    const header = (): void => {
      assert.is(bench.call('live_encode'), BigInt(COW_HEADER_SIZE));
      to.buffer().set(this.#bytes(BigInt(COW_HEADER_SIZE)));
    };
    header();
    assert.is(to.call('live_inherit'), 0n);
    for (let block = 0n; block < bench.stat('MAP_BLOCKS'); block++) {
      assert.is(bench.call('map_export', block, 1n), BigInt(BLOCK));
      to.buffer().set(this.#bytes(BigInt(BLOCK)));
      assert.is(to.call('map_import', block), 0n);
    }
    assert.is(to.call('live_rest', ...rest), 0n);
    header();
    assert.is(to.call('live_take_over'), 0n);
    assert.is(to.stat('DIRTY_REGIONS'), bench.stat('DIRTY_REGIONS'));
  }

  /** Writes what of the map writes wait for. Returns how many blocks of it. */
  flushMap(): number {
    return this.#in('map', () => {
      const blocks = this.bench.stat('MAP_BLOCKS');
      let nr = 0;
      for (let block = 0n; (block = this.bench.call('map_next', block)) < blocks; block++, nr++) {
        this.#writeMap(block, 1n);
        assert.is(this.bench.call('map_written', block, 1n), 0n);
        this.#step();
      }
      return nr;
    });
  }

  /** The header says of the superblock what was offered last. */
  renew(): void {
    this.#in('map', () => {
      assert.is(this.bench.call('live_renew'), 0n);
      this.#writeHeader('live_encode');
    });
  }

  /** There is no checkpoint on disk. */
  drop(): void {
    this.#in('map', () => {
      this.#writeHeader('header_encode');
      assert.is(this.bench.call('live_drop'), 0n);
    });
  }

  /** Makes a clean checkpoint. Returns 0, or why there is no room. */
  clean(): bigint {
    return this.#in('clean', () => {
      this.look('WHOLE');
      const planned = this.#storePieces();
      if (planned < 0n) return planned;
      this.#writeHeader('record_encode');
      assert.is(this.bench.call('live_drop'), 0n);
      return 0n;
    });
  }

  /** Makes a live checkpoint of the clean one. Returns 0, or why that cannot be: then there is none. */
  resume(): bigint {
    return this.#in('resume', () => {
      assert.is(this.identity(this.superblock(), false), 1n);
      const resumed = this.bench.call('live_resume');
      if (resumed < 0n) {
        this.#writeHeader('header_encode');
        return resumed;
      }
      this.#writeWholeMap(() => {});
      this.#writeHeader('live_encode');
      assert.is(this.bench.call('live_commit'), 0n);
      return 0n;
    });
  }

  /** Loads what is on disk into a core that was just made. Returns 0, or the refusal. */
  load(): bigint {
    const { bench, file } = this;
    this.tie();
    this.look('WHOLE');
    bench.buffer().set(file.read(0, COW_HEADER_SIZE));
    const checked = bench.call('record_check');
    if (checked !== 0n) return checked;
    for (let bytes: bigint; (bytes = bench.call('record_next')) !== 0n; ) {
      const piece = file.read(Number(bench.call('record_offset')), Number(bytes));
      bench.buffer().set(piece);
      const imported = this.#roomy('record_import');
      if (imported !== 0n) return imported;
    }
    const live = bench.stat('LIVE');
    if (live) this.look('TIE');
    for (let block = 0n; live && block < bench.stat('MAP_BLOCKS'); block++) {
      bench.buffer().set(file.read(Number(bench.call('map_offset', block)), BLOCK));
      const imported = bench.call('map_import', block);
      if (imported !== 0n) return imported;
    }
    const accepted = bench.call('record_accept');
    if (accepted === 0n && live) this.#recover();
    return accepted;
  }

  #recover(): void {
    const { bench } = this;
    for (let chunk = 0n; chunk < bench.stat('MASK_CHUNKS'); chunk++) bench.call('map_recount', chunk);
    const size = bench.stat('REGION_BLOCKS');
    const regions = (bench.stat('NR_BLOCKS') + size - 1n) / size;
    for (let region = 0n; region < regions; ) {
      const next = this.#roomy('map_recover', region);
      assert.ok(next > region && next <= regions, `map_recover(${region}): ${next}`);
      region = next;
    }
  }
}

export const NO_ROOM = errno('ENOSPC');
