import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wrongWings } from '../../scripts/wings.js';

const FLOORS = ['m', 'm/low', 'm/high', 'm/main.c'];
const wrong = (files: Record<string, string>): string[] => wrongWings(new Map(Object.entries(files)), 'm', FLOORS);
const GOOD = {
  'm/common.h': 'int common(void);\n',
  'm/common.c': 'int common(void)\n{\n\treturn 0;\n}\n',
  'm/low/a.h': '#include "common.h"\n/** a() - see b() */\nstruct a *a(struct b *arg,\n\t    int x);\n',
  'm/low/a.c':
    '#include "low/a.h"\nstatic int helper(void)\n{\n}\n\nstruct a *a(struct b *arg,\n\t    int x)\n{\n\tcommon();\n}\n',
  'm/high/b.h': 'void b(void);\n',
  'm/high/b.c':
    '#include "high/b.h"\n#include "low/a.h"\n#include <linux/fs.h>\nvoid b(void)\n{\n\tint c;\n\n\ta(NULL, 1);\n}\n',
  'm/main.c': '#include "high/b.h"\nstatic int __init init(void)\n{\n\tb();\n}\n',
};

test('arrows to what stands below are as they should be', () => assert.equal(wrong(GOOD), []));

test('an include and a call of what stands above are named; a comment, a string and a struct are no call', () => {
  assert.equal(wrong({ ...GOOD, 'm/low/c.h': '#include "high/b.h"\n' }), [
    'm/low/c.h includes m/high/b.h, which stands above it',
  ]);
  const calling = (body: string): Record<string, string> => ({
    ...GOOD,
    'm/low/c.c': `static void c(void)\n{\n${body}\n}\n`,
  });
  assert.equal(wrong(calling('\tb();')), ['m/low/c.c calls m/high/b.c, which stands above it']);
  assert.equal(wrong(calling('\tregister_call(&b);')), ['m/low/c.c calls m/high/b.c, which stands above it']);
  assert.equal(wrong(calling('\t/* b() */ log("b()"); struct b *x;')), []);
});

test('a circle of includes and one of calls within a wing are named', () => {
  const includes = { ...GOOD, 'm/low/c.h': '#include "low/d.h"\n', 'm/low/d.h': '#include "low/c.h"\n' };
  assert.equal(wrong(includes), ['a circle of includes: m/low/c.h -> m/low/d.h -> m/low/c.h']);
  const calls = {
    ...GOOD,
    'm/low/c.h': 'void c(void);\n',
    'm/low/c.c': 'void c(void)\n{\n\td();\n}\n',
    'm/low/d.h': 'void d(void);\n',
    'm/low/d.c': 'void d(void)\n{\n\tc();\n}\n',
  };
  assert.equal(wrong(calls), ['a circle of calls: m/low/c.c -> m/low/d.c -> m/low/c.c']);
});

test("a function that another file's header declares is named", () => {
  const moved = {
    ...GOOD,
    'm/high/b.h': 'void b(void);\nvoid e(void);\n',
    'm/high/e.c': 'noinline void e(void)\n{\n}\n',
  };
  assert.equal(wrong(moved), ['m/high/e.c defines e(), which m/high/e.h does not declare']);
});

test.run();
