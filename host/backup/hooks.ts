/** Commands of the administrator that run right before and right after a snapshot is taken. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ENOENT, errnoOf, RefusalError, withErrno } from '../errors.js';
import { requireOwnFolder } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import { shownTarget } from '../targets/open-target.js';
import { requireCommand } from './hook-command.js';
import type { Hook, HookOutcome } from './hook-guard.js';
import { HookGuard, hookFailure } from './hook-guard.js';
import type { BackupRequest } from './request.js';

/** Seconds that a hook may take; a service that is stopped has 90 to end in. */
export const HOOK_SECONDS = 30;

/** As run-parts(8): what an editor or a package manager leaves has a dot or a tilde in its name. */
const NAME = /^[A-Za-z0-9_-]+$/;

/** What the request says of hooks. */
export type HookRequest = Pick<BackupRequest, 'volume' | 'folder' | 'before' | 'after' | 'hookFolder' | 'hookSeconds'>;

/** The hooks of a request, in the order in which they begin. */
export interface Hooks {
  readonly hooks: readonly Hook[];
  readonly seconds: number;
  readonly variables: Readonly<Record<string, string>>;
}

/** The programs of a folder, in the order of their names. */
const programsIn = (folder: string): string[] => {
  requireOwnFolder(folder);
  try {
    const names = withErrno('read', folder, () => readdirSync(folder));
    return names.filter((name) => NAME.test(name)).sort();
  } catch (error) {
    if (errnoOf(error) === ENOENT) return [];
    throw error;
  }
};

/** A program of the folder runs on both sides, and gets the side as its argument. */
const hooksIn = (folder: string): Hook[] =>
  programsIn(folder).map((name) => {
    const [program = ''] = requireCommand(join(folder, name));
    return { before: [program, 'before'], after: [program, 'after'] };
  });

/** The commands of one request. */
const ownHook = ({ before, after }: HookRequest): Hook => ({
  before: requireCommand(before),
  after: requireCommand(after),
});

/**
 * The hooks of requests whose snapshots are taken at one instant: those of the folder, then each request's own. None is there twice.
 * A variable has a line for each request.
 *
 * @param requests one or more
 * @throws RefusalError CONFIG_WRONG, FILE_UNSAFE if one of them must not be run; SystemError
 */
export const hooksOf = (requests: readonly HookRequest[]): Hooks => {
  const folders = new Set(requests.flatMap(({ hookFolder }) => hookFolder ?? []));
  const hooks = [...[...folders].flatMap(hooksIn), ...requests.map(ownHook)];
  const byWords = new Map(hooks.map((hook) => [JSON.stringify([hook.before, hook.after]), hook]));
  return {
    hooks: [...byWords.values()].filter(({ before, after }) => before.length + after.length > 0),
    seconds: Math.max(...requests.map(({ hookSeconds = HOOK_SECONDS }) => hookSeconds)),
    variables: {
      DATTO_VOLUME: requests.map(({ volume }) => volume).join('\n'),
      DATTO_FOLDER: requests.map(({ folder }) => shownTarget(folder)).join('\n'),
    },
  };
};

/** Hooks that were begun, and must be ended. */
class Begun {
  readonly #hooks: Hooks;
  readonly #onDetail: (text: string) => void;
  readonly #guards: Array<{ readonly guard: HookGuard; readonly hook: Hook }> = [];

  constructor(hooks: Hooks, onDetail: (text: string) => void) {
    [this.#hooks, this.#onDetail] = [hooks, onDetail];
  }

  /** Runs the commands for before the snapshot. Throws a RefusalError HOOK_FAILED, or a SystemError. */
  begin(syscalls: Syscalls): void {
    const { hooks, seconds, variables } = this.#hooks;
    for (const hook of hooks) {
      if (hook.before.length > 0) this.#onDetail(`running the hook ${hook.before.join(' ')}`);
      const guard = new HookGuard(hook, seconds, variables, this.#guards.at(-1)?.guard, syscalls);
      this.#guards.push({ guard, hook });
      const why = hookFailure(guard.status(), seconds);
      if (why === undefined) continue;
      const what = `the hook ${hook.before[0]} ${why}; no snapshot was taken`;
      const volumes = variables.DATTO_VOLUME?.replaceAll('\n', ', ');
      throw new RefusalError('HOOK_FAILED', `cannot back up ${volumes}: ${what}`);
    }
  }

  /** Runs the commands for after the snapshot, the last hook first. Returns what went wrong. */
  end(outcome: HookOutcome): string[] {
    return this.#guards.reverse().flatMap(({ guard, hook }) => {
      if (hook.after.length > 0) this.#onDetail(`running the hook ${hook.after.join(' ')}`);
      const why = hookFailure(guard.end(outcome), this.#hooks.seconds);
      return why === undefined ? [] : [`the hook ${hook.after[0] ?? hook.before[0]} ${why}, after the snapshot`];
    });
  }
}

/**
 * Takes a snapshot between the commands of the hooks. For each hook whose first command was started the second one runs, in the
 * opposite order, also if `take` fails or this process is killed.
 *
 * @param take takes the snapshot
 * @param onFailure called with what went wrong after it
 * @param onDetail called with what runs now
 * @throws RefusalError HOOK_FAILED if a hook forbids the snapshot; what `take` throws
 */
export const aroundSnapshot = <T>(
  hooks: Hooks,
  syscalls: Syscalls,
  take: () => T,
  onFailure: (text: string) => void,
  onDetail: (text: string) => void = () => undefined,
): T => {
  const begun = new Begun(hooks, onDetail);
  let outcome: HookOutcome = 'failed';
  try {
    begun.begin(syscalls);
    const taken = take();
    outcome = 'taken';
    onDetail('the snapshot is taken');
    return taken;
  } finally {
    for (const text of begun.end(outcome)) onFailure(text);
  }
};
