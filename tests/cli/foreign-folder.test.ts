/** Every tool run by root in a folder that somebody else may write to, who has prepared what the tool will meet. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCowFile } from '../host/cow-maker.js';
import { makeIncremental, makeScene as makeInspectScene } from '../host/inspect/golden.js';
import * as backups from './backup-scene.js';
import type { Fakes, Outcome, Tool } from './tool.js';
import { at, runTool } from './tool.js';
import { COW, FAKES, IMAGE, makeScene, SNAP, SNAPSHOT } from './update-scene.js';

const NOBODY = 65534;
const THEIRS = at('theirs');
const OUTSIDE = at('outside');
const [VICTIM, UNMADE, SOCKET, KEPT] = ['victim', 'unmade', 'socket', 'kept'].map((name) => `${OUTSIDE}/${name}`) as [
  string,
  string,
  string,
  string,
];
const CLONE: Fakes = { FAKE_CLONE: '1' };
const image = `${THEIRS}/image`;

rmSync(OUTSIDE, { recursive: true, force: true });
mkdirSync(OUTSIDE);
const listen = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
spawnSync(process.execPath, ['-e', listen, SOCKET]);

interface Row {
  readonly name: string;
  readonly tool: Tool;
  readonly args: readonly string[];
  readonly fakes?: Fakes;
  /** Folders that a run changes, ours and theirs. */
  readonly folders: readonly string[];
  /** Makes the scene; the folder is given away after that. */
  readonly prepare: () => void;
  /** What the tool may meet, each in its turn. */
  readonly names: readonly string[];
  /** The names of unfinished files of older versions, all at once; they are of no use any more. */
  readonly old?: readonly string[];
}

const succeed = (tool: Tool, args: readonly string[], fakes: Fakes): void => {
  const { status, stderr } = runTool(tool, args, fakes);
  assert.is(status, 0, stderr);
};

const makeImage = (): void => {
  makeScene();
  for (const path of [THEIRS]) rmSync(path, { recursive: true, force: true });
  mkdirSync(THEIRS);
  copyFileSync(IMAGE, image);
};
const old = [
  'image.datto-state.part',
  'image.datto-manifest.part',
  'image.datto-undo-1.part',
  'image.datto-previous-1.part',
];

const update = (name: string, options: readonly string[], names: readonly string[], more: Partial<Row> = {}): Row => ({
  ...{ name: `update-img ${name}`, tool: 'update-img', args: [...options, SNAPSHOT, COW, image], fakes: FAKES },
  ...{ folders: [THEIRS], prepare: makeImage, names, old },
  ...more,
});

/** Goes back from an update. */
const rollback = (name: string, fakes: Fakes, names: readonly string[]): Row => ({
  ...update(name, [], names, { args: ['--rollback', image], fakes: { ...FAKES, ...fakes } }),
  prepare: () => {
    makeImage();
    succeed('datto-verify', ['manifest', image], {});
    succeed('update-img', ['--keep-previous', SNAPSHOT, COW, image], { ...FAKES, ...fakes });
  },
});

const verify = (command: string, names: readonly string[], prepare = makeImage): Row => ({
  ...update('', [], names, { prepare }),
  ...{ name: `datto-verify ${command}`, tool: 'datto-verify', args: [command, image] },
});

const [INSPECTED, OUTPUT] = [`${OUTSIDE}/inspected`, `${THEIRS}/output`];
const inspect = (command: string, args: readonly string[]): Row => ({
  ...{
    name: `datto-inspect ${command}`,
    tool: 'datto-inspect',
    args: [command, '--force', ...args],
    folders: [THEIRS],
  },
  prepare: () => {
    makeImage();
    const scene = { nrSectors: 32768, changed: [1, 5, 4000] };
    makeInspectScene(`${INSPECTED}.base`, `${INSPECTED}.snap`, scene, 3);
    makeIncremental(`${INSPECTED}.inc`, { ...scene, seqid: 4n });
  },
  names: ['output'],
});

const backup = (name: string, options: readonly string[], names: readonly string[], more: Partial<Row> = {}): Row => ({
  ...{ name: `datto-backup ${name}`, tool: 'datto-backup', args: [...options, backups.VOLUME, backups.FOLDER] },
  ...{ fakes: backups.FAKES, folders: [backups.FOLDER, at('machine')], names },
  old: ['datto-backup.json.part', 'datto-backup.json.from', 'datto-backup.json.to', 'volume.img.datto-state.part'],
  prepare: () => {
    backups.makeMachine();
    backups.backUp(['--manifest']);
    backups.writeVolume([5, 6, 700]);
  },
  ...more,
});
const companions = (base: string): string[] => [base, `${base}.datto-state`, `${base}.datto-manifest`];

const rows: readonly Row[] = [
  update('first', [], companions('image')),
  update('keeping an undo log', ['--keep-previous'], ['image.datto-undo-1']),
  update('keeping a clone', ['--keep-previous'], ['image.datto-previous-1', 'image.datto-manifest-previous-1'], {
    fakes: { ...FAKES, ...CLONE },
    prepare: () => {
      makeImage();
      succeed('datto-verify', ['manifest', image], {});
    },
  }),
  update('making a manifest', ['--manifest'], ['image.datto-manifest']),
  update('again', [], companions('image'), {
    prepare: () => {
      makeImage();
      succeed('update-img', ['--manifest', SNAPSHOT, COW, image], FAKES);
    },
  }),
  rollback('back by an undo log', {}, [...companions('image'), 'image.datto-undo-1']),
  rollback('back by a clone', CLONE, ['image', 'image.datto-previous-1', 'image.datto-manifest-previous-1']),
  update('--status', [], ['image.datto-state'], { args: ['--status', image] }),
  verify('manifest', ['image.datto-state', 'image.datto-manifest']),
  verify('scrub', companions('image'), () => {
    makeImage();
    succeed('datto-verify', ['manifest', image], {});
  }),
  inspect('map', ['--blocks', '4096', '--png', OUTPUT, `${INSPECTED}.inc`]),
  inspect('blocks', ['--image', `${INSPECTED}.base`, '--bmap', OUTPUT, `${INSPECTED}.inc`]),
  backup('first', [], [...companions('volume.img'), 'volume.img.new', 'datto-backup.json', 'datto-backup.lock'], {
    prepare: backups.makeMachine,
  }),
  backup(
    'again, keeping an undo log',
    ['--keep-previous', 'undo'],
    [...companions('volume.img'), ...['volume.img.datto-undo-1', 'datto-backup.json', 'datto-backup.lock']],
  ),
  backup('again, keeping a clone', [], ['volume.img.datto-previous-1', 'volume.img.datto-manifest-previous-1'], {
    fakes: { ...backups.FAKES, ...CLONE },
  }),
  backup(
    'whole, again',
    ['--whole', '--manifest'],
    [...companions('volume.img.new'), ...companions('volume.img.replaced')],
  ),
];

/** What may be under a name; whoever prepares it has a copy of what was there, if anything was. */
const PLANTS: Readonly<Record<string, (path: string) => void>> = {
  'a link to a file of root': (path) => symlinkSync(VICTIM, path),
  'a link to no file': (path) => symlinkSync(UNMADE, path),
  'a hard link to a file of root': (path) => linkSync(VICTIM, path),
  'a FIFO': (path) => void execFileSync('mkfifo', ['-m', '666', path]),
  'a socket': (path) => linkSync(SOCKET, path),
  'a file of theirs': (path) => copyFileSync(VICTIM, path),
  'a folder': (path) => mkdirSync(path),
};

const plant = (path: string, make: (path: string) => void): void => {
  writeFileSync(VICTIM, existsSync(path) ? readFileSync(path) : 'victim');
  chmodSync(VICTIM, 0o600);
  rmSync(path, { force: true });
  make(path);
  // What has the victim's inode stays root's.
  if (lstatSync(path).nlink === 1 || lstatSync(path).isDirectory()) lchownSync(path, NOBODY, NOBODY);
};

/** Everything about the files outside the folder. */
const outside = (): readonly string[] =>
  readdirSync(OUTSIDE)
    .filter((name) => !name.startsWith('kept'))
    .map((name) => {
      const { uid, mode, size, mtimeMs, ctimeMs, ino } = lstatSync(`${OUTSIDE}/${name}`);
      const before = [name, uid, mode, size, mtimeMs, ino].join(' ');
      if (name === 'socket') return before;
      // What is inspected is large, and has no other name: whatever is done to it changes its times.
      if (name.startsWith('inspected')) return `${before} ${ctimeMs}`;
      const digest = createHash('sha256')
        .update(readFileSync(`${OUTSIDE}/${name}`))
        .digest('hex');
      return `${before} ${digest}`;
    });

/** What the tool goes on with, the next time: regular files of root. */
const assertOurs = (tool: Tool, folder: string, where: string): void => {
  const relied = /^(image|volume\.img|output)(\.datto-(state|manifest))?$|^datto-backup\.(json|lock)$/;
  // What is only compared may be anybody's.
  const compared = tool === 'datto-verify' ? 'image' : undefined;
  for (const name of readdirSync(folder).filter((found) => relied.test(found) && found !== compared)) {
    const stat = lstatSync(`${folder}/${name}`);
    assert.equal([stat.isFile(), stat.uid], [true, 0], `${where}: ${name}`);
  }
};

const assertSafe = (row: Row, make: (folder: string) => void, where: string, mustSucceed: boolean): Outcome => {
  const [folder = ''] = row.folders;
  for (const path of row.folders) rmSync(path, { recursive: true, force: true });
  execFileSync('cp', ['-a', ...row.folders.map((_path, index) => `${KEPT}-${index}`), at('.')]);
  row.folders.forEach((path, index) => execFileSync('mv', [at(`kept-${index}`), path]));
  chownSync(folder, NOBODY, NOBODY);
  make(folder);
  const before = outside();
  const outcome = runTool(row.tool, row.args, row.fakes);
  assert.equal(outside(), before, where);
  const { status, stderr } = outcome;
  assert.ok(status !== null, `${where}: it hangs`);
  if (status === 0) assertOurs(row.tool, folder, where);
  else {
    assert.not.ok(mustSucceed, `${where}: ${stderr}`);
    assert.match(stderr, new RegExp(`^${row.tool}: cannot [^\\n]+\\n$`), where);
    assert.not.match(stderr, /undefined|\bat .*:\d+:\d+|Error:/, where);
  }
  return outcome;
};

for (const row of rows) {
  test(`${row.name}: whatever is prepared in the folder, nothing outside changes`, () => {
    row.prepare();
    row.folders.forEach((path, index) => {
      rmSync(`${KEPT}-${index}`, { recursive: true, force: true });
      execFileSync('cp', ['-a', path, `${KEPT}-${index}`]);
    });
    assertSafe(row, () => undefined, `${row.name}: nothing`, true);
    for (const [what, make] of Object.entries(PLANTS)) {
      for (const name of row.names) {
        assertSafe(row, (folder) => plant(`${folder}/${name}`, make), `${row.name}: ${name}: ${what}`, false);
      }
      const prepared = (folder: string): void => {
        for (const name of row.old ?? []) plant(`${folder}/${name}`, make);
      };
      if (row.old) assertSafe(row, prepared, `${row.name}: old names: ${what}`, true);
    }
  });
}

test("an image is found by links of root, in folders that are root's alone", () => {
  makeImage();
  const [link, ours] = [`${THEIRS}/link`, at('ours')];
  rmSync(ours, { recursive: true, force: true });
  mkdirSync(ours);
  symlinkSync(image, `${ours}/link`);
  const run = (path: string): Outcome => runTool('update-img', [SNAPSHOT, COW, path], FAKES);
  assert.is(run(`${ours}/link`).status, 0);
  assert.ok(existsSync(`${image}.datto-state`));
  symlinkSync(image, link);
  assert.is(run(link).status, 0);
  for (const change of [
    () => chownSync(THEIRS, NOBODY, NOBODY),
    () => {
      chownSync(THEIRS, 0, 0);
      chmodSync(THEIRS, 0o777);
    },
    () => {
      chmodSync(THEIRS, 0o1777);
      lchownSync(link, NOBODY, NOBODY);
    },
  ]) {
    change();
    assert.match(
      run(link).stderr,
      /^update-img: cannot use [^\n]*link: it is a symbolic link that others can change, /,
    );
  }
  lchownSync(link, 0, 0);
  assert.is(run(link).status, 0);
});

test('where a filesystem gives all files to one user, they are ours', () => {
  makeImage();
  const squashed: Fakes = { ...FAKES, FAKE_OWNER: `${NOBODY}` };
  succeed('update-img', ['--keep-previous', '--manifest', SNAPSHOT, COW, image], squashed);
  succeed('update-img', ['--rollback', image], squashed);
  assert.equal(readdirSync(THEIRS).sort(), companions('image').sort());
});

test('what a killed run left unfinished goes with the next', () => {
  makeImage();
  const names = ['.image.datto-state.0123456789abcdef.partial', '.image.datto-undo-1.0123456789abcdef.partial', ...old];
  for (const name of [...names, '.other.datto-state.0123456789abcdef.partial']) writeFileSync(`${THEIRS}/${name}`, '');
  makeCowFile(COW, { nrSectors: 4096, entries: [[1, 1n]] });
  succeed('update-img', [SNAPSHOT, COW, image], { ...FAKES, FAKE_SNAPSHOT: SNAP });
  assert.equal(readdirSync(THEIRS).sort(), [
    '.other.datto-state.0123456789abcdef.partial',
    'image',
    'image.datto-state',
  ]);
});

test.run();
