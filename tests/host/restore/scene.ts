/** Volumes with a filesystem, and folders of their restore points, for tests. Needs root, loop devices and FUSE. */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareRuns } from '../../../host/copy/compare.js';
import type { BlockRun } from '../../../host/cow/runs.js';
import { toPieces } from '../../../host/cow/runs.js';
import { BLOCK_BYTES } from '../../../host/layout.js';
import { OpenFile } from '../../../host/system/files.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { copyToPoint } from '../../../host/targets/copy-to-point.js';
import { Qcow2Target } from '../../../host/targets/qcow2.js';
import type { Point } from '../../../host/targets/target.js';

export const SERIES = 'c0ffee00112233445566778899aabbcc';
export const scratch = mkdtempSync(join(tmpdir(), 'datto-restored-'));
// What the tools make for themselves is looked for there.
process.env.TMPDIR = scratch;

/** Runs a shell script, whose words are $1, $2 and so on. */
export const sh = (script: string, ...words: readonly string[]): string =>
  execFileSync('bash', ['-e', '-c', script, 'sh', ...words], { encoding: 'utf8', cwd: scratch });

/** Why filesystems cannot be mounted here, in words; undefined if they can. */
export const whyNoMounts = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'it needs root';
  for (const path of ['/dev/fuse', '/dev/loop-control']) {
    try {
      accessSync(path);
    } catch {
      return `there is no ${path}`;
    }
  }
  return spawnSync('nbdfuse', ['--version']).status === 0 ? undefined : 'nbdfuse is not installed';
};

/** Mounts, processes and folders that have to do with the tests, once what ends by itself has had its time. */
export const leftovers = (): string => {
  const look = (): string =>
    sh(`grep -F "$TMPDIR/datto-restore-" /proc/self/mountinfo || :
      pgrep -fa "$TMPDIR/datto-restore-" || :
      ls -d "$TMPDIR"/datto-restore-* 2>/dev/null || :`);
  const isOver = (text: string, tries: number): boolean => text === '' || tries > 40;
  let found = look();
  for (let tries = 0; !isOver(found, tries); tries++) {
    sh('sleep 0.05');
    found = look();
  }
  return found;
};

/** Makes a volume: a file with a filesystem. */
export const makeVolume = (name: string, type: 'ext4' | 'xfs'): string => {
  const volume = join(scratch, name);
  rmSync(volume, { force: true });
  if (type === 'ext4') sh('truncate -s 48M "$1"; mkfs.ext4 -q -b 4096 "$1"', volume);
  else sh('truncate -s 304M "$1"; mkfs.xfs -q "$1"', volume);
  return volume;
};

/** Runs a script in the mounted filesystem of a volume. */
export const change = (volume: string, script: string): void => {
  const mounted = `${volume}.mounted`;
  mkdirSync(mounted, { recursive: true });
  sh('mount -o loop "$1" "$2"; trap \'umount "$2"\' EXIT; cd "$2"; eval "$3"; cd /; sync', volume, mounted, script);
};

/** Makes the next restore point of a volume, of all of it or of what differs from the newest one. */
export const backUp = (folder: string, volume: string, sequence: number, kept?: string): Point => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const syscalls = nativeSyscalls();
  const target = new Qcow2Target(folder, syscalls);
  const base = kept === undefined ? undefined : target.points().at(-1);
  const { size: bytes } = statSync(volume);
  const all: BlockRun = { start: 0, count: Math.ceil(bytes / BLOCK_BYTES) };
  const snapshot = OpenFile.open(volume, 'r');
  const runs: BlockRun[] = base ? [] : [all];
  if (kept !== undefined) {
    const before = OpenFile.open(kept, 'r');
    compareRuns(before, snapshot, [all], bytes, (run) => runs.push(run));
    before.close();
  }
  const time = new Date(Date.UTC(2026, 10, sequence));
  const writer = target.begin({ series: SERIES, sequence: BigInt(sequence), time, bytes }, base);
  try {
    const options = { syscalls, pace: undefined, checkpointBytes: undefined, onProgress: () => undefined };
    copyToPoint(snapshot, writer, toPieces(runs, bytes), options);
    return writer.commit();
  } finally {
    snapshot.close();
    writer.close();
  }
};

/** A loop device on a file, for as long as `use` runs. */
export const withLoop = (file: string, use: (device: string) => void): void => {
  const device = sh('losetup -f --show "$1"', file).trim();
  try {
    use(device);
  } finally {
    sh('umount "$1" 2>/dev/null || :; losetup -d "$1"', device);
  }
};
