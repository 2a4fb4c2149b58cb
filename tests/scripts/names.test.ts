import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { missingNames } from '../../scripts/names.js';

const tree = (files: Record<string, string>): string[] =>
  missingNames(new Map(Object.entries(files)), [...Object.keys(files), 'docs/picture.svg']);

test('names that are there are no matter', () => {
  const lines = tree({
    'a/one.c': '/* See two() and a/two.h, docs/ABI.md, B4.8\n * to B4.10. */\nint one(void) { return two(); }',
    'a/two.h': '// one() and one.c\nint two(void);',
    'run.sh': '# calls other()\nother() { :; }\n',
    'docs/ABI.md': '`one()` is in one.c.\n| B4.8 | row |\n| B4.10 | row |\n',
  });
  assert.equal(lines, []);
});

test('a function, a file and a row that are not there are each named, with their file', () => {
  const lines = tree({
    'one.c': '/* gone() does it */\nint one(void) { return 0; }',
    'two.ts': '/** As in docs/ABI.md, B4.8 and B4.1. */\nconst x = "there";',
    'run.sh': 'echo other.c # see none.c\n',
    'docs/ABI.md': 'B4.10 and XB4.1 are other rows; b/one.c is another file. B4.8',
  });
  assert.equal(lines, [
    'one.c: names gone(), which is not in the tree',
    'two.ts: names B4.1 of docs/ABI.md, which is not in the tree',
    'run.sh: names none.c, which is not in the tree',
    'docs/ABI.md: names b/one.c, which is not in the tree',
  ]);
});

test('a path from the folder of the file that names it is looked up from there', () => {
  const lines = tree({
    'README.md': '',
    'docs/one.md': '[here](../README.md) [there](../docs/two.md) ../../README.md',
  });
  assert.equal(lines, [
    'docs/one.md: names ../docs/two.md, which is not in the tree',
    'docs/one.md: names ../../README.md, which is not in the tree',
  ]);
});

test('code that names a function is no comment, and a comment is no code', () => {
  const lines = tree({ 'one.ts': 'const url = `x`; // only here()\n', 'two.ts': '/* only here() */' });
  assert.equal(lines.length, 2);
});

test.run();
