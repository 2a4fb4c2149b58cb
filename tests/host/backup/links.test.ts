import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FoundLists, Lists } from '../../../host/backup/links.js';
import { afterRollback, chain, listsOf, reasonForFull } from '../../../host/backup/links.js';
import type { Volume } from '../../../host/backup/volume.js';
import type { DeviceStatus } from '../../../host/driver/status.js';
import type { ImageState } from '../../../host/image/state.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { type CowOptions, makeCowFile, UUID } from '../cow-maker.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-links-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

const BYTES = 2 ** 21;
const NOBODY = 65534;
const SERIES = UUID.toString('hex');
const IMAGE = at('image');
const VOLUME: Volume = { path: at('volume'), number: '7:0', bytes: BYTES, mountPoint: folder, filesystem: SERIES };
const DEVICE: DeviceStatus = {
  ...{ minor: 0, cowFile: '/cow', blockDevice: VOLUME.path, maxCache: 0n, state: 2 },
  ...{ uuid: SERIES, seqId: 6n },
};

test.before.each(() => {
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  for (const path of [VOLUME.path, IMAGE]) {
    writeFileSync(path, '');
    truncateSync(path, BYTES);
  }
});

const makeList = (name: string, options: Partial<CowOptions> = {}): string => {
  makeCowFile(at(name), { nrSectors: BYTES / 512, entries: [[1, 1n]], ...options });
  return at(name);
};

const find = (paths: readonly string[], closing?: Parameters<typeof listsOf>[2]): FoundLists =>
  listsOf(paths, SERIES, closing, VOLUME, nativeSyscalls());

const lists = (...numbers: number[]): Lists => new Map(numbers.map((number) => [BigInt(number), `/list${number}`]));

const stateOf = (state: Partial<ImageState> = {}): ImageState => {
  const { mtimeNs } = statSync(IMAGE, { bigint: true });
  return { ...{ state: 'CLEAN', series: SERIES, sequence: 5n, bytes: BYTES, mtime: mtimeNs, time: 'T' }, ...state };
};

const reason = (
  state: Partial<ImageState> = {},
  device: DeviceStatus | undefined = DEVICE,
  known: Lists = lists(5),
): string | undefined => reasonForFull({ path: IMAGE, state: stateOf(state) }, device, known, BYTES);

test('lists are sorted by their number', () => {
  const paths = [makeList('b', { seqid: 2n ** 63n }), makeList('a', { seqid: 4n }), makeList('c', { seqid: 5n })];
  const found = find(paths);
  assert.equal(
    [...found.lists].sort(([a], [b]) => (a < b ? -1 : 1)),
    [
      [4n, at('a')],
      [5n, at('c')],
      [2n ** 63n, at('b')],
    ],
  );
  assert.equal(found.short, []);
  assert.equal(find([]), { lists: new Map(), short: [] });
});

test('what is no complete list of the series, or may be forged, is left out', () => {
  const good = makeList('good', { seqid: 9n });
  const theirs = makeList('theirs');
  chownSync(theirs, NOBODY, NOBODY);
  symlinkSync(good, at('link'));
  const bad = [
    makeList('other series', { uuid: Buffer.alloc(16, 9) }),
    makeList('unclean', { flags: 2 }),
    makeList('snapshot', { flags: 1 }),
    makeList('magic', { magic: 4777 }),
    makeList('short', { bytes: 5000 }),
    makeList('no header', { bytes: 63 }),
    makeList('uncounted', { counted: 2 }),
    makeList('beyond', { entries: [[4095, 1n]] }),
    ...[theirs, at('link'), at('missing'), folder],
  ];
  assert.equal([...find([...bad, good]).lists], [[9n, good]]);
});

test('a list of fewer blocks than the driver had counted is short, if it is the one that was closed last', () => {
  const entries = [1, 2, 3].map((block) => [block, 1n] as const);
  const path = makeList('list', { seqid: 5n, entries });
  const closing = { series: SERIES, sequence: 5n, leastBlocks: 4 };
  assert.equal(find([path], closing), { lists: new Map(), short: [path] });
  for (const other of [{ leastBlocks: 3 }, { sequence: 4n }, { series: 'f'.repeat(32) }])
    assert.equal(find([path], { ...closing, ...other }), { lists: new Map([[5n, path]]), short: [] });
});

test('chain() leads over each snapshot in between, the last list first, or nowhere', () => {
  assert.equal(chain(lists(3, 4, 5), 3n, 6n), ['/list5', '/list4', '/list3']);
  assert.equal(chain(lists(3, 4, 5), 5n, 6n), ['/list5']);
  assert.equal(chain(lists(), 6n, 6n), []);
  for (const gap of [lists(3, 5), lists(4, 5), lists(3, 4), lists()]) assert.is(chain(gap, 3n, 6n), undefined);
});

test('afterRollback() is the kept snapshot, of which no time is known', () => {
  const previous = { kind: 'undo', sequence: 3n, keep: true } as const;
  const after = afterRollback(stateOf({ state: 'ROLLING_BACK', previous }));
  assert.equal([after?.state, after?.sequence, after?.mtime], ['CLEAN', 3n, undefined]);
  for (const state of [undefined, stateOf(), stateOf({ previous }), stateOf({ state: 'ROLLING_BACK' })])
    assert.is(afterRollback(state), state);
});

test('an image is updated if lists lead from it to the snapshot', () => {
  assert.is(reason(), undefined);
  assert.is(reason({ sequence: 6n }, DEVICE, lists()), undefined);
  assert.is(reason({ sequence: 3n }, DEVICE, lists(3, 4, 5)), undefined);
  // A mixture too, whatever wrote it: all that differs is listed.
  assert.is(reason({ state: 'UPDATING', next: 6n, mtime: 0n }), undefined);
});

test('everything is copied for a reason', () => {
  const cases: ReadonlyArray<[RegExp, Parameters<typeof reason>]> = [
    [/^a new series was started/, [{}, { ...DEVICE, uuid: 'f'.repeat(32) }]],
    [/^a new series was started/, [{ series: 'f'.repeat(32) }]],
    [/^the size of the volume, or of its image, changed$/, [{ bytes: BYTES + 512 }]],
    [/^the image was found to differ/, [{ state: 'DIFFERS' }]],
    [/^something else wrote .*image after T$/, [{ mtime: 0n }]],
    [/^a rollback to the previous image was interrupted/, [{ state: 'ROLLING_BACK' }]],
    [/^the image is snapshot 7, and the volume is tracked since 6$/, [{ sequence: 7n }]],
    [/^the image is snapshot 8, and the volume is tracked since 6$/, [{ state: 'UPDATING', next: 8n }]],
    [/^the lists of changes from snapshot 5 to 6 are not complete$/, [{}, DEVICE, lists()]],
    [/^the lists of changes from snapshot 3 to 6 are not complete$/, [{ sequence: 3n }, DEVICE, lists(3, 5)]],
  ];
  for (const [words, args] of cases) assert.match(reason(...args) ?? '', words);
  const known = { path: IMAGE, state: stateOf() };
  assert.match(reasonForFull(known, undefined, lists(5), BYTES) ?? '', /^the volume is not tracked any more/);
  assert.match(reasonForFull({ ...known, state: undefined }, DEVICE, lists(5), BYTES) ?? '', /is unknown$/);
  assert.match(reasonForFull({ ...known, path: at('none') }, DEVICE, lists(5), BYTES) ?? '', /^there is no image yet$/);
});

test('an image that was cut or touched is not what its state says', () => {
  const state = stateOf();
  utimesSync(IMAGE, 1, 1);
  assert.match(reasonForFull({ path: IMAGE, state }, DEVICE, lists(5), BYTES) ?? '', /^something else wrote/);
  truncateSync(IMAGE, BYTES - 512);
  assert.match(reasonForFull({ path: IMAGE, state }, DEVICE, lists(5), BYTES) ?? '', /^the size of the volume/);
});

test.run();
