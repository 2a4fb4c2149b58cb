import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RefusalCode } from '../../../host/errors.js';
import { RefusalError } from '../../../host/errors.js';
import type { ImageState } from '../../../host/image/state.js';
import { imageFiles, readState, stateInWords, writeState } from '../../../host/image/state.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-state-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const FILE = join(folder, 'image.datto-state');
const NOBODY = 65534;

test.before.each(() => {
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
});

const SERIES = '00112233445566778899aabbccddeeff';
const CLEAN: Omit<ImageState, 'time'> = { state: 'CLEAN', series: SERIES, sequence: 2n ** 63n, bytes: 8192, mtime: 5n };
const UPDATING: Omit<ImageState, 'time'> = {
  ...{ state: 'UPDATING', series: SERIES, sequence: 1n, next: 2n, cursor: 4096, changedBlocks: 2, bytes: 8192 },
  device: { bytes: 16384, id: 'disk 1, partition 2', blocks: [0, 1], sums: '0123456789abcdef'.repeat(2) },
  previous: { kind: 'undo', sequence: 1n, keep: true },
};

const refusal = (run: () => unknown = () => readState(FILE)): [RefusalCode, string] => {
  try {
    run();
  } catch (error) {
    if (error instanceof RefusalError) return [error.code, error.message];
    throw error;
  }
  throw new Error('it was not refused');
};

/** Writes fields by hand, in their order, with the sum that is right for them; a field that is undefined is left out. */
const writeFields = (fields: Readonly<Record<string, unknown>>): void => {
  const sum = createHash('sha256')
    .update(JSON.stringify(fields, null, 2))
    .digest('hex');
  writeFileSync(FILE, JSON.stringify({ ...fields, sum }, null, 2));
};

/** The fields of a state file, as they are on disk, without the sum. */
const fieldsOf = (state: Omit<ImageState, 'time'>): Record<string, unknown> => {
  writeState(FILE, state);
  const { sum: _sum, ...fields } = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, unknown>;
  return fields;
};

test('what is written is read again, in every state, by the caller only', () => {
  const rolling = { ...CLEAN, state: 'ROLLING_BACK', previous: { kind: 'clone', sequence: 1n, keep: false } } as const;
  for (const state of [CLEAN, UPDATING, rolling, { ...CLEAN, state: 'DIFFERS' } as const]) {
    const written = writeState(FILE, state);
    assert.equal(readState(FILE), written);
    const { time, ...rest } = written;
    assert.equal(rest, state);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  }
  assert.is(statSync(FILE).mode & 0o777, 0o600);
  assert.equal(readdirSync(folder), ['image.datto-state']);
});

test('an image without a state file is unknown, and so is one whose folder is missing', () => {
  assert.is(readState(FILE), undefined);
  assert.is(readState(join(folder, 'missing', 'state')), undefined);
});

test('the fields are those of docs/UPDATE-IMG.md, and the sum is over all others', () => {
  const { time, ...fields } = fieldsOf(UPDATING);
  assert.equal(fields, {
    ...{ format: 'dattobd image state', version: 1, state: 'UPDATING', series: SERIES },
    ...{ sequence: '1', next: '2', cursor: 4096, changedBlocks: 2, bytes: 8192 },
    device: UPDATING.device,
    previous: { kind: 'undo', sequence: '1', keep: true },
  });
  assert.is(typeof time, 'string');
  const text = readFileSync(FILE, 'utf8');
  writeFields({ ...fields, time });
  assert.is(`${readFileSync(FILE, 'utf8')}\n`, text);
});

test('a file with any byte changed is refused, or read as it was', () => {
  writeState(FILE, UPDATING);
  const right = readFileSync(FILE);
  const known = readState(FILE);
  let refused = 0;
  for (let at = 0; at < right.length; at++) {
    const damaged = Buffer.from(right);
    damaged.writeUInt8(right.readUInt8(at) ^ 0x01, at);
    writeFileSync(FILE, damaged);
    try {
      assert.equal(readState(FILE), known, `byte ${at}`);
    } catch (error) {
      assert.instance(error, RefusalError, `byte ${at}: ${error}`);
      assert.is((error as RefusalError).code, 'STATE_UNREADABLE');
      refused++;
    }
  }
  assert.ok(refused > right.length / 2);
});

test('a file that ends early is refused wherever it ends', () => {
  writeState(FILE, UPDATING);
  const right = readFileSync(FILE, 'utf8').trimEnd();
  for (let end = 0; end < right.length; end++) {
    writeFileSync(FILE, right.slice(0, end));
    assert.is(refusal()[0], 'STATE_UNREADABLE', `${end}`);
  }
});

test('fields of another kind are refused though the sum is right', () => {
  const wrong: ReadonlyArray<readonly [string, unknown]> = [
    ...['DIRTY', '', 1, null].map((value) => ['state', value] as const),
    ...[undefined, SERIES.slice(1), `${SERIES}0`, SERIES.toUpperCase(), 5].map((value) => ['series', value] as const),
    ...[undefined, 1, '-1', '1.5', '', '0x1', null].map((value) => ['sequence', value] as const),
    ...[undefined, 2, '0', '-3'].map((value) => ['next', value] as const),
    ...[undefined, '4096', -1, 1.5, 1e300, 8193].map((value) => ['cursor', value] as const),
    ...[undefined, '2', -1, null].map((value) => ['changedBlocks', value] as const),
    ...[undefined, '8192', -1, 2 ** 53].map((value) => ['bytes', value] as const),
    ...[5, 'x', {}].map((value) => ['mtime', value] as const),
    ...['undo', null, {}, { kind: 'copy', sequence: '1', keep: true }].map((value) => ['previous', value] as const),
    ['previous', { kind: 'undo', sequence: 1, keep: true }],
    ['previous', { kind: 'undo', sequence: '1', keep: 'yes' }],
    ...[null, 'disk', {}, { ...UPDATING.device, blocks: [0] }].map((value) => ['device', value] as const),
    ['device', { ...UPDATING.device, blocks: [0, 2] }],
    ['device', { ...UPDATING.device, blocks: [0, -1] }],
    ['device', { ...UPDATING.device, sums: 'X'.repeat(32) }],
    ['device', { ...UPDATING.device, id: 7 }],
    ['format', 'dattobd backup'],
    ['version', 2],
  ];
  const fields = fieldsOf(UPDATING);
  for (const [key, value] of wrong) {
    writeFields({ ...fields, [key]: value });
    assert.is(refusal()[0], 'STATE_UNREADABLE', `${key}: ${JSON.stringify(value)}`);
  }
  writeFields(fields);
  assert.is(readState(FILE)?.state, 'UPDATING');
});

test('text that is no record is refused, whatever it is', () => {
  for (const text of ['', 'null', '5', '[]', '"CLEAN"', '{}', '\0', '{"__proto__":{"format":"dattobd image state"}}']) {
    writeFileSync(FILE, text);
    assert.is(refusal()[0], 'STATE_UNREADABLE', text);
  }
  writeFileSync(FILE, randomBytes(4096));
  assert.is(refusal()[0], 'STATE_UNREADABLE');
});

test('a file of an older version, without a sum or a time, is read', () => {
  const { time: _time, ...fields } = fieldsOf(CLEAN);
  writeFileSync(FILE, JSON.stringify({ ...fields, added: 'by a later version' }));
  assert.equal(readState(FILE), { ...CLEAN, time: '' });
});

test('a file that others could have made is refused, and so is what is no file', () => {
  const target = join(folder, 'theirs');
  const write = (): void => void writeState(target, CLEAN);
  const hostile: Readonly<Record<string, () => void>> = {
    'is a symbolic link': () => symlinkSync(target, FILE),
    'is a folder': () => mkdirSync(FILE),
    'belongs to user 65534': () => {
      writeState(FILE, CLEAN);
      chownSync(FILE, NOBODY, NOBODY);
    },
    'has 1048577 bytes': () => {
      writeState(FILE, CLEAN);
      truncateSync(FILE, 1048577);
    },
  };
  for (const [words, make] of Object.entries(hostile)) {
    rmSync(FILE, { recursive: true, force: true });
    write();
    make();
    const [code, message] = refusal();
    assert.is(code, 'FILE_UNSAFE', words);
    assert.ok(message.includes(`${FILE}: it ${words}`), message);
  }
});

test('a state replaces a link or another name of a file, and never writes through it', () => {
  const [theirs, state] = [join(folder, 'theirs'), join(folder, 'state')];
  writeFileSync(theirs, 'kept');
  linkSync(theirs, state);
  writeState(state, CLEAN);
  assert.is(readFileSync(theirs, 'utf8'), 'kept');
  symlinkSync(theirs, FILE);
  assert.is(refusal(() => writeState(FILE, CLEAN))[0], 'IMAGE_KIND');
  assert.is(readFileSync(theirs, 'utf8'), 'kept');
});

test('a state that cannot be written leaves the one before as it is', () => {
  writeState(FILE, CLEAN);
  const before = readFileSync(FILE);
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  assert.throws(() => writeState(FILE, { ...CLEAN, ...cyclic }), /circular/i);
  assert.ok(readFileSync(FILE).equals(before));
  assert.equal(readdirSync(folder), ['image.datto-state']);
});

test('the files of an image lie beside it, links followed; those of a device by its name in /var/lib/dattobd', () => {
  const image = join(folder, 'image');
  writeFileSync(image, '');
  symlinkSync('image', join(folder, 'link'));
  for (const name of [image, join(folder, 'link')]) {
    const files = imageFiles(name, false);
    assert.equal([files.state, files.manifest], [`${image}.datto-state`, `${image}.datto-manifest`]);
    assert.is(files.previous({ kind: 'clone', sequence: 3n }), `${image}.datto-previous-3`);
    assert.is(files.previous({ kind: 'undo', sequence: 3n }), `${image}.datto-undo-3`);
    assert.is(files.manifestPrevious(3n), `${image}.datto-manifest-previous-3`);
  }
  const { state } = imageFiles('/dev/disk/by-id/../by-id/x', true);
  assert.is(state, '/var/lib/dattobd/dev!disk!by-id!x.datto-state');
});

test('a state file at another place takes the other files with it', () => {
  const image = join(folder, 'not there');
  assert.is(imageFiles(image, false, `${folder}/own.datto-state`).manifest, `${folder}/own.datto-manifest`);
  const plain = imageFiles(image, false, `${folder}/own`);
  assert.equal([plain.state, plain.manifest], [`${folder}/own`, `${folder}/own.datto-manifest`]);
  assert.not.ok(existsSync(image));
});

test('stateInWords() names the state, and what is kept', () => {
  const words = (state: Partial<ImageState>): string =>
    stateInWords('/i', { ...CLEAN, sequence: 2n, time: 'T', ...state });
  assert.is(stateInWords('/i', undefined), '/i: unknown, there is no state file');
  assert.is(words({}), `/i: snapshot 2 of series ${SERIES}, since T`);
  const previous = { kind: 'clone', sequence: 1n, keep: true } as const;
  assert.match(words({ previous }), /, since T; snapshot 1 is kept and can be restored$/);
  assert.match(words({ state: 'UPDATING', next: 3n }), /^\/i: between snapshots 2 and 3 of /);
  assert.match(words({ state: 'DIFFERS' }), /^\/i: not snapshot 2 of /);
  assert.match(words({ state: 'ROLLING_BACK', previous }), /^\/i: being rolled back to snapshot 1 of /);
  assert.match(
    words({ device: { bytes: 5, blocks: [], sums: '' } }),
    /, on a device of 5 bytes, known by its content,/,
  );
});

test.run();
