/** The configured backups: /etc/dattobd/backup.d/NAME.conf, one file for each (docs/BACKUP.md). */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BackupRequest } from '../backup/request.js';
import { ENOENT, RefusalError, SystemError, withErrno } from '../errors.js';
import { readOwn, requireOwnFolder, requireUnshared } from '../system/safe-files.js';
import { shownTarget } from '../targets/open-target.js';
import type { Draft, Settings } from './keys.js';
import { DEFAULT_LIMIT, DEFAULT_SCHEDULE, isConfigName, KEYS, NOT_HERE } from './keys.js';
import type { Entry, Finding } from './lines.js';
import { readLines } from './lines.js';
import { nearest } from './nearest.js';

/** The folder of the files; the variable sets another. */
export const configFolder = (): string => process.env.DATTO_CONFIG ?? '/etc/dattobd/backup.d';

/** The folder of programs that run around each snapshot; the variable sets another. */
export const hookFolder = (): string => process.env.DATTO_HOOKS ?? '/etc/dattobd/hooks.d';

const SUFFIX = '.conf';

/** Where backups go to: one of these. */
const TARGET_KEYS: readonly string[] = ['folder', 'target'];

export const configPath = (name: string): string => join(configFolder(), `${name}${SUFFIX}`);

/** A configuration, and what is wrong with it: if anything is, there are no settings. */
export interface Config {
  readonly name: string;
  readonly path: string;
  readonly settings?: Settings;
  readonly findings: readonly Finding[];
}

const takeEntry = ({ key, value, line }: Entry, draft: Draft, first: Map<string, number>): string | undefined => {
  const known = KEYS.find(({ name }) => name === key);
  const missing = NOT_HERE[key];
  if (!known && missing !== undefined) return `it has '${key}', and this version has no ${missing}; remove the line`;
  if (!known) {
    const names = KEYS.map(({ name }) => name);
    const meant = nearest(key, names);
    const hint = meant === undefined ? 'man datto-backup' : `did you mean '${meant}'?`;
    return `it has the unknown key '${key}', expected one of ${names.join(', ')}; hint: ${hint}`;
  }
  const before = first.get(key);
  if (before !== undefined) return `it has '${key}' again, expected each key once; hint: see line ${before}`;
  first.set(key, line);
  const expected = known.read(value, draft);
  if (expected === undefined) return undefined;
  return `'${key}' is '${shownTarget(value)}', expected ${expected}`;
};

/** Reads the text of a configuration. */
export const parseConfig = (text: string): { settings?: Settings; findings: Finding[] } => {
  const { entries, findings } = readLines(text);
  const draft: Draft = { request: {} };
  const lines = new Map<string, number>();
  for (const entry of entries) {
    const wrong = takeEntry(entry, draft, lines);
    if (wrong !== undefined) findings.push({ line: entry.line, text: wrong });
  }
  findings.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  for (const { name, isRequired } of KEYS) {
    const isMissing = isRequired && !entries.some(({ key }) => key === name);
    if (isMissing) findings.push({ text: `it has no '${name}', expected a line '${name} = /…'` });
  }
  const targets = entries.filter(({ key }) => TARGET_KEYS.includes(key));
  if (targets.length === 0)
    findings.push({ text: "it has no 'folder', expected a line 'folder = /…' or 'target = …'" });
  const [first, second] = targets;
  if (first && second && first.key !== second.key)
    findings.push({ line: second.line, text: "it has 'folder' and 'target', expected one of them" });
  else if (first?.key === 'target' && !entries.some(({ key }) => key === 'keep'))
    findings.push({ text: "it has no 'keep', which 'target' needs, expected a line such as 'keep = latest7'" });
  if (findings.length > 0) return { findings };
  const { request, schedule = DEFAULT_SCHEDULE, limit = DEFAULT_LIMIT, members = [], metrics } = draft;
  const settings = { schedule, limit, members, ...(metrics === undefined ? {} : { metrics }) };
  // The required keys are there.
  return { settings: { ...settings, request: request as BackupRequest }, findings };
};

/** Makes sure that only root can change what is configured. Throws a RefusalError FILE_UNSAFE, or a SystemError. */
const requireSafeFolder = (): void => {
  const folder = configFolder();
  requireOwnFolder(dirname(folder));
  requireOwnFolder(folder);
};

/** `by` is the configuration that names it, if it was no command line. */
const missing = (name: string, by?: Config): RefusalError => {
  const names = configNames();
  const there = names.length === 0 ? 'none' : names.join(', ');
  const near = nearest(name, names);
  const hint = near === undefined ? '' : `; hint: did you mean '${near}'?`;
  const about = by ? `cannot use ${by.path}: 'with' is '${name}', and` : `cannot use '${name}':`;
  return new RefusalError('CONFIG_MISSING', `${about} there is no ${configPath(name)}; there are: ${there}${hint}`);
};

/**
 * Reads a configuration.
 *
 * @throws RefusalError CONFIG_MISSING, CONFIG_WRONG, FILE_UNSAFE; SystemError if it cannot be read
 */
export const readConfig = (name: string): Config => readNamed(name);

const readNamed = (name: string, by?: Config): Config => {
  if (!isConfigName(name)) {
    const expected = `the name of a file in ${configFolder()} without its ${SUFFIX}: letters, digits, and - _ . within`;
    throw new RefusalError('CONFIG_WRONG', `cannot use the name '${name}': expected ${expected}`);
  }
  requireSafeFolder();
  const path = configPath(name);
  const text = readOwn(path, requireUnshared);
  if (text === undefined) throw missing(name, by);
  return { name, path, ...parseConfig(text) };
};

/**
 * Reads configurations, and after them those that they are backed up with, each once.
 *
 * @throws what readConfig() throws
 */
export const configsWith = (names: readonly string[]): Config[] => {
  const configs = new Map<string, Config>();
  const add = (name: string, by?: Config): void => {
    if (configs.has(name)) return;
    const config = readNamed(name, by);
    configs.set(name, config);
    for (const member of config.settings?.members ?? []) add(member, config);
  };
  for (const name of names) add(name);
  return [...configs.values()];
};

/**
 * The names of all configurations, in their order; readConfig() refuses those that cannot be the name of a unit.
 *
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const configNames = (): string[] => {
  requireSafeFolder();
  const folder = configFolder();
  try {
    const files = withErrno('read', folder, () => readdirSync(folder));
    return files
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => file.slice(0, -SUFFIX.length))
      .sort();
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOENT) return [];
    throw error;
  }
};

/** A finding with its place. */
export const findingLine = (path: string, { line, text }: Finding): string =>
  `cannot use ${path}${line === undefined ? '' : `:${line}`}: ${text}`;

/** The settings of a configuration. Throws a RefusalError CONFIG_WRONG with the first finding. */
export const requireSettings = ({ path, settings, findings }: Config): Settings => {
  if (settings) return settings;
  const [first = { text: 'it is wrong' }] = findings;
  throw new RefusalError('CONFIG_WRONG', findingLine(path, first));
};
