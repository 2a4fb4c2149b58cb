import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../../host/errors.js';
import { rbdAddressOf } from '../../../host/targets/rbd/address.js';

test('an address is a pool, an image and options', () => {
  assert.equal(rbdAddressOf('rbd:backup/web-1.data'), { pool: 'backup', image: 'web-1.data' });
  const named = { pool: 'a', image: 'b', id: 'backup', conf: '/etc/ceph/other.conf' };
  assert.equal(rbdAddressOf('rbd:a/b:id=backup:conf=/etc/ceph/other.conf'), named);
  assert.equal(rbdAddressOf('rbd:a/b:conf=/etc/ceph/other.conf:id=backup'), named);
});

test('what qemu-nbd or rbd would take for something else is refused', () => {
  const wrong = [
    'rbd:',
    'rbd:a',
    'rbd:a/b@c',
    'rbd:a/b:keyring=/x',
    'rbd:-p/b',
    'rbd:a/-b',
    'rbd:a/b/c',
    'rbd:a/b:id=',
  ];
  for (const address of [...wrong, 'rbd:a/b:conf=x', 'rbd:a/b\n', 'rbd:a/b c', 'a/b'])
    assert.throws(
      () => rbdAddressOf(address),
      (error: unknown) => error instanceof RefusalError && error.code === 'IMAGE_KIND',
      address,
    );
});

test.run();
