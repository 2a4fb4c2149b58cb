/**
 * Readers of what options take, and options of several tools. Each reader throws an InvalidArgumentError that names what
 * is expected.
 */
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { COMMAND_EXPECTED, commandWords } from '../../host/backup/hook-command.js';
import {
  bytesOf,
  RATE_EXPECTED,
  rateOf,
  SUFFIX_EXPECTED,
  secondsOf,
  TIME_EXPECTED,
  unitsOf,
} from '../../host/config/units.js';
import { MIB_BYTES, SECTOR_BYTES } from '../../host/layout.js';
import { KEEP_EXPECTED, keepRulesOf } from '../../host/targets/keep.js';
import { DigitsError, parseDigits, U32_MAX } from './digits.js';

const digits = (text: string, max: bigint): number => {
  try {
    return Number(parseDigits(text, max));
  } catch (error) {
    if (!(error instanceof DigitsError)) throw error;
    throw new InvalidArgumentError(error.errno === 0 ? 'expected digits' : `expected at most ${max}`);
  }
};

/** A count, or a number of 32 bits, such as a minor. */
export const count = (text: string): number => digits(text, U32_MAX);

/** A count of what may be more than 32 bits hold, up to the largest exact number. */
export const largeCount = (text: string): number => digits(text, BigInt(Number.MAX_SAFE_INTEGER));

const within =
  (least: number, most: number) =>
  (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`expected ${least} to ${most}`);
  };

/** Pieces in flight at once. */
export const depth = within(1, 256);

/** A picture has 2^order cells on a side. */
export const order = within(1, 10);

const MIB = BigInt(MIB_BYTES);

/** MiB per second: a number of them, which may be a fraction, or a size. */
export const rate = (text: string): number => {
  const value = rateOf(text);
  if (value !== undefined) return value;
  throw new InvalidArgumentError(`expected ${RATE_EXPECTED}`);
};

/** Bytes, or KiB, MiB, GiB, TiB by a letter: whole sectors. */
export const size = (text: string): number => {
  const bytes = Number(bytesOf(text, 1n) ?? NaN);
  if (Number.isSafeInteger(bytes) && bytes % SECTOR_BYTES === 0) return bytes;
  throw new InvalidArgumentError('expected bytes, a multiple of 512, or a number with K, M, G or T');
};

/** A size in bytes; digits alone are MiB. */
export const mibBytes = (text: string): number => {
  const bytes = Number(bytesOf(text, MIB) ?? NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError(`expected digits for MiB, ${SUFFIX_EXPECTED}`);
};

/** A size in MiB, rounded up; digits alone are MiB. */
export const mib = (text: string): number => {
  const value = unitsOf(text, MIB);
  if (value !== undefined && value <= U32_MAX) return Number(value);
  throw new InvalidArgumentError(`expected digits for MiB, at most ${U32_MAX}, ${SUFFIX_EXPECTED}`);
};

/** A time, in seconds. */
export const duration = (text: string): number => {
  const seconds = secondsOf(text);
  if (seconds !== undefined) return seconds;
  throw new InvalidArgumentError(`expected ${TIME_EXPECTED}`);
};

/** A time of at least a second, in seconds. */
export const timeLimit = (text: string): number => {
  const seconds = duration(text);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError(`expected ${TIME_EXPECTED}, above 0`);
};

/** A command of a hook. */
export const hookCommand = (text: string): string => {
  if (commandWords(text) !== undefined) return text;
  throw new InvalidArgumentError(`expected ${COMMAND_EXPECTED}`);
};

/** Rules by which restore points are kept, as their own text. */
export const keepRules = (text: string): string => {
  if (keepRulesOf(text)) return text;
  throw new InvalidArgumentError(`expected ${KEEP_EXPECTED}`);
};

/** A value of an option that may be repeated, added to those before it. */
export const repeated = (value: string, values: readonly string[] = []): string[] => [...values, value];

/**
 * Adds --checkpoint, in bytes.
 *
 * @param oldName of the same option, without dashes: it still works, and no help shows it
 */
export const addCheckpoint = (command: Command, oldName: string): Command => {
  const readOld = (text: string): number => {
    const value = mibBytes(text);
    command.setOptionValue('checkpoint', value);
    return value;
  };
  return command
    .addOption(
      new Option(
        '--checkpoint <size>',
        'sync and record progress every so many MiB, or as 4G (default: 64, at most once a second)',
      ).argParser(mibBytes),
    )
    .addOption(new Option(`--${oldName} <size>`).argParser(readOld).hideHelp());
};
