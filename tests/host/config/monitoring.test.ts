/** The alert rules and the dashboard in docs/monitoring, beside what a backup writes. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { metricsText } from '../../../host/config/metrics.js';
import type { BackupRecord } from '../../../host/config/record.js';
import type { DeviceStatus } from '../../../host/driver/status.js';
import { manual } from '../../../manual/datto-backup.js';

const folder = fileURLToPath(new URL('../../../docs/monitoring/', import.meta.url));
const textOf = (name: string): string => readFileSync(`${folder}${name}`, 'utf8');

/** A record and a device of which everything is known. */
const time = new Date();
const record: BackupRecord = {
  last: { began: time, ended: time, status: 0, message: '' },
  success: {
    ...{ volume: '/dev/vdb', folder: '/backup', began: time, ended: time, time, kind: 'whole', verify: 'all' },
    ...{ copiedBytes: 4097, copySeconds: 0.5, volumeBytes: 8192, comparedBlocks: 2, series: '00', sequence: 1n },
    ...{ restorePoints: 7, oldestPoint: new Date(86_400_000) },
  },
};
const device: DeviceStatus = {
  ...{ minor: 0, cowFile: '/c', blockDevice: '/dev/vdb', maxCache: 1n, state: 2, error: -27 },
  ...{ cowSizeCurrent: 4096n, nrChangedBlocks: 3n },
};
const settings = {
  request: { volume: '/dev/vdb', folder: '/backup' },
  schedule: 'daily',
  limit: 'infinity',
  members: [],
};
const text = metricsText(settings, record, device);
const written = new Set([...text.matchAll(/^(\w+)\{/gm)].map((match) => match[1]!));
const namesIn = (content: string): string[] => [...new Set(content.match(/\bdattobd_\w+/g))];

test('what is known is written, with its value', () => {
  assert.is(written.size, 15);
  for (const line of ['copied_bytes|4097', 'copied_blocks|2', 'copy_duration_seconds|0.5', 'volume_bytes|8192']) {
    const [name, value] = line.split('|');
    assert.ok(text.includes(`dattobd_backup_${name}{volume="/dev/vdb",target="/backup"} ${value}\n`), line);
  }
  assert.match(text, /\ndattobd_restore_points\{.*\} 7\n/);
  assert.match(text, /\ndattobd_oldest_point_timestamp_seconds\{.*\} 86400\n/);
  assert.match(text, /\ndattobd_device_error\{.*\} -27\n/);
  const { error: _none, ...healthy } = device;
  assert.match(metricsText(settings, record, healthy), /\ndattobd_device_error\{.*\} 0\n/);
  assert.not.match(metricsText(settings, record, undefined), /dattobd_device/);
});

test('a password in an address is in no file that everybody may read', () => {
  const request = { volume: '/dev/vdb', folder: 'restic:rest:https://me:secret@host/data' };
  const labels = metricsText({ ...settings, request }, record, device);
  assert.not.match(labels, /secret/);
  assert.match(labels, /,target="restic:rest:https:\/\/me:\*\*\*@host\/data"\}/);
});

test('each name that the rules and the dashboard use is one that is written', () => {
  const files = readdirSync(folder);
  assert.equal(files, ['alerts.yml', 'dashboard.json']);
  for (const file of files) {
    const names = namesIn(textOf(file));
    assert.ok(names.length > 4, file);
    assert.equal(
      names.filter((name) => !written.has(name)),
      [],
      file,
    );
  }
});

test('the manual has each name that is written, and no other', () => {
  const page = JSON.stringify(manual.sections.find(({ title }) => title === 'METRICS'));
  assert.equal(namesIn(page).sort(), [...written].sort());
});

test('labels of the rules and the dashboard are those that are written, and the one of the machine', () => {
  const labels = new Set(['volume', 'target', 'instance', 'severity']);
  const used = [
    ...[...textOf('alerts.yml').matchAll(/\$labels\.(\w+)/g)].map((match) => match[1]!),
    ...[...textOf('dashboard.json').matchAll(/\{\{(\w+)\}\}|(\w+)=~/g)].map((match) => (match[1] ?? match[2])!),
  ];
  assert.ok(used.length > 10);
  for (const label of used) assert.ok(labels.has(label), label);
});

test('each rule has a name of its own, an expression and a summary', () => {
  const rules = textOf('alerts.yml')
    .split(/^ {6}- alert: /m)
    .slice(1);
  const names = rules.map((rule) => /^\w+/.exec(rule)?.[0]);
  assert.is(new Set(names).size, 6);
  for (const rule of rules) assert.match(rule, /^\w+\n {8}expr: .*dattobd_[\s\S]*\n {10}summary: ".*"\n/);
});

test('each panel has a place, a source and expressions', () => {
  interface Panel {
    readonly id: number;
    readonly gridPos: { readonly x: number; readonly w: number };
    readonly targets: ReadonlyArray<{ readonly expr: string; readonly datasource: { readonly uid: string } }>;
  }
  const { panels } = JSON.parse(textOf('dashboard.json')) as { panels: Panel[] };
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const { gridPos, targets } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24 && targets.length > 0);
    for (const { expr, datasource } of targets) {
      assert.ok(namesIn(expr).length > 0 && datasource.uid === '${source}', expr);
      assert.is(expr.split('(').length, expr.split(')').length, expr);
    }
  }
});

test.run();
