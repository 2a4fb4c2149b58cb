import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figuresJson, secondsText, summaryLine } from '../../cli/backup/figures.js';
import { figuresOf } from '../../host/backup/figures.js';

const MIB = 2 ** 20;

test('figuresOf() has what is known, and nothing else', () => {
  assert.equal(figuresOf({ copiedBytes: 4097, copySeconds: 2, volumeBytes: 8194 }), {
    copiedBlocks: 2,
    bytesPerSecond: 2048.5,
    copiedRatio: 0.5,
  });
  assert.equal(figuresOf({ copiedBytes: 0, copySeconds: 2, volumeBytes: 4096 }), { copiedBlocks: 0, copiedRatio: 0 });
  assert.equal(figuresOf({ copiedBytes: 4096, copySeconds: 0 }), { copiedBlocks: 1 });
  assert.equal(figuresOf({ copiedBytes: 4096 }), { copiedBlocks: 1 });
});

test('the summary is one line: blocks, time of the copy, rate, part of the volume, time of the run', () => {
  assert.is(
    summaryLine({ copiedBytes: 300 * MIB, copySeconds: 2.5, volumeBytes: 10_000 * MIB, seconds: 4.04 }),
    '76800 blocks copied in 2.5 s, 120 MiB/s, 3.0 % of the volume; the run took 4.0 s',
  );
  assert.is(
    summaryLine({ copiedBytes: 4096, copySeconds: 0, volumeBytes: 4 * MIB, seconds: 0.2 }),
    '1 block copied in 0.0 s, 0.1 % of the volume; the run took 0.2 s',
  );
  assert.is(
    summaryLine({ copiedBytes: 0, copySeconds: 0.1, volumeBytes: 4 * MIB, seconds: 61 }),
    '0 blocks copied in 0.1 s, 0.0 % of the volume; the run took 61 s',
  );
});

test('secondsText() has a unit that fits', () => {
  assert.equal([0, 9.94, 9.96, 99.4, 99.5, 3599.4, 3599.6, 90_061].map(secondsText), [
    ...['0.0 s', '9.9 s', '10 s', '99 s', '1 min 40 s', '59 min 59 s', '1 h 0 min', '25 h 1 min'],
  ]);
});

test('figuresJson() has null for what is not known', () => {
  assert.equal(figuresJson({ copiedBytes: 4096 }), {
    copied_blocks: 1,
    copy_seconds: null,
    copied_bytes_per_second: null,
    copied_ratio: null,
  });
  assert.is(figuresJson({ copiedBytes: 1000, copySeconds: 3 }).copied_bytes_per_second, 333);
});

test.run();
