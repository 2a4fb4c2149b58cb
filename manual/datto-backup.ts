/** What datto-backup(8) says beyond the definitions in datto-backup.ts. */
import type { ToolManual } from './manual.js';

const KEYS = [
  ['`volume`', 'The block device. Required. A path in `/dev/disk/by-uuid` stays the same after a reboot.'],
  [
    '`folder`, `target`',
    'The folder for its images; or the address of another target, see TARGETS. One of them is required.',
  ],
  [
    '`schedule`',
    'When it runs, as in `systemd.time`(7), CALENDAR EVENTS (default: `*-*-* 02:00:00`). It begins up to half an hour later, ' +
      'so that not all machines begin at once. `never` if it runs only with another backup, or by hand.',
  ],
  ['`with`', 'Names of other configurations, with spaces between: they are one group with this one. See GROUPS.'],
  [
    '`limit`',
    'How long a run may take, such as `20h` (default: `infinity`). The next run resumes one that was stopped.',
  ],
  ['`metrics`', 'A file for the textfile collector of node_exporter: a name that ends with `.prom`. See METRICS.'],
  ['`rate`', 'What the option of this name takes: `50M`, or digits for MiB.'],
  ['`before`, `after`, `hook-limit`', 'What the options of these names take. See HOOKS.'],
  ['`manifest`, `whole`, `restart`', '`yes` or `no`, as the options of these names. `whole = no` is `--no-whole`.'],
  [
    '`verify`, `sample`, `keep`, `keep-previous`, `minor`, `cow-folder`, `cow-size`, `checkpoint`',
    'What the options of these names take: `cow-size = 4G`.',
  ],
] as const;

export const manual: ToolManual = {
  section: 8,
  commands: {
    run: [
      'It takes volume, folder and options from the file, see CONFIGURATION. Options of the command line count more than ' +
        'the file. The result of the run is recorded for `status`. With several names, and with the key `with`, it backs up a group: see GROUPS.',
    ],
    end: [
      'It destroys the device and removes its COW files and the script for the next boot; if the volume has other targets, it only ' +
        'gives up this one. Then remove the file, or stop its timer: the next run would start a new series.',
    ],
    targets: [
      'A volume can have several targets, see TARGETS. With `--forget` one of them is given up, by its address as this command shows it: no ' +
        'lists are kept for it any more, and its next backup is a full one. What it has stays. If it was the last one, the ' +
        'device is destroyed, and its COW files and the script for the next boot are removed.',
    ],
    'check-config': [
      'Each flaw is a line on standard error, with file and line. The exit status is 22 if there is any. Volumes and folders ' +
        'are not looked at: they may not be there now.',
    ],
    status: [
      'A backup is `good` if its last run succeeded and its image is still what that run made. With `--max-age`, its snapshot ' +
        'must not be older. Without it, its timer must be active, where systemd runs. It is `bad` if something is known ' +
        'to be wrong: a run failed, was killed or did not take place, or the image was changed. Else it is `unknown`: it ' +
        'never ran, its file is wrong, its folder is not there.',
      'With `--quiet` the exit status is all that it gives.',
      'The exit status is 0 if all are good, 1 if one is bad, and 2 if one is unknown or none is configured. Run it as ' +
        'root: other users cannot look at images.',
    ],
  },
  description: [
    'Each run brings `volume.img` in the folder up to date with the volume. The first run takes a snapshot and makes a ' +
      'full backup; zeros become holes. From then on the driver tracks the volume. Each run takes the next snapshot, ' +
      'copies the blocks that changed, compares them with the snapshot, and ends the snapshot. The volume stays mounted ' +
      'and in use.',
    'A folder is for one volume, and must be on another disk. A volume may have several, see TARGETS. It must exist: a backup disk that is not mounted is an ' +
      'error, not a new backup.',
    'Exit status 0 means: the image equals the volume at one moment during this run, it is on disk, it was compared ' +
      '(except with `--verify nothing`), and the driver tracks all changes since that moment.',
    'A run can be killed at any moment. The next run finishes the interrupted backup, and then makes its own. The last ' +
      'complete image is never given up for an incomplete one. A full copy is made beside the image and replaces it ' +
      'once it is complete and compared. Before an update overwrites blocks, the image is cloned if the filesystem of ' +
      'the folder can clone files (xfs, btrfs). If it cannot, a notice on standard error says that nothing is kept. ' +
      '`--keep-previous undo` then keeps an undo log, which costs one more read and write of the changed blocks. ' +
      '`--keep-previous nothing` silences the notice.',
    'With `--keep` the folder holds restore points instead of `volume.img`: a chain of qcow2 files in `points`, which any program ' +
      'that knows qcow2 reads. The rules are periods with numbers, such as `latest3,days7,weeks4,months12`. Of each of the last ' +
      '7 days that have a point, `days7` keeps the newest; `latest3` keeps the last three. Other periods are `hours` and `years`. ' +
      'A point stays if one rule keeps it, and the newest always does. What only a removed point holds goes to the next one. ' +
      'The package `qemu-utils` is needed.',
    'With `--quiet` a run prints neither its steps nor its result, and no progress unless `--progress` is given. Errors, notices, ' +
      'the object of `--json` and the plan of `--dry-run` are printed all the same. With `--verbose` standard error has ' +
      'further details, each with the seconds since the start.',
    'The last line that a run prints is its summary: blocks copied, time and rate of the copy, the part of the volume that they ' +
      'are, and the time of the run. Zeros that a full copy leaves out are not counted. `--json` has them as `copied_blocks`, ' +
      '`copy_seconds`, `copied_bytes_per_second`, `copied_ratio` and `duration_seconds`, and `status --json` those of the last ' +
      'run that succeeded.',
    '`--rate` spreads reads of the snapshot evenly, also within a second. It holds for the copy and for the comparison. A snapshot ' +
      'that exists longer needs more space in the COW file.',
    'A run makes a full copy, and prints the reason, if the list of changes is lost: the machine restarted, ' +
      'also after a power cut, or the module was unloaded (unless the volume was reloaded before it was mounted, see FILES), ' +
      'something else wrote the image or the volume, or the volume was resized. A device that failed for such a reason ' +
      'is destroyed. With `--no-whole` the run exits with status 4 instead.',
    'A device that failed in snapshot mode is left as it is, and the last complete image is restored. `dbdctl status` ' +
      'shows the error; most often the COW file was full. `--restart` destroys the device and starts a new series. Use ' +
      'it for unattended runs, with a larger `--cow-size` if it is needed often.',
  ],
  exits: [
    ['0', 'The image equals the volume as of this run.'],
    [
      '3',
      'The image differs from the snapshot; the blocks are named on standard error. The next run makes a full copy.',
    ],
    [
      '4',
      'The administrator must decide: the device has failed in snapshot mode or is still unverified (`--restart`), the ' +
        'volume is tracked for another purpose, the folder belongs to another filesystem, or a full copy is needed and ' +
        '`--no-whole` was given. A line on standard error names the case and the remedy.',
    ],
    ['5', 'Blocks could not be read or written. The next run tries them again.'],
    ['1, 2', 'Of `status` only: a backup is bad; one is unknown, or there is none.'],
    ['16', 'Another run is in progress, or a program has the snapshot open.'],
    ['19', 'The driver is not loaded.'],
    ['22', 'The command line or a configuration is wrong, or the volume cannot be backed up now: it must be mounted.'],
    ['28', 'No space is left: in the folder for the copy, or on the volume for the COW file.'],
    [
      '125',
      'A hook failed or took too long: before the snapshot, and none was taken; or after it, and the image is right all the ' +
        'same. A line on standard error names the case. The record of a member of a group has it too, if another one kept its snapshot from being taken.',
    ],
    [
      'other',
      'The errno of a file that could not be opened, read or written, or of the driver; 255 for a larger errno.',
    ],
  ],
  sections: [
    {
      title: 'CONFIGURATION',
      blocks: [
        'A file `/etc/dattobd/backup.d/<name>.conf` configures a backup. It has lines `key = value`. A line that begins with `#` ' +
          'is a comment. There are no quotes: a value is the rest of its line. The name has letters, digits, and `-`, `_` or ' +
          '`.` within.',
        { example: ['volume = /dev/sda1', 'folder = /backup/data', 'schedule = *-*-* 02:00:00', 'verify = copied'] },
        { terms: KEYS },
        'Only root may own these files and their folder, and nobody else may be able to write to them. A file with an unknown ' +
          'key, a key that is there twice or a wrong value is refused as a whole.',
        'The units in `systemd/` of the source run each configured backup on its schedule. A generator of systemd reads the ' +
          'files at boot and at `systemctl daemon-reload`.',
      ],
    },
    {
      title: 'TARGETS',
      blocks: [
        'A volume may be backed up to several targets, by runs with schedules of their own. Each run copies what changed since the last ' +
          'backup to its own target. Lists of changes are kept on the volume until all targets are past them. A run waits for the run ' +
          'of another target to end, for a volume has one snapshot at a time.',
        {
          example: [
            'datto-backup /dev/sda1 /backup/data',
            'datto-backup --keep weeks8 /dev/sda1 /mnt/usb/data',
            'datto-backup targets /dev/sda1',
          ],
        },
        'A target is a folder, or an address: `ssh:<host>:/<folder>`, a folder of another machine (`datto-receive`(8)), `rbd:<pool>/<image>`, an image in a Ceph cluster, `restic:<repository>` or `borg:<repository>`, a ' +
          'repository of these programs. All but folders keep restore points only: they need `--keep`. ' +
          'The documentation of the source, TARGETS.md, has its options, and what else it needs.',
        {
          example: [
            'datto-backup --keep days30 /dev/sda1 ssh:vault:/backup/web1',
            'datto-backup --keep latest3,days7 /dev/sda1 rbd:backup/data:id=backup',
            'datto-backup --keep weeks8 /dev/sda1 borg:ssh://host/srv/data',
          ],
        },
        'A target that has had no backup for 14 days is named by each run as long as lists are kept for it.',
      ],
    },
    {
      title: 'GROUPS',
      blocks: [
        'A database may have its log on another volume. Backups of a group are of its volumes as they were at one instant: what was written ' +
          'to one after another write to any of them had ended is never in a backup without that other write. `datto-backup run data logs` ' +
          'makes them, and so does `datto-backup run data` if `data.conf` has `with = logs`.',
        {
          example: [
            '# /etc/dattobd/backup.d/data.conf',
            'volume = /dev/sda1',
            'folder = /backup/data',
            'with = logs',
            '# /etc/dattobd/backup.d/logs.conf',
            'volume = /dev/sdb1',
            'folder = /backup/logs',
            'schedule = never',
          ],
        },
        'Each member has its own target, options, record and metrics; `limit` is that of the file whose timer runs the group. Of members that ' +
          'name others, those belong to the group too. A member can still be backed up alone, as `datto-backup run` of its name does where ' +
          'its file has no `with`.',
        'Snapshots are taken of all members or of none. If one cannot be backed up, such as a volume that is not mounted, the run says why, and for ' +
          'each other member that no snapshot was taken. Once they are taken, each is copied, one after the other, and one that fails ' +
          'does not stop the others. A COW file must hold what changes until the copies of all members are complete.',
        'Hooks run once, around all snapshots: each program of the folder, then each different `before` or `after` of the members. `DATTO_VOLUME` ' +
          'and `DATTO_FOLDER` have a line for each member, and the longest `hook-limit` holds.',
        'Each line that is about one member begins with its name. The exit status is that of the first member that failed for a reason of its ' +
          'own, else 0. `--json` prints an object with `backups`: for each member what a single run prints, or `error`, with its `name` and `status`. ' +
          '`--metrics` is for a single backup.',
      ],
    },
    {
      title: 'HOOKS',
      blocks: [
        'Hooks are commands around the instant of the snapshot: to make a database consistent, and to let it go on. They run ' +
          'right before the snapshot is taken and right after, before anything is copied. The snapshot of an interrupted backup ' +
          'has had its hooks.',
        {
          terms: [
            [
              '`--before`',
              'If it fails or takes longer than `--hook-limit`, no snapshot is taken, and the exit status is 125.',
            ],
            [
              '`--after`',
              'Runs once whenever `--before` was started, or there is none: also if it failed, if the snapshot could not be ' +
                'taken, or if `datto-backup` was killed. If it fails, the backup is made, and the exit status is 125.',
            ],
            [
              '`/etc/dattobd/hooks.d/`',
              'Each program in this folder runs for all backups, with the argument `before` or `after`. Names have letters, ' +
                'digits, `-` and `_`; others are left out. They run in the order of their names before the snapshot, and then ' +
                '`--before`; after it `--after`, and then they in the opposite order. `DATTO_HOOKS` names another folder.',
            ],
          ],
        },
        'A command is an absolute path of a program and its arguments, separated by spaces. No shell reads it: quotes, `$` and `>` ' +
          'have no meaning. Only in `/bin/sh -c LINE`, and the same with `/bin/bash` or `/bin/dash`, all that follows is the line ' +
          'of a shell.',
        'The program must belong to root, and nobody else may be able to write to it or to a folder that leads to it. This is ' +
          'checked before anything is done, also by `--dry-run`.',
        'Standard input is empty; what a hook prints goes to standard error. The environment has:',
        {
          terms: [
            ['`DATTO_HOOK`', '`before` or `after`.'],
            [
              '`DATTO_VOLUME`, `DATTO_FOLDER`',
              'The block device, and the folder for its images. Of a group, a line for each.',
            ],
            [
              '`DATTO_OUTCOME`',
              'After the snapshot: `taken`; `failed` if it was not taken; `killed` if `datto-backup` ended, and it is not known.',
            ],
          ],
        },
        'A hook that takes longer than its limit gets SIGTERM with all that it started, and 5 s later SIGKILL. In a service, ' +
          'hooks have the limits of `datto-backup@.service`: `runuser`(1) works, `sudo`(8) does not, and sockets are those of this ' +
          'machine.',
        {
          example: [
            '#!/bin/sh',
            '# /etc/dattobd/hooks.d/mysql',
            '[ "$DATTO_VOLUME" = /dev/sda1 ] || exit 0',
            'case $1 in',
            'before) mysql -e "SET GLOBAL read_only = ON; FLUSH TABLES" ;;',
            'after) mysql -e "SET GLOBAL read_only = OFF" ;;',
            'esac',
          ],
        },
      ],
    },
    {
      title: 'PROGRESS',
      blocks: [
        'With `--progress json`, standard error has one JSON object a line. `update-img`(8) and `datto-verify`(1) print them too. Other ' +
          'lines, such as errors, begin with the name of the tool, or are printed by hooks. The word after `--progress` is its ' +
          'value only if it is `json`.',
        {
          terms: [
            ['`event`', '`step` or `progress`. Later versions may have others.'],
            ['`text`', 'Of `step`: the step that begins now, in words. Only `datto-backup` has this event.'],
            [
              '`done_bytes`, `total_bytes`',
              'Of `progress`: how far the copy, or the comparison, has come. It is printed at most once a second, and at the ' +
                'end of each.',
            ],
            [
              '`bytes_per_second`, `seconds_left`',
              'Of the last half minute, and the estimate from it; null if not known yet.',
            ],
          ],
        },
        { example: ['{"event":"step","text":"comparing the copy with the snapshot"}'] },
      ],
    },
    {
      title: 'METRICS',
      blocks: [
        '`run` writes them to the file of `--metrics`, or of the key `metrics`, at its end, by renaming a new file. Each has the ' +
          'labels `volume` and `target`, which is the folder or address. What is not known is left out.',
        {
          terms: [
            ['`dattobd_backup_last_success_timestamp_seconds`', 'Time of the snapshot that the image is.'],
            [
              '`dattobd_backup_duration_seconds`, `dattobd_backup_copy_duration_seconds`, `dattobd_backup_copied_bytes`, ' +
                '`dattobd_backup_copied_blocks`, `dattobd_backup_compared_blocks`, `dattobd_backup_volume_bytes`',
              'Of the last run that succeeded.',
            ],
            [
              '`dattobd_restore_points`, `dattobd_oldest_point_timestamp_seconds`',
              'Number of restore points after that run, and the time of the oldest one. An image has neither.',
            ],
            [
              '`dattobd_backup_status`, `dattobd_backup_last_run_timestamp_seconds`',
              'Of the last run: exit status, end.',
            ],
            [
              '`dattobd_device_state`, `dattobd_device_error`, `dattobd_changed_blocks`, `dattobd_cow_size_bytes`',
              'Of the device that tracks the volume, as in `/proc/datto-info`, at the end of the run.',
            ],
          ],
        },
        '`docs/monitoring` of the source has alert rules for Prometheus and a dashboard for Grafana that use them.',
      ],
    },
    {
      title: 'FILES',
      blocks: [
        'In the folder:',
        {
          terms: [
            [
              '`volume.img`',
              'The image. `volume.img.datto-state` records which snapshot it is, as for `update-img`(8).',
            ],
            [
              '`volume.img.datto-previous-<number>`, `volume.img.datto-undo-<number>`',
              'The previous image, a clone or an undo log, until the next run is complete. `update-img --rollback` restores it.',
            ],
            [
              '`points/`',
              'Restore points: `NAME.qcow2`, their sums `NAME.sums`, the catalog `points.json`, and `new.qcow2`, which is not complete.',
            ],
            ['`volume.img.new`', 'A full copy that is not complete.'],
            ['`volume.img.replaced`', 'The image that a full copy replaced, until the next run is complete.'],
            ['`datto-backup.json`', 'The state that a run keeps for the next.'],
            ['`datto-backup.lock`', 'Locked while a run is in progress. The file itself always stays.'],
            [
              '`.<file>.<16 hex digits>.partial`',
              'One of these files that a killed run left unfinished. The next run removes it.',
            ],
          ],
        },
        'They must be regular files owned by root or by the caller; links and files of other users are refused.',
        'On the volume, with a new name for each run: `.datto-backup-files/cow-<16 hex digits>`, the COW ' +
          'file, in a folder that root must own. Only regular files of root are used there. `volume.json` in that folder has the targets of the ' +
          'volume, and the snapshot that each is at. `disk.json` and `part-<16 hex digits>.gz` are what `datto-restore disk` needs to ' +
          'rebuild the disk of a volume that is a partition; without it, as where `sfdisk` is missing, a notice says so, and the backup continues.',
        '`/etc/datto/dla/reload_backup-<filesystem id>` announces the volume to the driver at boot, before it is mounted, where the boot hooks ' +
          'are installed. It is written after each transition, and removed with the device; `DATTO_SCRIPTS` names another folder.',
        '`/etc/dattobd/backup.d/` has the configured backups. `DATTO_CONFIG` names another folder.',
        '`/etc/dattobd/hooks.d/` has programs that run around each snapshot, see HOOKS.',
        '`/var/lib/dattobd/backup/<name>.json` records the last run of each, and the last that succeeded. `DATTO_STATE` names another ' +
          'folder than `/var/lib/dattobd`.',
        '`/etc/dattobd/on-failure` is a program of the administrator. The units run it with the name of a backup that failed.',
      ],
    },
    {
      title: 'DEPRECATED',
      blocks: ['`--note` is the old name of `--checkpoint`. It still works in this version.'],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'The volume is `/dev/sda1`, mounted on `/data`. Show what will be done, do it, and do it again:',
        {
          example: [
            'datto-backup --dry-run /dev/sda1 /backup/data',
            'datto-backup /dev/sda1 /backup/data',
            'datto-backup --manifest --keep-previous undo /dev/sda1 /backup/data',
          ],
        },
        'Show what the image is, and restore the previous one:',
        { example: ['update-img --status /backup/data/volume.img', 'update-img --rollback /backup/data/volume.img'] },
        'The run after that makes a full copy.',
      ],
    },
  ],
  seeAlso: ['dbdctl(8)', 'update-img(8)', 'datto-verify(1)', 'datto(5)'],
};
