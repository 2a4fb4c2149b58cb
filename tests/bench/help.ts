/** How long each tool takes to tell its help, warm. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildTools, tools } from '../../scripts/build-cli.js';
import { median, verdict } from './figures.js';

const ROUNDS = 15;
const AIM_MS = 100;

/** Measures and prints. */
export const help = async (): Promise<boolean> => {
  const folder = mkdtempSync(join(tmpdir(), 'datto-help-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await buildTools(join(folder, 'tools'));
  writeFileSync(join(folder, 'empty.mjs'), '');
  const run = (path: string): number => {
    const began = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [path, '--help'], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${path} --help ended with ${status}: ${stderr}`);
    return performance.now() - began;
  };
  const programs = [
    ['an empty program', join(folder, 'empty.mjs')],
    ...tools.map((name) => [name, join(folder, 'tools', `${name}.mjs`)]),
  ];
  console.log(`\n--help, warm, Node ${process.version}, ${ROUNDS} rounds`);
  console.log(`  ${''.padEnd(20)}${'least ms'.padStart(10)}${'median ms'.padStart(11)}`);
  for (const [name = '', path = ''] of programs) {
    run(path);
    const times = Array.from({ length: ROUNDS }, () => run(path));
    const aim = name === 'an empty program' ? undefined : AIM_MS;
    console.log(
      `  ${name.padEnd(20)}${Math.min(...times)
        .toFixed(0)
        .padStart(10)}${median(times).toFixed(0).padStart(11)}  ${verdict(Math.min(...times), aim, false)}`,
    );
  }
  console.log(
    '  The aim is for the least: what is more is this machine doing something else. An idle one starts an empty program in 40 to 60 ms.',
  );
  return true;
};
