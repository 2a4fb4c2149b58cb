/** Whole volumes, restored onto block devices: loop devices. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CopyPointResult } from '../../../host/restore/copy-point.js';
import { copyPoint } from '../../../host/restore/copy-point.js';
import { findPoint, requirePoints } from '../../../host/restore/point.js';
import { openSource } from '../../../host/restore/source.js';
import type { Syscalls } from '../../../host/system/syscalls.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { buildTools } from '../../../scripts/build-cli.js';
import { backUp } from './points.js';
import { change, makeVolume, refusal, scratch, sh, whyNoMounts, withLoop } from './scene.js';

const why = whyNoMounts();
if (why !== undefined) console.log(`skipped: volumes restored onto devices (${why})`);
const MIB = 1048576;

const folder = join(scratch, 'points');
const file = join(scratch, 'disk');
const native = nativeSyscalls();

/** Copies the newest point. */
const copy = (
  destination: string,
  force = false,
  syscalls: Syscalls = native,
): CopyPointResult & { notices: string[] } => {
  const notices: string[] = [];
  const source = openSource(folder, syscalls);
  const point = findPoint(requirePoints(source, assert.unreachable), folder, 'latest');
  const onNotice = (text: string): void => void notices.push(text);
  return { ...copyPoint({ source, point, destination, force }, syscalls, { onNotice }), notices };
};

/** First line of a device. */
const headOf = (device: string): string => {
  const bytes = Buffer.alloc(200);
  const fd = openSync(device, 'r');
  readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  return bytes.toString('latin1').split('\n')[0] ?? '';
};

/** A disk full of other bytes. */
const makeDisk = (mib: number): void => void sh('rm -f "$1"; head -c "$2M" /dev/urandom >"$1"', file, `${mib}`);

if (why === undefined) {
  const volume = makeVolume('volume', 'ext4');
  change(volume, 'head -c 5M /dev/urandom >file; mkdir folder; cp file folder');
  backUp(folder, volume, 1);

  test('a device becomes the volume, zeros too, and what it has beyond stays as it is', () => {
    makeDisk(52);
    sh('tail -c 4M "$1" >"$1.rest"', file);
    withLoop(file, (device) => {
      const { damagedBlocks, differingBlocks, notices } = copy(device);
      assert.equal([damagedBlocks, differingBlocks], [0, 0]);
      assert.equal(notices, [`${device} has ${4 * MIB} bytes more than the volume, which stay as they are`]);
    });
    sh('cmp -n 48M "$1" "$2"; tail -c 4M "$1" | cmp - "$1.rest"', file, volume);
  });

  test('a device that is too small, mounted, swap, part of another, or has partitions is left alone', () => {
    makeDisk(47);
    withLoop(file, (device) =>
      assert.match(
        refusal(() => copy(device)),
        /^IMAGE_SIZE .*expected at least 50331648/,
      ),
    );
    makeDisk(64);
    sh('mkfs.ext4 -q "$1"; mkdir -p "$1.mounted"', file);
    withLoop(file, (device) => {
      sh('mount "$1" "$2.mounted"', device, file);
      assert.match(
        refusal(() => copy(device, true)),
        /^IMAGE_BUSY .*: it is mounted on .*disk.mounted, expected/,
      );
      sh('umount "$1"', device);
    });
    sh('mkswap -q "$1"', file);
    withLoop(file, (device) => {
      sh('swapon "$1"', device);
      assert.match(
        refusal(() => copy(device, true)),
        /^IMAGE_BUSY .*: it is in use as swap/,
      );
      sh('swapoff "$1"', device);
    });
    sh('echo 2048,, | sfdisk -q --no-tell-kernel "$1"', file);
    const device = sh('losetup -P -f --show "$1"', file).trim();
    try {
      if (existsSync(`${device}p1`)) {
        assert.match(
          refusal(() => copy(device)),
          /^IMAGE_KIND .*: it has partitions \(loop\d+p1\), expected/,
        );
        sh('mkfs.ext4 -q "$1p1"; mount "$1p1" "$2.mounted"', device, file);
        assert.match(
          refusal(() => copy(device, true)),
          /^IMAGE_BUSY .*: its partition loop\d+p1 is mounted on/,
        );
        sh('umount "$1p1"', device);
      }
    } finally {
      sh('losetup -d "$1"', device);
    }
    assert.match(sh('sfdisk -d "$1"', file), /start= +2048/);
  });

  test('a disk that does not keep what is written is found, and holds no filesystem', () => {
    makeDisk(48);
    // Between the writing and the reading back.
    const flip = (fd: number): void => {
      native.adviseDontNeed(fd);
      const other = openSync(`/proc/self/fd/${fd}`, 'r+');
      writeSync(other, Buffer.from('rot'), 0, 3, 20 * MIB + 5000);
      closeSync(other);
    };
    withLoop(file, (device) => {
      const { differingBlocks, notices } = copy(device, false, { ...native, adviseDontNeed: flip });
      assert.is(differingBlocks, 256);
      assert.match(notices.join(), /holds an incomplete copy and no filesystem; run the same command again/);
      assert.match(headOf(device), /^datto-restore: incomplete copy of restore point c0ffee00-1 of .*, begun 20/);
      assert.is(sh('blkid -p "$1" || :', device), '');
      const again = copy(device);
      assert.match(again.notices.join(), /holds an incomplete copy of restore point c0ffee00-1/);
    });
    sh('cmp "$1" "$2"', file, volume);
    const image = join(scratch, 'image');
    assert.is(copy(image, false, { ...native, adviseDontNeed: flip }).differingBlocks, 256);
    assert.not(existsSync(image));
  });

  /** Copies the newest point and kills the copy as soon as it is under way; once more where it had ended before. */
  const killMidway = async (destination: string, isMidway: () => boolean): Promise<void> => {
    const words = ['copy', '--force', folder, 'latest', destination];
    for (let tries = 0; tries < 20; tries++) {
      const child = spawn(join(scratch, 'tools/datto-restore.mjs'), words, { stdio: 'ignore' });
      const over = new Promise((resolve) => child.on('exit', (_status, signal) => resolve(signal)));
      const watch = setInterval(() => {
        if (isMidway()) child.kill('SIGKILL');
      }, 1);
      const signal = await over;
      clearInterval(watch);
      if (signal === 'SIGKILL' && isMidway()) return;
      rmSync(join(scratch, 'killed.img'), { force: true });
    }
    throw new Error('each copy ended before its kill');
  };

  test('a copy that is killed leaves no filesystem; the next one says so and completes it', async () => {
    await buildTools(join(scratch, 'tools'));
    makeDisk(48);
    sh('mkfs.ext4 -q "$1"', file);
    const device = sh('losetup -f --show "$1"', file).trim();
    try {
      await killMidway(device, () => headOf(device).startsWith('datto-restore:'));
      assert.is(sh('blkid -p "$1" || :', device), '');
      assert.match(copy(device).notices.join(), /holds an incomplete copy of restore point c0ffee00-1/);
      sh('cmp "$1" "$2"; e2fsck -fn "$1" 2>/dev/null', device, volume);
    } finally {
      sh('losetup -d "$1"', device);
    }
  });

  test('a file that is killed in the making does not exist', async () => {
    const image = join(scratch, 'killed.img');
    await killMidway(image, () => readdirSync(scratch).some((name) => name.startsWith('.killed.img.')));
    assert.not(existsSync(image));
    copy(image);
    sh('cmp "$1" "$2"', image, volume);
  });
}

test.after(() => rmSync(scratch, { recursive: true, force: true }));
test.run();
