/** Whole disks, rebuilt on loop devices around a volume. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { KeptPart } from '../../../host/disk/kept-part.js';
import { keepPart, partName } from '../../../host/disk/kept-part.js';
import type { DiskRecord, OtherPartition } from '../../../host/disk/record.js';
import { writeRecord } from '../../../host/disk/record.js';
import { readTable } from '../../../host/disk/table.js';
import type { DiskResult } from '../../../host/restore/disk.js';
import { restoreDisk } from '../../../host/restore/disk.js';
import { findPoint, requirePoints } from '../../../host/restore/point.js';
import { openSource } from '../../../host/restore/source.js';
import { OpenFile } from '../../../host/system/files.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { buildTools } from '../../../scripts/build-cli.js';
import { backUp } from './points.js';
import { change, leftovers, makeVolume, refusal, scratch, sh, whyNoMounts, withLoop } from './scene.js';

const why = whyNoMounts();
if (why !== undefined) console.log(`skipped: whole disks (${why})`);
const MIB = 1048576;

const SCRIPTS = {
  gpt: `label: gpt
    start=2048, size=16M, type=U, name="EFI \\x22\\xc3\\xa9\\x22"
    size=48M, type=L
    size=16M, type=S, attrs="RequiredPartition GUID:60"
    size=16M, type=H`,
  dos: `label: dos
    start=2048, size=16M, type=EF
    size=48M, type=83, bootable
    size=60M, type=5
    5: size=16M, type=82
    6: size=16M, type=83`,
};
type Label = keyof typeof SCRIPTS;
/** Numbers of the partitions for: the firmware, the volume, swap, other data. */
const NUMBERS = { gpt: [1, 2, 3, 4], dos: [1, 2, 5, 6] } as const;

const original = (label: Label): string => join(scratch, `${label}.disk`);
const folderOf = (label: Label): string => join(scratch, `${label}.points`);
const file = join(scratch, 'disk');
const syscalls = nativeSyscalls();

const keep = (folder: string, path: string, bytes: number): KeptPart => {
  const device = OpenFile.open(path, 'r');
  const name = partName();
  try {
    return { file: name, ...keepPart(device, bytes, join(folder, name), 64 * MIB) };
  } finally {
    device.close();
  }
};

/** Writes a file to where a partition of the disk is. */
const place = (disk: string, number: number, content: string): void => {
  const found = readTable(disk).partitions.find((partition) => partition.number === number);
  sh('dd if="$2" of="$1" bs=512 seek="$3" conv=notrunc,sparse status=none', disk, content, `${found?.start}`);
};

/** Makes a disk with partitions, and a restore point of the second one with the record that a backup keeps. */
const makeOriginal = (label: Label, alter: (record: DiskRecord) => DiskRecord = (record) => record): void => {
  const [disk, volume] = [original(label), makeVolume(`${label}.volume`, 'ext4')];
  const [firmware, root, swap, data] = NUMBERS[label];
  sh('rm -rf "$1" "$2"; truncate -s 160M "$1"; sfdisk -q "$1" <<<"$3"', disk, folderOf(label), SCRIPTS[label]);
  sh('dd if=/dev/urandom of="$1" bs=440 count=1 conv=notrunc status=none', disk);
  if (label === 'dos') sh('dd if=/dev/urandom of="$1" bs=512 seek=1 count=2047 conv=notrunc status=none', disk);
  const content = (name: string, script: string): string => {
    const path = join(scratch, `${label}.${name}`);
    sh(`rm -f "$1"; truncate -s 16M "$1"; ${script}`, path);
    return path;
  };
  const parts = [
    content('firmware', 'head -c 3M /dev/urandom | dd of="$1" bs=1M seek=5 conv=notrunc status=none'),
    content('swap', 'mkswap -q -U 0d1b5b3e-7c0f-4d0e-9a57-4d52b6a2d001 "$1" 2>/dev/null'),
    content('data', 'mkfs.ext4 -q "$1"'),
  ] as const;
  const record = join(scratch, `${label}.record`);
  sh('rm -rf "$1"', record);
  mkdirSync(record, { mode: 0o700 });
  const others: OtherPartition[] = [
    { number: firmware, holds: 'EFI system partition', kept: keep(record, parts[0], 16 * MIB) },
    { number: swap, holds: 'swap', kept: keep(record, parts[1], 4096) },
    { number: data, holds: 'ext4, mounted on /home' },
  ];
  const head = keep(record, disk, label === 'dos' ? MIB : 512);
  writeRecord(record, alter({ table: readTable(disk), volume: root, head, others }));
  change(volume, `head -c 5M /dev/urandom >file; cp -a "${record}" .datto-backup-files`);
  backUp(folderOf(label), volume, 1);
  [firmware, swap, data].forEach((number, at) => place(disk, number, parts[at] ?? ''));
  place(disk, root, volume);
};

interface Options {
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

const restore = (
  label: Label,
  disk: string,
  { force = false, dryRun = false }: Options = {},
): DiskResult & { notices: string[] } => {
  const notices: string[] = [];
  const source = openSource(folderOf(label), syscalls);
  const point = findPoint(requirePoints(source, assert.unreachable), folderOf(label), 'latest');
  const onNotice = (text: string): void => void notices.push(text);
  return { ...restoreDisk({ source, point, disk, force, dryRun }, syscalls, { onNotice }), notices };
};

/** A disk full of other bytes. */
const makeDisk = (mib: number): void => void sh('rm -f "$1"; head -c "$2M" /dev/urandom >"$1"', file, `${mib}`);

const tableOf = (disk: string): string =>
  sh('sfdisk --dump "$1" | sed "s|$1|disk|; /^device:/d; /^last-lba:/d; s/ *= */=/g"', disk);

const requireEqual = (label: Label): void => {
  const [disk, table] = [original(label), readTable(original(label))];
  const [firmware, root, swap, data] = NUMBERS[label];
  const startOf = (number: number): number => {
    const found = table.partitions.find((partition) => partition.number === number);
    return Number(found?.start) * 512;
  };
  const same = (start: number, bytes: number): void =>
    void sh('cmp -i "$3" -n "$4" "$1" "$2"', disk, file, `${start}`, `${bytes}`);
  assert.is(tableOf(file), tableOf(disk));
  same(0, 440);
  if (label === 'dos') same(512, MIB - 512);
  same(startOf(firmware), 16 * MIB);
  same(startOf(root), 48 * MIB);
  same(startOf(swap), 4096);
  // Nothing is recognized there, neither what the disk had before nor what was not kept.
  assert.is(
    sh(
      'dd if="$1" bs=1M count=1 iflag=skip_bytes skip="$2" status=none | tr -d "\\0" | wc -c',
      file,
      `${startOf(data)}`,
    ),
    '0\n',
  );
};

if (why === undefined) {
  makeOriginal('gpt');
  makeOriginal('dos');

  for (const label of ['gpt', 'dos'] as const) {
    test(`${label}: a larger disk gets the same table, boot code, firmware's partition, volume and swap`, () => {
      makeDisk(170);
      withLoop(file, (device) => {
        const { partitions, damagedBlocks, differingBlocks, bytes } = restore(label, device);
        assert.equal([damagedBlocks, differingBlocks, bytes], [0, 0, 48 * MIB]);
        assert.equal(
          partitions.map(({ content, holds }) => `${content}: ${holds}`),
          [
            'kept: EFI system partition',
            'point: restore point c0ffee00-1',
            'kept: swap',
            'empty: ext4, mounted on /home',
          ],
        );
        assert.equal(
          partitions.map(({ number }) => number),
          [...NUMBERS[label]],
        );
        assert.is(
          sh(
            'blkid -p -s UUID -o value -O "$2" "$1" || :',
            device,
            `${readTable(file).partitions.find(({ number }) => number === NUMBERS[label][2])!.start * 512}`,
          ),
          '0d1b5b3e-7c0f-4d0e-9a57-4d52b6a2d001\n',
        );
      });
      requireEqual(label);
      assert.is(leftovers(), '');
    });
  }

  test('a disk that is too small, in use, a partition or a file is left alone, and so is one in a dry run', () => {
    makeDisk(97);
    const sum = sh('sha256sum "$1"', file);
    withLoop(file, (device) => {
      assert.match(
        refusal(() => restore('gpt', device)),
        /^IMAGE_SIZE .* it has 101711872 bytes, expected at least \d+ for/,
      );
      assert.is(sh('sha256sum "$1"', file), sum);
    });
    assert.match(
      refusal(() => restore('gpt', file)),
      /^IMAGE_KIND .* it is a regular file, expected a whole disk$/,
    );
    makeDisk(160);
    withLoop(file, (device) => {
      const before = sh('sha256sum "$1"', file);
      assert.is(restore('gpt', device, { dryRun: true }).partitions.length, 4);
      assert.is(sh('sha256sum "$1"', file), before);
    });
    sh('mkfs.ext4 -q "$1"; mkdir -p mounted', file);
    withLoop(file, (device) => {
      sh('mount "$1" mounted', device);
      assert.match(
        refusal(() => restore('gpt', device)),
        /^IMAGE_BUSY .* is mounted on/,
      );
    });
  });

  test('a record that is missing, damaged or of another disk is refused before anything is written', () => {
    const damaged: Array<readonly [script: string, expected: RegExp]> = [
      [
        'rm disk.json',
        /^NO_DISK_RECORD cannot rebuild a disk from restore point .*: it has no record of the disk; .*hint: /,
      ],
      [
        'sed -i s/48/49/ disk.json',
        /^NO_DISK_RECORD cannot use \/\.datto-backup-files of restore point .*disk.json: it is damaged/,
      ],
      [
        'for f in part-*; do head -c 10 $f >x; cat x >$f; done',
        /^NO_DISK_RECORD cannot use .*part-.*gz: it has 10 bytes, expected \d+$/,
      ],
      [
        'for f in part-*; do dd if=/dev/zero of=$f bs=1 seek=60 count=8 conv=notrunc status=none; done',
        /^NO_DISK_RECORD cannot/,
      ],
      ['chmod 777 .; chown 1000 disk.json', /^FILE_UNSAFE /],
    ];
    makeDisk(170);
    const sum = sh('sha256sum "$1"', file);
    const volume = join(scratch, 'gpt.volume');
    sh('cp "$1" "$1.good"', volume);
    damaged.forEach(([script, expected], at) => {
      sh('cp "$1.good" "$1"; rm -rf "$2"', volume, folderOf('gpt'));
      change(volume, `cd .datto-backup-files; ${script}`);
      backUp(folderOf('gpt'), volume, 1);
      withLoop(file, (device) => {
        assert.match(
          refusal(() => restore('gpt', device)),
          expected,
          `${at}`,
        );
      });
      assert.is(sh('sha256sum "$1"', file), sum);
    });
    makeOriginal('gpt');
  });

  test('a disk that returns another table than was written is left without one: status 3', async () => {
    const tools = join(scratch, 'tools');
    await buildTools(tools);
    const programs = join(scratch, 'programs');
    mkdirSync(programs);
    // Another type for each partition.
    const script = `case "$*" in *--no-act*|*--json*) exec ${sh('command -v sfdisk').trim()} "$@" ;; esac
      sed 's/type=[^,]*/type=0FC63DAF-8483-4772-8E79-3D69D8477DE4/' | ${sh('command -v sfdisk').trim()} "$@"`;
    writeFileSync(join(programs, 'sfdisk'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    makeDisk(170);
    withLoop(file, (device) => {
      const { status, stderr } = spawnSync(
        join(tools, 'datto-restore.mjs'),
        ['disk', folderOf('gpt'), 'latest', device, '--quiet'],
        { encoding: 'utf8', env: { ...process.env, PATH: `${programs}:${process.env.PATH}` } },
      );
      assert.is(status, 3, stderr);
      assert.match(stderr, /it does not return the partition table that was written$/m);
      assert.match(stderr, /is incomplete and has no partitions; run the same command again$/m);
      assert.is(sh('sfdisk --json "$1" 2>/dev/null | grep -c node || :', device).trim(), '0');
    });
  });

  test('a restore that is killed leaves no partitions, and the next one starts over', async () => {
    const tools = join(scratch, 'tools');
    await buildTools(tools);
    makeDisk(170);
    sh('sfdisk -q "$1" <<<"$2"', file, SCRIPTS.gpt);
    const device = sh('losetup -f --show "$1"', file).trim();
    let kills = 0;
    try {
      const isMarked = (): boolean =>
        sh('head -c 200 "$1" | tr -d "\\0" | head -n 1', device).startsWith('datto-restore: incomplete copy of a disk');
      for (const milliseconds of [0, 50, 100, 200]) {
        sh('head -c 1M /dev/urandom >"$1"', device);
        const args = ['disk', folderOf('gpt'), 'latest', device, '--force', '--quiet'];
        const child = spawn(join(tools, 'datto-restore.mjs'), args, { stdio: 'ignore' });
        const ended = new Promise<number | null>((done) => child.once('exit', done));
        while (!isMarked() && child.exitCode === null) await new Promise((done) => setTimeout(done, 5));
        await new Promise((done) => setTimeout(done, milliseconds));
        child.kill('SIGKILL');
        const status = await ended;
        const count = Number(sh('sfdisk --json "$1" 2>/dev/null | grep -c node || :', device));
        if (count > 0) requireEqual('gpt');
        else assert.is(status, null, `after ${milliseconds} ms`);
        kills += Number(status === null);
      }
      assert.ok(kills > 0);
      const { differingBlocks } = restore('gpt', device, { force: true });
      assert.is(differingBlocks, 0);
    } finally {
      sh('losetup -d "$1"', device);
    }
    requireEqual('gpt');
    assert.is(leftovers(), '');
  });
}

test.after(() => rmSync(scratch, { recursive: true, force: true }));
test.run();
