/** What dbdctl(8) says beyond the definitions in cli/dbdctl-commands.ts and cli/dbdctl.ts. */
import type { ToolManual } from './manual.js';

const RELOAD =
  'The path of the COW file starts at the root of its filesystem, with or without a slash. The block device must not ' +
  'be mounted read-write yet. The COW file must hold a checkpoint. The driver writes one when the block device is ' +
  'unmounted or mounted read-only, when the module is unloaded, and when the machine goes down; the next write removes ' +
  'it. It also keeps one while the block device is written to. After a power cut a reload goes on from that, in incremental mode: ' +
  'a snapshot is lost. A COW file with which tracking does not go on any more leads to the next one. ' +
  'Writes are tracked from this command on. The device is unverified until the block device is mounted ' +
  'read-write. If it is missing or wrong, the command succeeds, but the device is in the failed state: ' +
  '`dbdctl status` and the kernel log give the reason, and the next backup must be a full one.';

export const manual: ToolManual = {
  section: 8,
  description: [
    'A tracked block device has a minor, by default from 0 to 23, and is in one of two ' +
      'modes. In snapshot mode, `/dev/datto<minor>` is the frozen content of the block device at one point in time; ' +
      'the old content of blocks that change is kept in the COW file, which lies on the block device itself. In ' +
      'incremental mode, only the list of blocks that change is kept there. Each snapshot and the changes until the ' +
      'next one form a link of a series, and `update-img`(8) brings an image from one snapshot of a series to the ' +
      'next.',
    'The block device must be mounted, with ext2, ext3, ext4 or xfs.',
    'All numbers are decimal digits. The cache size is in bytes, all other sizes are in MiB (1048576 bytes). A size may have K, ' +
      'M, G or T after its digits, or KiB, MiB, GiB or TiB: `4G` is 4096 MiB. It is rounded up to whole MiB.',
  ],
  commands: {
    'setup-snapshot': [
      'The COW file is created on the filesystem that is mounted from the block device; an existing file is ' +
        'replaced. While it is in use it cannot be written to, moved or removed. Without `-f` its size is a ' +
        'tenth of the block device. If more old content must be kept than it has room for, the snapshot fails; ' +
        'the block device itself is not affected.',
    ],
    'reload-snapshot': [RELOAD],
    'reload-incremental': [RELOAD],
    destroy: [
      'The COW file of a device that is active is removed. That of a dormant or unverified device stays. The device ' +
        'must not be open.',
    ],
    'transition-to-incremental': [
      '`/dev/datto<minor>` is removed, and the COW file shrinks to its list of changed blocks. The snapshot must not ' +
        'be open.',
    ],
    'transition-to-snapshot': [
      'The COW file must be another one than that of the incremental, which stays where it is and now lists all ' +
        'blocks that changed since the previous snapshot. Without `-f` the new file is as large as the one of that ' +
        'snapshot.',
    ],
    reconfigure: [
      'The limit can be changed while the device is tracked, but not while it is open. Without `-c` it is the default ' +
        'again. A snapshot has all the memory of its cache from its start: a lower limit leaves a part of it unused, ' +
        'and a limit above that of the start has no effect on it. The next snapshot begins with the default.',
    ],
    'expand-cow-file': [
      'The device must be an active snapshot, and may be open. If there is no space, the snapshot stays as it is. The ' +
        'COW file may get blocks of files that were deleted since the snapshot was taken. These are preserved in it ' +
        'first, which uses up a part of the added space. If that finds no room any more, the file grows only by the ' +
        'space before them. Space that no file used when the snapshot was taken reads as zeros in the snapshot once ' +
        'the COW file has grown into it.',
    ],
    'reconfigure-auto-expand': [
      'The device must be an active snapshot, and may be open. The COW file then grows by one or more steps before it ' +
        'is full (when a quarter of it is left, or one step, at most half of it), as long as the reserved space stays free. If it ' +
        'cannot grow, the kernel log gives the reason. This lasts until the next change of mode.',
    ],
    'setup-snapshot-group': [
      'The three arguments are repeated for each member of the group. All snapshots are of one instant: what a program writes to one ' +
        'volume only after a write to another one has ended is never in a snapshot without that. All snapshots are started, or none: ' +
        'after a failure there is no device and no COW file. The options hold for each member; the rest is as with `setup-snapshot`. ' +
        'There are at most 32 members.',
      'All filesystems are frozen for a moment. If one of them lies on another one (a loop device, for instance), their freezes can wait ' +
        'for each other. Then the command is given up after 10 seconds, and nothing has changed.',
    ],
    'transition-to-snapshot-group': [
      'The same for the next snapshots of series that are incremental. After a failure before the instant every member is incremental as ' +
        'before. A member that fails after the instant is named; the others are snapshots.',
    ],
    status: [
      'Prints a table of all devices, or of the one with that minor. Below it, each state is explained, with the next ' +
        'step. With `--json`, `meaning` and `next` are these texts.',
      'The last line about a device shows what a crash of the machine at this moment would cost (with `--json`: `crash`, and `crash_bytes`). ' +
        'With a live checkpoint, that is how much the next incremental backup would copy again, at most: the dirty ' +
        'regions. Without a live checkpoint, a full backup would be needed: one comes soon after each change of mode. If nothing ' +
        'was written since the checkpoint of an unmounted block device, a crash costs nothing.',
    ],
    help: [],
  },
  exits: [
    ['0', 'Success. Only `status` and `help` print anything, and `--verbose` on standard error.'],
    [
      '255',
      'Failure: the driver refused or failed, it is not loaded, or the command line is wrong. A line on ' +
        'standard error gives the reason.',
    ],
  ],
  sections: [
    {
      title: 'DIAGNOSTICS',
      blocks: [
        'The line on standard error names the command, the cause if it can be looked up, and a hint; it ends with ' +
          'the text of an errno. The kernel log (`dmesg`(1)) has more.',
        {
          terms: [
            [
              'Invalid argument',
              'The minor is out of range; the block device is not mounted, or mounted read-only; ' +
                'the COW file is not on it; the device has failed or is in a state that the command does not fit.',
            ],
            ['Device or resource busy', 'The minor is taken, or `/dev/datto<minor>` is open or mounted.'],
            [
              'No such file or directory',
              'No device has the minor; the block device, or the folder of the COW ' + 'file, does not exist.',
            ],
            ['Block device required', 'The first path is not one of a block device.'],
            ['Is a directory', 'The COW file is a directory.'],
            ['Operation not permitted', 'The COW file is in use by the driver, or belongs to another user.'],
            ['Too many levels of symbolic links', 'The COW file is a symbolic link.'],
            ['Too many links', 'The COW file has several names (hard links).'],
            ['No space left on device', 'The filesystem has no room for the COW file.'],
            [
              'File too large',
              'The COW file is larger than the filesystem allows, or was full before the change of ' +
                'mode was done: the device has failed.',
            ],
          ],
        },
      ],
    },
    {
      title: 'FILES',
      blocks: [
        {
          terms: [
            ['`/dev/datto-ctl`', 'Takes the commands. Only root may open it.'],
            ['`/dev/datto<minor>`', 'A snapshot, read-only.'],
            ['`/proc/datto-info`', 'All devices, as JSON.'],
          ],
        },
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'Take a snapshot of a volume that is mounted on `/data`, copy it, and track changes from then on:',
        {
          example: [
            'dbdctl setup-snapshot /dev/sda1 /data/.datto0 0',
            'umask 077',
            'dd if=/dev/datto0 of=/backup/data.img bs=1M',
            'dbdctl transition-to-incremental 0',
          ],
        },
        'Bring the copy up to date, and start over:',
        {
          example: [
            'dbdctl transition-to-snapshot /data/.datto1 0',
            'update-img /dev/datto0 /data/.datto0 /backup/data.img &&',
            'rm -f /data/.datto0 &&',
            'dbdctl transition-to-incremental 0',
          ],
        },
        'Take snapshots of a database whose log is on another volume, both at one instant:',
        {
          example: ['dbdctl setup-snapshot-group /dev/sda1 /a/.cow 0 /dev/sdb1 /b/.cow 1'],
        },
        'Keep at most 100 MiB of the index in memory, and a COW file of 2 GiB that grows by 512 MiB as long as 1 ' +
          'GiB stays free:',
        {
          example: [
            'dbdctl setup-snapshot -c 100M -f 2G /dev/sda1 /data/.datto0 0',
            'dbdctl reconfigure-auto-expand -r 1G 512 0',
          ],
        },
        'Resume an incremental after a reboot, before its volume is mounted:',
        { example: ['dbdctl reload-incremental /dev/sda1 /.datto0 0'] },
        'Show what is tracked, and stop:',
        { example: ['dbdctl status', 'dbdctl destroy 0'] },
      ],
    },
  ],
  seeAlso: ['update-img(8)', 'datto-inspect(1)', 'datto(5)'],
};
