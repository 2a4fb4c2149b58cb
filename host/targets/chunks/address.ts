/** Addresses of repositories: `restic:REPO` and `borg:REPO`, where REPO is as the engine names it. */
import { RefusalError } from '../../errors.js';

export type EngineName = 'restic' | 'borg';

export interface ChunkAddress {
  readonly engine: EngineName;
  readonly repository: string;
}

const ADDRESS = /^(restic|borg):(.*)$/s;
const refuse = (text: string, found: string, expected: string): RefusalError =>
  new RefusalError('IMAGE_KIND', `cannot use ${withoutPassword(text)}: ${found}, expected ${expected}`);

/** An address as it may be shown: a password in a URL is hidden. */
export const withoutPassword = (text: string): string => text.replace(/(:\/\/[^/@:]*):[^/@]*@/g, '$1:***@');

export const isChunkAddress = (text: string): boolean => ADDRESS.test(text);

/**
 * Reads an address.
 *
 * @throws RefusalError IMAGE_KIND
 */
export const chunkAddressOf = (text: string): ChunkAddress => {
  const [, engine, repository = ''] = ADDRESS.exec(text) ?? [];
  if (engine !== 'restic' && engine !== 'borg')
    throw refuse(text, 'it is no address of a repository', 'restic:REPO or borg:REPO');
  if (repository === '') throw refuse(text, 'it names no repository', `${engine}:REPO, such as ${engine}:/srv/backup`);
  if (/[\u0000-\u001f\u007f]/.test(repository)) throw refuse(text, 'it has a control character', 'none');
  if (repository.trim() !== repository) throw refuse(text, 'it begins or ends with a blank', 'the repository alone');
  if (engine === 'borg' && repository.includes('::'))
    throw refuse(text, 'it names an archive', 'a repository without ::ARCHIVE');
  return { engine, repository: absolute(engine, repository) };
};

/** A path of this machine as an absolute one: engines run in other folders. */
const absolute = (engine: EngineName, repository: string): string => {
  const isPath = !repository.includes(':') || repository.startsWith('.');
  if (!isPath || repository.startsWith('/') || repository.startsWith('~')) return repository;
  throw refuse(`${engine}:${repository}`, 'its path is relative', 'an absolute path or the address of another host');
};
