/** What datto-backup(8) says beyond the definitions in datto-backup.ts. */
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 8,
  description: [
    'One command, run again and again, keeps `volume.img` in the folder equal to the volume as it was when the command ' +
      'was run last. The first run takes a snapshot and copies all of it, but for zeros, which stay holes. From then on ' +
      'the volume is tracked: each run takes the next snapshot, copies the blocks that changed, reads them again, ' +
      'compares them with the snapshot, and gives the snapshot up. The volume stays mounted and in use.',
    'A folder is for one volume, and lies on another disk. It must exist: a backup disk that is not mounted is an error, ' +
      'not a new backup.',
    'Status 0 says: the image is the volume as of a moment during this run, is on disk, was compared (but ' +
      'with `--verify nothing`), and what changes from then on is being noted.',
    'A run can be killed at any moment. The next one finishes the backup of the snapshot that it finds, and then makes ' +
      'its own. At no moment is the last complete image given up for one that is not: a whole copy is made beside it and takes its ' +
      'place when it is complete and compared; before blocks of the image are overwritten, it is cloned, where the ' +
      'filesystem of the folder can (xfs, btrfs). Where it cannot, a notice on standard error says that ' +
      'nothing is kept; `--keep-previous undo` has the same effect as a clone and costs reading and writing what changes once ' +
      'more, and `--keep-previous nothing` ends the notice.',
    'A run copies everything, and prints the reason, if the list of changes is lost: the power failed, the machine ' +
      'restarted or the module was unloaded (unless the volume was reloaded before it was mounted, see FILES), ' +
      'something else wrote the image or the volume, the volume was resized. A device that failed for this reason is destroyed. ' +
      '`--no-whole` ends the run with status 4 instead.',
    'A device that failed in snapshot mode (`dbdctl status` shows the error; most often the COW file was full) is left as it is, ' +
      'and the last complete image is restored. `--restart` destroys the device and ' +
      'starts a new series. Give it to runs that nobody watches, and a larger `--cow-size` if it is needed often.',
  ],
  exits: [
    ['0', 'The image is the volume, as of this run.'],
    [
      '3',
      'The image was found to differ from the snapshot; the blocks are named on standard error. The next run copies ' +
        'everything.',
    ],
    [
      '4',
      'Nothing goes on until somebody decides: the device has failed in snapshot mode or was never taken up (`--restart`), somebody else ' +
        'tracks the volume, the folder is of another filesystem, or everything would have to be copied and `--no-whole` ' +
        'was given. The line on standard error says which, and what to do.',
    ],
    ['5', 'Blocks could not be read or written. The next run tries them again.'],
    ['16', 'Another run is at work, or somebody has the snapshot open.'],
    ['19', 'The driver is not loaded.'],
    ['22', 'The command line is wrong, or the volume is none that can be backed up now: it must be mounted.'],
    ['28', 'There is no space: in the folder for the copy, or on the volume for the COW file.'],
    [
      'other',
      'The errno of what could not be opened, read or written, or that the driver answered; 255 for one above that.',
    ],
  ],
  sections: [
    {
      title: 'FILES',
      blocks: [
        'In the folder:',
        {
          terms: [
            ['`volume.img`', 'The image. `volume.img.datto-state` says which snapshot it is, as for `update-img`(8).'],
            [
              '`volume.img.datto-previous-<number>`, `volume.img.datto-undo-<number>`',
              'The image before, a clone or an undo log, until the next run is complete. `update-img --rollback` brings it back.',
            ],
            ['`volume.img.new`', 'A whole copy that is not complete.'],
            ['`volume.img.replaced`', 'The image before a whole copy, until the next run is complete.'],
            ['`datto-backup.json`', 'What a run remembers for the next.'],
            ['`datto-backup.lock`', 'Locked by a run that is at work; it stays, and is no sign of one.'],
            [
              '`.<file>.<16 hex digits>.partial`',
              'One of these that a killed run had not finished. The next one removes it.',
            ],
          ],
        },
        'They must be regular files of root or of whoever runs this; links and files of others are refused.',
        'On the volume, one at a time, with a new name for each run: `.datto-backup-files/<id>-<number>-<16 hex digits>`, the COW ' +
          "file, in a folder that must be root's own. A file there, or of an older version beside it, that is not a regular " +
          'file of root is not believed.',
        '`/etc/datto/dla/reload_backup-<filesystem id>` announces the volume to the driver at boot, before it is mounted, where the boot hooks ' +
          'are installed. It is written after each transition, and removed with the device; `DATTO_SCRIPTS` names another folder.',
        '`docs/systemd/` has a service and a timer for it.',
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'The volume is `/dev/sda1`, mounted on `/data`. See what will be done, do it, and do it again:',
        {
          example: [
            'datto-backup --dry-run /dev/sda1 /backup/data',
            'datto-backup /dev/sda1 /backup/data',
            'datto-backup --manifest --keep-previous undo /dev/sda1 /backup/data',
          ],
        },
        'Look at the image, and go back to the one before:',
        { example: ['update-img --status /backup/data/volume.img', 'update-img --rollback /backup/data/volume.img'] },
        'The run after that copies everything.',
      ],
    },
  ],
  seeAlso: ['dbdctl(8)', 'update-img(8)', 'datto-verify(1)', 'datto(5)'],
};
