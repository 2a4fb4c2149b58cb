/**
 * The packages on Debian as administrators have it: tsx tests/packages/run.ts [bookworm|trixie…]
 *
 * Each suite: the packages are installed, upgraded, rolled back and purged, with the names of all files compared (install.sh). Then systemd
 * boots a machine in which they are installed as INSTALL.md says; its backups are compared byte by byte, across a reboot, an upgrade, a newer
 * kernel and a power cut (guest.sh).
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mountNamespace } from '../../scripts/debian/kernels.mjs';
import { buildPackages } from '../../scripts/package.js';
import { cacheDir, projectDir } from '../vm/kernels.js';
import { badLines } from '../vm/verdict.js';
import { bootAll, readIfThere } from './machine.js';
import { rootOf, type Suite, suites } from './roots.js';

const DATA_UUID = '8f1c9a52-6d0b-4f2e-9c3d-5b7a1e4d2f60';
const sources = join(projectDir, 'tests/packages');

const makeDisk = (path: string, size: string, ...options: string[]): void => {
  execFileSync('truncate', ['-s', size, path]);
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', ...options, path]);
};

async function test(suite: Suite): Promise<void> {
  const root = await rootOf(suite);
  const work = mkdtempSync(join(cacheDir, 'packages', 'work-'));
  const out = join(cacheDir, 'packages', `${suite}-out`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
  mkdirSync(join(work, 'boot'));
  try {
    buildPackages(join(work, 'debs'));
    buildPackages(join(work, 'next'), '9999');
    const [program, ...words] = [...mountNamespace(), 'bash', join(sources, 'install.sh'), root, work, out, DATA_UUID];
    execFileSync(program!, words, { stdio: 'inherit' });
    makeDisk(join(work, 'data.img'), '256M', '-U', DATA_UUID);
    makeDisk(join(work, 'backup.img'), '6G');
    copyFileSync(join(sources, 'guest.sh'), join(out, 'guest.sh'));
    copyFileSync(join(projectDir, 'INSTALL.md'), join(out, 'INSTALL.md'));
    const status = await bootAll(work, out);
    console.log(readIfThere(join(out, 'log')));
    const bad = badLines(readIfThere(join(out, 'dmesg')) + readIfThere(join(out, 'console')));
    if (status !== '0') throw new Error(`Debian ${suite}: status ${status || 'none'}; ${out} has the rest`);
    if (bad.length > 0) throw new Error(`Debian ${suite}: the kernel complained: ${bad.join('\n')}`);
    console.log(`Debian ${suite}: all is right`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !suites.includes(name as Suite));
if (unknown !== undefined) throw new RangeError(`Cannot use ${unknown}: expected ${suites.join(', ')}`);
for (const suite of asked.length > 0 ? (asked as Suite[]) : suites) await test(suite);
