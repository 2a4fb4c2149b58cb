/** What datto-verify(1) says beyond the definitions in datto-verify.ts. */
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 1,
  description: [
    'An image can be compared with the snapshot that it was made from, while that snapshot exists. It can be compared ' +
      'with its manifest at any later time, on any machine. The image is only read.',
    'A manifest is stored beside its image, as `<image file>.datto-manifest`. It holds a short hash of each block, and ' +
      'a tree of SHA-256 digests. The root hash of the tree identifies the content of the image: keep it elsewhere to ' +
      'detect that image and manifest were changed together. The tree is that of dm-verity, so `veritysetup verify` ' +
      'reads it too. `update-img`(8) keeps a manifest up to date.',
    'With `--quiet` only errors, what differs or has rotted, and root hashes are printed.',
  ],
  commands: {
    compare: [
      'Each run of blocks that differ is shown. Without `--cow` all blocks are compared; with it, what the COW file ' +
        'lists and a random sample of the others, which finds changes that were not listed. To repeat the ' +
        'choice, pass the printed seed.',
    ],
    manifest: ['An existing manifest is replaced.'],
    points: [
      'TARGET is a folder of `datto-backup`, an image, or the address of another target, as `datto-restore`(8) takes it. All of each point is read, ' +
        'with what it shares with others. An image without a manifest has nothing to be compared with, and counts as a difference.',
    ],
    scrub: [
      'Each block that has rotted is shown, of the image and of the manifest. Compare the root hash with the one ' +
        'that you kept.',
    ],
  },
  exits: [
    ['0', 'No difference and no rot was found.'],
    ['3', 'Something differs or has rotted; it is named on standard output.'],
    ['16', 'Another process is working on the image.'],
    ['22', 'The command line is wrong, the files do not belong together, or there is no manifest.'],
    [
      'other',
      'The errno of a file that could not be opened or read: 2 if it does not exist, 13 if permission is denied.',
    ],
    ['130', 'Interrupted (the status that a shell reports).'],
  ],
  sections: [
    {
      title: 'FILES',
      blocks: [
        {
          terms: [
            ['`<image file>.datto-manifest`', 'The manifest of a regular file.'],
            [
              '`.<manifest>.<16 hex digits>.partial`',
              'A manifest that a killed run left unfinished. The next update of the image removes it.',
            ],
            ['`/var/lib/dattobd/`', 'State and manifests of block devices.'],
          ],
        },
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'Compare an image with its snapshot, all of it:',
        { example: ['datto-verify compare /dev/datto0 /backup/data.img'] },
        'Look for rot in all restore points:',
        { example: ['datto-verify points /backup/data'] },
        'Create a manifest, and look for rot a year later:',
        { example: ['datto-verify manifest /backup/data.img', 'datto-verify scrub /backup/data.img'] },
      ],
    },
  ],
  seeAlso: ['update-img(8)', 'veritysetup(8)'],
};
