/** A volume as it might be, for looking at a page: `tsx tests/page/demo.ts FOLDER` makes it. */
import { join } from 'node:path';
import { randomFrom } from '../host/inspect/golden.js';
import type { VolumeFile } from './volume.js';
import { makeVolume } from './volume.js';

const random = randomFrom(11);
const many = (count: number, path: (at: number) => string, blocks: number, shares: readonly number[]): VolumeFile[] =>
  Array.from({ length: count }, (_, at) => ({
    path: path(at),
    blocks: 1 + random(blocks),
    changed: shares.map((share) => (random(100) < 100 * share ? 1 : 0)),
  }));

const files: VolumeFile[] = [
  { path: '/srv/postgresql/base/16384/24601', blocks: 9000, changed: [0.1, 0.14, 0.12, 0.2, 0.25] },
  { path: '/srv/postgresql/base/16384/24602', blocks: 4000, changed: [0.02, 0.03, 0.01, 0.02, 0.03] },
  { path: '/srv/postgresql/pg_wal/0000000100000000000000A7', blocks: 4096, changed: [0, 0.6, 1, 1, 1] },
  { path: '/var/log/nginx/access.log', blocks: 1500, changed: [0.1, 0.1, 0.2, 0.25, 0.3] },
  { path: '/var/log/journal/system.journal', blocks: 2000, changed: [0.3, 0.2, 0.3, 0.1, 0.2] },
  { path: '/home/ada/films/holiday.mp4', blocks: 8000, changed: [0, 0, 0, 0, 1] },
  { path: '/home/ada/mail/inbox.mbox', blocks: 2600, changed: [0.05, 0.05, 0.05, 0.05, 0.4] },
  { path: '/.datto4', blocks: 260, changed: [0, 0, 0, 0, 0.9] },
  ...many(260, (at) => `/home/bob/photos/2026/IMG_${2000 + at}.jpg`, 60, [0.05, 0.1, 0, 0.1, 0.15]),
  ...many(300, (at) => `/usr/share/doc/package-${at}/changelog.gz`, 30, [0, 0.1, 0, 0, 0.1]),
];
const folder = process.argv[2] ?? '.';
const cows = [0, 1, 2, 3, 4].map((at) => join(folder, `.datto${at}`));
makeVolume(join(folder, 'volume.img'), 512 * 2 ** 20, files, cows);
