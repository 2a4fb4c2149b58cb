import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { instantiate, Wasm3LoadError, Wasm3Trap } from 'wasm3-binding';
import { CORE_EXPORTS } from '../../host/core-exports.js';
import { coreBytes, ENGINES } from './harness.js';

const START_SECTION = 8;

/** Ids of the sections of a wasm module. */
const sectionIds = (bytes: Buffer): number[] => {
  const ids: number[] = [];
  for (let at = 8; at < bytes.length; ) {
    ids.push(bytes[at++]!);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += length;
  }
  return ids;
};

for (const build of ['release', 'debug'] as const) {
  const test = suite(`core module, ${build}`);
  const bytes = coreBytes(build);
  const extra = build === 'debug' ? ['debug_out_of_bounds'] : [];

  test('it imports nothing', () => {
    assert.equal(WebAssembly.Module.imports(new WebAssembly.Module(bytes)), []);
  });

  test('it exports memory and the functions of the table, no more', () => {
    const names = WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map(({ name }) => name);
    const wanted = ['memory', ...CORE_EXPORTS.map(({ name }) => name), ...extra];
    assert.equal(names.sort(), wanted.sort());
  });

  test('every export takes and returns i64 only, as many as the table says', () => {
    const instance = instantiate(bytes);
    for (const { name, args } of CORE_EXPORTS) assert.is(instance.arity(name), args.length, name);
    instance.close();
  });

  test('it has no start function', () => {
    assert.not.ok(sectionIds(bytes).includes(START_SECTION));
  });

  test.run();
}

for (const engine of ENGINES) {
  const test = suite(`core engine, ${engine.name}`);

  test('a trap is an error, and other instances go on', () => {
    if (engine.build === 'release') {
      assert.throws(() => engine.load().call('debug_out_of_bounds'));
      return;
    }
    const broken = engine.load();
    const other = engine.load();
    const kind = engine.interpreter === 'V8' ? WebAssembly.RuntimeError : Wasm3Trap;
    assert.throws(
      () => broken.call('debug_out_of_bounds'),
      (error: unknown) => error instanceof kind && /out of bounds/.test(error.message),
    );
    assert.ok(other.call('buffer_address') > 0n);
    broken.close();
    other.close();
  });

  test('the areas lie in linear memory before init(), on pages of 4096', () => {
    const instance = engine.load();
    const buffer = instance.call('buffer_address');
    const runs = instance.call('runs_address');
    assert.is(buffer % 4096n, 0n);
    assert.is(runs % 4096n, 0n);
    assert.ok(buffer > 0n && runs >= buffer + 262144n);
    assert.ok(runs + 16n * 16384n <= BigInt(instance.memory.byteLength));
    instance.close();
  });

  test.run();
}

const binding = suite('wasm3-binding');

binding('refuses what is no module', () => {
  assert.throws(
    () => instantiate(new Uint8Array(9)),
    (error: unknown) => error instanceof Wasm3LoadError,
  );
});

binding('refuses a wrong name and a wrong number of arguments', () => {
  const instance = instantiate(coreBytes('release'));
  const refused = (error: unknown): boolean => error instanceof RangeError;
  assert.throws(() => instance.call('no_such_export'), refused);
  assert.throws(() => instance.call('mark', 1n), refused);
  assert.is(instance.arity('no_such_export'), undefined);
  instance.close();
});

binding('passes all 64 bits of arguments and results', () => {
  const instance = instantiate(coreBytes('release'));
  for (const value of [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 0x123456789abcdef0n]) {
    instance.call('set_fsize', value);
    assert.is(instance.call('stat', 4n), value);
  }
  instance.close();
});

binding('shows linear memory after it grew', () => {
  const instance = instantiate(coreBytes('release'));
  const before = instance.memory.byteLength;
  instance.call('init', 1n << 21n, 0n, 0n);
  assert.ok(instance.memory.byteLength > before);
  assert.is(BigInt(instance.memory.byteLength), instance.call('memory_needed', 1n << 21n, 0n));
  instance.close();
});

binding.run();
