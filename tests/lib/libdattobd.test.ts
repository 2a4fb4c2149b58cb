import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IoctlLayout, IoctlName, StructLayout } from '../../host/layout.js';
import { IOCTLS, STRUCTS } from '../../host/layout.js';
import { manual } from '../../manual/libdattobd.js';
import { at, compile, installed, output, sourceOf } from './install.js';

const { EACCES, EBUSY, EFAULT, EINVAL, ENOENT } = constants.errno;

const library = at('fake-kernel.so');
output('gcc', ['-Wall', '-Werror', '-shared', '-fPIC', '-o', library, sourceOf('../cli/fake-kernel.c'), '-ldl']);
const client = compile('client', ['-std=c99'], sourceOf('client.c'));

const LOG = at('log');
const RAW_LOG = at('raw-log');

interface Outcome {
  /** Result and errno, one line. */
  readonly result: string;
  /** Lines before it. */
  readonly printed: string[];
  /** The ioctls as fake-kernel.c tells them: as text, and as command and argument. */
  readonly text: string[];
  readonly raw: ReadonlyArray<{ readonly command: number; readonly bytes: Buffer }>;
}

const take = (path: string): string[] => {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  rmSync(path);
  return lines;
};

/** Calls a function through the client: its name, then its arguments. */
const call = (args: string, fakes: Readonly<Record<string, string>> = { FAKE_DRIVER: '1' }): Outcome => {
  const { stdout, stderr, status } = spawnSync(client, args.split(' '), {
    encoding: 'utf8',
    timeout: 20_000,
    env: { LD_PRELOAD: library, LD_LIBRARY_PATH: installed('lib'), FAKE_LOG: LOG, FAKE_RAW_LOG: RAW_LOG, ...fakes },
  });
  assert.equal({ status, stderr }, { status: 0, stderr: '' }, args);
  const printed = stdout.split('\n').slice(0, -1);
  const result = printed.pop() ?? '';
  const raw = take(RAW_LOG).map((line) => {
    const [command = '', bytes = ''] = line.split(' ');
    return { command: parseInt(command, 16), bytes: Buffer.from(bytes, 'hex') };
  });
  return { result, printed, text: take(LOG), raw };
};

const SUCCESS = '0 0';
const failure = (errno: number): string => `-1 ${errno}`;

const U32 = 2n ** 32n - 1n;
const U64 = 2n ** 64n - 1n;

/** A function with arguments; the ioctl that it is; its paths; the numbers in its argument, by field. */
type Row = readonly [
  call: string,
  ioctl: IoctlName,
  paths: readonly string[],
  fields: Readonly<Record<string, bigint>>,
];

const PATHS = ['/dev/sdb1', '/mnt/.cow'];

const ROWS: readonly Row[] = [
  [
    'dattobd_setup_snapshot 3 /dev/sdb1 /mnt/.cow 20 1000',
    'IOCTL_SETUP_SNAP',
    PATHS,
    { fallocated_space: 20n, cache_size: 1000n, minor: 3n },
  ],
  [
    `dattobd_setup_snapshot ${U32} /dev/sdb1 /mnt/.cow ${U64} ${U64 - 1n}`,
    'IOCTL_SETUP_SNAP',
    PATHS,
    { fallocated_space: U64, cache_size: U64 - 1n, minor: U32 },
  ],
  ['dattobd_reload_snapshot 4 /dev/sdb1 /mnt/.cow 7', 'IOCTL_RELOAD_SNAP', PATHS, { cache_size: 7n, minor: 4n }],
  ['dattobd_reload_incremental 5 /dev/sdb1 /mnt/.cow 8', 'IOCTL_RELOAD_INC', PATHS, { cache_size: 8n, minor: 5n }],
  ['dattobd_destroy 6', 'IOCTL_DESTROY', [], { minor: 6n }],
  [`dattobd_destroy ${U32}`, 'IOCTL_DESTROY', [], { minor: U32 }],
  ['dattobd_transition_incremental 7', 'IOCTL_TRANSITION_INC', [], { minor: 7n }],
  [
    'dattobd_transition_snapshot 8 /mnt/.cow2 30',
    'IOCTL_TRANSITION_SNAP',
    ['/mnt/.cow2'],
    { fallocated_space: 30n, minor: 8n },
  ],
  ['dattobd_reconfigure 9 400', 'IOCTL_RECONFIGURE', [], { cache_size: 400n, minor: 9n }],
  [`dattobd_expand_cow_file 10 ${U64}`, 'IOCTL_EXPAND_COW_FILE', [], { size: U64, minor: 10n }],
  [
    'dattobd_reconfigure_auto_expand 11 5 6',
    'IOCTL_RECONFIGURE_AUTO_EXPAND',
    [],
    { step_size: 5n, reserved_space: 6n, minor: 11n },
  ],
];

/** The argument that a row stands for, and what the paths in it, whose addresses nobody knows, leave to compare. */
const expected = (ioctl: IoctlLayout, fields: Row[3]): { bytes: Buffer; from: number } => {
  const structs: Readonly<Record<string, StructLayout>> = STRUCTS;
  const layout = structs[ioctl.argument];
  const bytes = Buffer.alloc(layout?.bytes ?? 4);
  const named = layout?.fields ?? [{ name: 'minor', type: 'uint', offset: 0 }];
  let from = 0;
  for (const { name, type, offset } of named) {
    if (type === 'path') from = offset + 8;
    else if (type === 'uint') bytes.writeUInt32LE(Number(fields[name]), offset);
    else bytes.writeBigUInt64LE(fields[name] ?? 0n, offset);
  }
  return { bytes, from };
};

for (const [args, name, paths, fields] of ROWS) {
  test(`${args} is one ${name}, with every byte where it belongs`, () => {
    const { result, raw, text } = call(args);
    assert.is(result, SUCCESS);
    const { bytes, from } = expected(IOCTLS[name], fields);
    assert.equal(
      raw.map((row) => ({ command: row.command, bytes: row.bytes.subarray(from) })),
      [{ command: IOCTLS[name].value, bytes: bytes.subarray(from) }],
    );
    assert.equal(text[0]?.split(' ').slice(1, 1 + paths.length), [...paths]);
  });
}

const EVERY = [
  ...ROWS.map(([args]) => args),
  'dattobd_setup_snapshot_group 1 /dev/a /a/.cow 1 2 3',
  'dattobd_transition_snapshot_group 1 - /a/.cow2 1 0 3',
  'dattobd_info 3 +',
  'dattobd_get_free_minor',
];

test('the driver answers in errno, whatever the function', () => {
  for (const args of EVERY) {
    for (const errno of [EBUSY, EFAULT, ENOENT]) {
      const { result, raw } = call(args, { FAKE_DRIVER: '1', FAKE_IOCTL_ERRNO: `${errno}` });
      assert.equal({ result, ioctls: raw.length }, { result: failure(errno), ioctls: 1 }, args);
    }
  }
});

test('a control node that cannot be opened answers in errno, whatever the function', () => {
  for (const args of EVERY) {
    const absent = call(args, {});
    assert.equal({ result: absent.result, raw: absent.raw }, { result: failure(ENOENT), raw: [] }, args);
    const forbidden = call(args, { FAKE_DRIVER: '1', FAKE_CONTROL_ERRNO: `${EACCES}` });
    assert.equal({ result: forbidden.result, raw: forbidden.raw }, { result: failure(EACCES), raw: [] }, args);
  }
});

test('a NULL path is passed on, for the driver to refuse', () => {
  const { raw } = call('dattobd_transition_snapshot 8 - 30');
  assert.is(raw[0]?.bytes.readBigUInt64LE(0), 0n);
});

const GROUP_CALLS: ReadonlyArray<readonly [call: string, ioctl: string]> = [
  [
    `dattobd_setup_snapshot_group 2 /dev/a /a/.cow 20 1000 3 /dev/b /b/.cow 0 ${U64} 1`,
    `12 flags 0 | /dev/a /a/.cow 20 1000 3 | /dev/b /b/.cow 0 ${U64} 1`,
  ],
  ['dattobd_transition_snapshot_group 1 - /a/.cow2 30 0 3', '13 flags 0 | - /a/.cow2 30 0 3'],
];

test('a group is one ioctl, whose answer comes back', () => {
  for (const [args, ioctl] of GROUP_CALLS) {
    const good = call(args);
    assert.equal([good.result, good.text], [SUCCESS, [ioctl]], args);
    const count = args.split(' ')[1];
    assert.equal(good.printed, [`${count} 0`], args);
    const bad = call(args, { FAKE_DRIVER: '1', FAKE_IOCTL_ERRNO: `${EBUSY}`, FAKE_GROUP: '0 1' });
    assert.equal([bad.result, bad.printed], [failure(EBUSY), ['0 1']], args);
  }
});

test('dattobd_info() asks for a minor, and with nothing else in the struct', () => {
  const info = Buffer.alloc(STRUCTS.dattobd_info.bytes);
  info.writeUInt32LE(3, 0);
  writeFileSync(at('info'), info);
  const { raw } = call('dattobd_info 3 +', { FAKE_DRIVER: '1', FAKE_INFO: at('info') });
  assert.equal(raw, [{ command: IOCTLS.IOCTL_DATTOBD_INFO.value, bytes: info }]);
});

test('dattobd_info() fills in what the driver answers', () => {
  const info = Buffer.alloc(STRUCTS.dattobd_info.bytes);
  const where = new Map<string, number>(STRUCTS.dattobd_info.fields.map(({ name, offset }) => [name, offset]));
  const offset = (name: string): number => where.get(name) ?? NaN;
  info.writeUInt32LE(3, offset('minor'));
  info.writeBigUInt64LE(2n, offset('state'));
  info.writeInt32LE(-27, offset('error'));
  info.writeBigUInt64LE(314572800n, offset('cache_size'));
  info.writeBigUInt64LE(U64, offset('falloc_size'));
  info.writeBigUInt64LE(12n, offset('seqid'));
  info.write('00112233445566778899aabbccddeeff', offset('uuid'), 'hex');
  info.write('/.cow', offset('cow'));
  info.write(`/dev/${'b'.repeat(4090)}`, offset('bdev'));
  info.writeBigUInt64LE(1n, offset('version'));
  info.writeBigUInt64LE(77n, offset('nr_changed_blocks'));
  writeFileSync(at('info'), info);
  const { result, printed } = call('dattobd_info 3 +', { FAKE_DRIVER: '1', FAKE_INFO: at('info') });
  const bdev = `/dev/${'b'.repeat(4090)}`;
  assert.equal(printed, [`3 2 -27 314572800 ${U64} 12 1 77 /.cow ${bdev} 00112233445566778899aabbccddeeff`]);
  assert.is(result, SUCCESS);
});

test('dattobd_info() without a struct is EINVAL, and asks nothing', () => {
  const { result, raw } = call('dattobd_info 3 -');
  assert.equal({ result, raw }, { result: failure(EINVAL), raw: [] });
});

test('dattobd_get_free_minor() returns the minor', () => {
  for (const minor of ['0', '23']) {
    const { result, raw } = call('dattobd_get_free_minor', { FAKE_DRIVER: '1', FAKE_FREE_MINOR: minor });
    assert.is(result, `${minor} 0`);
    assert.equal(
      raw.map(({ command, bytes }) => [command, bytes.length]),
      [[IOCTLS.IOCTL_GET_FREE.value, 4]],
    );
  }
});

test('the example of libdattobd(3) compiles and works', () => {
  const blocks = manual.sections.find(({ title }) => title === 'EXAMPLES')?.blocks ?? [];
  const lines = blocks.flatMap((block) => (typeof block === 'object' && 'example' in block ? block.example : []));
  writeFileSync(at('example.c'), `${lines.join('\n')}\n`);
  const program = compile('example', ['-std=c99'], at('example.c'));
  const info = Buffer.alloc(8272);
  info.writeBigUInt64LE(1234n, 8264);
  writeFileSync(at('info'), info);
  const run = (fakes: Readonly<Record<string, string>>): [number | null, string, string] => {
    const env = { LD_PRELOAD: library, LD_LIBRARY_PATH: installed('lib'), FAKE_INFO: at('info'), ...fakes };
    const { status, stdout, stderr } = spawnSync(program, { encoding: 'utf8', env });
    return [status, stdout, stderr];
  };
  assert.equal(run({ FAKE_DRIVER: '1' }), [0, '1234\n', '']);
  assert.equal(run({}), [1, '', 'dattobd_info: No such file or directory\n']);
});

test('libdattobd(3) tells every function of the header', () => {
  const header = readFileSync(sourceOf('../../libdattobd/libdattobd.h'), 'utf8');
  const names = [...header.matchAll(/^int (dattobd_\w+)\(/gm)].map(([, name]) => name as string);
  assert.ok(names.length >= 11);
  const synopsis = manual.synopsis?.join('\n') ?? '';
  for (const name of names) assert.match(synopsis, new RegExp(`^int ${name}\\(`, 'm'));
});

test.run();
