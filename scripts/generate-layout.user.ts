/** The text of `dattobd.h`, the header for C programs that talk to the driver. */

import type { HeaderField, IoctlLayout, StructField, StructLayout } from '../host/layout.js';
import * as layout from '../host/layout.js';
import { define, enumeration, hex, ioctl, tabbed } from './generate-layout.text.js';

const TYPES: Record<StructField['type'], string> = {
  path: 'char *',
  address: 'uint64_t ',
  ulong: 'unsigned long ',
  uint: 'unsigned int ',
  int: 'int ',
  u64: 'uint64_t ',
  ull: 'unsigned long long ',
  chars: 'char ',
};

/** Macros that stand for a number of bytes. */
const LENGTHS: Readonly<Record<number, string>> = { [layout.UUID_BYTES]: 'COW_UUID_SIZE' };

const length = (bytes: number): string => `[${LENGTHS[bytes] ?? bytes}]`;

const member = (declaration: string, doc: string): string => tabbed(`\t${declaration};`, 48, `/* ${doc} */`);

const struct = (row: StructLayout): string[] => [
  `struct ${row.name} {`,
  ...row.fields.map(({ name, type, bytes, doc }) =>
    member(`${TYPES[type]}${name}${bytes === undefined ? '' : length(bytes)}`, doc),
  ),
  '};',
  '',
];

const headerField = ({ name, bytes, doc }: HeaderField): string => {
  if (bytes === 4 || bytes === 8) return member(`uint${bytes * 8}_t ${name}`, doc);
  return member(`uint8_t ${name}${length(bytes)}`, doc);
};

/** Text of `libdattobd/dattobd.h`. Names and types are those that programs written for the interface use. */
export const userHeader = (): string =>
  `${[
    '/* SPDX-License-Identifier: LGPL-2.1-or-later */',
    '/*',
    ' * The interface of the dattobd driver: the ioctls of its control node, and the header of a COW file.',
    ' *',
    ' * Generated from host/layout.ts by "npm run layout". Do not edit.',
    ' */',
    '#ifndef DATTOBD_H',
    '#define DATTOBD_H',
    '',
    '#include <linux/ioctl.h>',
    '#include <stdint.h>',
    '',
    '/* Version of the interface */',
    define('DATTOBD_VERSION', `"${layout.DATTOBD_VERSION}"`),
    '',
    '/* The COW file; all integers in it are little-endian */',
    define('COW_UUID_SIZE', layout.UUID_BYTES),
    define('COW_BLOCK_LOG_SIZE', Math.log2(layout.BLOCK_BYTES)),
    define('COW_BLOCK_SIZE', `(1 << COW_BLOCK_LOG_SIZE)`),
    define('COW_HEADER_SIZE', layout.COW_HEADER_SIZE),
    define('COW_MAGIC', `((uint32_t)${layout.COW_MAGIC})`),
    '',
    '/* Flags, as numbers of their bits */',
    ...layout.COW_FLAGS.map(({ name, value, doc }) =>
      tabbed(define(`COW_${name}`, Math.log2(value)), 56, `/* ${doc} */`),
    ),
    '',
    '/* Versions of the header: without and with nr_changed_blocks */',
    define('COW_VERSION_0', layout.COW_VERSION_0),
    define('COW_VERSION_CHANGED_BLOCKS', layout.COW_VERSION_CHANGED_BLOCKS),
    '',
    'struct cow_header {',
    ...layout.HEADER_FIELDS.map(headerField),
    '};',
    '',
    '/* The control node */',
    define('DATTO_IOCTL_MAGIC', hex(layout.IOCTL_MAGIC)),
    define('DATTOBD_GROUP_MAX', layout.GROUP_MAX),
    '',
    '/* What the state of struct dattobd_info says */',
    ...enumeration('dattobd_state', 'DATTOBD_STATE_', layout.STATES),
    '',
    '/* Arguments of the ioctls */',
    '',
    ...Object.values<StructLayout>(layout.STRUCTS).flatMap(struct),
    ...Object.entries<IoctlLayout>(layout.IOCTLS).flatMap(ioctl),
    '',
    '#endif /* DATTOBD_H */',
  ].join('\n')}\n`;
