import { Command, InvalidArgumentError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addCheckpoint,
  count,
  depth,
  largeCount,
  mib,
  mibBytes,
  order,
  rate,
  repeated,
  size,
} from '../../cli/terminal/options.js';

type Reader = (text: string) => number;

/** What a reader expects in place of a text; undefined if it takes it. */
const expectedBy = (read: Reader, text: string): string | undefined => {
  try {
    read(text);
    return undefined;
  } catch (error) {
    assert.instance(error, InvalidArgumentError, text);
    return (error as InvalidArgumentError).message;
  }
};

const NO_NUMBERS = ['', ' 1', '1 ', '+1', '-1', '0x1', '1e3', '1n', '٣', 'x', '1\n'];

test('every reader takes digits only', () => {
  for (const read of [count, largeCount, depth, order, rate, size, mib, mibBytes])
    for (const text of NO_NUMBERS)
      assert.match(expectedBy(read, text) ?? '', /^expected /, `${read.name} of '${text}'`);
});

test('count() and largeCount() end at 32 bits and at the largest exact number', () => {
  assert.is(count('0'), 0);
  assert.is(count('4294967295'), 4294967295);
  assert.is(expectedBy(count, '4294967296'), 'expected at most 4294967295');
  assert.is(expectedBy(count, '9'.repeat(400)), 'expected at most 4294967295');
  assert.is(largeCount('9007199254740991'), Number.MAX_SAFE_INTEGER);
  assert.is(expectedBy(largeCount, '9007199254740992'), 'expected at most 9007199254740991');
});

test('depth() and order() have a least and a largest value', () => {
  assert.equal([depth('1'), depth('256'), order('1'), order('010')], [1, 256, 1, 10]);
  for (const text of ['0', '257', '9'.repeat(400)]) assert.is(expectedBy(depth, text), 'expected 1 to 256');
  for (const text of ['0', '11']) assert.is(expectedBy(order, text), 'expected 1 to 10');
});

test('rate() takes fractions, and neither nothing nor more than a number holds', () => {
  assert.equal([rate('0.1'), rate('900'), rate('.5')], [0.1, 900, 0.5]);
  assert.equal([rate('50M'), rate('512K'), rate('1GiB')], [50, 0.5, 1024]);
  for (const text of ['0', '0.0', '.', '1.2.3', '0M', '1.5M', '9'.repeat(400)])
    assert.match(expectedBy(rate, text) ?? '', /^expected a number of MiB above 0, or digits with K, M, G or T/, text);
});

test('size() takes bytes and units, as whole sectors', () => {
  assert.equal([size('0'), size('512'), size('1K'), size('256M')], [0, 512, 1024, 268435456]);
  assert.equal([size('20G'), size('20GiB'), size('16T')], [20 * 2 ** 30, 20 * 2 ** 30, 16 * 2 ** 40]);
  for (const text of ['513', '1k', '1KB', 'M', '1.5G', '9007199254740992', '9000T', `${'9'.repeat(400)}K`])
    assert.match(expectedBy(size, text) ?? '', /^expected bytes, a multiple of 512, /, text);
});

test('mib() and mibBytes() take digits for MiB, and other units', () => {
  assert.equal([mib('0'), mib('20'), mib('4G'), mib('4GiB'), mib('1K')], [0, 20, 4096, 4096, 1]);
  assert.equal([mibBytes('20'), mibBytes('64K'), mibBytes('1T')], [20 * 2 ** 20, 65536, 2 ** 40]);
  for (const read of [mib, mibBytes])
    for (const text of ['1g', '1GB', 'G', '1.5G', '9'.repeat(40)])
      assert.match(expectedBy(read, text) ?? '', /^expected digits for MiB/, text);
});

test('repeated() keeps every value, in order', () => {
  const program = new Command().option('--also <file>', '', repeated).exitOverride();
  program.parse(['--also', 'b', '--also', 'a', '--also', 'b'], { from: 'user' });
  assert.equal(program.opts(), { also: ['b', 'a', 'b'] });
});

test('--checkpoint works by its old name too, which no help shows', () => {
  const parse = (...argv: string[]): unknown => {
    const program = addCheckpoint(new Command(), 'cursor')
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });
    program.parse(argv, { from: 'user' });
    return program.opts<{ checkpoint?: number }>().checkpoint;
  };
  assert.equal([parse(), parse('--checkpoint', '2'), parse('--cursor', '3')], [undefined, 2 * 2 ** 20, 3 * 2 ** 20]);
  assert.equal(
    [parse('--checkpoint', '2K', '--cursor=3K'), parse('--cursor', '3K', '--checkpoint', '2K')],
    [3072, 2048],
  );
  for (const name of ['--checkpoint', '--cursor'])
    assert.throws(() => parse(name, '-1'), /option '--c\w+ <size>' argument '-1' is invalid. expected digits/);
  const help = addCheckpoint(new Command(), 'cursor').helpInformation();
  assert.match(help, /--checkpoint <size>/);
  assert.not.match(help, /cursor/);
});

test.run();
