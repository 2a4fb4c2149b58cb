/** The keys of a backup's configuration. Those that datto-backup has as long options have the same words. */
import { COMMAND_EXPECTED, commandWords } from '../backup/hook-command.js';
import type { BackupRequest } from '../backup/request.js';
import { MIB_BYTES } from '../layout.js';
import { KEEP_EXPECTED, keepRulesOf } from '../targets/keep.js';
import { ADDRESS_EXPECTED, addressFlaw } from '../targets/open-target.js';
import { nearest } from './nearest.js';
import { bytesOf, RATE_EXPECTED, rateOf, SUFFIX_EXPECTED, secondsOf, TIME_EXPECTED, unitsOf } from './units.js';

/** What a configuration says. */
export interface Settings {
  readonly request: BackupRequest;
  /** When it runs, as systemd.time(7) has it for OnCalendar=; or NEVER. */
  readonly schedule: string;
  /** How long a run may take, a time span of systemd.time(7). */
  readonly limit: string;
  /** Names of configurations whose volumes are backed up with it, as they were at the same instant. */
  readonly members: readonly string[];
  /** File for node_exporter. */
  readonly metrics?: string;
}

/** Whether a word can be the name of a configuration: it is part of the names of units and files. */
export const isConfigName = (word: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(word);

/** The schedule of a backup that is made with another one, or by hand. */
export const NEVER = 'never';
export const DEFAULT_SCHEDULE = '*-*-* 02:00:00';
export const DEFAULT_LIMIT = 'infinity';

/** A value, or what was expected instead. */
type Read<T> = (text: string) => { readonly value: T } | { readonly expected: string };

const U32_MAX = 0xffffffff;

const count: Read<number> = (text) => {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  return value <= U32_MAX ? { value } : { expected: `digits, at most ${U32_MAX}` };
};

const SIZE_EXPECTED = `digits for MiB, ${SUFFIX_EXPECTED}`;

const mib: Read<number> = (text) => {
  const value = Number(unitsOf(text, BigInt(MIB_BYTES)) ?? NaN);
  return value <= U32_MAX ? { value } : { expected: SIZE_EXPECTED };
};

const mibBytes: Read<number> = (text) => {
  const value = Number(bytesOf(text, BigInt(MIB_BYTES)) ?? NaN);
  return Number.isSafeInteger(value) ? { value } : { expected: SIZE_EXPECTED };
};

const rate: Read<number> = (text) => {
  const value = rateOf(text);
  return value === undefined ? { expected: RATE_EXPECTED } : { value };
};

const path: Read<string> = (text) => {
  const expected = 'an absolute path, such as /backup/data';
  return text.startsWith('/') ? { value: text } : { expected };
};

const address: Read<string> = (text) =>
  addressFlaw(text) === undefined
    ? { value: text }
    : { expected: `${ADDRESS_EXPECTED}; hint: the key of a folder is folder` };

const textFile: Read<string> = (text) =>
  text.startsWith('/') && text.endsWith('.prom')
    ? { value: text }
    : { expected: 'an absolute path that ends with .prom, as node_exporter demands' };

const isOn: Read<boolean> = (text) =>
  text === 'yes' || text === 'no' ? { value: text === 'yes' } : { expected: 'yes or no' };

const oneOf =
  <T extends string>(...words: readonly T[]): Read<T> =>
  (text) => {
    const value = words.find((word) => word === text);
    if (value !== undefined) return { value };
    const meant = nearest(text, words);
    return { expected: `one of ${words.join(', ')}${meant === undefined ? '' : `; hint: did you mean '${meant}'?`}` };
  };

/** systemd has the last word on it; this keeps out what could never be one. */
const calendar: Read<string> = (text) =>
  /^[A-Za-z0-9 *:,./~_+-]{1,200}$/.test(text)
    ? { value: text }
    : { expected: 'a calendar event of systemd.time(7), such as Mon..Fri 02:00, or never' };

const names: Read<readonly string[]> = (text) => {
  const words = text.split(/ +/);
  return words.every(isConfigName)
    ? { value: words }
    : { expected: 'names of other files without .conf, with spaces between' };
};

const SPAN =
  /^(infinity|(\d+(\.\d+)? ?(us|ms|s|sec|second|seconds|m|min|minute|minutes|h|hr|hour|hours|d|day|days|w|week|weeks)? ?)+)$/;
const span: Read<string> = (text) =>
  text.length <= 100 && SPAN.test(text)
    ? { value: text }
    : { expected: 'a time span of systemd.time(7), such as 20h or infinity' };

const command: Read<string> = (text) =>
  commandWords(text) === undefined ? { expected: COMMAND_EXPECTED } : { value: text };

const keepRules: Read<string> = (text) =>
  keepRulesOf(text) === undefined ? { expected: KEEP_EXPECTED } : { value: text };

const hookTime: Read<number> = (text) => {
  const value = secondsOf(text);
  return value === undefined || value === 0 ? { expected: `${TIME_EXPECTED}, above 0` } : { value };
};

export interface Key {
  readonly name: string;
  readonly isRequired: boolean;
  /** Takes a value into a draft; returns what was expected if it cannot. */
  readonly read: (text: string, draft: Draft) => string | undefined;
}

/** What was read so far. */
export interface Draft {
  request: { -readonly [K in keyof BackupRequest]?: BackupRequest[K] };
  schedule?: string;
  limit?: string;
  members?: readonly string[];
  metrics?: string;
}

const key = <T>(name: string, read: Read<T>, put: (draft: Draft, value: T) => void, isRequired = false): Key => ({
  name,
  isRequired,
  read: (text, draft) => {
    const result = read(text);
    if ('expected' in result) return result.expected;
    put(draft, result.value);
    return undefined;
  },
});

const part = <K extends keyof BackupRequest>(
  name: string,
  field: K,
  read: Read<NonNullable<BackupRequest[K]>>,
  isRequired = false,
): Key => key(name, read, ({ request }, value) => Object.assign(request, { [field]: value }), isRequired);

export const KEYS: readonly Key[] = [
  part('volume', 'volume', path, true),
  part('folder', 'folder', path),
  part('target', 'folder', address),
  key('schedule', calendar, (draft, value) => void (draft.schedule = value)),
  key('limit', span, (draft, value) => void (draft.limit = value)),
  key('with', names, (draft, value) => void (draft.members = value)),
  key('metrics', textFile, (draft, value) => void (draft.metrics = value)),
  part('verify', 'verify', oneOf('copied', 'all', 'nothing')),
  part('sample', 'sample', count),
  part('keep', 'keep', keepRules),
  part('keep-previous', 'keepPrevious', oneOf('clone', 'undo', 'nothing')),
  part('manifest', 'manifest', isOn),
  part('whole', 'whole', isOn),
  part('restart', 'restart', isOn),
  part('minor', 'minor', count),
  part('cow-folder', 'cowFolder', path),
  part('cow-size', 'cowMib', mib),
  part('checkpoint', 'checkpointBytes', mibBytes),
  part('rate', 'rate', rate),
  part('before', 'before', command),
  part('after', 'after', command),
  part('hook-limit', 'hookSeconds', hookTime),
];

/** Words that other backup programs have, and this version has nothing for. */
export const NOT_HERE: Readonly<Record<string, string>> = {
  ...{ group: 'groups under this name (its key is with)', volumes: 'more than one volume in a file (its key is with)' },
  targets: 'files for more than one target (each has a file)',
  retention: 'retention under this name (its key is keep)',
  name: 'names other than that of the file',
};
