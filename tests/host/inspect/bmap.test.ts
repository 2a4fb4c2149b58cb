import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeBmap } from '../../../host/inspect/bmap.js';
import { withFiles } from '../../../host/inspect/inspected-cow.js';
import { temporaryFolder } from './files.js';

const at = temporaryFolder();
const [IMAGE, MAP, COPY] = [at('image'), at('map'), at('copy')];
const RUNS = [
  { start: 0, count: 1 },
  { start: 7, count: 300 },
  { start: 2047, count: 2 },
];
/** The last block is a part of one. */
const BYTES = 2048 * 4096 + 512;
const image = Buffer.alloc(BYTES);
for (let block = 0; block * 4096 < BYTES; block++) image.fill(`${block} `, block * 4096);
writeFileSync(IMAGE, image);

const withChecksums = (): string => withFiles([IMAGE], (file) => makeBmap(RUNS, BYTES, file));

test('makeBmap() lists sizes, counts and ranges', () => {
  const text = makeBmap(RUNS, BYTES, undefined);
  assert.match(text, /<ImageSize> 8389120 <\/ImageSize>/);
  assert.match(text, /<BlocksCount> 2049 <\/BlocksCount>/);
  assert.match(text, /<MappedBlocksCount> 303 <\/MappedBlocksCount>/);
  assert.match(text, /<Range> 0 <\/Range>\s+<Range> 7-306 <\/Range>\s+<Range> 2047-2048 <\/Range>/);
});

test("makeBmap() puts in the file's own checksum and those of the ranges", () => {
  const text = withChecksums();
  const [, own = ''] = /<BmapFileChecksum> ([0-9a-f]{64}) </.exec(text) ?? [];
  assert.is(
    createHash('sha256')
      .update(text.replace(own, '0'.repeat(64)))
      .digest('hex'),
    own,
  );
  const range = createHash('sha256')
    .update(image.subarray(7 * 4096, 307 * 4096))
    .digest('hex');
  assert.ok(text.includes(`chksum="${range}"> 7-306 <`));
});

const bmaptool = (() => {
  try {
    execFileSync('bmaptool', ['--version']);
    return true;
  } catch {
    return false;
  }
})();

/** Needs bmaptool, of Debian's package bmap-tools. */
const withBmaptool = bmaptool ? test : test.skip;

const copy = (map: string): Buffer => {
  writeFileSync(MAP, map);
  execFileSync('bmaptool', ['-q', 'copy', '--bmap', MAP, IMAGE, COPY], { stdio: 'pipe' });
  return readFileSync(COPY);
};

const expected = Buffer.alloc(BYTES);
for (const { start, count } of RUNS) image.copy(expected, start * 4096, start * 4096, (start + count) * 4096);

withBmaptool('bmaptool copies what a map lists, and nothing else', () => {
  assert.ok(copy(withChecksums()).equals(expected));
  assert.ok(copy(makeBmap(RUNS, BYTES, undefined)).equals(expected));
  assert.ok(copy(makeBmap([], BYTES, undefined)).equals(Buffer.alloc(BYTES)));
});

withBmaptool('bmaptool finds a map that was changed, and an image that does not match', () => {
  assert.throws(() => copy(withChecksums().replace('7-306', '8-307')), /checksum/);
  const map = withChecksums();
  copyFileSync(IMAGE, at('kept'));
  writeFileSync(IMAGE, Buffer.from(image).fill(0, 8 * 4096, 8 * 4096 + 1));
  assert.throws(() => copy(map), /checksum/);
  copyFileSync(at('kept'), IMAGE);
});

test.run();
