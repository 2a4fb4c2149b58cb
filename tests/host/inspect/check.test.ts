import { closeSync, copyFileSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Rule, Violation } from '../../../host/inspect/check/findings.js';
import { makeCowFile } from '../cow-maker.js';
import { check, closedWithNext, recordBlock, refusal, sectors, temporaryFolder } from './files.js';
import { makeIncremental, makeSnapshot, randomBlocks } from './golden.js';

const at = temporaryFolder();
const [INCREMENTAL, SNAPSHOT, COPY] = [at('incremental'), at('snapshot'), at('copy')];
const NR_SECTORS = 524288;
/** Of 16 sections. */
const INDEX_BYTES = 528384;
const FIRST = 129;
/** That live checkpoints take in snapshot mode: two maps, two directories, and two chunks of 8192 bytes in each slot. */
const SLOTS = 12;
const BLOCKS = [...randomBlocks(300, 65536, 7), 65535].filter((block, index, all) => all.indexOf(block) === index);
const [, OTHER = 0] = BLOCKS;

makeIncremental(INCREMENTAL, { nrSectors: NR_SECTORS, changed: BLOCKS });
makeSnapshot(SNAPSHOT, { nrSectors: NR_SECTORS, changed: BLOCKS }, (block) => Buffer.alloc(4096, `${block}`));

type Edit = readonly [offset: number, value: bigint];

/** A file with words of 8 bytes replaced. */
const edited = (source: string, ...edits: readonly Edit[]): string => {
  copyFileSync(source, COPY);
  const fd = openSync(COPY, 'r+');
  for (const [offset, value] of edits) {
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(value);
    writeSync(fd, word, 0, 8, offset);
  }
  closeSync(fd);
  return COPY;
};

const entry = (block: number): number => 4096 + 8 * block;
const rules = (violations: readonly Violation[]): Rule[] => [...new Set(violations.map(({ rule }) => rule))].sort();
const broken = (path: string): Rule[] => rules(check(path, sectors(NR_SECTORS)).violations);

test('check() has nothing to say of files as a driver closes them, with or without the size', () => {
  for (const path of [INCREMENTAL, SNAPSHOT]) {
    for (const origin of [undefined, sectors(NR_SECTORS)]) {
      const { violations, total, nrEntries } = check(path, origin);
      assert.equal(violations, []);
      assert.is(total, 0);
      assert.is(nrEntries, BLOCKS.length);
    }
  }
});

test('check() takes files of version 0, with number and id of the first releases, too', () => {
  makeIncremental(at('v0'), { nrSectors: NR_SECTORS, changed: BLOCKS, version: 0n });
  assert.equal(broken(at('v0')), []);
  assert.equal(broken(edited(at('v0'), [24, 0n], [32, 0n], [40, 0n])), []);
  makeSnapshot(at('v0s'), { nrSectors: NR_SECTORS, changed: BLOCKS, version: 0n }, () => Buffer.alloc(4096));
  assert.equal(broken(at('v0s')), []);
});

test('check() takes what older writers left in fsize, and a file that could not be shortened', () => {
  assert.equal(broken(edited(INCREMENTAL, [16, 26843545n])), []);
  const path = edited(INCREMENTAL, [16, 26843545n]);
  truncateSync(path, 26843545);
  assert.equal(broken(path), []);
  assert.is(check(path).nrEntries, undefined, 'without the size the end of such an index is not known');
});

test('check() knows the name of the next file, and no other bytes in its place', () => {
  const named = closedWithNext(INCREMENTAL, COPY, NR_SECTORS, '/.datto-8');
  assert.equal(broken(named), []);
  assert.equal(broken(closedWithNext(INCREMENTAL, COPY, NR_SECTORS, '')), []);
  closedWithNext(INCREMENTAL, COPY, NR_SECTORS, '/.datto-8');
  const fd = openSync(COPY, 'r+');
  writeSync(fd, 'x', 530);
  closeSync(fd);
  assert.equal(broken(COPY), ['reserved']);
});

test('check() knows that live checkpoints took positions', () => {
  assert.equal(broken(edited(SNAPSHOT, [8, BigInt(FIRST + BLOCKS.length + SLOTS)])), []);
  assert.equal(broken(edited(INCREMENTAL, [8, BigInt(FIRST + BLOCKS.length + SLOTS)])), []);
});

test('check() compares neither fpos nor the counter of a file that was not closed', () => {
  const path = edited(SNAPSHOT, [0, 4776n], [8, BigInt(FIRST)], [56, 0n]);
  const { violations, notes } = check(path, sectors(NR_SECTORS));
  assert.equal(violations, []);
  assert.ok(notes.some((note) => note.includes('not closed cleanly')));
});

test('check() takes a live incremental, whose header is that of the snapshot before', () => {
  const path = edited(INCREMENTAL, [0, 4776n], [8, BigInt(FIRST)], [16, 26843545n], [56, 0n]);
  assert.equal(broken(path), []);
});

const CASES: ReadonlyArray<readonly [name: string, source: string, edits: readonly Edit[], expected: readonly Rule[]]> =
  [
    ['a wrong magic', SNAPSHOT, [[0, 4777n + (1n << 32n)]], ['magic']],
    ['an unknown flag', INCREMENTAL, [[0, 4776n + (0x80000003n << 32n)]], ['flags']],
    ['fpos below the index end', INCREMENTAL, [[8, 128n]], ['entry-position', 'fpos']],
    ['fpos beyond what was counted', INCREMENTAL, [[8, BigInt(FIRST + BLOCKS.length + SLOTS + 1)]], ['fpos']],
    ['fpos not as counted', SNAPSHOT, [[8, BigInt(FIRST + BLOCKS.length + 1)]], ['fpos']],
    [
      'fpos not as counted, with live checkpoints',
      SNAPSHOT,
      [[8, BigInt(FIRST + BLOCKS.length + SLOTS + 1)]],
      ['fpos'],
    ],
    ['fsize above the file size', SNAPSHOT, [[16, 2n ** 40n]], ['fsize']],
    ['fsize far below the file size', SNAPSHOT, [[16, 4096n]], ['fsize']],
    ['fsize inside the index', INCREMENTAL, [[16, 4096n]], ['fsize']],
    ['number 0', INCREMENTAL, [[24, 0n]], ['seqid']],
    [
      'no id',
      SNAPSHOT,
      [
        [32, 0n],
        [40, 0n],
      ],
      ['uuid'],
    ],
    ['version 2', SNAPSHOT, [[48, 2n]], ['version']],
    ['version 0 that counts', INCREMENTAL, [[48, 0n]], ['counter']],
    ['a counter off by one', INCREMENTAL, [[56, BigInt(BLOCKS.length + 1)]], ['counter']],
    ['a counter off by one', SNAPSHOT, [[56, BigInt(BLOCKS.length - 1)]], ['counter', 'fpos']],
    ['a byte behind the header', SNAPSHOT, [[4088, 1n << 56n]], ['reserved']],
    ['the marker in snapshot mode', SNAPSHOT, [[entry(OTHER), 1n]], ['entry-marker']],
    ['a position inside the index', SNAPSHOT, [[entry(OTHER), 128n]], ['entry-position']],
    ['a position from fpos on', SNAPSHOT, [[entry(OTHER), BigInt(FIRST + BLOCKS.length)]], ['entry-position']],
    ['a position above 2^53', INCREMENTAL, [[entry(OTHER), 2n ** 64n - 1n]], ['entry-position']],
    ['a position twice', SNAPSHOT, [[entry(OTHER), BigInt(FIRST)]], ['entry-unique']],
    ['an entry that is gone', SNAPSHOT, [[entry(OTHER), 0n]], ['counter']],
  ];

for (const [name, source, edits, expected] of CASES) {
  const mode = source === SNAPSHOT ? 'snapshot' : 'incremental';
  test(`check() finds ${name} (${mode}: ${expected.join(', ')})`, () => {
    assert.equal(broken(edited(source, ...edits)), [...expected]);
  });
}

test('check() says where, what it found and what it expected', () => {
  const { violations } = check(edited(SNAPSHOT, [entry(OTHER), 1n]), sectors(NR_SECTORS));
  assert.equal(violations, [
    {
      rule: 'entry-marker',
      offset: entry(OTHER),
      found: `block ${OTHER}: 1`,
      expected: `a position from ${FIRST} on, in snapshot mode`,
    },
  ]);
});

test('check() finds blocks that the file ends before', () => {
  const path = edited(SNAPSHOT);
  truncateSync(path, INDEX_BYTES + 4096 * 10);
  const { violations, total } = check(path, sectors(NR_SECTORS), 5);
  assert.equal(rules(violations), ['entry-in-file', 'fsize']);
  assert.is(violations.length, 5, 'as many as asked for are kept');
  assert.is(total, 1 + BLOCKS.length - 10, 'all are counted');
});

test('check() finds an index that is cut, and what is no index', () => {
  for (const bytes of [INDEX_BYTES - 1, INDEX_BYTES - 32768, 4096, 100, 64]) {
    const path = edited(INCREMENTAL);
    truncateSync(path, bytes);
    assert.ok(broken(path).includes('file-size'), `${bytes}`);
  }
  const path = edited(INCREMENTAL);
  truncateSync(path, INDEX_BYTES + 32768);
  assert.equal(broken(path), ['file-size']);
  for (const bytes of [0, 63]) {
    writeFileSync(COPY, readFileSync(INCREMENTAL).subarray(0, bytes));
    assert.equal(broken(COPY), ['file-size']);
  }
});

test('check() finds entries behind the end of an origin whose size is known', () => {
  makeCowFile(at('slack'), { nrSectors: 4104, entries: [[513, 1n]] });
  const beyond = (nrSectors: number): boolean =>
    check(at('slack'), sectors(nrSectors)).violations.some(({ rule }) => rule === 'entry-beyond-origin');
  assert.ok(beyond(4104), '513 whole blocks');
  assert.not(beyond(4105), 'and a part of one');
});

test('check() counts a partial last block that has no entry', () => {
  const nrSectors = 4096 * 8 + 1;
  makeCowFile(at('tail'), { nrSectors, entries: [[5, 1n]] });
  const path = edited(at('tail'), [56, 2n]);
  assert.equal(rules(check(path, sectors(nrSectors)).violations), []);
  assert.equal(rules(check(path).violations), ['counter'], 'which does not show without the size');
});

test('check() knows a checkpoint, and what is wrong with one', () => {
  // As the filesystem shows such a file: all behind the header block is zeros.
  const file = (incremental: boolean, spoil: (block: Buffer) => void = () => undefined): string => {
    const bytes = incremental ? INDEX_BYTES : INDEX_BYTES + 2 ** 20;
    const block = recordBlock(NR_SECTORS, incremental, bytes);
    spoil(block);
    writeFileSync(COPY, block);
    truncateSync(COPY, bytes);
    return COPY;
  };
  for (const incremental of [true, false]) {
    for (const origin of [undefined, sectors(NR_SECTORS)]) {
      const { violations, nrEntries, notes } = check(file(incremental), origin);
      assert.equal([violations, nrEntries], [[], undefined]);
      assert.match(notes.join('\n'), /^a checkpoint: .*\nthe index was not checked: /);
    }
    const spoilt = (spoil: (block: Buffer) => void): Rule[] =>
      rules(check(file(incremental, spoil), sectors(NR_SECTORS)).violations);
    assert.equal(
      spoilt((block) => (block[120] = 1)),
      ['record'],
    );
    assert.equal(rules(check(file(incremental), sectors(NR_SECTORS - 8)).violations), ['record']);
    // A closed file has none.
    assert.ok(spoilt((block) => (block[4] = (block[4] ?? 0) | 1)).includes('record'));
  }
});

test('check() refuses what is no regular file', () => {
  assert.is(
    refusal(() => check('/dev/null')),
    'COW_KIND',
  );
  assert.is(
    refusal(() => check(SNAPSHOT, sectors(0))),
    'ORIGIN_SIZE_MISMATCH',
  );
});

test.run();
