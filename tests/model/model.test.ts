// The checked model of the write pipeline, small: it has no fault, and each mutant has one that is found.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Search, searchModel } from './spin.js';

/** One write and one read of one snapshot. */
const TINY = { WRITES: 1, READS: 1, SWITCHES: 0, FAILURES: 0, FOREIGN: 0 };
const TWO_WRITES = { ...TINY, WRITES: 2 };

interface Mutant {
  readonly name: string;
  readonly bounds: Search['bounds'];
  /** what pan says is wrong */
  readonly error: RegExp;
}

/** Of a snapshot read that returns what was written after the instant. */
const NEWER = /newer>>read_block/;
/** Of a write that goes although a block of it is neither copied nor marked. */
const NOT_COPIED = /assertion violated \(\(copied>>b\)&1\)/;

const MUTANTS: readonly Mutant[] = [
  // Or else its job is under way when the snapshot is freed, for nobody waits for it.
  { name: 'COMMIT', bounds: TINY, error: /copied>>b|job_is\[n\]==0/ },
  { name: 'REGISTER', bounds: TINY, error: NEWER },
  { name: 'READS', bounds: TINY, error: NEWER },
  { name: 'DIVIDE', bounds: TWO_WRITES, error: NEWER },
  { name: 'WAKE', bounds: TINY, error: /invalid end state/ },
  { name: 'JOIN', bounds: TWO_WRITES, error: /job_blocks/ },
  { name: 'TAIL', bounds: TWO_WRITES, error: /tail/ },
  { name: 'MODE', bounds: { ...TWO_WRITES, SWITCHES: 1, APPENDS: 1 }, error: /file_given/ },
  { name: 'DRAIN', bounds: { ...TINY, SWITCHES: 1 }, error: NOT_COPIED },
  { name: 'SEND', bounds: { ...TINY, SWITCHES: 1 }, error: /freed|copied>>b/ },
  { name: 'LOOK', bounds: { ...TWO_WRITES, SWITCHES: 1 }, error: NOT_COPIED },
];

const SOUND: ReadonlyArray<Search & { readonly name: string }> = [
  { name: 'one write, two switches, failures', bounds: { WRITES: 1, READS: 1, SWITCHES: 2 } },
  { name: 'two writes, two blocks', bounds: TWO_WRITES },
  { name: 'no cycle, so that every run ends', bounds: { WRITES: 1, READS: 1, SWITCHES: 1 }, cycles: true },
];

for (const { name, ...search } of SOUND)
  test(name, () => {
    const { states, error, steps } = searchModel(search);
    assert.equal({ error, steps }, { error: '', steps: [] });
    assert.ok(states > 1000, `only ${states} states`);
  });

for (const { name: mutant, bounds, error: expected } of MUTANTS)
  test(`mutant ${mutant} is caught`, () => {
    const { error, steps } = searchModel({ bounds, mutant });
    assert.match(error, expected, steps.join('\n'));
    assert.ok(steps.length > 0, 'no steps lead to it');
  });

test('every mutant of the model is tried', () => {
  const text = readFileSync(new URL('pipeline.pml', import.meta.url), 'utf8');
  const names = new Set([...text.matchAll(/MUTANT_([A-Z]+)/g)].map((match) => match[1]!));
  assert.equal([...names].sort(), MUTANTS.map(({ name }) => name).sort());
});

test.run();
