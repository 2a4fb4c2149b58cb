/** The index of a device of 16 TiB: 32 GiB of a sparse file, with 1,000 extents. */
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomNumbers } from '../../host/copy/compare.js';
import { buildTools } from '../../scripts/build-cli.js';
import { dataOffset, makeCowFile } from '../host/cow-maker.js';
import { median, verdict } from './figures.js';

const NR_SECTORS = 2 ** 35;
const EXTENTS = 1000;
const EXTENT_BYTES = 4096;
const ROUNDS = 5;

/** Tells at the end how much memory the process had at most, in KiB, as the last line of standard error. */
const TELL_MEMORY =
  'data:text/javascript,process.on("exit",()=>process.stderr.write(process.resourceUsage().maxRSS+"\\n"))';

/** Measures and prints. */
export const indexWalk = async (): Promise<boolean> => {
  const folder = mkdtempSync(join(tmpdir(), 'datto-index-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const cow = join(folder, 'cow');
  makeCowFile(cow, { nrSectors: NR_SECTORS, entries: [] });
  const bytes = dataOffset(NR_SECTORS);
  const fd = openSync(cow, 'r+');
  ftruncateSync(fd, bytes);
  const random = randomNumbers(1);
  const extent = Buffer.alloc(EXTENT_BYTES);
  for (let entry = 0; entry < EXTENT_BYTES; entry += 8) extent[entry] = 1;
  for (let number = 0; number < EXTENTS; number++) {
    writeSync(fd, extent, 0, EXTENT_BYTES, 4096 + EXTENT_BYTES * random((bytes - 4096) / EXTENT_BYTES));
  }
  closeSync(fd);
  const tools = join(folder, 'tools');
  await buildTools(tools);
  const seconds: number[] = [];
  const mib: number[] = [];
  let blocks = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const args = [
      '--import',
      TELL_MEMORY,
      join(tools, 'datto-inspect.mjs'),
      'stat',
      '--blocks',
      `${NR_SECTORS / 8}`,
      '--json',
      cow,
    ];
    const began = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    seconds.push((performance.now() - began) / 1000);
    if (status !== 0) throw new Error(`datto-inspect ended with ${status}: ${stderr}`);
    ({ blocks } = JSON.parse(stdout) as { blocks: number });
    mib.push(Number(stderr.trim().split('\n').at(-1)) / 1024);
  }
  const size = `${(bytes / 2 ** 30).toFixed(0)} GiB, of which ${(statSync(cow).blocks / 2048).toFixed(0)} MiB are no holes`;
  console.log(
    `\nIndex of a device of 16 TiB: ${size}; ${EXTENTS} extents, ${blocks} changed blocks; datto-inspect stat, ${ROUNDS} rounds`,
  );
  const [least, most] = [Math.min(...seconds), Math.max(...mib)];
  const middle = `least ${least.toFixed(3)}, median ${median(seconds).toFixed(3)}`;
  console.log(`  seconds, start of the program included   ${middle}  ${verdict(least, 0.5, false)}`);
  console.log(`  MiB of memory                            most ${most.toFixed(0)}  ${verdict(most, 100, false)}`);
  return true;
};
