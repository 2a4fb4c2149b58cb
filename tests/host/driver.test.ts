import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Driver, GroupError } from '../../host/driver/driver.js';
import { SystemError } from '../../host/errors.js';
import type { Syscalls } from '../../host/system/syscalls.js';

interface Call {
  readonly request: number;
  readonly argument: Buffer;
  readonly strings: string[];
}

/** A kernel that notes an ioctl and answers as told. Addresses are 1, 2, … in the order asked for. */
const fakeKernel = (answer: (argument: Buffer) => void = () => undefined): { syscalls: Syscalls; calls: Call[] } => {
  const calls: Call[] = [];
  const strings: string[] = [];
  const fail = (): never => {
    throw new Error('not a call of the driver');
  };
  return {
    calls,
    syscalls: {
      ioctl: (_fd, request, argument) => {
        calls.push({ request, argument: Buffer.from(argument), strings: [...strings] });
        answer(argument);
      },
      addressOf: (bytes) => BigInt(strings.push(bytes.toString())),
      adviseHugePages: fail,
      adviseWillNeed: fail,
      adviseRandom: fail,
      nextData: fail,
      punchHole: fail,
      adviseDontNeed: fail,
      pipe: fail,
      connect: fail,
      hasEnded: fail,
      unshareMounts: fail,
      ioSetup: fail,
      ioSubmit: fail,
      ioGetEvents: fail,
      ioDestroy: fail,
      lock: fail,
      clone: fail,
    },
  };
};

const words = (...values: Array<bigint>): Buffer => {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, at) => bytes.writeBigUInt64LE(value, at * 8));
  return bytes;
};

const issue = (run: (driver: Driver) => void): Call => {
  const { syscalls, calls } = fakeKernel();
  run(new Driver(syscalls, '/dev/null'));
  assert.is(calls.length, 1);
  return calls[0] as Call;
};

test('setupSnapshot() passes paths by address, sizes and minor', () => {
  const call = issue((driver) =>
    driver.setupSnapshot({ minor: 9, blockDevice: '/dev/a', cowFile: '/ä', fallocateMib: 3n, cacheBytes: 4n }),
  );
  assert.is(call.request, 0x40289101);
  assert.equal(call.strings, ['/dev/a\0', '/ä\0']);
  assert.equal(call.argument, words(1n, 2n, 3n, 4n, 9n));
});

test('reloads differ in their command only', () => {
  const options = { minor: 9, blockDevice: '/dev/a', cowFile: '/c', cacheBytes: 4n };
  for (const call of [
    issue((driver) => driver.reloadSnapshot(options)),
    issue((driver) => driver.reloadIncremental(options)),
  ]) {
    assert.equal(call.argument, words(1n, 2n, 4n, 9n));
  }
  assert.is(issue((driver) => driver.reloadSnapshot(options)).request, 0x40209102);
  assert.is(issue((driver) => driver.reloadIncremental(options)).request, 0x40209103);
});

test('destroy() and transitionToIncremental() pass four bytes', () => {
  const minor = Buffer.from([1, 2, 3, 0xff]);
  const expected = (request: number): unknown => ({ request, argument: minor, strings: [] });
  assert.equal(
    issue((driver) => driver.destroy(0xff030201)),
    expected(0x40049104),
  );
  assert.equal(
    issue((driver) => driver.transitionToIncremental(0xff030201)),
    expected(0x40049105),
  );
});

test('the other commands pass their sizes', () => {
  const max = 2n ** 64n - 1n;
  const snapshot = issue((driver) => driver.transitionToSnapshot(9, '/c', 5n));
  assert.equal([snapshot.request, snapshot.argument], [0x40189106, words(1n, 5n, 9n)]);
  const cache = issue((driver) => driver.reconfigure(9, 5n));
  assert.equal([cache.request, cache.argument], [0x40109107, words(5n, 9n)]);
  const expand = issue((driver) => driver.expandCowFile(9, max));
  assert.equal([expand.request, expand.argument], [0x4010910a, words(max, 9n)]);
  const auto = issue((driver) => driver.reconfigureAutoExpand(9, 5n, max));
  assert.equal([auto.request, auto.argument], [0x4018910b, words(5n, max, 9n)]);
});

test('a group passes its members by address', () => {
  const memory: Buffer[] = [];
  const kernel = fakeKernel();
  // The list of members is not text: it is looked at as it is.
  const syscalls: Syscalls = { ...kernel.syscalls, addressOf: (bytes) => BigInt(memory.push(bytes)) };
  const driver = new Driver(syscalls, '/dev/null');
  driver.setupSnapshotGroup([
    { minor: 9, blockDevice: '/dev/a', cowFile: '/ä', fallocateMib: 3n, cacheBytes: 4n },
    { minor: 2, blockDevice: '/dev/b', cowFile: '/b', fallocateMib: 0n, cacheBytes: 2n ** 64n - 1n },
  ]);
  assert.equal(
    memory.map((bytes) => bytes.toString()).filter((_, at) => at < 4),
    ['/dev/a\0', '/ä\0', '/dev/b\0', '/b\0'],
  );
  assert.equal(memory[4], words(1n, 2n, 3n, 4n, 9n, 3n, 4n, 0n, 2n ** 64n - 1n, 2n));
  assert.equal([kernel.calls[0]?.request, kernel.calls[0]?.argument], [0xc028910c, words(5n, 2n, 0n, 2n, 0n)]);
  driver.transitionToSnapshotGroup([{ minor: 9, cowFile: '/c', fallocateMib: 5n }]);
  assert.equal(memory[6], words(0n, 6n, 5n, 0n, 9n));
  assert.equal([kernel.calls[1]?.request, kernel.calls[1]?.argument], [0xc028910d, words(7n, 1n, 0n, 1n, 0n)]);
});

test('a group that is refused says which member, and whether there are snapshots', () => {
  const refuse = (failed: bigint, taken: bigint): GroupError => {
    const { syscalls } = fakeKernel((argument) => {
      words(failed, taken).copy(argument, 24);
      throw new SystemError(16, 'control', '/dev/null');
    });
    const next = { minor: 1, cowFile: '/c', fallocateMib: 0n };
    try {
      new Driver(syscalls, '/dev/null').transitionToSnapshotGroup([next, { ...next, minor: 2 }]);
    } catch (error) {
      if (error instanceof GroupError) return error;
    }
    throw new Error('no GroupError');
  };
  const { errno, member, taken } = refuse(1n, 0n);
  assert.equal({ errno, member, taken }, { errno: 16, member: 1, taken: false });
  assert.equal([refuse(2n, 0n).member, refuse(0n, 1n).taken], [undefined, true]);
});

test('info() decodes what the driver fills in', () => {
  const { syscalls, calls } = fakeKernel((argument) => {
    words(7n, 3n, 0n, 11n, 12n, 13n).copy(argument);
    argument.writeInt32LE(-27, 16);
    Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex').copy(argument, 48);
    argument.write('/cow\0junk', 64);
    argument.write('/dev/b\0', 4160);
    words(1n, 2n ** 64n - 1n).copy(argument, 8256);
  });
  assert.equal(new Driver(syscalls, '/dev/null').info(7), {
    minor: 7,
    state: 3,
    error: -27,
    cacheBytes: 11n,
    cowBytes: 12n,
    seqid: 13n,
    uuid: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
    cowFile: '/cow',
    blockDevice: '/dev/b',
    version: 1n,
    nrChangedBlocks: 2n ** 64n - 1n,
  });
  assert.is(calls[0]?.argument.length, 8272);
  assert.is(calls[0]?.argument.readUInt32LE(0), 7);
});

test('freeMinor() answers what the driver says', () => {
  const { syscalls } = fakeKernel((argument) => void argument.writeInt32LE(5, 0));
  assert.is(new Driver(syscalls, '/dev/null').freeMinor(), 5);
});

test('a refusal keeps its errno', () => {
  const { syscalls } = fakeKernel(() => {
    throw new SystemError(16, 'control', '/dev/null');
  });
  assert.throws(
    () => new Driver(syscalls, '/dev/null').destroy(1),
    (error: SystemError) => error.errno === 16,
  );
  assert.throws(
    () => new Driver(syscalls, '/nonexistent').destroy(1),
    (error: SystemError) => error.errno === 2,
  );
});

test('what does not fit the ABI is a RangeError, before the driver sees it', () => {
  const { syscalls, calls } = fakeKernel();
  const driver = new Driver(syscalls, '/dev/null');
  for (const run of [
    () => driver.destroy(2 ** 32),
    () => driver.destroy(-1),
    () => driver.reconfigure(2 ** 32, 0n),
    () => driver.expandCowFile(1, 2n ** 64n),
    () => driver.expandCowFile(1, -1n),
    () => driver.transitionToSnapshot(1, '/a\0b', 0n),
  ]) {
    assert.throws(run, (error: unknown) => error instanceof RangeError);
  }
  assert.equal(calls, []);
});

test.run();
