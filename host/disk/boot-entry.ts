/** Entries by which EFI firmware finds a boot loader, through efibootmgr. */
import { existsSync } from 'node:fs';
import type { Program } from '../system/program.js';
import { runProgram } from '../system/program.js';
import { isRecord } from '../system/summed-json.js';

const EFIBOOTMGR: Program = { name: 'efibootmgr', package: 'efibootmgr' };
/** Exists where the firmware started this system. */
const VARIABLES = '/sys/firmware/efi/efivars';

export interface BootEntry {
  /** As the firmware's menu shows it. */
  readonly label: string;
  /** Path of the loader in the EFI system partition, with backslashes. */
  readonly loader: string;
  /** UUID of that partition. */
  readonly partition: string;
}

/** Whether EFI firmware started this system, which then has its entries. */
export const isEfi = (): boolean => existsSync(VARIABLES);

/** @throws SyntaxError */
export const bootEntryFrom = (value: unknown): BootEntry => {
  const { label, loader, partition } = isRecord(value) ? value : {};
  const isText = (text: unknown, pattern: RegExp): text is string => typeof text === 'string' && pattern.test(text);
  if (!isText(label, /^[^\p{Cc}]{1,200}$/u)) throw new SyntaxError('no label of a boot entry');
  if (!isText(loader, /^\\[^\p{Cc}]{1,400}$/u)) throw new SyntaxError('no loader of a boot entry');
  if (!isText(partition, /^[0-9a-f-]{36}$/)) throw new SyntaxError('no partition of a boot entry');
  return { label, loader, partition };
};

/** The loader is in parentheses in earlier versions; data for it may follow at once. */
const ENTRY = /^Boot([0-9A-F]{4})\*? (.+?)\tHD\(\d+,GPT,([0-9a-f-]{36}),[^)]*\)\/(?:File\()?(\\.*?\.efi)/i;

/**
 * Entries for partitions, the one that started this system first.
 *
 * @param text what efibootmgr prints
 */
export const entriesIn = (text: string): BootEntry[] => {
  const lines = text.split('\n');
  const [, current] = lines.map((line) => /^BootCurrent: ([0-9A-F]{4})/.exec(line)).find(Boolean) ?? [];
  return lines
    .flatMap((line) => {
      const [, id, label = '', partition = '', loader = ''] = ENTRY.exec(line) ?? [];
      return id === undefined ? [] : [{ id, entry: { label, loader, partition: partition.toLowerCase() } }];
    })
    .sort((a, b) => Number(b.id === current) - Number(a.id === current))
    .map(({ entry }) => entry);
};

/** @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED */
export const bootEntries = (): BootEntry[] => entriesIn(runProgram(EFIBOOTMGR, ['--verbose'], '').toString('utf8'));

const argumentsFor = ({ label, loader }: BootEntry, disk: string, number: number): string[] => [
  ...['--create', '--disk', disk, '--part', `${number}`],
  ...['--label', label, '--loader', loader],
];

/**
 * Adds an entry, which comes first from then on.
 *
 * @param number of the EFI system partition
 * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED
 */
export const addBootEntry = (entry: BootEntry, disk: string, number: number): void => {
  runProgram(EFIBOOTMGR, ['--quiet', ...argumentsFor(entry, disk, number)], '');
};

/** The command that adds an entry, for a shell. */
export const bootEntryCommand = (entry: BootEntry, disk: string, number: number): string =>
  ['efibootmgr', ...argumentsFor(entry, disk, number)]
    .map((word) => (/^[\w/:.-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
