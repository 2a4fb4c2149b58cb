import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceErrorText, errnoOf, errnoText, RefusalError, SystemError, withErrno } from '../../host/errors.js';

test('errnoText() says what strerror(3) says', () => {
  const strerror = koffi.load(null).func('const char *strerror(int errno)');
  for (let errno = 0; errno < 134; errno++) assert.is(errnoText(errno), strerror(errno));
  assert.is(errnoText(22), 'Invalid argument');
  assert.is(errnoText(4000), 'Unknown error 4000');
});

test('deviceErrorText() has plain words, and falls back on the errno', () => {
  assert.is(deviceErrorText(-27), 'COW file full');
  assert.is(deviceErrorText(-131), 'core trapped');
  assert.is(
    deviceErrorText(-116),
    'origin resized or changed while nobody tracked it, or the COW file moved or overwritten; a full backup is needed',
  );
  assert.is(deviceErrorText(-13), 'Permission denied');
});

test('withErrno() turns a failed call into a SystemError', () => {
  let caught: unknown;
  try {
    withErrno('read', '/nonexistent', () => readFileSync('/nonexistent'));
  } catch (error) {
    caught = error;
  }
  assert.instance(caught, SystemError);
  assert.is(errnoOf(caught), 2);
  assert.is((caught as SystemError).message, 'cannot read /nonexistent: No such file or directory');
});

test('errnoOf() knows no errno of a refusal', () => {
  assert.is(errnoOf(new RefusalError('BAD_MAGIC', 'no')), undefined);
  assert.is(errnoOf('text'), undefined);
});

test.run();
