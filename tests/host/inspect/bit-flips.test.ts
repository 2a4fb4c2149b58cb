import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inspectProgram } from '../../../cli/inspect/program.js';
import { RefusalError, SystemError } from '../../../host/errors.js';
import { check, sectors, temporaryFolder } from './files.js';
import { makeIncremental, makeSnapshot, randomBlocks } from './golden.js';

const NR_SECTORS = 524288;
const INDEX_BYTES = 528384;
const FIRST = 129;
const NR_FLIPS = 1000;
const BLOCKS = randomBlocks(2000, 65536, 11);
const COPIED = BLOCKS.length / 2;

const at = temporaryFolder();
const GOLDEN = { incremental: at('incremental'), snapshot: at('snapshot') };
makeIncremental(GOLDEN.incremental, { nrSectors: NR_SECTORS, changed: BLOCKS });
makeSnapshot(GOLDEN.snapshot, { nrSectors: NR_SECTORS, changed: BLOCKS }, (block) => Buffer.alloc(4096, `${block}`));

type Mode = keyof typeof GOLDEN;

/** A bit of the file: a byte, and which of its bits. */
interface Flip {
  readonly offset: number;
  readonly bit: number;
}

const word = (path: string, offset: number): bigint => {
  const bytes = Buffer.alloc(8);
  const fd = openSync(path, 'r');
  readSync(fd, bytes, 0, 8, offset - (offset % 8));
  closeSync(fd);
  return bytes.readBigUInt64LE();
};

/** Whether a flipped bit must be found, by what docs/FORMAT.md says of the place; the file has the bit flipped. */
const mustBeFound = (mode: Mode, path: string, { offset, bit }: Flip): boolean => {
  const value = word(path, offset);
  if (offset < 4 || offset >= 48) {
    // The marker may take the place of any position in incremental mode, though not that of a zero.
    const fromZero = offset % 8 === 0 && bit === 0;
    return !(mode === 'incremental' && offset >= 4096 && value === 1n && !fromZero);
  }
  // CLEAN may be missing, the third flag means nothing, and an incremental's data area may be there if it could not be
  // cut off.
  if (offset < 8) return !(offset === 4 && (bit === 0 || bit === 2 || (bit === 1 && mode === 'snapshot')));
  // The value of fpos is below what an entry has, or more than what was counted.
  if (offset < 16) return mode === 'snapshot' || value < FIRST + COPIED || value > FIRST + BLOCKS.length;
  if (offset < 24) {
    if (mode === 'incremental') return value < INDEX_BYTES;
    const { size } = statSync(path);
    return value > size || value <= size - 4096;
  }
  return offset < 32 && value === 0n;
};

const flip = (path: string, { offset, bit }: Flip): void => {
  const byte = Buffer.alloc(1);
  const fd = openSync(path, 'r+');
  readSync(fd, byte, 0, 1, offset);
  writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ (1 << bit)]), 0, 1, offset);
  closeSync(fd);
};

/** A third each in the header's fields, in the rest of its block with the index, and in entries that are set. */
const flips: fc.Arbitrary<Flip> = fc
  .tuple(
    fc.oneof(
      fc.nat({ max: 63 }),
      fc.integer({ min: 64, max: INDEX_BYTES - 1 }),
      fc.tuple(fc.constantFrom(...BLOCKS), fc.nat({ max: 7 })).map(([block, byte]) => 4096 + 8 * block + byte),
    ),
    fc.nat({ max: 7 }),
  )
  .map(([offset, bit]) => ({ offset, bit }));

const SUB_COMMANDS = [
  ['info'],
  ['check'],
  ['blocks'],
  ['blocks', '--origin-size', '256M', '--allow-unclean'],
  ['stat', '--json'],
  ['map', '--order', '4'],
  ['diff', '--runs', '--json'],
];

/** Runs sub-commands on a file. Only errors that are made for it may come out. */
const runTools = async (path: string, commands: readonly string[][]): Promise<void> => {
  const streams = { out: () => undefined, err: () => undefined, interactive: false };
  for (const [name = '', ...options] of commands) {
    const files = name === 'diff' ? [GOLDEN.incremental, path] : [path];
    const args = [name, ...files, ...options];
    try {
      await inspectProgram(streams).parseAsync(args, { from: 'user' });
    } catch (error) {
      const expected = error instanceof RefusalError || error instanceof SystemError;
      if (!expected || !/^cannot /.test(error.message)) throw error;
    }
  }
};

for (const mode of ['incremental', 'snapshot'] as const) {
  test(`${NR_FLIPS / 2} single flipped bits of a file of ${mode} mode crash nothing and are found`, async () => {
    const path = GOLDEN[mode];
    const before = readFileSync(path);
    const seed = Date.now() % 2 ** 31;
    console.log(`seed ${seed}`);
    let found = 0;
    await fc.assert(
      fc.asyncProperty(flips, fc.subarray(SUB_COMMANDS, { maxLength: 3 }), async (place, commands) => {
        flip(path, place);
        try {
          const { total } = check(path, sectors(NR_SECTORS));
          if (total > 0) found++;
          assert.is(total > 0, mustBeFound(mode, path, place), `offset ${place.offset}, bit ${place.bit}`);
          await runTools(path, commands);
        } finally {
          flip(path, place);
        }
      }),
      { numRuns: NR_FLIPS / 2, seed },
    );
    assert.ok(found > NR_FLIPS / 4);
    assert.ok(readFileSync(path).equals(before), 'nothing wrote to the file');
  });
}

test.run();
