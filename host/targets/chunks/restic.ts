/** Snapshots of a restic repository; their tags are their facts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withErrno } from '../../errors.js';
import type { Created, Engine, MountCommand, Stored, StoredFile } from './engine.js';
import { parsed, recordOf, runEngine, unexpected } from './engine.js';
import type { ChunkFacts } from './facts.js';
import { fromFields, MARK, toFields, volumeField } from './facts.js';

const RESTIC = { name: 'restic', package: 'restic' };
const COMPLETE = 'state=complete';
const WRITING = 'state=writing';
const LOCKED = /repository is already locked/;

const idOf = (value: unknown): string => {
  if (typeof value === 'string' && /^[0-9a-f]{8,64}$/.test(value)) return value;
  throw unexpected(RESTIC.name, 'ID of a snapshot');
};

export class ResticEngine implements Engine {
  readonly #variables: Readonly<Record<string, string>>;
  readonly #lockSeconds: number;

  /** @param cache folder for what restic remembers, unless the environment names one */
  constructor(repository: string, cache: string, lockSeconds: number) {
    // Not an argument: a URL may have a password, and every user can see arguments.
    this.#variables = {
      RESTIC_REPOSITORY: repository,
      RESTIC_REPOSITORY_FILE: '',
      RESTIC_CACHE_DIR: process.env.RESTIC_CACHE_DIR ?? cache,
    };
    this.#lockSeconds = lockSeconds;
  }

  stored(volume: string | undefined): readonly Stored[] {
    const tags = [MARK, ...(volume === undefined ? [] : [volumeField(volume)])];
    const list = parsed(RESTIC.name, this.#run(['snapshots', '--json', '--tag', tags.join(',')]));
    // Without a snapshot it prints null.
    if (list !== null && !Array.isArray(list)) throw unexpected(RESTIC.name, 'list of snapshots');
    return (list ?? []).flatMap((one: unknown) => {
      const { id, tags: has } = recordOf(RESTIC.name, one);
      if (!Array.isArray(has)) return [];
      const facts = fromFields(has.map(String));
      return facts && facts.volume === (volume ?? facts.volume)
        ? [{ id: idOf(id), facts, isComplete: has.includes(COMPLETE) }]
        : [];
    });
  }

  create(folder: string, facts: ChunkFacts, parent: Stored | undefined): Created {
    const tags = [...toFields(facts), WRITING].flatMap((tag) => ['--tag', tag]);
    const base = parent ? ['--parent', parent.id] : ['--force'];
    // Relative: another folder at this path later is not what a run that lost its view goes on with.
    const output = this.#run(['backup', '--json', '--quiet', ...tags, ...base, '.'], folder).toString('utf8');
    const summary = recordOf(RESTIC.name, parsed(RESTIC.name, output.trim().split('\n').at(-1) ?? ''));
    return { id: idOf(summary.snapshot_id), files: Number(summary.total_files_processed) };
  }

  complete({ id }: Stored): void {
    this.#run(['tag', '--add', COMPLETE, '--remove', WRITING, id]);
  }

  remove(stored: readonly Stored[], reclaim: boolean): void {
    if (stored.length > 0) this.#run(['forget', ...(reclaim ? ['--prune'] : []), ...stored.map(({ id }) => id)]);
  }

  *read({ id }: Stored, files: readonly StoredFile[], folder: string): Generator<Buffer> {
    this.#run(['restore', id, '--target', folder, ...files.flatMap(({ path }) => ['--include', `/${path}`])]);
    for (const { path } of files) yield withErrno('read', join(folder, path), () => readFileSync(join(folder, path)));
  }

  mountCommand({ id }: Stored, folder: string): MountCommand {
    // A reader holds up no run: reads of what a removal takes away fail.
    return {
      program: RESTIC,
      args: ['mount', '--no-lock', folder],
      variables: this.#variables,
      below: `ids/${id.slice(0, 8)}`,
    };
  }

  #run(args: readonly string[], folder?: string): Buffer {
    return runEngine(RESTIC, args, {
      ...(folder === undefined ? {} : { folder }),
      ...{ variables: this.#variables, locked: LOCKED, lockSeconds: this.#lockSeconds },
      // It leaves those of processes that live, and those of other hosts for half an hour.
      ...(args[0] === 'unlock' ? {} : { unlock: () => void this.#run(['unlock']) }),
    });
  }
}
