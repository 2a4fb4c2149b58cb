/** What update-img(8) says beyond the definitions in update-img.ts. */
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 8,
  description: [
    'The COW file of the incremental that the new snapshot ended lists the blocks that changed since the snapshot ' +
      'before. These blocks are copied from the new snapshot to an image of the one before. Afterwards the image ' +
      'equals the new snapshot in every byte.',
    'Everything is checked before the first byte is written: that the COW file belongs to the series of the ' +
      'snapshot, is the one just before it, was closed cleanly and lists nothing beyond the end, and that the image ' +
      'has the size of the snapshot. That the image is one of the snapshot before cannot be seen from it: use COW ' +
      'files in their order, and none twice on different images.',
  ],
  exits: [
    ['0', 'Done: the image equals the snapshot.'],
    [
      '5',
      'Blocks could not be copied; each is named on standard error. The image is of no snapshot until the ' +
        'command has been repeated with success.',
    ],
    ['22', 'The command line is wrong, or the files do not belong together. Nothing was written.'],
    [
      'other',
      'The errno of what could not be opened or read: 2 for a file that does not exist, 13 for one that ' +
        'must not be opened.',
    ],
  ],
  sections: [
    {
      title: 'EXAMPLES',
      blocks: [
        'The volume on `/data` is in incremental mode, with the COW file `/data/.datto0`; `/backup/data.img` is an ' +
          'image of its last snapshot.',
        {
          example: [
            'dbdctl transition-to-snapshot /data/.datto1 0',
            'update-img --dry-run /dev/datto0 /data/.datto0 /backup/data.img',
            'update-img /dev/datto0 /data/.datto0 /backup/data.img',
            'rm -f /data/.datto0',
          ],
        },
      ],
    },
  ],
  seeAlso: ['dbdctl(8)', 'datto(5)'],
};
