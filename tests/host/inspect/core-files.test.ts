import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Core } from '../../../host/cow/core.js';
import { check, inspect, sectors, temporaryFolder } from './files.js';
import { randomBlocks, SERIES } from './golden.js';

const at = temporaryFolder();
const COW = at('cow');

/** Closes a file as the driver does: the sections that have something to say, then the header. */
const close = (core: Core, bytes: number): void => {
  const fd = openSync(COW, 'w');
  const nrSections = Number(core.stat('NR_SECTIONS'));
  ftruncateSync(fd, bytes);
  for (let section = 0; section < nrSections; section++) {
    section = Number(core.call('next_changed_section', section));
    if (section >= nrSections) break;
    core.call('export_section', section);
    writeSync(fd, core.buffer(), 0, 32768, 4096 + 32768 * section);
  }
  const headerBytes = Number(core.call('header_encode', 1));
  writeSync(fd, core.buffer(), 0, headerBytes, 0);
  closeSync(fd);
};

/** A core of snapshot mode that has copied blocks; room for all of them, and three more. */
const copied = (nrSectors: number, blocks: readonly number[]): { core: Core; fsize: number } => {
  const core = new Core();
  assert.is(core.call('init', nrSectors, 2 ** 24, 0), 0n);
  core.buffer().set(SERIES);
  const fsize = Number(core.stat('DATA_OFFSET')) + (blocks.length + 3) * 4096;
  core.call('header_create', fsize, 3);
  for (const block of blocks) {
    const section = Math.floor(block / 4096);
    if (section < Number(core.stat('NR_SECTIONS'))) assert.is(core.call('section_request', section), 0n);
    assert.is(core.call('commit_copy', block, 1), 1n);
  }
  return { core, fsize };
};

for (const nrSectors of [8, 15, 4096, 32768, 32769, 100003, 524288]) {
  const wholeBlocks = Math.floor(nrSectors / 8);
  const blocks = randomBlocks(Math.ceil(wholeBlocks / 5), wholeBlocks, nrSectors);

  test(`files that the core writes keep every rule (origin of ${nrSectors} sectors)`, () => {
    const { core, fsize } = copied(nrSectors, blocks);
    close(core, fsize);
    assert.equal(check(COW, sectors(nrSectors)).violations, []);
    assert.equal(check(COW).violations, []);
    assert.is(core.call('to_incremental', core.stat('DATA_OFFSET')), 0n);
    // The last block, of which there may be a part only, changes as well.
    core.call('mark', nrSectors - 1, 1);
    core.call('mark', 0, Math.min(nrSectors, 100));
    close(core, Number(core.stat('DATA_OFFSET')));
    assert.equal(check(COW, sectors(nrSectors)).violations, []);
    const listed = inspect(COW, (cow) => [...cow.changedRuns({ allowUnclean: false })], sectors(nrSectors));
    assert.is(
      listed.reduce((sum, { count }) => sum + count, 0),
      Number(core.stat('NR_CHANGED')),
    );
  });
}

test.run();
