import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { avoidedWords } from '../../scripts/words.js';

const found = (files: Record<string, string>): string[] => avoidedWords(new Map(Object.entries(files)));

test('a word in a string is found, with its line', () => {
  const lines = found({
    'one.ts': "const a = 1;\nconst text = 'Tells the version';\n",
    'two.ts': `const text = \`\${a} must be\n  begun anew: \${b ? "told" : ''}\`;\n`,
  });
  assert.equal(lines, [
    'one.ts:2: "Tells": say "print, report or show"',
    'two.ts:2: "anew": say "again, or a new one"',
    'two.ts:2: "told": say "print, report or show"',
  ]);
});

test('words in strings that are added up are found where they begin', () => {
  const lines = found({ 'one.ts': "run(\n  'It makes a ' +\n    'whole ' +\n    'copy of ' + name,\n);\n" });
  assert.equal(lines, ['one.ts:3: "whole copy": say "full copy, or full backup for the first of a series"']);
});

test('comments, names and patterns of a program are not texts', () => {
  const lines = found({
    'one.ts':
      "/** Tells it. */\nconst told = /told/; // anew\nimport './whole-copy.js';\nconst n = 'whole' + told + ' copy';\n",
  });
  assert.equal(lines, []);
});

test('all of a document is text, across its lines', () => {
  const lines = found({
    'README.md': 'The device is\nthere, failed. <!-- It is taken up. -->\n`can be had back`\n',
    'one.8': '.TP\ntake the incremental up again\ntake it up\n',
  });
  assert.equal(lines, [
    'README.md:1: "is there, failed": say "exists in the failed state"',
    'README.md:2: "taken up": say "resumed or reloaded"',
    'README.md:3: "had back": say "restored"',
    'one.8:2: "take the incremental up again": say "resumed or reloaded"',
    'one.8:3: "take it up": say "resumed or reloaded"',
  ]);
});

test('other words are no matter', () => {
  assert.equal(found({ 'a.md': 'retold, a whole, copy; taken over; the whole image; a copy' }), []);
});

test.run();
