/** COW files of datto-backup on a volume where others may write too: which are made, and which are believed. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCowFile } from '../host/cow-maker.js';
import {
  assertGood,
  BLOCK,
  backUp,
  backup,
  cowFiles,
  device,
  everything,
  IMAGE,
  machine,
  makeMachine,
  NR_BLOCKS,
  volume,
  writeVolume,
} from './backup-scene.js';
import { at } from './tool.js';

const NOBODY = 65534;
const NEW_PATH = /^\/\.datto-backup-files\/cow-[0-9a-f]{16}$/;

const kindOf = (options: readonly string[] = []): string =>
  (JSON.parse(backUp(['--json', ...options]).stdout) as { kind: string }).kind;

test("COW files lie in a folder of root's own, under names that nobody can foresee", () => {
  makeMachine();
  const names = [1, 2, 3].map(() => {
    backUp();
    return device()?.cow ?? '';
  });
  for (const name of names) assert.match(name, NEW_PATH);
  assert.is(new Set(names.map((name) => name.replace(/^.*-/, ''))).size, 3);
  const { uid, mode } = lstatSync(machine(`mount${dirname(names[0] ?? '')}`));
  assert.equal([uid, mode & 0o777], [0, 0o700]);
});

test("a folder of that name that is not root's own is refused, and nothing changes", () => {
  makeMachine();
  backUp();
  const folder = machine(`mount${dirname(device()?.cow ?? '')}`);
  const makes: ReadonlyArray<() => void> = [
    () => chmodSync(folder, 0o770),
    () => chownSync(folder, NOBODY, NOBODY),
    () => {
      renameSync(folder, at('elsewhere'));
      symlinkSync(at('elsewhere'), folder);
    },
  ];
  rmSync(at('elsewhere'), { recursive: true, force: true });
  for (const make of makes) {
    chmodSync(folder, 0o700);
    chownSync(folder, 0, 0);
    make();
    const before = everything();
    const { status, stderr } = backup();
    assert.is(status, 22, stderr);
    assert.match(stderr, /^datto-backup: cannot use [^\n]*\/\.datto-backup-files: it [^\n]*, expected [^\n]*\n$/);
    assert.equal(everything(), before);
  }
});

/** What whoever may write to the root of the volume puts in the place of a list; it says that nothing changed. */
const FORGED: Readonly<Record<string, (path: string, forged: string) => void>> = {
  'a file of somebody else': (path, forged) => {
    copyFileSync(forged, path);
    chownSync(path, NOBODY, NOBODY);
  },
  'a link': (path, forged) => symlinkSync(forged, path),
  'a hard link': (path, forged) => linkSync(forged, path),
  'a FIFO': (path) => execFileSync('mkfifo', [path]),
  'a folder': (path) => mkdirSync(path),
};

for (const [what, forge] of Object.entries(FORGED)) {
  test(`${what} is no list of changes: everything is copied`, () => {
    makeMachine();
    backUp();
    writeVolume([100, 101]);
    const [list, sequence] = [machine(`mount${device()?.cow}`), device()?.sequence];
    // The list is closed, and its snapshot given up: the next run would go on from it.
    assert.is(backup([], { FAKE_BAD_WRITE: `${100 * BLOCK}` }).status, 5);
    const uuid = Buffer.from(device()?.series ?? '', 'hex');
    makeCowFile(at('forged'), { nrSectors: NR_BLOCKS * 8, uuid, seqid: BigInt(sequence ?? 0), entries: [] });
    rmSync(list);
    forge(list, at('forged'));
    writeVolume([102]);
    assert.is(kindOf(), 'whole');
    assert.ok(volume().equals(execFileSync('cat', [IMAGE], { maxBuffer: 2 ** 30 })));
    // It is left alone, too.
    assert.ok(lstatSync(list));
    rmSync(list, { recursive: true });
    rmSync(at('forged'));
    assertGood();
  });
}

test('a list that lost an entry is as good as none: everything is copied', () => {
  makeMachine();
  backUp();
  writeVolume([100, 101]);
  const list = machine(`mount${device()?.cow}`);
  assert.is(backup([], { FAKE_BAD_WRITE: `${100 * BLOCK}` }).status, 5);
  const content = readFileSync(list);
  content.fill(0, BLOCK + 8 * 101, BLOCK + 8 * 102);
  writeFileSync(list, content);
  assert.is(kindOf(), 'whole');
  assertGood();
});

test('a list that is shorter than the driver counted ends the run, and the next copies everything', () => {
  makeMachine();
  backUp();
  writeVolume([100, 101]);
  const before = readFileSync(IMAGE);
  const { status, stderr } = backup([], { FAKE_FORGETS: '1' });
  assert.is(status, 4, stderr);
  assert.match(stderr, /the list of changes is missing or incomplete; the next run makes a full copy\n$/);
  assert.ok(readFileSync(IMAGE).equals(before));
  assert.is(device()?.state, 2);
  assert.is(kindOf(), 'whole');
  assertGood();
});

test('a folder with the name of a COW file does not stand in the way', () => {
  makeMachine();
  backUp();
  const name = `.datto-backup-files/cow-${'7'.repeat(16)}`;
  mkdirSync(machine(`mount/${name}`));
  writeVolume([1]);
  assert.is(kindOf(), 'incremental');
  writeFileSync(machine(`mount/${name}/file`), '');
  assert.is(kindOf(), 'incremental');
  assert.ok(cowFiles().includes(`${name}/file`));
});

test.run();
