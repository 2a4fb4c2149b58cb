/** Runs every unit test file, each in a process of its own, and ends with one line of totals. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const folders = ['core', 'host', 'lib', 'cli', 'boot', 'vm'].map((name) => join(root, 'tests', name));
/** A file that takes longer hangs. */
const TIMEOUT_MS = 600_000;
const wanted = process.argv.slice(2);

const testFiles = (folder: string): string[] => {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => relative(root, join(folder, name)));
  } catch {
    return [];
  }
};

const count = (output: string, label: string): number => {
  // The colours that uvu may print around its totals.
  const plain = output.replace(/\u001b\[\d+m/g, '');
  return Number(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'm').exec(plain)?.[1] ?? 0);
};

let passed = 0;
let failed = 0;
for (const file of folders.flatMap(testFiles)) {
  if (wanted.length > 0 && !wanted.some((part) => file.includes(part))) continue;
  const run = spawnSync(process.execPath, ['--import', 'tsx', file], {
    cwd: root,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  const ok = count(run.stdout, 'Passed');
  const bad = count(run.stdout, 'Total') - ok;
  passed += ok;
  // A file that ends badly or runs no test has failed, whatever its totals say.
  const broken = run.status !== 0 || ok + bad === 0;
  failed += broken ? Math.max(bad, 1) : bad;
  console.log(`${broken || bad > 0 ? 'FAIL' : 'ok  '} ${file}: ${ok} passed, ${bad} failed`);
  if (broken || bad > 0) console.log(run.stdout + run.stderr);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
