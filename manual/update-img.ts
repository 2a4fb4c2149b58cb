/** What update-img(8) says beyond the definitions in update-img.ts. */
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 8,
  description: [
    'The COW file of the incremental that the new snapshot ended lists the blocks that changed since the previous ' +
      'snapshot. `update-img` copies these blocks from the new snapshot to an image of the previous one. Afterwards the ' +
      'image equals the new snapshot in every byte.',
    'Everything is checked before the first byte is written: that the COW file belongs to the series of the snapshot, ' +
      'is the one just before it, was closed cleanly and lists nothing beyond the end, and that the image has the size ' +
      'of the snapshot and is the one that the COW file starts from.',
    'A small state file beside the image records which snapshot it is. Without a state file, on first use, the image ' +
      'is trusted to be the previous snapshot. From then on an image of another series or snapshot is refused, and so is ' +
      'one that something else wrote since.',
    'With `--quiet` only errors, notices, the root of a manifest and what `--json`, `--dry-run` or `--status` requests are printed.',
    'To finish an interrupted update, repeat the command: it resumes at the last checkpoint. If its snapshot no longer ' +
      'exists, restore the previous image with `--rollback`, or pass the COW files of all snapshots since with `--also`.',
  ],
  exits: [
    ['0', 'Done: the image equals the snapshot.'],
    [
      '5',
      'Blocks could not be copied, or `--verify` found differences; each is named on standard error. The image is ' +
        'not a snapshot until the command is repeated with success.',
    ],
    ['16', 'Another process is working on the image, or it is a block device that is mounted or in use.'],
    ['22', 'The command line is wrong, or the files do not belong together. Nothing was written.'],
    [
      'other',
      'The errno of a file that could not be opened, read or written: 2 if it does not exist, 13 if permission is ' +
        'denied, 28 if no space is left; or of the driver, 255 for a larger errno.',
    ],
    [
      '130',
      'Interrupted (the status that a shell reports). The state file holds the last checkpoint; the same command resumes there.',
    ],
  ],
  sections: [
    {
      title: 'FILES',
      blocks: [
        'These files are beside the image if that is a regular file, else in `/var/lib/dattobd`. They and the image must ' +
          'be regular files owned by root or by the caller: links and files of other users are refused. A link to the ' +
          'image is followed if it and its folder belong to root, and no other user may write there.',
        {
          terms: [
            ['`<image file>.datto-state`', 'Which snapshot the image is.'],
            [
              '`<image file>.datto-previous-<number>`',
              'The image of snapshot <number>, before the last update: a clone.',
            ],
            [
              '`<image file>.datto-undo-<number>`',
              'The same where files cannot be cloned: the content of the blocks that were overwritten.',
            ],
            ['`<image file>.datto-manifest`', 'Hashes of its blocks, see `datto-verify`(1).'],
            ['`<image file>.datto-manifest-previous-<number>`', 'The manifest that goes with a clone.'],
            [
              '`.<file>.<16 hex digits>.partial`',
              'One of these files that a killed run left unfinished. The next successful run removes it.',
            ],
          ],
        },
      ],
    },
    {
      title: 'DEPRECATED',
      blocks: [
        '`--cursor` is the old name of `--checkpoint`. It still works in this version. `--status --json` prints ' +
          '`changed_blocks` by its old key `changedBlocks`, too.',
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'The volume on `/data` is in incremental mode, with the COW file `/data/.datto0`; `/backup/data.img` is an ' +
          'image of its last snapshot.',
        {
          example: [
            'dbdctl transition-to-snapshot /data/.datto1 0',
            'update-img --dry-run /dev/datto0 /data/.datto0 /backup/data.img',
            'update-img --keep-previous /dev/datto0 /data/.datto0 /backup/data.img',
            'test $? = 0 && rm -f /data/.datto0',
          ],
        },
        'Show what the image is, and restore the previous one:',
        { example: ['update-img --status /backup/data.img', 'update-img --rollback /backup/data.img'] },
      ],
    },
  ],
  seeAlso: ['dbdctl(8)', 'datto-verify(1)', 'datto-inspect(1)', 'datto(5)'],
};
