import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Core } from '../../host/cow/core.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-core-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

test('Core calls exports with numbers and bigints, and reads statistics', () => {
  const core = new Core();
  assert.is(core.call('init', 524288n, 0, 0), 0n);
  assert.is(core.stat('NR_BLOCKS'), 65536n);
  assert.is(core.stat('DATA_OFFSET'), 528384n);
  assert.is(core.call('init', 0, 0, 0) < 0n, true);
  assert.throws(
    () => core.stat('NOPE'),
    (error: unknown) => error instanceof RangeError,
  );
});

test('buffer() and runs() are the areas of linear memory', () => {
  const core = new Core();
  core.call('init', 524288, 0, 1);
  assert.is(core.buffer().length, 262144);
  core.buffer().fill(0);
  core.buffer().writeBigUInt64LE(1n, 8 * 3);
  assert.is(core.call('scan_index', 1000, 10), 1n);
  assert.equal(core.runs(1), [{ start: 1003, count: 1, kind: 0 }]);
  assert.throws(
    () => core.runs(16385),
    (error: unknown) => error instanceof RangeError,
  );
});

test('a module that is not the core is refused', () => {
  const file = join(folder, 'other.wasm');
  writeFileSync(file, Buffer.from('0061736d01000000', 'hex'));
  assert.throws(
    () => new Core(file),
    (error: { code?: string }) => error.code === 'CORE_MISMATCH',
  );
  // (module (import "e" "f" (func)))
  writeFileSync(file, Buffer.from('0061736d0100000001040160000002070101650166 0000'.replace(' ', ''), 'hex'));
  assert.throws(() => new Core(file), /it imports f, expected none/);
});

test.run();
