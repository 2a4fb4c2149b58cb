/** What datto-restore(8) says beyond the definitions in datto-restore.ts. */
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 8,
  description: [
    'A restore point is a volume as it was at one snapshot. `datto-restore` lists the points of a target, mounts the ' +
      'filesystem of one, copies files out of it, copies all of it onto a device, or rebuilds the disk that it was on. It works on any machine: no ' +
      'kernel module is needed. The target is only read.',
    'A target is one of these:',
    {
      terms: [
        [
          '<folder>',
          'A folder that `datto-backup`(8) writes: restore points (`--keep`), an image, and previous images that are ' +
            'kept as complete files.',
        ],
        ['<image file>', 'An image of `update-img`(8), with its state file beside it.'],
        [
          '`ssh:`[<user>`@`]<host>`:/`<folder>',
          'A folder with restore points on another machine, which `datto-receive`(8) there serves.',
        ],
        ['`rbd:`<pool>`/`<image>', 'An image with restore points in a Ceph cluster.'],
        [
          '`restic:`<repository>, `borg:`<repository>',
          'A repository of restic or borg, with the points of all its volumes. A chunk that the engine cannot read is damaged.',
        ],
      ],
    },
    'A point is named by its name, as `list` prints it, by the beginning of it if no other name begins like that, or ' +
      'by `latest`.',
    'With `--quiet` only errors, notices, damage and the list of points are printed.',
  ],
  commands: {
    list: [
      'The time is that of the snapshot, in UTC; of an image, when it was complete. `stored` is what a point takes on its ' +
        'disk. The note says why a point may not be what its snapshot was; `copy` finds out. `--json` prints the keys ' +
        '`name`, `time`, `kind`, `bytes`, `stored_bytes` and `note` of each point.',
    ],
    mount: [
      'The filesystem, ext2, ext3, ext4 or xfs, is mounted read-only, without its journal, set-user-ID programs and devices. ' +
        'It stays mounted until `umount` <folder>, by which the programs that serve it end too. Meanwhile the ' +
        'target cannot remove the point, and an image cannot be updated; of a repository it can, and reads fail then. This needs root, FUSE, a loop device, and ' +
        'the packages `qemu-utils` and `libnbd-bin`.',
    ],
    file: [
      'Owner, mode, ACLs, times, extended attributes, holes and hard links within what is copied are kept. The copy ' +
        'has its name once it is complete and on disk. A symbolic link is copied as a link; one on the way to the ' +
        'file is not followed but named, for it would lead into the filesystem of this machine. The point is mounted where no ' +
        'other process sees it, and needs what `mount` needs.',
      'Copied programs and devices keep their rights: restore only what you trust, or into a folder that others ' +
        'cannot enter.',
    ],
    copy: [
      'A device must not be mounted, tracked, or in use otherwise, and must be large enough. What it has beyond the ' +
        'volume stays as it is. A file must not exist; it is sparse, and has its name once it is complete.',
      'The point is compared with the sums that were kept of it, and the copy is read from the disk again and compared ' +
        'with what was written. Damaged blocks are named and copied as they are.',
      'The first MiB of a device is written last. Until then it holds the words `datto-restore: incomplete copy` and ' +
        'no filesystem. A copy that was interrupted is repeated by the same command.',
    ],
    disk: [
      'For a volume that was a partition, all that a machine needs to start from the disk again. `datto-backup` records with ' +
        'each snapshot the partition table (GPT or MBR), boot code, the content of the partitions that the firmware and ' +
        'boot loaders read (EFI system, BIOS boot and PReP partitions), and the ids of swap. Partitions get their numbers, ' +
        'places, types and UUIDs; the volume gets the content of the point, as by `copy`. Other partitions are empty. They are listed with ' +
        'what they held: restore them from their own backups with `copy`.',
      'The disk must not be in use, and must be large enough; sectors must have the size that they had. It is read back. The partition table is written last: a disk whose ' +
        'restore was interrupted has no partitions, and the same command starts over.',
      'On a system that EFI firmware started, the firmware gets an entry for the boot loader, if it has none for that ' +
        'partition. This needs the packages `fdisk`, and `efibootmgr` for such an entry, and what `mount` needs.',
    ],
  },
  exits: [
    ['0', 'All is done, and was read back.'],
    [
      '3',
      'Blocks of the point are damaged, or the disk returns other bytes than were written; they are named on standard output.',
    ],
    ['16', 'The device is in use, or another process is working on the image.'],
    ['22', 'The command line is wrong, there is no such point, or it cannot be restored there.'],
    [
      'other',
      'The errno of a file that could not be opened, read or written: 2 if it does not exist, 13 if permission is ' +
        'denied, 28 if there is no space.',
    ],
    ['130', 'Interrupted (the status that a shell reports).'],
  ],
  sections: [
    {
      title: 'FILES',
      blocks: [
        {
          terms: [
            [
              '`.<destination>.<16 hex digits>.partial`',
              'What a killed `copy` or `file` left unfinished. It can be removed.',
            ],
            ['`/tmp/datto-restore-*`', 'An empty folder, while `mount` or `file` runs, or after it was killed.'],
          ],
        },
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'List the restore points of a volume, and copy the newest one into a file:',
        { example: ['datto-restore list /backup/data', 'datto-restore copy /backup/data latest /restored/data.img'] },
        'Show what a new disk would get, and rebuild the disk on it:',
        {
          example: [
            'datto-restore disk --dry-run /backup/root latest /dev/sdb',
            'datto-restore disk /backup/root latest /dev/sdb',
          ],
        },
      ],
    },
  ],
  seeAlso: ['datto-backup(8)', 'update-img(8)', 'qemu-nbd(8)', 'nbdfuse(1)', 'mount(8)', 'sfdisk(8)', 'efibootmgr(8)'],
};
