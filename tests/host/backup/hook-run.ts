/**
 * Takes a made-up snapshot between hooks, as a process that a test can kill.
 *
 *   tsx hook-run.ts REQUEST MARK
 *
 * REQUEST is JSON. While the snapshot is taken there is a file MARK, and the process waits to be killed.
 */
import { writeFileSync } from 'node:fs';
import { aroundSnapshot, type HookRequest, hooksOf } from '../../../host/backup/hooks.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';

const [request = '', mark = ''] = process.argv.slice(2);
const take = (): void => {
  writeFileSync(mark, '');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};
aroundSnapshot(hooksOf([JSON.parse(request) as HookRequest]), nativeSyscalls(), take, () => undefined);
