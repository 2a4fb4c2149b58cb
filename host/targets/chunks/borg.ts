/**
 * Archives of a borg repository; their comments are their facts. Borg itself removes the lock of a process of this host that has died.
 */
import { pointName } from '../target.js';
import type { Created, Engine, MountCommand, Stored, StoredFile } from './engine.js';
import { parsed, recordOf, runEngine, unexpected } from './engine.js';
import type { ChunkFacts } from './facts.js';
import { fromFields, toFields } from './facts.js';

const BORG = { name: 'borg', package: 'borgbackup' };
const PREFIX = 'datto-';
const LOCKED = /Failed to create\/acquire the lock/;

const nameOf = (facts: ChunkFacts): string => `${PREFIX}${pointName(facts)}`;

export class BorgEngine implements Engine {
  readonly #variables: Readonly<Record<string, string>>;
  readonly #lockSeconds: number;

  /**
   * @param cache folder for what borg remembers, unless the environment names one
   * @param suffix of what it remembers of files, which other archives of the repository must not age
   */
  constructor(repository: string, cache: string, suffix: string, lockSeconds: number) {
    this.#variables = {
      BORG_REPO: repository,
      BORG_CACHE_DIR: process.env.BORG_CACHE_DIR ?? cache,
      BORG_FILES_CACHE_SUFFIX: suffix,
    };
    this.#lockSeconds = lockSeconds;
  }

  stored(volume: string | undefined): readonly Stored[] {
    const options = ['--json', '--consider-checkpoints', '--glob-archives', `${PREFIX}*`, '--format', '{comment}'];
    const { archives } = recordOf(BORG.name, parsed(BORG.name, this.#run(['list', ...options])));
    if (!Array.isArray(archives)) throw unexpected(BORG.name, 'list of archives');
    return archives.flatMap((one: unknown) => {
      const { archive, comment } = recordOf(BORG.name, one);
      if (typeof archive !== 'string' || typeof comment !== 'string') throw unexpected(BORG.name, 'name or comment');
      const facts = fromFields(comment.split(' '));
      return facts && facts.volume === (volume ?? facts.volume)
        ? [{ id: archive, facts, isComplete: archive === nameOf(facts) }]
        : [];
    });
  }

  create(folder: string, facts: ChunkFacts, _parent: Stored | undefined): Created {
    // Borg knows chunks by their times alone: those of a full backup are all new.
    const chunker = ['--chunker-params', `fixed,${facts.chunkBytes}`];
    const args = ['create', '--json', ...chunker, '--comment', toFields(facts).join(' ')];
    // Relative: another folder at this path later is not what a run that lost its view goes on with.
    const id = `${PREFIX}writing-${facts.run}`;
    const output = this.#run([...args, `::${id}`, '.'], folder);
    const { archive } = recordOf(BORG.name, parsed(BORG.name, output));
    const { stats } = recordOf(BORG.name, archive);
    return { id, files: Number(recordOf(BORG.name, stats).nfiles) };
  }

  complete({ id, facts }: Stored): void {
    this.#run(['rename', `::${id}`, nameOf(facts)]);
  }

  remove(stored: readonly Stored[], reclaim: boolean): void {
    for (const { id } of stored) this.#run(['delete', `::${id}`]);
    if (reclaim && stored.length > 0) this.#run(['compact']);
  }

  *read({ id }: Stored, files: readonly StoredFile[], folder: string): Generator<Buffer> {
    const output = this.#run(['extract', '--stdout', `::${id}`, ...files.map(({ path }) => path)], folder);
    let at = 0;
    for (const { bytes } of files) {
      yield output.subarray(at, at + bytes);
      at += bytes;
    }
  }

  mountCommand({ id }: Stored, folder: string): MountCommand {
    // A reader holds up no run: reads of what a removal takes away fail.
    return {
      program: BORG,
      args: ['mount', '--bypass-lock', '--foreground', `::${id}`, folder],
      variables: this.#variables,
      below: '',
    };
  }

  #run(args: readonly string[], folder?: string): Buffer {
    return runEngine(BORG, args, {
      ...(folder === undefined ? {} : { folder }),
      ...{ variables: this.#variables, locked: LOCKED, lockSeconds: this.#lockSeconds },
    });
  }
}
