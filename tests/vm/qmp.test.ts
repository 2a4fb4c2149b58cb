import { PassThrough } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Qmp } from './qmp.js';

/** A QEMU whose end we hold: it never answers by itself. */
const connection = (): { qemu: PassThrough; qmp: Qmp } => {
  const qemu = new PassThrough();
  // What is written to it would come back as its answer.
  const stream = Object.assign(qemu, { write: () => true });
  return { qemu, qmp: new Qmp(stream) };
};
const endOf = async (waiting: Promise<unknown>): Promise<string> =>
  waiting.then(
    () => 'answered',
    (error: Error) => error.message,
  );

test('an answer goes to who waits for it; an event goes to nobody', async () => {
  const { qemu, qmp } = connection();
  const waiting = qmp.execute('query-status');
  qemu.push('{"event": "STOP"}\n{"return": {"running": true}}\n');
  assert.equal(await waiting, { running: true });
});

test('a connection that breaks, ends, or sends a part of a line rejects what waits, and what comes later', async () => {
  for (const breaks of [
    (qemu: PassThrough) => qemu.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })),
    (qemu: PassThrough) => qemu.destroy(),
    (qemu: PassThrough) => qemu.push('{"return\n'),
  ]) {
    const { qemu, qmp } = connection();
    const waiting = endOf(qmp.execute('stop'));
    breaks(qemu);
    assert.is(await waiting, 'QEMU has ended');
    assert.is(await endOf(qmp.execute('cont')), 'Cannot run cont: QEMU has ended');
  }
});

test.run();
