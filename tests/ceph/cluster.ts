/** A Ceph cluster for the tests of this process, which ends with it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Cluster {
  /** What clients need in their environment: CEPH_CONF. This process has it already. */
  readonly env: Readonly<Record<string, string>>;
  /** Address of its S3 gateway, if it was started with one. */
  readonly s3: string | undefined;
  /** Stops it, and removes all of it. */
  stop(): Promise<void>;
}

/** What a client of the S3 gateway identifies itself by. */
export interface S3Key {
  readonly id: string;
  readonly secret: string;
}

/**
 * Starts a cluster with an empty pool `rbd`. Should this process be killed, the cluster still ends.
 *
 * @param key of an S3 gateway, if there is to be one
 * @throws Error if it does not come up; the end of its log is on standard error
 */
export async function startCluster(key?: S3Key): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'datto-ceph-'));
  // In a group of its own, so that what kills this process and its group leaves it the time to clean up.
  const words = [fileURLToPath(new URL('cluster.sh', import.meta.url)), folder, ...(key ? [key.id, key.secret] : [])];
  const script = spawn('bash', words, {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(script, 'exit');
  const [first] = await Promise.race([once(script.stdout, 'data'), ended]);
  if (`${first}` !== 'ready\n') throw new Error(`cannot start a Ceph cluster: status ${first}`);
  process.env.CEPH_CONF = join(folder, 'ceph.conf');
  return {
    env: { CEPH_CONF: process.env.CEPH_CONF },
    s3: key && readFileSync(join(folder, 's3'), 'utf8').trim(),
    stop: async () => {
      script.stdin.end();
      await ended;
    },
  };
}
