/** Text of the generated C calls of the core's exports. */
import { CORE_EXPORTS, type CoreExport, type Most, STATS } from '../host/core-exports.js';

const upper = (name: string): string => name.toUpperCase();

const LIMITS: Readonly<Record<string, string>> = {
  positive: 'S64_MAX',
  blocks: 'engine_nr_blocks(engine)',
  sections: 'engine_nr_sections(engine)',
  chunks: 'engine_nr_chunks(engine)',
  block: 'engine_nr_blocks(engine) - 1',
  section: 'engine_nr_sections(engine) - 1',
  memory: 'U32_MAX',
};

const limit = (most: Most): string => (typeof most === 'number' ? `${most}` : (LIMITS[most] ?? most));

/** A call, broken where it would pass column 100. */
function call(head: string, args: readonly string[]): string {
  const one = `\treturn ${head}(${args.join(', ')});`;
  if (one.length + 7 <= 100) return one;
  return `\treturn ${head}(${args.slice(0, 2).join(', ')},\n\t\t\t  ${args.slice(2).join(', ')});`;
}

const signature = (name: string, args: readonly string[]): string => {
  const all = ['struct engine *engine', ...args.map((arg) => `u64 ${arg}`)];
  const one = `static inline s64 wasm_${name}(${all.join(', ')})`;
  if (one.length <= 100) return one;
  return `static inline s64 wasm_${name}(${all.slice(0, -1).join(', ')},\n\t\t\t\t${all.at(-1)})`;
};

const wrapper = ({ name, args, most, alone }: CoreExport): string[] => [
  ...(alone ? ['/* It may take long: not under core_lock, and of a core that nobody else calls. */'] : []),
  signature(name, args),
  '{',
  call('engine_ask', ['engine', `CORE_${upper(name)}`, ...[0, 1, 2].map((at) => args[at] ?? '0'), limit(most)]),
  '}',
  '',
];

/** Text of `kmod-stub/core/calls.h`. */
export const coreCalls = (): string =>
  `${[
    '/* SPDX-License-Identifier: GPL-2.0-only */',
    '/* Generated from host/core-exports.ts by "npm run layout". Do not edit. */',
    '/*',
    " * The core's exports as functions (docs/CORE.md). A result is checked against the most that can be",
    ' * right, see engine_ask().',
    ' */',
    '#ifndef DATTOBD_CORE_CALLS_H',
    '#define DATTOBD_CORE_CALLS_H',
    '',
    '#include "core/engine.h"',
    '',
    ...(CORE_EXPORTS as readonly CoreExport[]).filter(({ name }) => name !== 'stat').flatMap(wrapper),
    '/* A field of all of whose 64 bits none is an error. */',
    'static inline u64 wasm_value(struct engine *engine, enum core_stat field)',
    '{',
    '\treturn engine_call(engine, CORE_STAT, field, 0, 0);',
    '}',
    '',
    '/* Any other field. */',
    'static inline s64 wasm_stat(struct engine *engine, enum core_stat field)',
    '{',
    '\ts64 most = S64_MAX;',
    '',
    '\tswitch (field) {',
    ...statCases(),
    '\tdefault:',
    '\t\tbreak;',
    '\t}',
    '\treturn engine_ask(engine, CORE_STAT, field, 0, 0, most);',
    '}',
    '',
    '#endif',
  ].join('\n')}\n`;

/** The fields with a limit of their own, those with the same one together. */
function statCases(): string[] {
  const limits = new Map<string, string[]>();
  for (const { name, most } of STATS)
    if (most !== 'any' && most !== 'positive') limits.set(limit(most), [...(limits.get(limit(most)) ?? []), name]);
  return [...limits].flatMap(([most, names]) => [
    ...names.map((name) => `\tcase CORE_STAT_${name}:`),
    `\t\tmost = ${most};`,
    '\t\tbreak;',
  ]);
}
