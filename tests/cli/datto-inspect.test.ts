import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeIncremental, makeScene, randomBlocks } from '../host/inspect/golden.js';
import type { Outcome } from './tool.js';
import { at, environment, folder, runTool, toolPath } from './tool.js';

const NR_SECTORS = 32768;
const CHANGED = randomBlocks(200, 4096, 3);
const [INC, SNAP, BASE, OUT] = ['inc.datto', 'snap.datto', 'base.img', 'out'];
makeScene(at(BASE), at(SNAP), { nrSectors: NR_SECTORS, changed: CHANGED }, 5);
makeIncremental(at(INC), { nrSectors: NR_SECTORS, changed: CHANGED, seqid: 4n });
const INPUTS = [INC, SNAP, BASE].map((name) => [name, readFileSync(at(name))] as const);

const inspect = (...args: string[]): Outcome => runTool('datto-inspect', args);

/** Runs in a shell, which may redirect; `$0` is the tool. */
const shell = (script: string): Outcome => {
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, toolPath('datto-inspect')], {
    cwd: folder,
    encoding: 'utf8',
    env: environment({}),
  });
  return { status, stdout, stderr };
};

const json = ({ stdout }: Outcome): unknown => JSON.parse(stdout);

test.before.each(() => ['out', 'out.png', 'out.svg', 'out.bmap'].forEach((name) => rmSync(at(name), { force: true })));
test.after.each(() => {
  for (const [name, bytes] of INPUTS) assert.ok(readFileSync(at(name)).equals(bytes), `${name} is as it was`);
  assert.equal(
    readdirSync(folder).filter((name) => name.endsWith('.partial')),
    [],
  );
});

const NAMES = ['info', 'check', 'blocks', 'diff', 'stat', 'map', 'files', 'report'];

test('--help and --version go to standard output, for each sub-command, too', () => {
  const { status, stdout, stderr } = inspect('--help');
  assert.is(status, 0);
  assert.is(stderr, '');
  for (const name of NAMES) {
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    const help = inspect(name, '--help');
    assert.is(help.status, 0);
    assert.match(help.stdout, /--json/);
  }
  assert.match(inspect('--version').stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a wrong command line is status 2 and one line that says what was expected', () => {
  const lines: ReadonlyArray<readonly [args: string[], line: RegExp]> = [
    [[], /no sub-command; hint: datto-inspect --help/],
    [['bogus'], /unknown command 'bogus'; hint: datto-inspect --help/],
    [['info'], /missing required argument 'cow file'; hint: datto-inspect --help/],
    [['info', INC, INC], /too many arguments for 'info', expected 1 argument$/],
    [['info', '--bogus', INC], /unknown option '--bogus'; hint: datto-inspect --help/],
    [['info', '--blocks', '-1', INC], /argument '-1' is invalid, expected digits$/],
    [['info', '--origin-size', '1000', INC], /is invalid, expected bytes, a multiple of 512/],
    [['info', '--blocks', '1', '--image', BASE, INC], /cannot be used with/],
    [['map', '--order', '11', INC], /is invalid, expected 1 to 10$/],
    [['map', '--color', 'green', INC], /Allowed choices are auto, always, never/],
    [['stat', '--rate', '0', INC], /is invalid, expected a number of MiB above 0, or digits with K, M, G or T, /],
    [['report', INC], /required option '-o, --output <file>' not specified; hint: /],
    [['extract', BASE, SNAP, OUT], /unknown command 'extract'; hint: datto-inspect --help/],
  ];
  for (const [args, line] of lines) {
    const { status, stdout, stderr } = inspect(...args);
    assert.is(status, 2, args.join(' '));
    assert.is(stdout, '');
    assert.match(stderr.trimEnd(), line);
    assert.match(
      stderr,
      /^datto-inspect: cannot read the command line: [^\n]*(, expected |; hint: )[^\n]*\n$|Allowed choices/,
    );
  }
});

test('an input that cannot be read is status 1 and one line, with --json also an object', () => {
  mkdirSync(at('folder'), { recursive: true });
  writeFileSync(at('short'), 'short');
  writeFileSync(at('zeros'), Buffer.alloc(65536));
  const lines: ReadonlyArray<readonly [path: string, line: string, code: string | undefined]> = [
    ['missing', 'cannot open missing: No such file or directory', undefined],
    ['folder', 'cannot read folder: it is not a regular file, expected a COW file', 'COW_KIND'],
    ['short', 'cannot use short: its header has 5 bytes, expected 64', 'HEADER_SHORT'],
    ['zeros', 'cannot use zeros: it is not a COW file', 'BAD_MAGIC'],
  ];
  for (const [path, line, code] of lines) {
    for (const args of [['info'], ['blocks'], ['stat'], ['map'], ['diff', INC]]) {
      const all = [...args, path];
      const { status, stdout, stderr } = inspect(...all);
      assert.is(status, 1, all.join(' '));
      assert.is(stderr, `datto-inspect: ${line}\n`);
      assert.is(stdout, '');
    }
    const outcome = inspect('info', '--json', path);
    assert.is(outcome.status, 1);
    const { error } = json(outcome) as { error: { code?: string; message: string } };
    assert.is(error.code, code);
    assert.is(error.message, line);
  }
});

test('info tells what the file is, as text and as JSON', () => {
  assert.match(inspect('info', INC).stdout, /^update-img +may use it: copies to snapshot 5 of series 59f6e5ec/m);
  const { stdout } = inspect('info', SNAP, '--image', BASE);
  assert.match(stdout, /^state +snapshot, closed cleanly/m);
  assert.match(stdout, /^update-img +may not use it: .* it is in snapshot mode, expected incremental mode$/m);
  assert.match(stdout, / of 512 bytes \(base\.img\)$/m);
  const info = json(inspect('info', INC, '--json')) as Record<string, unknown>;
  assert.is(info.mode, 'incremental');
  assert.equal((info.index as Record<string, unknown>).sections, 1);
});

test('check is status 0 on a sound file and 3 on another', () => {
  assert.is(inspect('check', INC).status, 0);
  const bad = Buffer.from(readFileSync(at(INC)));
  bad.writeBigUInt64LE(99n, 56);
  writeFileSync(at('bad'), bad);
  const { status, stdout, stderr } = inspect('check', 'bad', '--blocks', '4096');
  assert.is(status, 3);
  assert.is(stderr, '');
  assert.match(stdout, /^offset 56: counter: found 99, expected 200, the entries that are not zero$/m);
  const report = json(inspect('check', 'bad', '--json')) as { total: number; violations: unknown[] };
  assert.is(report.total, report.violations.length);
  writeFileSync(at('bad'), 'short');
  assert.is(inspect('check', 'bad').status, 3);
});

test('blocks lists the same runs as text and as JSON lines', () => {
  const text = inspect('blocks', INC, '--image', BASE);
  assert.is(text.stderr, '');
  const runs = text.stdout
    .trimEnd()
    .split('\n')
    .map((line) => /^(\d+)-(\d+) (\d+)$/.exec(line)?.slice(1).map(Number));
  const found = runs.flatMap((run) => Array.from({ length: run?.[2] ?? 0 }, (_, index) => (run?.[0] ?? 0) + index));
  assert.equal(
    found,
    [...CHANGED].sort((a, b) => a - b),
  );
  const lines = inspect('blocks', INC, '--json')
    .stdout.trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(
    lines,
    runs.map((run) => ({ start: run?.[0], count: run?.[2] })),
  );
  assert.match(inspect('blocks', INC).stderr, /^datto-inspect: note: the origin has 1 to 4096 blocks; 4096 assumed/);
});

test('blocks --bmap needs the size, and writes a map for bmaptool', () => {
  assert.match(inspect('blocks', INC, '--bmap', 'out.bmap').stderr, /cannot make out\.bmap: .* expected --image/);
  assert.is(inspect('blocks', INC, '--bmap', 'out.bmap', '--image', BASE).status, 0);
  assert.match(readFileSync(at('out.bmap'), 'utf8'), /<MappedBlocksCount> 200 </);
  const again = inspect('blocks', INC, '--bmap', 'out.bmap', '--image', BASE);
  assert.is(again.status, 1);
  assert.match(again.stderr, /cannot write out\.bmap: it exists/);
  assert.is(inspect('blocks', INC, '--bmap', 'out.bmap', '--image', BASE, '--force').status, 0);
});

test('diff tells what one file lists, and the other', () => {
  const [first = 0, ...rest] = [...CHANGED].sort((a, b) => a - b);
  makeIncremental(at('less'), { nrSectors: NR_SECTORS, changed: rest, seqid: 5n });
  const { counts, relation } = json(inspect('diff', INC, 'less', '--json')) as {
    counts: Record<string, { blocks: number }>;
    relation: string;
  };
  assert.equal([counts.a?.blocks, counts.b?.blocks, counts.both?.blocks], [1, 0, 199]);
  assert.match(relation, /snapshots 4 and 5/);
  assert.match(inspect('diff', INC, 'less', '--runs').stdout, new RegExp(`^a    ${first}-${first} 1$`, 'm'));
});

test('stat tells how much changed and from which rate it estimates', () => {
  const { stdout } = inspect('stat', INC);
  assert.match(stdout, /^changed +200 blocks of 4096, 4\.9 %, 800 KiB$/m);
  assert.match(stdout, /as measured on a virtual disk/);
  const { percent } = json(inspect('stat', INC, '--json', '--rate', '100')) as { percent: number };
  assert.is(percent, (200 / 4096) * 100);
});

test('map draws in the terminal without colours if it is none, or if they are not wanted', () => {
  const plain = inspect('map', INC);
  assert.match(plain.stdout, /^┌─+┐$/m);
  assert.not(plain.stdout.includes('\u001b'));
  assert.ok(inspect('map', INC, '--color', 'always').stdout.includes('\u001b[38;2;'));
  // A terminal made by script(1), with and without NO_COLOR.
  const drawn = (variable: string): string =>
    shell(`TERM=xterm ${variable} script -qec "$0 map ${INC} --image ${BASE}" /dev/null`).stdout;
  assert.ok(drawn('A=1').includes('▀'));
  assert.not(drawn('NO_COLOR=1').includes('\u001b[38'));
});

test('map writes pictures, but not over what is there', () => {
  const { status, stdout } = inspect('map', INC, '--png', 'out.png', '--svg', 'out.svg');
  assert.is(status, 0);
  assert.is(stdout, 'snapshot 4: 200 of 4096 blocks changed, 4.9 %\n');
  assert.is(readFileSync(at('out.png')).toString('latin1', 1, 4), 'PNG');
  assert.match(readFileSync(at('out.svg'), 'utf8'), /^<\?xml/);
  assert.is(inspect('map', INC, '--png', 'out.png').status, 1);
  const map = json(inspect('map', INC, '--json')) as { side: number; shares: number[][] };
  assert.is(map.shares.length, map.side);
});

test('files needs a filesystem, and names the blocks of one', () => {
  assert.match(inspect('files', INC, BASE).stderr, /it does not begin with a known filesystem, expected ext4 or xfs/);
  writeFileSync(at('ext4.img'), '');
  truncateSync(at('ext4.img'), NR_SECTORS * 512);
  execFileSync('mkfs.ext4', ['-q', '-F', at('ext4.img')]);
  makeIncremental(at('some'), { nrSectors: NR_SECTORS, changed: [0, 1, 2, 4000] });
  const { filesystem, owners } = json(inspect('files', 'some', 'ext4.img', '--json')) as {
    filesystem: string;
    owners: { kind: string }[];
  };
  assert.is(filesystem, 'ext4');
  assert.equal([...new Set(owners.map(({ kind }) => kind))], ['metadata', 'free']);
  assert.match(inspect('files', 'some', 'ext4.img').stdout, /superblock, group, bitmap or inode table/);
});

test('a reader that leaves is no error worth a word; a full device is', () => {
  const gone = shell(`(sleep 0.3; exec $0 blocks ${INC} --image ${BASE}) | true; echo "status ${'$'}{PIPESTATUS[0]}"`);
  assert.equal([gone.stdout, gone.stderr], ['status 1\n', '']);
  const { status, stderr } = shell(`exec $0 blocks ${INC} --image ${BASE} >/dev/full`);
  assert.is(status, 1);
  assert.is(stderr, 'datto-inspect: cannot write standard output: No space left on device\n');
  assert.is(shell(`exec $0 info ${INC} >&-`).status, 0);
});

test.run();
