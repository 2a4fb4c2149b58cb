/** What update-img(8) says beyond the definitions in update-img.ts. */
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 8,
  description: [
    'The COW file of the incremental that the new snapshot ended lists the blocks that changed since the snapshot ' +
      'before. These blocks are copied from the new snapshot to an image of the one before. Afterwards the image ' +
      'equals the new snapshot in every byte.',
    'Everything is checked before the first byte is written: that the COW file belongs to the series of the snapshot, ' +
      'is the one just before it, was closed cleanly and lists nothing beyond the end, and that the image has the size ' +
      'of the snapshot and is the one that the COW file begins at.',
    'What the image is, is noted in a small file beside it. The first time there is none, and you vouch for the image ' +
      'being one of the snapshot before. From then on an image of another series or snapshot is refused, and so is one ' +
      'that something else wrote since.',
    'An update that was interrupted is finished by the same command: it goes on where it was. If its snapshot is gone ' +
      'in the meantime, `--rollback` brings the image before it back; or give the COW files of all snapshots since ' +
      'with `--also`.',
  ],
  exits: [
    ['0', 'Done: the image equals the snapshot.'],
    [
      '5',
      'Blocks could not be copied, or `--verify` found differences; each is named on standard error. The image is of ' +
        'no snapshot until the command has been repeated with success.',
    ],
    ['16', 'Another process is working on the image, or it is a block device that is mounted or in use.'],
    ['22', 'The command line is wrong, or the files do not belong together. Nothing was written.'],
    [
      'other',
      'The errno of what could not be opened, read or written: 2 for a file that does not exist, 13 for one that must ' +
        'not be opened, 28 if there is no space; or of the driver, 255 for one above that.',
    ],
    ['130', 'Interrupted, as shells tell it. The state file says how far the update was; the same command goes on.'],
  ],
  sections: [
    {
      title: 'FILES',
      blocks: [
        'They lie beside the image if that is a regular file, else in `/var/lib/dattobd`. They, and the image, must be ' +
          'regular files of root or of whoever runs this: links and files of others are refused. A link to the image is ' +
          'followed if it and its folder belong to root, and nobody else may write there.',
        {
          terms: [
            ['`<image file>.datto-state`', 'What the image is.'],
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
              'One of these that a killed run had not finished. The next one that ends well removes it.',
            ],
          ],
        },
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
        'See what the image is, and go back to the one before:',
        { example: ['update-img --status /backup/data.img', 'update-img --rollback /backup/data.img'] },
      ],
    },
  ],
  seeAlso: ['dbdctl(8)', 'datto-verify(1)', 'datto-inspect(1)', 'datto(5)'],
};
