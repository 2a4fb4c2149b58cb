import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError, SystemError } from '../../../host/errors.js';
import type { ExtractResult } from '../../../host/inspect/extract.js';
import { extractSnapshot } from '../../../host/inspect/extract.js';
import { withFiles } from '../../../host/inspect/inspected-cow.js';
import { syscalls, temporaryFolder } from './files.js';
import { makeIncremental, makeScene, makeSnapshot, randomBlocks } from './golden.js';

const at = temporaryFolder();
const [BASE, COW, OUTPUT] = [at('base'), at('cow'), at('output')];

const extract = (
  options: { base?: string; cow?: string; replace?: boolean; output?: string; signal?: AbortSignal } = {},
): Promise<ExtractResult> =>
  withFiles([options.base ?? BASE, options.cow ?? COW], (base, cow) =>
    extractSnapshot({
      base,
      cow,
      output: options.output ?? OUTPUT,
      replace: options.replace ?? false,
      syscalls,
      ...(options.signal ? { signal: options.signal } : {}),
    }),
  );

const refusalOf = async (run: Promise<unknown>): Promise<string | undefined> => {
  try {
    await run;
    return undefined;
  } catch (error) {
    if (error instanceof RefusalError) return error.code;
    if (error instanceof SystemError) return error.message;
    throw error;
  }
};

const leftovers = (): string[] => readdirSync(at('.')).filter((name) => name.endsWith('.partial'));

test.before.each(() => rmSync(OUTPUT, { force: true, recursive: true }));
test.after.each(() => assert.equal(leftovers(), []));

test('extractSnapshot() rebuilds snapshots of any size, and leaves its inputs alone', async () => {
  const seed = Date.now() % 2 ** 31;
  for (const [round, nrSectors] of [1, 8, 9, 4096, 4103, 32768, 32769, 70001].entries()) {
    const wholeBlocks = Math.floor(nrSectors / 8);
    const changed = randomBlocks(Math.floor(wholeBlocks / 3), wholeBlocks, seed + round);
    const { snapshot, base } = makeScene(BASE, COW, { nrSectors, changed }, seed + round);
    const cow = readFileSync(COW);
    const result = await extract({ replace: true });
    const message = `seed ${seed}, ${nrSectors} sectors`;
    assert.ok(readFileSync(OUTPUT).equals(snapshot), message);
    assert.is(result.imageBytes, snapshot.length, message);
    assert.is(result.restoredBlocks, changed.length, message);
    assert.ok(readFileSync(BASE).equals(base) && readFileSync(COW).equals(cow), message);
  }
});

test('extractSnapshot() says when the last, partial block has no entry', async () => {
  makeScene(BASE, COW, { nrSectors: 32769, changed: [4095] }, 1);
  assert.is((await extract()).tailFromBase, true);
});

test('extractSnapshot() keeps holes, and makes more where the snapshot had zeros', async () => {
  const nrSectors = 2 ** 21;
  writeFileSync(BASE, '');
  truncateSync(BASE, nrSectors * 512);
  makeSnapshot(COW, { nrSectors, changed: [100, 101, 5000] }, (block) => Buffer.alloc(4096, block === 101 ? 0 : 'x'));
  await extract();
  const { size, blocks } = statSync(OUTPUT);
  assert.is(size, nrSectors * 512);
  assert.ok(blocks * 512 <= 4 * 4096, `${blocks * 512} bytes`);
});

test("an extracted image is its maker's only", async () => {
  makeScene(BASE, COW, { nrSectors: 4096, changed: [1] }, 1);
  await extract();
  assert.is(statSync(OUTPUT).mode & 0o777, 0o600);
});

test('extractSnapshot() refuses whatever is wrong before it writes', async () => {
  const changed = [3, 4, 9];
  const scene = (): unknown => makeScene(BASE, COW, { nrSectors: 4096, changed }, 1);
  const cases: ReadonlyArray<readonly [code: string, spoil: () => void, options?: Parameters<typeof extract>[0]]> = [
    ['NOT_SNAPSHOT_MODE', () => makeIncremental(COW, { nrSectors: 4096, changed })],
    ['NOT_CLEAN', () => makeSnapshot(COW, { nrSectors: 4096, changed, flags: 0 }, () => Buffer.alloc(4096))],
    ['FORMAT_VIOLATED', () => makeSnapshot(COW, { nrSectors: 4096, changed: [3, 3] }, () => Buffer.alloc(4096))],
    ['FORMAT_VIOLATED', () => truncateSync(COW, 4096 * 10)],
    ['FORMAT_VIOLATED', () => truncateSync(BASE, 2 ** 24 + 2 ** 23)],
    ['ORIGIN_SIZE_MISMATCH', () => truncateSync(BASE, 4096 * 512 + 1)],
    ['BAD_MAGIC', () => writeFileSync(COW, Buffer.alloc(8192))],
    ['HEADER_SHORT', () => truncateSync(COW, 63)],
    ['COW_KIND', () => undefined, { cow: '/dev/null' }],
    ['IMAGE_KIND', () => undefined, { base: '/dev/null' }],
    ['OUTPUT_EXISTS', () => writeFileSync(OUTPUT, 'mine')],
    ['OUTPUT_EXISTS', () => symlinkSync('nowhere', OUTPUT)],
    ['IMAGE_KIND', () => mkdirSync(OUTPUT), { replace: true }],
    ['IMAGE_IS_INPUT', () => undefined, { replace: true, output: BASE }],
    ['IMAGE_IS_INPUT', () => undefined, { replace: true, output: COW }],
    ['Cannot create /nonexistent/x: No such file or directory', () => undefined, { output: '/nonexistent/x' }],
  ];
  for (const [code, spoil, options] of cases) {
    rmSync(OUTPUT, { force: true, recursive: true });
    scene();
    spoil();
    const there = existsSync(OUTPUT);
    assert.is(await refusalOf(extract(options)), code);
    assert.is(existsSync(OUTPUT), there, code);
  }
});

test('extractSnapshot() replaces a file when it is told to, and only by a whole one', async () => {
  const { snapshot } = makeScene(BASE, COW, { nrSectors: 4096, changed: [1, 2] }, 1);
  writeFileSync(OUTPUT, 'old');
  await extract({ replace: true });
  assert.ok(readFileSync(OUTPUT).equals(snapshot));
});

test('extractSnapshot() leaves what was there when it is interrupted', async () => {
  const nrSectors = 2 ** 17;
  makeScene(BASE, COW, { nrSectors, changed: [1, 2] }, 1);
  writeFileSync(OUTPUT, 'old');
  const controller = new AbortController();
  const running = extract({ replace: true, signal: controller.signal });
  controller.abort();
  assert.is(await refusalOf(running), 'INTERRUPTED');
  assert.is(readFileSync(OUTPUT, 'utf8'), 'old');
});

test.run();
