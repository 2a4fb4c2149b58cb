/** What a run works on: a volume and its target, with the locks that keep other runs out. */
import { shownTarget } from '../targets/open-target.js';
import { requireVolume } from './checks.js';
import type { Work } from './destination.js';
import type { Home } from './home.js';
import { homeOf } from './home.js';
import { forMember } from './member.js';
import type { BackupContext, BackupEvents, BackupRequest } from './request.js';
import type { Place } from './run.js';
import type { Volume } from './volume.js';
import { lookAtVolume } from './volume.js';
import { KeptVolume, withVolumeLock } from './volume-memory.js';

/** A request, and what was found of its volume and its target. */
export interface Task {
  readonly work: Work;
  readonly volume: Volume;
  readonly home: Home;
}

/**
 * Looks at what a request names. Changes nothing.
 *
 * @throws RefusalError; SystemError if a volume cannot be backed up there as requested
 */
export const taskOf = (request: BackupRequest, context: BackupContext, events: BackupEvents = {}): Task => {
  const volume = lookAtVolume(request.volume, context.syscalls);
  const home = homeOf(request, context.syscalls);
  home.requireUsable(volume);
  return { work: { request, context, events, bytes: volume.bytes }, volume, home };
};

/** What a run works on, once its target is locked. */
export const placeOf = ({ work, volume, home }: Task): Place => {
  const { filesystem, of } = home.open(work, volume);
  const mounted = requireVolume(volume, filesystem, shownTarget(work.request.folder));
  const { mountPoint } = mounted;
  return { volume, mountPoint, kept: new KeptVolume(mountPoint), ...of(mounted.filesystem) };
};

const withTargets = <T>([task, ...others]: readonly Task[], run: () => T): T =>
  task ? forMember(task.work.request, () => task.home.withLock(() => withTargets(others, run))) : run();

const withVolumes = <T>([task, ...others]: readonly Task[], run: () => T): T => {
  if (!task) return run();
  const { work, volume } = task;
  const onWait = (): void =>
    work.events.onNotice?.(`another run backs up ${volume.path} to another target; its end is waited for`);
  return forMember(task.work.request, () =>
    withVolumeLock(placeOf(task).mountPoint, work.context.syscalls, onWait, () => withVolumes(others, run)),
  );
};

/** By the number of the volume: two runs that wait for each other's volumes would wait for ever. */
const inOrder = (tasks: readonly Task[]): Task[] =>
  [...tasks].sort((a, b) => (a.volume.number < b.volume.number ? -1 : 1));

/**
 * Runs with the locks of the targets and of the volumes: other runs for the volumes are waited for.
 *
 * @throws Stopped, if a member cannot be locked
 */
export const withLocks = <T>(tasks: readonly Task[], run: () => T): T =>
  withTargets(tasks, () => withVolumes(inOrder(tasks), run));
