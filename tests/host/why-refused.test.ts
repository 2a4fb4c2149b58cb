import { constants } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceStatus } from '../../host/driver/status.js';
import { type PathKind, type Request, reasonText, type World, whyRefused } from '../../host/driver/why-refused.js';

const { EBUSY, EINVAL, ELOOP, EMLINK, ENOENT, ENOSPC, EOPNOTSUPP, EPERM } = constants.errno;

const device = (state: number, more: Partial<DeviceStatus> = {}): DeviceStatus => ({
  minor: 0,
  cowFile: '/cow',
  blockDevice: '/dev/sda1',
  maxCache: 1n,
  state,
  ...more,
});

/** A machine: sda1 and sdb1 are mounted, sdc1 is not. */
const world = (devices: readonly DeviceStatus[] = [], more: Partial<World> = {}): World => ({
  devices: () => devices,
  minors: () => 24,
  mounts: () =>
    [
      '20 1 8:1 / /data rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro',
      '21 1 8:17 / /other ro,relatime - xfs /dev/sdb1 rw',
    ].join('\n'),
  deviceNumber: (path) => ({ '/dev/sda1': '8:1', '/dev/sdb1': '8:17', '/dev/sdc1': '8:33' })[path],
  filesystemNumber: (path) => (path.startsWith('/data') ? '8:1' : '0:5'),
  kind: (path) =>
    (({ '/data': 'folder', '/data/folder': 'folder', '/data/file': 'file', '/dev/file': 'file', '/tmp': 'folder' })[
      path
    ] ?? 'missing') as PathKind,
  sectors: () => 1024,
  ext4Options: () => '',
  ...more,
});

const setup = (blockDevice: string, cowFile = '/data/cow', minor = 0n): Request => ({
  command: 'setup-snapshot',
  minor,
  blockDevice,
  cowFile,
});
const why = (request: Request, errno: number, machine: World): string =>
  reasonText(whyRefused(request, errno, machine)!);

test('the causes of "Invalid argument" have a sentence each', () => {
  const cases: readonly (readonly [Request, World, RegExp])[] = [
    [
      setup('/dev/sda1', '/data/cow', 24n),
      world(),
      /^minor 24 is out of range, expected 0 to 23; hint: .*max_snap_devices/,
    ],
    [setup('/dev/sda1', '/data/cow', 1n), world([device(3)]), /^\/dev\/sda1 is tracked already, by minor 0; hint: /],
    [
      setup('/dev/sdb1'),
      world(),
      /^no filesystem of \/dev\/sdb1 is mounted read-write; hint: mount \/dev\/sdb1 first$/,
    ],
    [setup('/dev/sdc1'), world(), /^no filesystem of \/dev\/sdc1 is mounted read-write/],
    [setup('/dev/sda1'), world([], { sectors: () => 2 ** 37 + 1 }), /^\/dev\/sda1 has more than 64 TiB$/],
    [setup('/dev/sda1', '/tmp/cow'), world(), /^\/tmp\/cow does not lie on the volume itself; hint: .*below \/data$/],
    [{ command: 'transition-to-incremental', minor: 0n }, world([device(3, { error: -27 })]), /^minor 0 has failed: /],
    [
      { command: 'transition-to-incremental', minor: 0n },
      world([device(2)]),
      /is in incremental mode, expected snapshot/,
    ],
    [
      { command: 'transition-to-incremental', minor: 0n },
      world([device(1)]),
      /is not mounted read-write; hint: mount \/dev\/sda1$/,
    ],
    [{ command: 'reconfigure-auto-expand', minor: 0n }, world([device(2)]), /expected snapshot mode$/],
    [{ command: 'expand-cow-file', minor: 0n }, world([device(3)]), /cannot grow by 0 MiB$/],
    [
      { command: 'transition-to-snapshot', minor: 0n, cowFile: '/data/cow' },
      world([device(3)]),
      /is in snapshot mode, expected incremental mode; hint: `dbdctl transition-to-incremental 0`/,
    ],
    [
      { command: 'transition-to-snapshot', minor: 0n, cowFile: '/tmp/cow' },
      world([device(2)]),
      /^\/tmp\/cow does not lie/,
    ],
  ];
  for (const [request, machine, expected] of cases) assert.match(why(request, EINVAL, machine), expected);
});

test('so have other errnos', () => {
  const one = world([device(3)]);
  assert.match(why({ command: 'destroy', minor: 3n }, ENOENT, one), /^no device has minor 3; hint: `dbdctl status`/);
  assert.match(
    why({ command: 'destroy', minor: 0n }, EBUSY, one),
    /^\/dev\/datto0 is open, .*hint: `fuser -v \/dev\/datto0`/,
  );
  assert.match(why(setup('/dev/sdb1'), EBUSY, one), /^minor 0 is in use, by \/dev\/sda1; hint: minor 1 is free$/);
  assert.match(why(setup('/dev/none'), ENOENT, world()), /^there is no \/dev\/none$/);
  assert.match(why(setup('/dev/file'), constants.errno.ENOTTY, world()), /^\/dev\/file is not a block device$/);
  assert.match(why(setup('/dev/sda1', '/data/none/cow'), ENOENT, world()), /^there is no folder \/data\/none$/);
  assert.match(why(setup('/dev/sda1', '/data/folder'), constants.errno.EISDIR, world()), /is a folder, expected/);
  assert.match(why(setup('/dev/sda1'), ELOOP, world()), /is a symbolic link/);
  assert.match(why(setup('/dev/sda1'), EMLINK, world()), /has several names/);
  assert.match(why(setup('/dev/sda1', '/data/file'), EPERM, world()), /is in use, or belongs to another user/);
  assert.match(why(setup('/dev/sda1'), ENOSPC, world()), /no room/);
  assert.match(
    why(setup('/dev/sda1'), EOPNOTSUPP, world()),
    /^no COW file can lie on ext4 \(rw,errors=remount-ro\); hint: expected ext2, ext3, ext4 or xfs/,
  );
  assert.match(
    why(setup('/dev/sda1'), EOPNOTSUPP, world([], { ext4Options: () => 'rw\ndelalloc\ndata=journal\n' })),
    /^ext4 writes its data through the journal \(data=journal\), .*; hint: mount it with data=ordered$/,
  );
  const realtime = '20 1 8:1 / /data rw,relatime - xfs /dev/sda1 rw,rtdev=/dev/sdd1,noquota';
  assert.match(
    why(setup('/dev/sda1'), EOPNOTSUPP, world([], { mounts: () => realtime })),
    /^\/data\/cow lies on the realtime device of this XFS; hint: `xfs_io -c 'chattr -t' \/data` /,
  );
  assert.match(
    why({ command: 'expand-cow-file', minor: 0n }, EOPNOTSUPP, one),
    /^a COW file on a filesystem without extents \(ext2, ext3\) cannot grow; hint: .*-f/,
  );
  assert.match(
    why({ command: 'reload-incremental', minor: 0n, blockDevice: '/dev/sda1', cowFile: '/cow' }, EINVAL, world()),
    /^\/dev\/sda1 is mounted read-write; hint: /,
  );
});

test('what nothing explains, or cannot be looked up, has no reason', () => {
  assert.is(whyRefused({ command: 'destroy', minor: 0n }, EINVAL, world([device(3)])), undefined);
  assert.is(whyRefused(setup('/dev/sda1'), constants.errno.EIO, world()), undefined);
  const broken = world([], {
    devices: () => {
      throw new Error('no driver');
    },
  });
  assert.is(whyRefused({ command: 'destroy', minor: 0n }, EINVAL, broken), undefined);
});

test.run();
