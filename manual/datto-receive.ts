/** What datto-receive(8) says beyond the definitions in datto-receive.ts. */
import type { ToolManual } from './manual.js';

export const manual: ToolManual = {
  section: 8,
  description: [
    '`datto-receive` keeps restore points of volumes of other machines. `datto-backup`(8), `datto-restore`(8) and ' +
      '`datto-verify`(8) start it by `ssh`(1) where their target is `ssh:`[<user>`@`]<host>`:/`<folder>, and it ends ' +
      'with them. It needs no kernel module; the packages `dattobd-utils` and `qemu-utils` are all.',
    'The folder must exist. Its points are what `datto-backup --keep` writes into a folder of its own machine: ' +
      '`points/`<name>`.qcow2`, each with what changed since the one before. The tools work on it there too.',
    'Messages come on standard input and go to standard output. What is wrong before there is a connection goes to ' +
      'standard error, which ssh takes to the other side.',
  ],
  commands: {},
  exits: [
    ['0', 'The other side has ended.'],
    ['22', 'The command line is wrong, or the point cannot be served.'],
    ['other', 'The errno of what could not be opened, read or written; 71 if the other side is no tool of these.'],
  ],
  sections: [
    {
      title: 'KEYS',
      blocks: [
        'The tools ask for no password: a key must be accepted. It can be one that starts nothing but `datto-receive`, ' +
          'for one folder, by a line of `~/.ssh/authorized_keys` on the machine that keeps the points:',
        { example: ['command="datto-receive /backup/web1",restrict ssh-ed25519 AAAA...'] },
        'Who has this key can remove the points of that folder, and read them.',
        'A machine that lost power holds its connection, and with it the lock of the folder, until `sshd`(8) notices. These ' +
          'lines of its configuration see to that within a minute:',
        { example: ['ClientAliveInterval 15', 'ClientAliveCountMax 3'] },
      ],
    },
  ],
  seeAlso: ['datto-backup(8)', 'datto-restore(8)', 'ssh(1)', 'sshd_config(5)'],
};
