/** The fuzzer's short form; `npm run fuzz` is the long one. */
import { rmSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Fuzzer, fuzzFolder } from '../../fuzz/datto.js';

const SECONDS = 5;

test('files mutated from sound ones end in an answer or a refusal, and what is sound can be used', async () => {
  const seed = Date.now() % 2 ** 32;
  console.log(`seed ${seed}`);
  const folder = fuzzFolder();
  const fuzzer = new Fuzzer(folder, seed);
  try {
    fuzzer.run(SECONDS);
  } finally {
    fuzzer.stop();
    rmSync(folder, { recursive: true });
  }
  const { runs, corpus, coverage } = fuzzer.result;
  console.log(`${runs} files, ${corpus} of them reached something new: ${coverage} parts of the code`);
  assert.ok(runs >= 15 && coverage > 300);
});

test.run();
