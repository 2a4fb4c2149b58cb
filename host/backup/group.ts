/** Backs up volumes as they were at one instant, each to its target: snapshots of all of them are taken, or of none. */
import { realpathSync } from 'node:fs';
import { RefusalError, withErrno } from '../errors.js';
import { GROUP_MAX } from '../layout.js';
import { secondsSince } from '../system/clock.js';
import { isChunkAddress } from '../targets/chunks/address.js';
import { isAddress, shownTarget } from '../targets/open-target.js';
import type { Work } from './destination.js';
import { aroundSnapshot, hooksOf } from './hooks.js';
import type { Task } from './locked-place.js';
import { placeOf, taskOf, withLocks } from './locked-place.js';
import type { Member, Outcome } from './member.js';
import { forMember, Stopped, unwrapped } from './member.js';
import type { BackupContext, BackupEvents, BackupPlan, BackupRequest, BackupResult } from './request.js';
import { isGood } from './request.js';
import type { Ready } from './run.js';
import { Run } from './run.js';
import type { MemberFailure, Next } from './tracking.js';
import { toSnapshots } from './tracking.js';

/** A member whose snapshot is about to be taken. */
interface Prepared {
  readonly request: BackupRequest;
  readonly run: Run;
  readonly ready: Ready;
  readonly next: Next;
}

const namesOf = (tasks: readonly Task[]): string => tasks.map(({ volume }) => volume.path).join(', ');

/** What a target is, by whatever name. */
const placeName = (folder: string): string =>
  isAddress(folder) ? folder : withErrno('resolve', folder, () => realpathSync(folder));

/** The volumes of a group differ, and so do their targets; but a repository keeps volumes apart. */
const requireApart = (tasks: readonly Task[]): void => {
  const refuse = (why: string): RefusalError =>
    new RefusalError('CONFIG_WRONG', `cannot back up ${namesOf(tasks)} at one instant: ${why}`);
  if (tasks.length > GROUP_MAX) throw refuse(`they are ${tasks.length}, expected at most ${GROUP_MAX}`);
  const volumes = new Map<string, string>();
  const places = new Set<string>();
  for (const { volume, work } of tasks) {
    const { folder } = work.request;
    const same = volumes.get(volume.number);
    if (same !== undefined) throw refuse(`${same} and ${volume.path} are the same volume`);
    const place = placeName(folder);
    if (places.has(place) && !isChunkAddress(folder))
      throw refuse(`${shownTarget(folder)} is the target of two of them, expected one for each`);
    volumes.set(volume.number, volume.path);
    places.add(place);
  }
};

/** The same events, with each notice once: a run may copy more than one snapshot. */
const noticeOnce = (events: BackupEvents = {}): BackupEvents => {
  const seen = new Set<string>();
  const onNotice = (text: string): void => {
    if (!seen.has(text)) events.onNotice?.(text);
    seen.add(text);
  };
  return { ...events, onNotice };
};

/** What must be an error before anything is changed, such as a hook that must not be run. */
const tasksOf = (members: readonly Member[], context: BackupContext): Task[] => {
  const tasks = members.map(({ request, events }) =>
    forMember(request, () => taskOf(request, context, noticeOnce(events))),
  );
  requireApart(tasks);
  hooksOf(members.map(({ request }) => request));
  return tasks;
};

/** One run for a group, once it has its locks. */
class GroupRun {
  readonly #context: BackupContext;
  readonly #tasks: readonly Task[];

  constructor(tasks: readonly Task[], context: BackupContext) {
    [this.#tasks, this.#context] = [tasks, context];
  }

  /** Throws a Stopped if no snapshot was taken. */
  run(): Outcome[] {
    const prepared = this.#prepare();
    const failedHooks: string[] = [];
    const failed = (text: string): void => {
      failedHooks.push(text);
      this.#onFirst(({ onNotice }) => onNotice?.(text));
    };
    const detail = (text: string): void => this.#onFirst(({ onDetail }) => onDetail?.(text));
    const hooks = hooksOf(prepared.map(({ request }) => request));
    const take = (): { time: Date; failure: MemberFailure | undefined } => {
      const failure = this.#take(prepared);
      return { time: new Date(), failure };
    };
    const { time, failure } = aroundSnapshot(hooks, this.#context.syscalls, take, failed, detail);
    return prepared.map(({ run, ready }, index) => {
      if (failure && (failure.member ?? index) === index) return { error: failure.error };
      try {
        return { result: run.complete(ready, time, failedHooks) };
      } catch (error) {
        return { error };
      }
    });
  }

  /** What is about the group is said once. */
  #onFirst(say: (events: BackupEvents) => void): void {
    const [first] = this.#tasks;
    if (first) say(first.work.events);
  }

  /** Each is ready before the next is looked at, and none is tracked for the group before all are. */
  #prepare(): Prepared[] {
    const opened = this.#tasks.map((task) => {
      const { request, context, events } = task.work;
      return forMember(request, () => {
        const run = new Run(request, context, events, placeOf(task));
        const ready = run.prepare();
        if ('ended' in ready) throw new Stopped(request, { result: ready.ended });
        return { request, run, ready };
      });
    });
    const isGroup = opened.length > 1;
    return opened.map(({ request, run, ready }) =>
      forMember(request, () => {
        const tracked = isGroup ? run.track(ready) : ready;
        return { request, run, ready: tracked, next: run.next(tracked) };
      }),
    );
  }

  /** Takes the snapshots. Returns what failed once they were taken. */
  #take(prepared: readonly Prepared[]): MemberFailure | undefined {
    const [only, ...others] = prepared;
    if (only && others.length === 0) {
      only.run.take(only.next);
      return undefined;
    }
    const nexts = prepared.map(({ next }) => next);
    const failure = toSnapshots(this.#context.driver, nexts);
    if (!failure || failure.taken) return failure;
    const { member, error } = failure;
    throw new Stopped(member === undefined ? undefined : prepared[member]?.request, { error });
  }
}

/** What is said of a device that failed during the copy, if the request wants a new one then. */
const failedDevice = ({ request, events }: Work, outcome: Outcome | undefined) => {
  const error = request.restart === true && outcome && 'error' in outcome ? outcome.error : undefined;
  const isFailed = error instanceof RefusalError && error.code === 'DEVICE_FAILED';
  return isFailed ? { events, message: error.message } : undefined;
};

const goodOf = (outcome: Outcome | undefined): Outcome | undefined =>
  outcome && 'result' in outcome && isGood(outcome.result) ? outcome : undefined;

/** What `run` returns; if it took no snapshot, that as the outcome of each member. */
const orStopped = (members: readonly Member[], run: () => Outcome[]): Outcome[] => {
  try {
    return forMember(undefined, run);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    const { request, outcome } = error;
    return members.map((member) => {
      if (request === undefined || member.request === request) return outcome;
      const why = `no snapshot was taken, as ${request.volume} of its group could not be backed up`;
      return { error: new RefusalError('GROUP_FAILED', `cannot back up ${member.request.volume}: ${why}`) };
    });
  }
};

/**
 * Backs up volumes as they were at one instant. Once the snapshots are taken, a member that fails does not stop the others.
 * For each member what runBackup() promises holds.
 *
 * A volume that nothing tracked is tracked first: snapshots of all members are taken by one request to the driver. A driver without
 * it (EINVAL) can back up one volume at a time only.
 *
 * @param members one to GROUP_MAX, each with a request and events of its own; hooks run once, around all snapshots
 * @returns how each ended, in the same order: its result; or its error, which is what runBackup() throws, or a RefusalError GROUP_FAILED
 *   if another one kept snapshots from being taken
 */
export const runGroup = (members: readonly Member[], context: BackupContext): Array<Outcome<BackupResult>> => {
  const began = performance.now();
  const outcomes = orStopped(members, () => {
    const tasks = tasksOf(members, context);
    return withLocks(tasks, () => {
      const first = new GroupRun(tasks, context).run();
      // A device that fails during the copy is treated like one that failed before the run.
      const failures = tasks.flatMap(({ work }, index) => failedDevice(work, first[index]) ?? []);
      if (failures.length === 0) return first;
      for (const { events, message } of failures) events.onNotice?.(message);
      const second = orStopped(members, () => new GroupRun(tasks, context).run());
      // What is good of the first is not undone.
      return second.map((outcome, index) => ('error' in outcome ? goodOf(first[index]) : undefined) ?? outcome);
    });
  });
  const seconds = secondsSince(began);
  return outcomes.map((outcome) => ('result' in outcome ? { result: { ...outcome.result, seconds } } : outcome));
};

/**
 * Returns what runGroup() would do, for each member. Nothing is changed.
 *
 * @throws what runBackup() throws before it changes something
 */
export const planGroup = (members: readonly Member[], context: BackupContext): BackupPlan[] =>
  unwrapped(() =>
    tasksOf(members, context).map((task) => {
      const { request, events } = task.work;
      return forMember(request, () => new Run(request, context, events, placeOf(task)).plan());
    }),
  );
