import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IoctlLayout, StructLayout } from '../../host/layout.js';
import { HEADER_BYTES, HEADER_FIELDS, IOCTLS, STRUCTS } from '../../host/layout.js';
import { at, compile, installed, output, PREFIX, pkgConfig } from './install.js';

const FUNCTIONS = [
  'dattobd_destroy',
  'dattobd_expand_cow_file',
  'dattobd_get_free_minor',
  'dattobd_info',
  'dattobd_reconfigure',
  'dattobd_reconfigure_auto_expand',
  'dattobd_reload_incremental',
  'dattobd_reload_snapshot',
  'dattobd_setup_snapshot',
  'dattobd_setup_snapshot_group',
  'dattobd_transition_incremental',
  'dattobd_transition_snapshot',
  'dattobd_transition_snapshot_group',
];

const library = installed('lib/libdattobd.so.1');

test('what is installed is the library, its link, its headers and its pkg-config file', () => {
  const files = readdirSync(installed('.'), { recursive: true, encoding: 'utf8' }).sort();
  assert.equal(files, [
    'include',
    'include/dattobd',
    'include/dattobd/dattobd.h',
    'include/dattobd/libdattobd.h',
    'lib',
    'lib/libdattobd.so',
    'lib/libdattobd.so.1',
    'lib/pkgconfig',
    'lib/pkgconfig/libdattobd.pc',
  ]);
  assert.is(readlinkSync(installed('lib/libdattobd.so')), 'libdattobd.so.1');
});

test('the library is libdattobd.so.1 and needs the C library only', () => {
  const lines = output('readelf', ['-d', '-W', library]).split('\n');
  const values = (tag: string): string[] =>
    lines.filter((line) => line.includes(`(${tag})`)).map((line) => /\[(.*)\]/.exec(line)?.[1] ?? '');
  assert.equal(values('SONAME'), ['libdattobd.so.1']);
  assert.equal(values('NEEDED'), ['libc.so.6']);
  assert.equal(values('RUNPATH').concat(values('RPATH')), []);
});

test('the library offers thirteen functions, without symbol versions, and nothing else', () => {
  const rows = output('readelf', ['--dyn-syms', '-W', library])
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([number = '', , , , bind, , section]) => /^\d+:$/.test(number) && bind !== 'LOCAL' && section !== 'UND');
  assert.equal(
    rows.map((columns) => `${columns[3]} ${columns[7]}`).sort(),
    FUNCTIONS.map((name) => `FUNC ${name}`),
  );
});

test('pkg-config knows where headers and library were installed, and the version of this package', () => {
  const text = readFileSync(installed('lib/pkgconfig/libdattobd.pc'), 'utf8');
  assert.ok(text.split('\n').includes(`prefix=${PREFIX}`));
  assert.is(pkgConfig('--cflags'), `-I${installed('include/dattobd')}`);
  assert.is(pkgConfig('--libs'), `-L${installed('lib')} -ldattobd`);
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  assert.is(pkgConfig('--modversion'), version);
});

/** A program that compiles only if structs and constants are those of the interface. */
const assertions = (): string =>
  [
    '#include <stddef.h>',
    '#include <string.h>',
    '#include <libdattobd.h>',
    '#ifndef __cplusplus',
    '#include <assert.h>',
    '#endif',
    ...Object.values<StructLayout>(STRUCTS).flatMap(({ name, bytes, fields }) => [
      `static_assert(sizeof(struct ${name}) == ${bytes}, "size of ${name}");`,
      ...fields.map(
        (field) =>
          `static_assert(offsetof(struct ${name}, ${field.name}) == ${field.offset}, "${name}.${field.name}");`,
      ),
    ]),
    `static_assert(sizeof(struct cow_header) == ${HEADER_BYTES}, "size of cow_header");`,
    ...HEADER_FIELDS.flatMap(({ name, offset, bytes }) => [
      `static_assert(offsetof(struct cow_header, ${name}) == ${offset}, "cow_header.${name}");`,
      `static_assert(sizeof(((struct cow_header *)0)->${name}) == ${bytes}, "size of cow_header.${name}");`,
    ]),
    ...Object.entries<IoctlLayout>(IOCTLS).map(
      ([name, { value }]) => `static_assert(${name} == ${value}U, "${name}");`,
    ),
    ...[
      'DATTO_IOCTL_MAGIC == 0x91',
      'COW_UUID_SIZE == 16',
      'COW_BLOCK_LOG_SIZE == 12',
      'COW_BLOCK_SIZE == 4096',
      'COW_HEADER_SIZE == 4096',
      'COW_MAGIC == 4776',
      'sizeof(COW_MAGIC) == 4',
      'COW_CLEAN == 0',
      'COW_INDEX_ONLY == 1',
      'COW_VMALLOC_UPPER == 2',
      'COW_VERSION_0 == 0',
      'COW_VERSION_CHANGED_BLOCKS == 1',
      'DATTOBD_STATE_ACTIVE_SNAPSHOT == 3',
    ].map((fact) => `static_assert(${fact}, "${fact}");`),
    // Every function, with its type: what is not as the interface has it does not compile.
    'int (*const setup)(unsigned int, char *, char *, unsigned long, unsigned long) = dattobd_setup_snapshot;',
    'int (*const reload)(unsigned int, char *, char *, unsigned long) = dattobd_reload_snapshot;',
    'int (*const reload_incremental)(unsigned int, char *, char *, unsigned long) = dattobd_reload_incremental;',
    'int (*const destroy)(unsigned int) = dattobd_destroy;',
    'int (*const transition_incremental)(unsigned int) = dattobd_transition_incremental;',
    'int (*const transition_snapshot)(unsigned int, char *, unsigned long) = dattobd_transition_snapshot;',
    'int (*const reconfigure)(unsigned int, unsigned long) = dattobd_reconfigure;',
    'int (*const info)(unsigned int, struct dattobd_info *) = dattobd_info;',
    'int (*const expand)(unsigned int, uint64_t) = dattobd_expand_cow_file;',
    'int (*const auto_expand)(unsigned int, uint64_t, uint64_t) = dattobd_reconfigure_auto_expand;',
    'typedef int of_group(unsigned int, struct snapshot_group_member *, unsigned int *, int *);',
    'of_group *const setup_group = dattobd_setup_snapshot_group;',
    'of_group *const transition_group = dattobd_transition_snapshot_group;',
    'int (*const free_minor)(void) = dattobd_get_free_minor;',
    // EINVAL whether or not there is a driver.
    'int main(void) { return strcmp(DATTOBD_VERSION, "0.12.1") != 0 || info(0, NULL) != -1; }',
    '',
  ].join('\n');

for (const [language, standard] of [
  ['c', 'c11'],
  ['c++', 'c++11'],
  ['c++', 'c++17'],
] as const) {
  test(`sizes, offsets, commands and types are those of the interface to a compiler of ${standard}`, () => {
    const file = at(`facts-${standard}.${language === 'c' ? 'c' : 'cc'}`);
    writeFileSync(file, assertions());
    // Linking C++ without extern "C" would find no function.
    const program = compile(`facts-${standard}`, ['-x', language, `-std=${standard}`], file, '-x none');
    output(program, [], { LD_LIBRARY_PATH: installed('lib') });
  });
}

test('each header stands on its own, in C99', () => {
  for (const header of ['dattobd.h', 'libdattobd.h']) {
    const file = at(`only-${header}.c`);
    writeFileSync(file, `#include <${header}>\n#include <${header}>\nint main(void) { return IOCTL_DESTROY == 0; }\n`);
    compile(`only-${header}`, ['-std=c99'], file);
  }
});

test.run();
