/** The texts of the generated layout files. */

import { CORE_EXPORTS, type CoreExport, STATS } from '../host/core-exports.js';
import type { IoctlLayout, Named, StructField, StructLayout } from '../host/layout.js';
import * as layout from '../host/layout.js';

const upper = (name: string): string => name.toUpperCase();

// AssemblyScript

const constant = (name: string, value: number | string, type = 'u32', doc?: string): string =>
  `${doc ? `/** ${doc} */\n` : ''}export const ${name}: ${type} = ${value};`;

const constants = (prefix: string, rows: readonly Named[], type = 'u32'): string[] =>
  rows.map((row) => constant(prefix + row.name, row.value, type, row.doc));

/** Text of `assembly/layout.ts`: plain constants, u32 unless they are negative or larger. */
export const assemblyLayout = (): string =>
  `${[
    '// Generated from host/layout.ts by `npm run layout`. Do not edit.',
    '',
    constant('SECTOR_BYTES', layout.SECTOR_BYTES),
    constant('BLOCK_BYTES', layout.BLOCK_BYTES),
    constant('BLOCK_SECTORS', layout.BLOCK_SECTORS),
    constant('SECTION_ENTRIES', layout.SECTION_ENTRIES),
    constant('SECTION_BYTES', layout.SECTION_BYTES),
    constant('ENTRY_BYTES', layout.ENTRY_BYTES),
    constant('ORIGIN_SECTORS_MAX', layout.ORIGIN_SECTORS_MAX, 'u64'),
    '',
    constant('COW_HEADER_SIZE', layout.COW_HEADER_SIZE),
    constant('COW_MAGIC', layout.COW_MAGIC),
    constant('COW_VERSION_CHANGED_BLOCKS', layout.COW_VERSION_CHANGED_BLOCKS),
    ...constants('COW_FLAG_', layout.COW_FLAGS),
    constant('HEADER_BYTES', layout.HEADER_BYTES),
    constant('UUID_BYTES', layout.UUID_BYTES),
    ...layout.HEADER_FIELDS.map((field) =>
      constant(`HEADER_OFFSET_${upper(field.name)}`, field.offset, 'u32', field.doc),
    ),
    constant('RECORD_MAGIC', layout.RECORD_MAGIC, 'u64'),
    constant('RECORD_VERSION', layout.RECORD_VERSION),
    constant('RECORD_VERSION_FIRST_BLOCKS', layout.RECORD_VERSION_FIRST_BLOCKS),
    ...layout.RECORD_FIELDS.map((field) =>
      constant(`RECORD_OFFSET_${upper(field.name)}`, field.offset, 'u32', field.doc),
    ),
    constant('RECORD_VERSION_LIVE', layout.RECORD_VERSION_LIVE),
    ...layout.LIVE_FIELDS.map((field) => constant(`LIVE_OFFSET_${upper(field.name)}`, field.offset, 'u32', field.doc)),
    constant('LIVE_BYTES', layout.LIVE_BYTES),
    constant('NEXT_FILE_MAGIC', layout.NEXT_FILE_MAGIC, 'u64'),
    constant('NEXT_FILE_PATH_BYTES', layout.NEXT_FILE_PATH_BYTES),
    ...layout.NEXT_FILE_FIELDS.map((field) =>
      constant(`NEXT_FILE_OFFSET_${upper(field.name)}`, field.offset, 'u32', field.doc),
    ),
    constant('XFS_LOG_MAGIC', layout.XFS_LOG_MAGIC),
    '',
    constant('REGION_BLOCKS_MIN', layout.REGION_BLOCKS_MIN, 'u64'),
    constant('REGION_BLOCKS_MAX', layout.REGION_BLOCKS_MAX, 'u64'),
    constant('REGION_BLOCKS_DEFAULT', layout.REGION_BLOCKS_DEFAULT, 'u64'),
    constant('MAP_SECTOR_WORDS', layout.MAP_SECTOR_WORDS, 'u64'),
    constant('MAP_BLOCK_WORDS', layout.MAP_BLOCK_WORDS, 'u64'),
    constant('MAP_BLOCKS_MAX', layout.MAP_BLOCKS_MAX, 'u64'),
    '',
    constant('BUFFER_BYTES', layout.BUFFER_BYTES),
    constant('RUNS_MAX', layout.RUNS_MAX),
    constant('RUN_BYTES', layout.RUN_BYTES),
    constant('RANGE_BYTES', layout.RANGE_BYTES),
    constant('SLICE_BLOCKS', layout.SLICE_BLOCKS, 'u64'),
    constant('PLAN_BLOCKS_MAX', layout.PLAN_BLOCKS_MAX, 'u64'),
    constant('PLAN_RANGES_MAX', layout.PLAN_RANGES_MAX),
    constant('PLAN_RUNS_MAX', layout.PLAN_RUNS_MAX),
    constant('COMMIT_BLOCKS_MAX', layout.COMMIT_BLOCKS_MAX),
    constant('READ_BLOCKS_MAX', layout.READ_BLOCKS_MAX),
    constant('READ_RUNS_MAX', layout.READ_RUNS_MAX),
    constant('SLOTS_MIN', layout.SLOTS_MIN),
    constant('SLOTS_GROWTH', layout.SLOTS_GROWTH),
    constant('MASK_CHUNK_BYTES', layout.MASK_CHUNK_BYTES),
    constant('MASK_CHUNK_BLOCKS', layout.MASK_CHUNK_BLOCKS),
    constant('STATUS_MISS', layout.STATUS_MISS, 'i64'),
    constant('STATUS_ROOM', layout.STATUS_ROOM, 'i64'),
    constant('STATUS_REGION', layout.STATUS_REGION, 'i64'),
    constant('COPIED_WAITS', layout.COPIED_WAITS, 'i64'),
    ...constants('', layout.CORE_ERRNOS, 'i64'),
    '',
    ...constants('MODE_', layout.MODES),
    ...constants('EXPECT_', layout.EXPECTATIONS),
    ...constants('RUN_', layout.RUN_KINDS),
    ...constants('SECTION_', layout.SECTION_REQUESTS),
    ...constants('PROOF_', layout.PROOFS),
    ...constants('REFUSAL_', layout.REFUSALS),
    ...constants('STAT_', STATS),
  ].join('\n')}\n`;

// C

const TAB = 8;

/** `left`, tabs up to `column`, `right`. */
export const tabbed = (left: string, column: number, right: string): string => {
  const width = [...left].reduce((at, char) => (char === '\t' ? at + TAB - (at % TAB) : at + 1), 0);
  return left + '\t'.repeat(Math.max(1, Math.ceil((column - width) / TAB))) + right;
};

export const define = (name: string, value: number | string): string => tabbed(`#define ${name}`, 48, `${value}`);

const defines = (prefix: string, rows: readonly Named[]): string[] =>
  rows.map((row) => tabbed(define(prefix + row.name, row.value), 56, `/* ${row.doc} */`));

export const enumeration = (tag: string, prefix: string, rows: readonly Named[]): string[] => [
  `enum ${tag} {`,
  ...rows.map((row) => {
    const member = `\t${prefix}${row.name} = ${row.value},`;
    return upper(row.doc).replaceAll(' ', '_') === row.name ? member : tabbed(member, 48, `/* ${row.doc} */`);
  }),
  '};',
];

const C_TYPES: Record<StructField['type'], string> = {
  path: 'char __user *',
  address: '__u64 ',
  ulong: 'unsigned long ',
  uint: 'unsigned int ',
  int: 'int ',
  u64: '__u64 ',
  ull: 'unsigned long long ',
  chars: 'char ',
};

const struct = (row: StructLayout): string[] => [
  `struct ${row.name} {`,
  ...row.fields.map((field) =>
    tabbed(
      `\t${C_TYPES[field.type]}${field.name}${field.bytes === undefined ? '' : `[${field.bytes}]`};`,
      48,
      `/* ${field.doc} */`,
    ),
  ),
  '};',
  '',
  `static_assert(sizeof(struct ${row.name}) == ${row.bytes});`,
  ...row.fields.map((field) => `static_assert(offsetof(struct ${row.name}, ${field.name}) == ${field.offset});`),
  '',
];

export const hex = (value: number): string => `0x${value.toString(16).toUpperCase()}`;

export const ioctl = ([name, row]: readonly [string, IoctlLayout]): string[] => {
  const type = row.argument in layout.STRUCTS ? `struct ${row.argument}` : row.argument;
  const macro = { read: '_IOR', write: '_IOW', both: '_IOWR' }[row.direction];
  return [`#define ${name} \\`, `\t${macro}(DATTO_IOCTL_MAGIC, ${row.nr}, ${type})`];
};

/** A macro of several lines, the backslashes in one column. */
const macro = (head: string, lines: readonly string[]): string[] =>
  [`#define ${head}`, ...lines.map((line) => `\t${line}`)].map((line, at, all) =>
    at + 1 === all.length ? line : tabbed(line, 72, '\\'),
  );

/** Text of `kmod-stub/layout.h`. */
export const kernelLayout = (): string =>
  `${[
    '/* SPDX-License-Identifier: GPL-2.0-only */',
    '/* Generated from host/layout.ts by "npm run layout". Do not edit. */',
    '#ifndef LAYOUT_H',
    '#define LAYOUT_H',
    '',
    '#include <linux/build_bug.h>',
    '#include <linux/ioctl.h>',
    '#include <linux/stddef.h>',
    '#include <linux/types.h>',
    '',
    '/* Version of the interface, as /proc and modinfo show it; not of the package. */',
    define('DATTOBD_VERSION', `"${layout.DATTOBD_VERSION}"`),
    '',
    '/* The COW file; sizes in bytes */',
    define('COW_BLOCK_SIZE', layout.BLOCK_BYTES),
    define('COW_BLOCK_SECTORS', layout.BLOCK_SECTORS),
    define('COW_HEADER_SIZE', layout.COW_HEADER_SIZE),
    define('COW_SECTION_BYTES', layout.SECTION_BYTES),
    define('COW_UUID_SIZE', layout.UUID_BYTES),
    '',
    '/* First word of a header in the log of an XFS, big-endian there */',
    define('XFS_LOG_MAGIC', hex(layout.XFS_LOG_MAGIC)),
    '',
    '/* The core: areas of linear memory, and what its exports take and answer */',
    define('CORE_BUFFER_BYTES', layout.BUFFER_BYTES),
    define('CORE_SLICE_BLOCKS', layout.SLICE_BLOCKS),
    define('CORE_PLAN_BLOCKS_MAX', layout.PLAN_BLOCKS_MAX),
    define('CORE_PLAN_RANGES_MAX', layout.PLAN_RANGES_MAX),
    define('CORE_PLAN_RUNS_MAX', layout.PLAN_RUNS_MAX),
    define('CORE_READ_RUNS_MAX', layout.READ_RUNS_MAX),
    define('CORE_PROOF_BLOCKS_MAX', layout.PROOF_BLOCKS_MAX),
    define(
      'CORE_RECORD_NR_SECTORS_OFFSET',
      layout.RECORD_FIELDS.find(({ name }) => name === 'nr_sectors')?.offset ?? Number.NaN,
    ),
    define(
      'CORE_NEXT_FILE_PATH_OFFSET',
      layout.NEXT_FILE_FIELDS.find(({ name }) => name === 'path')?.offset ?? Number.NaN,
    ),
    define('CORE_NEXT_FILE_PATH_BYTES', layout.NEXT_FILE_PATH_BYTES),
    define('CORE_STATUS_MISS', `(${layout.STATUS_MISS})`),
    define('CORE_STATUS_ROOM', `(${layout.STATUS_ROOM})`),
    define('CORE_STATUS_REGION', `(${layout.STATUS_REGION})`),
    define('CORE_COPIED_WAITS', layout.COPIED_WAITS),
    define('CORE_MAP_BLOCKS_MAX', layout.MAP_BLOCKS_MAX),
    define('CORE_REGION_BLOCKS_MIN', layout.REGION_BLOCKS_MIN),
    define('CORE_REGION_BLOCKS_MAX', layout.REGION_BLOCKS_MAX),
    define('CORE_REGION_BLOCKS_DEFAULT', layout.REGION_BLOCKS_DEFAULT),
    define('CORE_MASK_CHUNK_BYTES', layout.MASK_CHUNK_BYTES),
    define('CORE_MASK_CHUNK_BLOCKS', layout.MASK_CHUNK_BLOCKS),
    define('CORE_ORIGIN_SECTORS_MAX', `${layout.ORIGIN_SECTORS_MAX}ULL`),
    define('CORE_ORIGIN_MAX_TEXT', `"${layout.ORIGIN_MAX_TEXT}"`),
    '',
    ...defines('CORE_MODE_', layout.MODES),
    '',
    ...defines('CORE_EXPECT_', layout.EXPECTATIONS),
    '',
    ...defines('CORE_RUN_', layout.RUN_KINDS),
    '',
    ...defines('CORE_SECTION_', layout.SECTION_REQUESTS),
    '',
    ...enumeration('core_proof', 'CORE_PROOF_', layout.PROOFS),
    '',
    ...enumeration('core_refusal', 'CORE_REFUSAL_', layout.REFUSALS),
    '',
    '/* Initialiser of an array of const char *, by enum core_refusal */',
    ...macro('CORE_REFUSAL_NAMES', [
      '{',
      ...layout.REFUSALS.map((row) => `\t[CORE_REFUSAL_${row.name}] = "${row.doc}",`),
      '}',
    ]),
    '',
    '/* A record of the runs area; counts and places are in blocks */',
    'struct core_run {',
    '\t__le64 start;',
    '\t__le32 count;',
    '\t__le32 kind;',
    '};',
    '',
    `static_assert(sizeof(struct core_run) == ${layout.RUN_BYTES});`,
    '',
    '/* A range in the buffer, in sectors of the origin */',
    'struct core_range {',
    '\t__le64 sector;',
    '\t__le64 nr_sectors;',
    '};',
    '',
    `static_assert(sizeof(struct core_range) == ${layout.RANGE_BYTES});`,
    '',
    '/* Argument of CORE_STAT */',
    ...enumeration('core_stat', 'CORE_STAT_', STATS),
    '',
    'enum core_export {',
    ...CORE_EXPORTS.map((row) => `\tCORE_${upper(row.name)},`),
    '\tCORE_NR_EXPORTS',
    '};',
    '',
    '/* One X(suffix of enum core_export, name in the module, number of arguments, least result) per export */',
    ...macro(
      'CORE_EXPORTS(X)',
      (CORE_EXPORTS as readonly CoreExport[]).map(
        ({ name, args, status }) =>
          `X(${upper(name)}, "${name}", ${args.length}, ${status ? `CORE_STATUS_${status}` : '-MAX_ERRNO'})`,
      ),
    ),
    '',
    '/* The control node */',
    define('DATTO_IOCTL_MAGIC', hex(layout.IOCTL_MAGIC)),
    define('DATTOBD_GROUP_MAX', layout.GROUP_MAX),
    '',
    ...enumeration('dattobd_state', 'DATTOBD_STATE_', layout.STATES),
    '',
    ...Object.values<StructLayout>(layout.STRUCTS).flatMap(struct),
    ...Object.entries<IoctlLayout>(layout.IOCTLS).flatMap(ioctl),
    '',
    ...Object.entries<IoctlLayout>(layout.IOCTLS).map(([name, row]) => `static_assert(${name} == ${hex(row.value)});`),
    '',
    '#endif /* LAYOUT_H */',
  ].join('\n')}\n`;
