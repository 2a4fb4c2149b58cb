import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DigitsError, parseDigits, U32_MAX, U64_MAX } from '../../cli/terminal/digits.js';
import { printable, printableBytes } from '../../cli/terminal/printable.js';
import { Progress } from '../../cli/terminal/progress.js';
import { ageText, statusJson, statusTable } from '../../cli/terminal/status-table.js';
import { errorLine } from '../../cli/terminal/terminal.js';
import { explainDevice } from '../../host/driver/explain.js';
import { RefusalError } from '../../host/errors.js';
import { grouped, humanBytes, offsetText, offsetTicks } from '../../host/quantities.js';

const errnoOfDigits = (text: string, max: bigint): number | undefined => {
  try {
    parseDigits(text, max);
    return undefined;
  } catch (error) {
    return (error as DigitsError).errno;
  }
};

test('parseDigits() reads decimal digits up to its bound', () => {
  assert.is(parseDigits('0', U32_MAX), 0n);
  assert.is(parseDigits('0008', U32_MAX), 8n);
  assert.is(parseDigits('4294967295', U32_MAX), 4294967295n);
  assert.is(parseDigits('18446744073709551615', U64_MAX), U64_MAX);
});

test('parseDigits() tells what is no number from what is too large', () => {
  for (const text of ['', '-1', '+1', ' 1', '1\n', '0x1', '1n', '٣']) assert.is(errnoOfDigits(text, U64_MAX), 0, text);
  assert.is(errnoOfDigits('4294967296', U32_MAX), 34);
  assert.is(errnoOfDigits('18446744073709551616', U64_MAX), 34);
});

test('grouped() and offsetText() are exact where a reader relies on them', () => {
  assert.equal([0, 999, 1000, 1234567].map(grouped), ['0', '999', '1,000', '1,234,567']);
  assert.is(grouped(2n ** 64n), '18,446,744,073,709,551,616');
  assert.equal([0, 4096, 2 ** 30 * 1.125].map(offsetText), ['0', '4 KiB', '1.125 GiB']);
});

test('offsetTicks() are five to nine even offsets, whose texts are exact', () => {
  assert.equal(
    offsetTicks(20 * 2 ** 30).map(({ text }) => text),
    ['0', '4 GiB', '8 GiB', '12 GiB', '16 GiB', '20 GiB'],
  );
  for (const bytes of [4096, 12288, 5e9, 2 ** 46, 2 ** 46 - 512]) {
    const ticks = offsetTicks(bytes);
    assert.ok(ticks.length >= 5 && ticks.length <= 9, `${bytes}`);
    ticks.forEach(({ offset }, at) => assert.is(offset, (ticks[1]?.offset ?? 0) * at));
    assert.ok((ticks.at(-1)?.offset ?? 0) <= bytes);
  }
});

test('humanBytes() takes the largest unit', () => {
  assert.is(humanBytes(0n), '0 B');
  assert.is(humanBytes(1023n), '1023 B');
  assert.is(humanBytes(1536n), '1.5 KiB');
  assert.is(humanBytes(314572800n), '300 MiB');
  assert.is(humanBytes(2n ** 54n), '16384 TiB');
});

test('ageText() takes a unit that keeps the number small', () => {
  assert.equal([0, 119, 120, 7199, 7200, 172799, 172800].map(ageText), [
    ...['0 s', '119 s', '2 min', '119 min', '2 h', '47 h', '2 days'],
  ]);
});

const UNVERIFIED = { minor: 12, cowFile: '/c', blockDevice: '/dev/sda1', maxCache: 1n, state: 4 };

test('statusTable() puts a dash for what a device does not show', () => {
  const table = statusTable({ version: '0.12.1', devices: [UNVERIFIED] });
  assert.match(table, /^12 +\/dev\/sda1 +unverified incremental +- +- +- +1 B +\/c$/m);
});

test('statusTable() shows a path on one line', () => {
  const cowFile = '/a\n99  /dev/sdb\u001b[2J';
  const table = statusTable({ version: '0.12.1', devices: [{ ...UNVERIFIED, cowFile }] });
  assert.match(table, /1 B +\/a\\x0a99 {2}\/dev\/sdb\\x1b\[2J$/m);
});

const LIVE = { checkpoint: 'live', checkpointAgeSeconds: 250n, checkpointBytes: 69632n, regionBytes: 4194304n };

test('statusTable() and statusJson() show what a crash would cost', () => {
  const rows = [
    [
      { checkpoint: 'none' },
      undefined,
      /^There is no live checkpoint\. After a crash now a full backup would be needed\.$/,
    ],
    [
      { checkpoint: 'clean' },
      0,
      /^Nothing was written since the checkpoint\. After a crash now nothing would be copied again\.$/,
    ],
    [
      { ...LIVE, dirtyRegions: 0n },
      0,
      / 0 dirty regions of 4 MiB\. After a crash now nothing would be copied again\.$/,
    ],
    [{ ...LIVE, dirtyRegions: 1n }, 4194304, / 1 dirty region of 4 MiB\. After a crash now up to 4 MiB would/],
    [
      { ...LIVE, dirtyRegions: 307n },
      1287651328,
      /^The live checkpoint is 4 min old and takes 68 KiB, with 307 dirty .* up to 1\.2 GiB would be copied again\.$/,
    ],
  ] as const;
  for (const [shown, bytes, words] of rows) {
    const status = { version: '0.12.1', devices: [{ ...UNVERIFIED, ...shown }] };
    const [device] = JSON.parse(statusJson(status)).devices;
    assert.equal([device.checkpoint, device.crash_bytes], [shown.checkpoint, bytes]);
    assert.match(device.crash, words);
    assert.is(statusTable(status).split('\n').at(-2), `          ${device.crash}`);
  }
});

test('names are shown so that they are taken for nothing else, and can be told from each other', () => {
  assert.is(printable('/plain ünï 日本 "q"'), '/plain ünï 日本 "q"');
  assert.is(printable('/a\n5  4 KiB  file  /b\t\r\u007f'), '/a\\x0a5  4 KiB  file  /b\\x09\\x0d\\x7f');
  assert.is(printable('/a\u0085\u202e\u2028\u200b\ud800'), '/a\\u{85}\\u{202e}\\u{2028}\\u{200b}\\u{d800}');
  assert.is(printable('/a\\x0a'), '/a\\\\x0a');
  assert.is(printableBytes(Buffer.from('/caf\xe9 \xff\n', 'latin1')), '/caf\\xe9 \\xff\\x0a');
  assert.is(printableBytes(Buffer.from('/日本 é')), '/日本 é');
  const error = new RefusalError('IMAGE_KIND', 'cannot use a\nb\\c\u001b[31m: it is a folder');
  assert.is(errorLine(error), 'cannot use a\\x0ab\\c\\x1b[31m: it is a folder');
});

test('statusJson() keeps integers that a number cannot hold', () => {
  const { devices } = JSON.parse(statusJson({ version: '0.12.1', devices: [{ ...UNVERIFIED, seqId: 2n ** 63n }] }));
  assert.equal(devices, [
    {
      ...{ minor: 12, cow_file: '/c', block_device: '/dev/sda1', max_cache: 1, seq_id: '9223372036854775808' },
      ...{ state: 4, state_text: 'unverified incremental', ...explainDevice(UNVERIFIED) },
    },
  ]);
});

test('Progress writes to a terminal only, and takes its line away', () => {
  for (const interactive of [true, false]) {
    const written: string[] = [];
    const streams = { out: () => assert.unreachable(), err: (text: string) => void written.push(text), interactive };
    const progress = new Progress(streams);
    progress.update(1048576, 4194304);
    progress.update(4194304, 4194304);
    progress.clear();
    progress.clear();
    const expected = ['\r 25 %  1 of 4 MiB\u001b[K', '\r100 %  4 of 4 MiB\u001b[K', '\r\u001b[K'];
    assert.equal(written, interactive ? expected : []);
  }
});

test('Progress tells the time left from how fast it is now, of what is being done now', () => {
  const written: string[] = [];
  let now = 1_000_000;
  const streams = {
    out: () => assert.unreachable(),
    err: (text: string) => void written.push(text),
    interactive: true,
  };
  const progress = new Progress(streams, undefined, () => now);
  const MIB = 1048576;
  const show = (done: number, seconds: number, total = 1000): string => {
    now += seconds * 1000;
    progress.update(done * MIB, total * MIB);
    return /left|MiB$/.exec(written.at(-1)?.slice(0, -3) ?? '')?.[0] === 'left'
      ? (/, (.*) left/.exec(written.at(-1) ?? '')?.[1] ?? '')
      : '';
  };
  // It goes on where another run was: what that had done took no time.
  assert.is(show(500, 0), '');
  assert.is(show(501, 1), '');
  assert.is(show(504, 3), '8:16');
  // Stuck for an hour, and then as fast as before: the hour is forgotten.
  show(504, 3600);
  for (let step = 1; step <= 40; step++) show(504 + step, 1);
  assert.is(show(545, 1), '7:35');
  // Something else begins, and its speed counts.
  assert.is(show(0, 1), '');
  assert.is(show(100, 2), '0:18');
  assert.is(show(1, 1, 100_000), '');
  assert.is(show(21, 2, 100_000), '2 h 46 min');
  // A guess beyond all measure is none.
  assert.is(show(0, 1, 1e6), '');
  assert.is(show(1, 60, 1e6), '');
});

test.run();
