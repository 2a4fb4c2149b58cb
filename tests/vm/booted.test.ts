import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clockIsFast } from './booted.js';

test('the uptime at which a guest stops shows whether its clock runs ahead', () => {
  const console = (uptime: string): string => `[    3.1] virtio\r\ninitrd: stopped at ${uptime}\r\n`;
  assert.not(clockIsFast(console('11.80'), 12.5));
  assert.not(clockIsFast(console('3.02'), 12.5));
  assert.ok(clockIsFast(console('84.31'), 12.5));
  assert.not(clockIsFast('initrd: stopped at 84', 12.5), 'a line that has not come to its end');
});

test.run();
