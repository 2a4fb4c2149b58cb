/** Files of any content. FUZZ_SECONDS makes it go on for as long. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { test } from 'uvu';
import { inspectProgram } from '../../../cli/inspect/program.js';
import { RefusalError, SystemError } from '../../../host/errors.js';
import { temporaryFolder } from './files.js';

const at = temporaryFolder();
const FILE = at('file');
const FUZZ_SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);

const word = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};

/** Numbers near what matters, and any. */
const numbers = fc.oneof(
  fc.bigInt({ min: 0n, max: 200n }),
  fc.constantFrom(129n, 528384n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

/** A header with the right magic mostly, since little is done without. */
const headers = fc
  .record({
    magic: fc.oneof({ weight: 9, arbitrary: fc.constant(4776) }, { weight: 1, arbitrary: fc.nat() }),
    flags: fc.oneof(fc.nat({ max: 7 }), fc.nat()),
    words: fc.array(numbers, { minLength: 7, maxLength: 7 }),
  })
  .map(({ magic, flags, words }) => Buffer.concat([word(BigInt(magic) + (BigInt(flags) << 32n)), ...words.map(word)]));

const files = fc.record({
  header: headers,
  bytes: fc.oneof(
    fc.nat({ max: 5000 }),
    fc.nat({ max: 40 }).map((sections) => 4096 + 32768 * sections),
    fc.nat({ max: 2 ** 30 }),
  ),
  entries: fc.array(fc.tuple(fc.nat({ max: 70000 }), numbers), { maxLength: 20 }),
});

const options = fc.oneof(
  fc.constant<string[]>([]),
  fc.constantFrom(['--blocks', '65536'], ['--origin-size', '512'], ['--origin-size', '16T'], ['--blocks', '0']),
);
const commands = fc.constantFrom(
  ['info'],
  ['info', '--json'],
  ['check'],
  ['check', '--json', '--limit', '3'],
  ['blocks', '--allow-unclean'],
  ['stat', '--allow-unclean'],
  ['map', '--allow-unclean', '--order', '3'],
);

const make = ({ header, bytes, entries }: { header: Buffer; bytes: number; entries: [number, bigint][] }): void => {
  const fd = openSync(FILE, 'w');
  writeSync(fd, header, 0, header.length, 0);
  for (const [block, value] of entries) writeSync(fd, word(value), 0, 8, 4096 + 8 * block);
  ftruncateSync(fd, bytes);
  closeSync(fd);
};

test('files of any content end in an answer or in a refusal', async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const streams = { out: () => undefined, err: () => undefined, interactive: false };
  const limits = FUZZ_SECONDS > 0 ? { numRuns: 1e9, interruptAfterTimeLimit: FUZZ_SECONDS * 1000 } : { numRuns: 400 };
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(files, commands, options, async (file, [name = '', ...rest], size) => {
      make(file);
      runs++;
      try {
        await inspectProgram(streams).parseAsync([name, FILE, ...rest, ...size], { from: 'user' });
      } catch (error) {
        const expected = error instanceof RefusalError || error instanceof SystemError;
        if (!expected || !/^cannot [^\n]*$/.test(error.message)) throw error;
      }
    }),
    { seed, ...limits },
  );
  console.log(`${runs} files`);
});

test.run();
