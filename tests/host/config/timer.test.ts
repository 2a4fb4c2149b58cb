import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseTimer } from '../../../host/config/timer.js';

test('a timer is read as systemctl shows it', () => {
  const shown =
    'NextElapseUSecRealtime=Wed 2026-12-02 02:11:07 UTC\nLastTriggerUSec=Tue 2026-12-01 02:20:31 UTC\nActiveState=active\n';
  assert.equal(parseTimer(shown), {
    isActive: true,
    next: new Date('2026-12-02T02:11:07Z'),
    last: new Date('2026-12-01T02:20:31Z'),
  });
});

test('what systemd does not know is left out', () => {
  for (const shown of ['NextElapseUSecRealtime=\nLastTriggerUSec=n/a\nActiveState=inactive\n', '', 'ActiveState\n'])
    assert.equal(parseTimer(shown), { isActive: false });
});

test.run();
