/**
 * Compares a second run through chunkview with the engine reading all of a volume, in the same repository.
 *
 *   measure.ts restic|borg [MIB OF THE VOLUME [RUNS THAT CHANGE [KIB OF A CHUNK]]]
 *
 * 5 % of the volume change, in runs of equal length. Both begin with a warm page cache.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomNumbers } from '../../host/copy/compare.js';
import type { BlockRun } from '../../host/cow/runs.js';
import { BLOCK_BYTES } from '../../host/layout.js';
import type { EngineName } from './volume.js';
import { makeRepository, scratchFolder, seriesOf, setPasswords, targetIn } from './volume.js';

const MIB = 1048576;
const [, , engine = 'restic', mib = '1024', runs = '500', kib = '256'] = process.argv;
const bytes = Number(mib) * MIB;
const folder = scratchFolder();
const device = join(folder, 'device');
const random = randomNumbers(1);
setPasswords();
makeRepository(engine as EngineName, join(folder, 'repository'));
const target = targetIn(engine as EngineName, folder, 'volume', Number(kib) * 1024);

const noise = Buffer.alloc(MIB);
const write = (fd: number, offset: number, length: number): void => {
  for (let at = 0; at < length; at += 4) noise.writeUInt32LE(random(2 ** 32), at);
  writeSync(fd, noise, 0, length, offset);
};

const seconds = <T>(what: string, run: () => T): T => {
  const began = performance.now();
  const result = run();
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s  ${what}`);
  return result;
};

const readWhole = (name: string): void =>
  seconds(`${engine} reads the whole device (${name})`, () => {
    const stdin = openSync(device, 'r');
    const repository = join(folder, 'repository');
    const args =
      engine === 'restic'
        ? ['--repo', repository, '--cache-dir', join(folder, 'cache'), 'backup', '--stdin', '--quiet']
        : ['create', `${repository}::${name}`, '-'];
    const env = { ...process.env, BORG_CACHE_DIR: join(folder, 'cache') };
    const { status, stderr } = spawnSync(engine, args, { stdio: [stdin, 'ignore', 'pipe'], env });
    closeSync(stdin);
    if (status !== 0) throw new Error(`${stderr}`);
  });

const fd = openSync(device, 'w');
for (let offset = 0; offset < bytes; offset += MIB) write(fd, offset, MIB);
const facts = { series: seriesOf(1), time: new Date(), bytes };
seconds('first run through chunkview', () => target.backup({ device, facts: { ...facts, sequence: 1n } }));
readWhole('first');
const count = Math.max(1, Math.round((bytes * 0.05) / BLOCK_BYTES / Number(runs)));
const changed: BlockRun[] = Array.from({ length: Number(runs) }, () => ({
  start: random(bytes / BLOCK_BYTES - count),
  count,
}));
for (const { start } of changed) write(fd, start * BLOCK_BYTES, count * BLOCK_BYTES);
closeSync(fd);
console.log(`${((changed.length * count * BLOCK_BYTES) / MIB).toFixed(0)} MiB change in ${changed.length} runs`);
const before = performance.now();
const { readBytes } = target.backup({ device, facts: { ...facts, sequence: 2n }, changed });
const ours = (performance.now() - before) / 1000;
console.log(`${ours.toFixed(1)} s  second run through chunkview, reads ${(readBytes / MIB).toFixed(0)} MiB`);
const began = performance.now();
readWhole('second');
console.log(`${((performance.now() - began) / 1000 / ours).toFixed(1)} times as fast`);
console.log(`load ${readFileSync('/proc/loadavg', 'utf8').trim()}`);
