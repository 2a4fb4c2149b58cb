import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_EXPORTS } from '../../host/core-exports.js';
import type { FieldType, IoctlLayout, StructLayout } from '../../host/layout.js';
import * as layout from '../../host/layout.js';
import { generated } from '../../scripts/generate-layout.js';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const FIELD_BYTES: Record<Exclude<FieldType, 'chars'>, number> = {
  path: 8,
  address: 8,
  ulong: 8,
  uint: 4,
  int: 4,
  u64: 8,
  ull: 8,
};

test('the generated files are what the table says', () => {
  for (const [path, text] of generated()) assert.is(read(path), text, `${path} drifted, run: npm run layout`);
});

test('fields of a struct lie where a C compiler puts them', () => {
  for (const struct of Object.values<StructLayout>(layout.STRUCTS)) {
    let end = 0;
    for (const field of struct.fields) {
      const size = field.type === 'chars' ? (field.bytes ?? NaN) : FIELD_BYTES[field.type];
      const align = field.type === 'chars' ? 1 : size;
      assert.is(field.offset, Math.ceil(end / align) * align, `${struct.name}.${field.name}`);
      end = field.offset + size;
    }
    assert.is(struct.bytes, Math.ceil(end / 8) * 8, struct.name);
  }
});

test('an ioctl value is made of direction, size, magic and number', () => {
  for (const [name, ioctl] of Object.entries<IoctlLayout>(layout.IOCTLS)) {
    const structs: Record<string, StructLayout> = layout.STRUCTS;
    const size = structs[ioctl.argument]?.bytes ?? 4;
    const direction = { write: 1, read: 2, both: 3 }[ioctl.direction];
    assert.is(ioctl.value, direction * 2 ** 30 + size * 2 ** 16 + layout.IOCTL_MAGIC * 2 ** 8 + ioctl.nr, name);
  }
});

test('the fields of the header fill its 64 bytes', () => {
  let end = 0;
  for (const field of layout.HEADER_FIELDS) {
    assert.is(field.offset, end, field.name);
    end += field.bytes;
  }
  assert.is(end, layout.HEADER_BYTES);
});

test('the exports are those of docs/CORE.md, in its order', () => {
  const document = read('docs/CORE.md').split('## Exports')[1] ?? '';
  const rows = document.split('\n').filter((line) => line.startsWith('| `') || line.startsWith('| `io_'));
  const documented = rows.flatMap((row) => {
    const [, first = ''] = row.split(' | ')[0]?.split('| ') ?? [];
    return [...first.matchAll(/`(\w+)\(([^)]*)\)`/g)].map(([, name, args = '']) => ({
      name,
      args: args === '' ? [] : args.split(', '),
    }));
  });
  assert.equal(
    documented,
    CORE_EXPORTS.map(({ name, args }) => ({ name, args })),
  );
});

test.run();
