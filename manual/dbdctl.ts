/** What dbdctl(8) says beyond the definitions in cli/dbdctl-commands.ts and cli/dbdctl.ts. */
import type { ToolManual } from './manual.js';

const RELOAD =
  'Give the path of the COW file as it is from the root of its filesystem, which may begin with a slash or not. The ' +
  'block device must not be mounted read-write yet. The COW file must hold a clean record, which is written when the ' +
  'block device was unmounted or mounted read-only, when the module is unloaded, and when the machine goes down, and ' +
  'is gone with the first write after it. Writes are tracked from this command on; the device is unverified until the ' +
  'block device is mounted read-write. If the record is missing or wrong, the command succeeds all the same, but the ' +
  'device has failed: `dbdctl status` and the kernel log say why, and the next backup must be a full one.';

export const manual: ToolManual = {
  section: 8,
  description: [
    'A tracked block device has a minor, from 0 to 23 unless the module was told otherwise, and is in one of two ' +
      'modes. In snapshot mode, `/dev/datto<minor>` is the frozen content of the block device at one point in time; ' +
      'the old content of blocks that change is kept in the COW file, which lies on the block device itself. In ' +
      'incremental mode, only the list of blocks that change is kept there. Each snapshot and the changes until the ' +
      'next one form a link of a series, and `update-img`(8) brings an image from one snapshot of a series to the ' +
      'next.',
    'The block device must be mounted, with ext2, ext3, ext4 or xfs.',
    'All numbers are decimal digits. The cache size is in bytes, all other sizes are in MiB (1048576 bytes).',
  ],
  commands: {
    'setup-snapshot': [
      'The COW file is created on the filesystem that is mounted from the block device; a file that is there is ' +
        'replaced. As long as it is used nobody can write to it, move it or remove it. Without `-f` its size is a ' +
        'tenth of the block device. If more old content must be kept than it has room for, the snapshot fails, and ' +
        'the block device goes on as if there were none.',
    ],
    'reload-snapshot': [RELOAD],
    'reload-incremental': [RELOAD],
    destroy: [
      'The COW file of a device that is active is removed. That of a dormant or unverified device stays. The device ' +
        'must not be open.',
    ],
    'transition-to-incremental': [
      '`/dev/datto<minor>` goes away, and the COW file shrinks to its list of changed blocks. The snapshot must not ' +
        'be open.',
    ],
    'transition-to-snapshot': [
      'The COW file must be another one than that of the incremental, which stays where it is and now lists all ' +
        'blocks that changed since the snapshot before. Without `-f` the new file is as large as the one of that ' +
        'snapshot.',
    ],
    reconfigure: [
      'The limit can be changed while the device is tracked, but not while it is open. Without `-c` it is the default ' +
        'again. A snapshot has all the memory of its cache from its start: a lower limit leaves a part of it unused, ' +
        'and a limit above that of the start has no effect on it. The next snapshot begins with the default.',
    ],
    'expand-cow-file': [
      'The device must be an active snapshot, and may be open. If there is no space, the snapshot stays as it is. The ' +
        'COW file may get blocks of files that were deleted since the snapshot was taken: these are preserved in it ' +
        'first, which uses up a part of what was added; where that finds no room any more, the file grows only by ' +
        'what came before. Space that no file used when the snapshot was taken reads as zeros in the snapshot once ' +
        'the COW file has grown into it.',
    ],
    'reconfigure-auto-expand': [
      'The device must be an active snapshot, and may be open. The COW file then grows by one or more steps before it ' +
        'is full (when a quarter of it is left, or one step, at most half of it), as long as the reserved space stays free. What keeps it ' +
        'from growing is in the log of the kernel. Until the next change of mode.',
    ],
    status: [
      'A table of all devices, or of the one with that minor; below it, what the state of each means and what to do ' +
        'next. With `--json`, `meaning` and `next` are these words.',
    ],
    help: [],
  },
  exits: [
    ['0', 'Done. Nothing is printed, but by `status` and `help`.'],
    [
      '255',
      'Not done: the driver refused or failed, it is not loaded, or the command line is wrong. A line on ' +
        'standard error says why.',
    ],
  ],
  sections: [
    {
      title: 'DIAGNOSTICS',
      blocks: [
        'The line on standard error names what was tried, the cause if it can be looked up, and a hint; its last ' +
          'words are the text of an errno. What the driver found is in the log of the kernel (`dmesg`(1)).',
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
        'Take a snapshot of a volume that is mounted on `/data`, copy it, and note what changes from then on:',
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
        'Keep at most 100 MiB of the index in memory, and a COW file of 2 GiB that grows by 512 MiB as long as 1 ' +
          'GiB stays free:',
        {
          example: [
            'dbdctl setup-snapshot -c 104857600 -f 2048 /dev/sda1 /data/.datto0 0',
            'dbdctl reconfigure-auto-expand -r 1024 512 0',
          ],
        },
        'Take an incremental up again after a reboot, before its volume is mounted:',
        { example: ['dbdctl reload-incremental /dev/sda1 /.datto0 0'] },
        'See what is tracked, and stop:',
        { example: ['dbdctl status', 'dbdctl destroy 0'] },
      ],
    },
  ],
  seeAlso: ['update-img(8)', 'datto-inspect(1)', 'datto(5)'],
};
