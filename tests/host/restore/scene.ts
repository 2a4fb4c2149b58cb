/** Volumes with a filesystem, for tests of restore. Needs root, loop devices and FUSE. */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RefusalError } from '../../../host/errors.js';

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
  const isOver = (text: string, tries: number): boolean => text === '' || tries > 600;
  let found = look();
  for (let tries = 0; !isOver(found, tries); tries++) {
    sh('sleep 0.05');
    found = look();
  }
  return found;
};

/** Code and message of the refusal that `run` must end with. */
export const refusal = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof RefusalError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
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

/** A loop device on a file, for as long as `use` runs. */
export const withLoop = (file: string, use: (device: string) => void): void => {
  const device = sh('losetup -f --show "$1"', file).trim();
  try {
    use(device);
  } finally {
    sh('umount "$1" 2>/dev/null || :; losetup -d "$1"', device);
  }
};
