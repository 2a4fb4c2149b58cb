import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BlockRun } from '../../../host/cow/runs.js';
import { withFiles } from '../../../host/inspect/inspected-cow.js';
import type { OwnedBlocks, OwnerReport } from '../../../host/inspect/owners/block-owners.js';
import { findOwners } from '../../../host/inspect/owners/block-owners.js';
import { blocksTouched, detectFilesystem } from '../../../host/inspect/owners/filesystem.js';
import { runProgram } from '../../../host/system/program.js';
import { refusal, temporaryFolder } from './files.js';

const at = temporaryFolder();
const TREE = at('tree');
mkdirSync(join(TREE, 'sub folder'), { recursive: true });
/** Content that is found again in the image: 25 and 300 blocks. */
const FILES: Readonly<Record<string, number>> = { '/a': 25, '/sub folder/ünï cöde': 300 };
Object.entries(FILES).forEach(([name, blocks], number) => {
  const content = Buffer.alloc(blocks * 4096);
  for (let block = 0; block < blocks; block++) content.fill(`<${number}:${block}>`, block * 4096, (block + 1) * 4096);
  writeFileSync(join(TREE, name), content);
});

const make = (path: string, bytes: number, command: string, args: readonly string[]): string => {
  writeFileSync(path, '');
  truncateSync(path, bytes);
  execFileSync(command, [...args, path], { stdio: 'pipe' });
  return path;
};

/** xfs takes files from a list; names in it end at a blank. */
const proto = at('proto');
execFileSync('cp', [join(TREE, 'sub folder', 'ünï cöde'), at('b')]);
writeFileSync(proto, `/\n0 0\nd--755 0 0\na ---644 0 0 ${TREE}/a\nsub d--755 0 0\nb ---644 0 0 ${at('b')}\n$\n$\n`);

const SPOOFED = 'b\nblock 9 (0) type data inode 131 x';
/** A name of the same length that may stand in such a list. */
const PLACEHOLDER = 'n'.repeat(SPOOFED.length);
writeFileSync(at('spoof-proto'), `/\n0 0\nd--755 0 0\n${PLACEHOLDER} ---644 0 0 ${at('b')}\n$\n`);

const IMAGES = {
  'ext4 with blocks of 4096 bytes': make(at('ext4'), 2 ** 26, 'mkfs.ext4', ['-q', '-F', '-b', '4096', '-d', TREE]),
  'ext4 with blocks of 1024 bytes': make(at('ext1'), 2 ** 26, 'mkfs.ext4', ['-q', '-F', '-b', '1024', '-d', TREE]),
  xfs: make(at('xfs'), 320 * 2 ** 20, 'mkfs.xfs', ['-q', '-f', '-p', proto]),
};

/** Where a file's content lies in an image, in pieces of 4096 bytes, ascending. Small blocks put it between ours. */
const blocksOf = (image: Buffer, number: number): BlockRun[] => {
  const seen = new Map<string, BlockRun>();
  for (let offset = 0; offset < image.length; offset += 1024) {
    if (image[offset] !== 0x3c) continue;
    const [key = '', found] = /^<(\d+):\d+>/.exec(image.toString('latin1', offset, offset + 16)) ?? [];
    if (found === `${number}` && !seen.has(key)) seen.set(key, { start: offset / 4096, count: 1 });
  }
  return [...seen.values()];
};

const owners = (path: string, runs: readonly BlockRun[]): OwnerReport =>
  withFiles([path], (file) => findOwners(file, runs));

const brief = ({ kind, name, blocks }: OwnedBlocks): unknown => [kind, name, blocks];

for (const [kind, path] of Object.entries(IMAGES)) {
  test(`findOwners() names the files of ${kind}, and only reads the image`, () => {
    const image = readFileSync(path);
    const names = kind === 'xfs' ? ['/a', '/sub/b'] : Object.keys(FILES);
    Object.values(FILES).forEach((blocks, number) => {
      const runs = blocksOf(image, number);
      assert.is(runs.length, blocks);
      const { filesystem, owners: found } = owners(path, runs);
      assert.equal(found.map(brief), [['file', names[number], (blocks * 4096) / filesystem.blockBytes]]);
    });
    assert.ok(readFileSync(path).equals(image));
  });

  test(`findOwners() tells metadata and free blocks of ${kind}`, () => {
    const nrBlocks = readFileSync(path).length / 4096;
    const { filesystem, owners: found } = owners(path, [{ start: 0, count: nrBlocks + 10 }]);
    const sum = (kinds: string): number =>
      found.filter((owner) => owner.kind === kinds).reduce((total, { blocks }) => total + blocks, 0);
    assert.is(sum('file') + sum('metadata') + sum('free'), (nrBlocks * 4096) / filesystem.blockBytes);
    assert.ok(sum('free') > sum('file') && sum('metadata') > 0);
    const data = found.filter(({ name }) => name === '/a').reduce((total, { blocks }) => total + blocks, 0);
    assert.is(data * filesystem.blockBytes, 25 * 4096);
  });
}

test('findOwners() does without the log of an xfs image that xfs_db refuses for its log', () => {
  const path = at('xfs-log');
  copyFileSync(IMAGES.xfs, path);
  const { log, blockBytes } = withFiles([path], detectFilesystem);
  const fd = openSync(path, 'r+');
  for (let block = 0; block < 16; block++) {
    writeSync(fd, Buffer.alloc(blockBytes, 'log'), 0, blockBytes, ((log?.start ?? 0) + block) * blockBytes);
  }
  closeSync(fd);
  const args = ['-r', '-f', '-c', 'blockget -n', '-c', 'blockuse', path];
  assert.is(
    refusal(() => runProgram({ name: 'xfs_db', package: 'xfsprogs' }, args, '')),
    'PROGRAM_FAILED',
  );
  const image = readFileSync(path);
  const runs = blocksOf(image, 1);
  assert.equal(owners(path, runs).owners.map(brief), [['file', '/sub/b', 300]]);
  assert.ok(readFileSync(path).equals(image));
});

test('findOwners() is not led astray by names that look like answers', () => {
  const tree = at('spoof');
  const [line, deep] = ['nl\n11\tlost', 'dir\n12\t'];
  mkdirSync(join(tree, deep), { recursive: true });
  const latin1 = Buffer.concat([Buffer.from(`${tree}/caf`), Buffer.from([0xe9])]);
  const files: ReadonlyArray<readonly [path: string | Buffer, name: string]> = [
    [join(tree, 'plain "quoted" file'), '/plain "quoted" file'],
    [join(tree, line), `/${line}`],
    [join(tree, deep, 'child'), `/${deep}/child`],
    [latin1, '/caf\ufffd'],
  ];
  files.forEach(([path], number) => writeFileSync(path, Buffer.alloc(8192, `<${number}:0>`)));
  const path = make(at('spoof-ext4'), 2 ** 24, 'mkfs.ext4', ['-q', '-F', '-b', '4096', '-d', tree]);
  const nrBlocks = readFileSync(path).length / 4096;
  const found = owners(path, [{ start: 0, count: nrBlocks }]).owners.filter(({ kind }) => kind === 'file');
  const names = new Map(found.map(({ name, nameBase64, blocks }) => [name, { nameBase64, blocks }]));
  for (const [, name] of files) assert.is(names.get(name)?.blocks, 2, JSON.stringify([...names.keys()]));
  assert.is(names.get('/caf\ufffd')?.nameBase64, Buffer.from('/caf\xe9', 'latin1').toString('base64'));
  assert.equal([...names.keys()].sort(), ['/', '/lost+found', `/${deep}`, ...files.map(([, name]) => name)].sort());
});

test('findOwners() takes the whole of an xfs name that has line ends', () => {
  const options = ['-q', '-f', '-m', 'crc=0', '-p', at('spoof-proto')];
  const path = make(at('spoof-xfs'), 320 * 2 ** 20, 'mkfs.xfs', options);
  const image = readFileSync(path);
  const found = image.indexOf(PLACEHOLDER);
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from(SPOOFED), 0, SPOOFED.length, found);
  closeSync(fd);
  assert.equal(owners(path, blocksOf(image, 1)).owners.map(brief), [['file', `/${SPOOFED}`, 300]]);
});

test('findOwners() asks a program for no more than it can hold, and refuses more than that', () => {
  const path = at('huge');
  copyFileSync(IMAGES['ext4 with blocks of 4096 bytes'], path);
  const bin = at('bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'debugfs'),
    `#!/bin/sh\ncase $1 in -f) echo >>"${at('calls')}";; esac\nexec cat >/dev/null\n`,
    {
      mode: 0o755,
    },
  );
  const block = Buffer.alloc(4);
  const fd = openSync(path, 'r+');
  block.writeUInt32LE(2 ** 27);
  writeSync(fd, block, 0, 4, 1024 + 4);
  closeSync(fd);
  const before = process.env.PATH;
  process.env.PATH = `${bin}:${before}`;
  try {
    const { owners: found } = owners(path, [{ start: 1, count: 2 ** 24 }]);
    assert.equal(found.map(brief), [['free', undefined, 2 ** 24]]);
    assert.is(readFileSync(at('calls'), 'utf8').length, 4);
    assert.is(
      refusal(() => owners(path, [{ start: 0, count: 2 ** 27 }])),
      'TOO_MUCH',
    );
  } finally {
    process.env.PATH = before;
  }
});

test('findOwners() asks nobody if nothing changed', () => {
  assert.equal(owners(IMAGES.xfs, []).owners, []);
});

test('findOwners() refuses what it does not know', () => {
  for (const bytes of [0, 100, 4096]) {
    writeFileSync(at('none'), Buffer.alloc(bytes));
    assert.is(
      refusal(() => owners(at('none'), [])),
      'FILESYSTEM_UNKNOWN',
    );
  }
});

test('findOwners() says so when the filesystem is broken', () => {
  const image = readFileSync(IMAGES['ext4 with blocks of 4096 bytes']);
  writeFileSync(at('broken'), image.fill(0, 1024, 1024 + 50).subarray(0, 8192));
  assert.is(
    refusal(() => owners(at('broken'), [{ start: 0, count: 1 }])),
    undefined,
    'a filesystem of no blocks has no owners',
  );
});

test('runProgram() names the package of a program that is missing, and says how one failed', () => {
  const message = (name: string, input = ''): string => {
    try {
      return runProgram({ name, package: 'some-package' }, ['-c', 'echo words >&2; exit 3'], input).toString();
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.is(
    message('no-such-program'),
    'cannot run no-such-program: it is not installed; hint: apt-get install some-package',
  );
  const failed = 'cannot run sh: it ended with status 3 and printed "words", expected 0';
  // Also if it ends before it has read its input.
  assert.equal([message('sh'), message('sh', '.'.repeat(2 ** 20))], [failed, failed]);
});

test('blocksTouched() rounds to the blocks that are touched, up to the end', () => {
  const filesystem = { type: 'xfs', blockBytes: 16384, groupBlocks: 10, firstBlock: 0, nrBlocks: 3 } as const;
  assert.equal(blocksTouched(filesystem, 4096, 4096), { start: 0, count: 1 });
  assert.equal(blocksTouched(filesystem, 12288, 8192), { start: 0, count: 2 });
  assert.equal(blocksTouched(filesystem, 32768, 40960), { start: 2, count: 1 });
  assert.equal(blocksTouched(filesystem, 65536, 4096), { start: 4, count: 0 });
});

test.run();
