/** What datto-inspect(1) says beyond the definitions in cli/inspect/program.ts. */
import { RULES } from '../host/inspect/check/findings.js';
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 1,
  description: [
    'The driver keeps old blocks and lists of changed blocks in COW files; `datto`(5) describes their format. They are ' +
      'opened read-only. Only options that name a picture or a block map write anything, and only to new files.',
    'A COW file does not store the size of its origin. Use `--blocks`, `--origin-size` or `--image` if the number of ' +
      'sections cannot be derived from the file, or if the exact size matters.',
  ],
  commands: {
    info: ['The header of a live file is out of date, and is marked so.'],
    check: [
      'Each violation is shown with its offset in the file, the value found and the value expected. All are counted, ' +
        'whatever the limit. The rules are listed below.',
    ],
    blocks: [
      'A run is shown as its first and last block, and its number of blocks; with `--json`, as one object on each line.',
    ],
    map: [
      'Blocks that are near each other on the origin are near each other in the picture. The colour of a cell shows ' +
        'which share of its blocks changed.',
    ],
    stat: ['The estimate is for `update-img`(8).'],
    files: ['Needs `debugfs`(8) for ext4 and `xfs_db`(8) for xfs.'],
    report: [
      'The page needs no network and no other file. With several files, a block counts once, except in the growth from ' +
        'snapshot to snapshot. With `--image`, regions and areas have the names of files, as of `files`, and COW files are ' +
        'left out of all figures: those of the image that have the name of a given one, or that a given one names as its ' +
        'next. If there are no names, the page and a line on standard error give the reason.',
    ],
  },
  exits: [
    ['0', 'Done. With `check`: the file breaks no rule.'],
    [
      '1',
      'A file could not be read or created, or does not fit the sub-command. A line on standard error gives the reason.',
    ],
    ['2', 'The command line is wrong.'],
    ['3', 'With `check`: the file breaks rules.'],
  ],
  sections: [
    {
      title: 'RULES',
      blocks: ['`check` prints these names:', { columns: ['rule', 'what must hold'], rows: Object.entries(RULES) }],
    },
    {
      title: 'FILES',
      blocks: [
        {
          terms: [
            [
              '`.<new file>.<16 hex digits>.partial`',
              'A new file that is being written, in its later folder. Remove it if no process is writing it.',
            ],
          ],
        },
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'Show whether a file may be used, and whether it is sound:',
        { example: ['datto-inspect info /data/.datto0', 'datto-inspect check /data/.datto0'] },
        'Show how much changed and where:',
        {
          example: [
            'datto-inspect stat /data/.datto0',
            'datto-inspect map /data/.datto0',
            'datto-inspect map --svg /backup/changes.svg /data/.datto0',
          ],
        },
        'Make a page with all of it, and the names of files:',
        {
          example: [
            'datto-inspect report --image /backup/data.img \\',
            '    --output /backup/changes.html /data/.datto0',
          ],
        },
        'List the changed blocks as JSON, and as a block map for `bmaptool`(1):',
        {
          example: [
            'datto-inspect blocks --json /data/.datto0',
            'datto-inspect blocks --image /backup/data.img \\',
            '    --bmap /backup/data.bmap /data/.datto0',
          ],
        },
      ],
    },
  ],
  seeAlso: ['update-img(8)', 'datto-verify(1)', 'datto(5)'],
};
