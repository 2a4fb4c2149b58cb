/** Units and generator of systemd/, and what systemd says of both. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { optionsOf, toolProgram } from '../../scripts/tool-programs.js';
import {
  at,
  CONFIGS,
  dropIn,
  exposure,
  generate,
  generated,
  hasSystemd,
  install,
  makeConfigs,
  verify,
  writeUnits,
} from './scene.js';

const GOOD = 'volume = /dev/disk/by-uuid/0a1b-2c\nfolder = /backup/data\n';

const installed = install();

test('make install puts units, generator and example where a package wants them', () => {
  assert.equal(installed, [
    'etc/dattobd/backup.d/data.conf.example',
    'generators/datto-backup-generator',
    'units/datto-backup-failed@.service',
    'units/datto-backup@.service',
    'units/datto-backup@.timer',
  ]);
  assert.is(statSync(at('root/generators/datto-backup-generator')).mode & 0o777, 0o755);
});

test('the service runs datto-backup with options that it has', async () => {
  execFileSync('grep', ['-q', '^ExecStart=datto-backup run --no-progress %i$', at('root/units/datto-backup@.service')]);
  const run = (await toolProgram('datto-backup')).commands.find((command) => command.name() === 'run');
  assert.ok(run && optionsOf(run).some(({ long }) => long === '--no-progress'));
});

test('a configuration has a timer with its schedule, a service that waits for its mounts, and its limit', () => {
  makeConfigs({
    'data.conf': `${GOOD}schedule = Mon..Fri 03:00\nlimit=20h 30min\n`,
    'home.conf': '# nothing else\nvolume=/dev/vg/home\nfolder=/backup/ho me%i\n',
  });
  const fstab =
    'UUID="0a1b-2c"  /srv/da\\040ta ext4 defaults 0 2\n# UUID=0a1b-2c /no ext4\n/dev/vg/home /home xfs rw\n';
  assert.equal(generate(fstab), { status: 0, stderr: '' });
  assert.equal(generated(), [
    'datto-backup@data.service.d/config.conf',
    'datto-backup@data.timer.d/config.conf',
    'datto-backup@home.service.d/config.conf',
    'datto-backup@home.timer.d/config.conf',
    'timers.target.d/datto-backup-data.conf',
    'timers.target.d/datto-backup-home.conf',
  ]);
  assert.equal(dropIn('data', 'timer'), ['OnCalendar=', 'OnCalendar=Mon..Fri 03:00']);
  assert.equal(dropIn('data', 'service'), [
    'RequiresMountsFor="/srv/da ta"',
    'RequiresMountsFor="/backup/data"',
    'TimeoutStartSec=20h 30min',
  ]);
  assert.equal(dropIn('home', 'timer'), []);
  assert.equal(dropIn('home', 'service'), ['RequiresMountsFor="/home"', 'RequiresMountsFor="/backup/ho me%%i"']);
  makeConfigs({ 'data.conf': 'volume = /dev/sdz\ntarget = rbd:pool/data\nkeep = days7\n' });
  generate();
  assert.equal(dropIn('data', 'service'), [
    'Wants=network-online.target',
    'After=network-online.target',
    'RestrictAddressFamilies=AF_INET AF_INET6',
  ]);
  makeConfigs({ 'data.conf': 'volume = /dev/sdz\nlimit = 1h\ntarget = restic:/srv/data\nkeep = days7\n' });
  generate();
  assert.equal(dropIn('data', 'service').slice(2), [
    'TimeoutStartSec=1h',
    'RestrictAddressFamilies=AF_INET AF_INET6',
    'SystemCallFilter=@mount',
  ]);
  makeConfigs({ 'data.conf': 'volume = /dev/sdz\nfolder = /a\\b\\\n' });
  generate();
  assert.equal(dropIn('data', 'service'), ['RequiresMountsFor="/a\\\\b\\\\"']);
  for (const path of ['/../x', '/a/..']) {
    makeConfigs({ 'data.conf': `volume = /dev/sdz\nfolder = ${path}\n` });
    generate();
    assert.equal(dropIn('data', 'service'), []);
  }
});

test('a backup that is made with others waits for what they need, and one that is only made so has no timer', () => {
  makeConfigs({
    'data.conf': 'volume = /dev/vg/data\nfolder = /backup/data\nwith = logs home\n',
    'home.conf': 'volume = /dev/vg/home\nkeep = days7\ntarget = borg:/srv/x\nwith = data gone\nschedule = never\n',
    'logs.conf': 'volume = /dev/vg/logs\nfolder = /backup/logs\nschedule = never\n',
  });
  assert.equal(generate('/dev/vg/data /data ext4\n/dev/vg/logs /var/log xfs\n/dev/vg/home /home xfs\n'), {
    status: 0,
    stderr: '',
  });
  assert.equal(generated(), [
    'datto-backup@data.service.d/config.conf',
    'datto-backup@data.timer.d/config.conf',
    'datto-backup@home.service.d/config.conf',
    'datto-backup@logs.service.d/config.conf',
    'timers.target.d/datto-backup-data.conf',
  ]);
  assert.equal(dropIn('data', 'service'), [
    ...['/data', '/backup/data', '/var/log', '/backup/logs', '/home'].map((path) => `RequiresMountsFor="${path}"`),
    'Wants=network-online.target',
    'After=network-online.target',
    'RestrictAddressFamilies=AF_INET AF_INET6',
    'SystemCallFilter=@mount',
  ]);
  assert.equal(dropIn('logs', 'service'), ['RequiresMountsFor="/var/log"', 'RequiresMountsFor="/backup/logs"']);
});

test('a volume that fstab does not have is looked for where it is mounted now', () => {
  const mounts =
    '31 1 8:1 /sub /mnt/bind rw - ext4 /dev/disk/by-uuid/0a1b-2c rw\n' +
    '32 1 8:1 / /mnt/vol\\0401 rw shared:1 - ext4 /dev/disk/by-uuid/0a1b-2c rw\n';
  makeConfigs({ 'data.conf': GOOD });
  generate('LABEL=0a1b-2c /other ext4\n', mounts);
  assert.equal(dropIn('data', 'service'), ['RequiresMountsFor="/mnt/vol 1"', 'RequiresMountsFor="/backup/data"']);
  generate();
  assert.equal(dropIn('data', 'service'), ['RequiresMountsFor="/backup/data"']);
});

test('a file that must not be used has a timer, so that its run fails where it is seen, and nothing of it is used', () => {
  const bad = `${GOOD}schedule = Mon 03:00\nlimit = 1h\n`;
  makeConfigs({ 'shared.conf': bad, 'huge.conf': bad, 'twice.conf': `${bad}${bad}` });
  chmodSync(`${CONFIGS}/shared.conf`, 0o666);
  truncateSync(`${CONFIGS}/huge.conf`, 2 ** 40);
  writeFileSync(at('elsewhere'), bad);
  symlinkSync(at('elsewhere'), `${CONFIGS}/link.conf`);
  symlinkSync(at('nowhere'), `${CONFIGS}/dangling.conf`);
  mkdirSync(`${CONFIGS}/folder.conf`);
  execFileSync('mkfifo', [`${CONFIGS}/fifo.conf`]);
  const names = ['shared', 'huge', 'link', 'dangling', 'folder', 'fifo'];
  if (process.geteuid?.() === 0) {
    writeFileSync(`${CONFIGS}/theirs.conf`, bad, { mode: 0o644 });
    chownSync(`${CONFIGS}/theirs.conf`, 65534, 65534);
    names.push('theirs');
  }
  const { status, stderr } = generate();
  assert.is(status, 0);
  for (const name of names) {
    assert.match(stderr, new RegExp(`/${name}\\.conf is no regular file that only root can change`));
    assert.equal([...dropIn(name, 'timer'), ...dropIn(name, 'service')], [], name);
    assert.ok(generated().includes(`timers.target.d/datto-backup-${name}.conf`), name);
  }
  assert.equal([...dropIn('twice', 'timer'), ...dropIn('twice', 'service')], []);
});

test('names that no unit can have, and folders that others can change, give nothing', () => {
  makeConfigs({
    'a b.conf': GOOD,
    '-x.conf': GOOD,
    'é.conf': GOOD,
    '.conf': GOOD,
    'data.conf.example': GOOD,
    [`${'a'.repeat(65)}.conf`]: GOOD,
  });
  const { status, stderr } = generate();
  assert.equal([status, generated()], [0, []]);
  assert.is(stderr.trimEnd().split('\n').length, 4);
  for (const folder of [CONFIGS, at('etc')]) {
    makeConfigs({ 'data.conf': GOOD });
    chmodSync(folder, 0o777);
    const refused = generate();
    assert.equal([refused.status, generated()], [0, []]);
    assert.match(refused.stderr, /can be changed by others than root: no backup is scheduled/);
  }
  rmSync(at('etc'), { recursive: true });
  assert.equal([generate(), generated()], [{ status: 0, stderr: '' }, []]);
});

test('a generator that cannot write, or is called wrongly, ends well', () => {
  makeConfigs({ 'data.conf': GOOD });
  const script = at('root/generators/datto-backup-generator');
  const env = { PATH: process.env.PATH, DATTO_CONFIG: CONFIGS };
  for (const words of [[], ['/dev/null'], ['/proc/nowhere']])
    execFileSync('sh', [script, ...words], { env, stdio: 'ignore' });
});

if (hasSystemd) {
  const UNITS = ['datto-backup@data.service', 'datto-backup@data.timer', 'datto-backup-failed@data.service'];

  test('systemd finds nothing wrong with the units, as they are and with a configuration', () => {
    writeUnits();
    makeConfigs();
    generate();
    assert.is(verify(...UNITS), '');
    makeConfigs({ 'data.conf': `${GOOD}schedule = Mon..Fri 03:00\nlimit = 20h\n` });
    generate('UUID=0a1b-2c /srv/data ext4\n');
    assert.is(verify(...UNITS), '');
  });

  test('systemd would find a wrong line, and a schedule that is none', () => {
    writeUnits((text) => text.replace('RestrictRealtime=yes', 'RestrictRealtime=perhaps'));
    assert.match(verify(UNITS[0]!), /RestrictRealtime|boolean/);
    writeUnits();
    makeConfigs({ 'data.conf': `${GOOD}schedule = Someday\n` });
    generate();
    assert.match(verify(UNITS[1]!), /calendar specification/);
  });

  test('the service is less exposed than a plain one', () => {
    writeUnits();
    assert.ok(exposure('datto-backup@.service') < 5, `${exposure('datto-backup@.service')}`);
  });

  test('whatever is in a file, the generator ends well, and systemd reads what it made', () => {
    writeUnits();
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ maxLength: 20 }).map((text) => `/${text}`),
      fc.constantFrom(
        '/a"b',
        "/a'b",
        '/a\\',
        '/a\\"',
        '/%',
        '/a  b ',
        '/../x',
        '/a//b/',
        '/',
        '$(reboot)',
        '`reboot`',
        '/\u00e9',
      ),
    );
    const line = fc
      .tuple(
        fc.constantFrom('volume', 'folder', 'limit', 'schedule', '[Unit]', '#'),
        fc.constantFrom('=', ' = ', ''),
        value,
      )
      .map((parts) => parts.join(''));
    const fstab = fc.array(
      fc.tuple(value, value).map((parts) => parts.join(' ')),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fstab, (lines, mounts) => {
        makeConfigs({ 'data.conf': lines.join('\n') });
        assert.is(generate(mounts.join('\n'), mounts.join('\n')).status, 0);
        assert.equal(generated().length, 3);
        // A calendar event or a time span that is none is left to systemd, which says so and goes on.
        const said = verify(...UNITS)
          .split('\n')
          .filter(
            (text) =>
              !/calendar specification|TimeoutStartSec|bad unit file setting|Refusing|Invalid argument|^\s*$/.test(
                text,
              ),
          );
        assert.is(said.join('|'), '');
      }),
      { numRuns: 40 },
    );
  });
}

test('the unit for failures says which backup it was, and runs what the administrator has', () => {
  const text = readFileSync(at('root/units/datto-backup-failed@.service'), 'utf8').replaceAll('\\\n', '');
  const [, script = ''] = /^ExecStart=\/bin\/sh -c '(.*)' sh %i$/m.exec(text) ?? [];
  const command = at('on-failure');
  writeFileSync(command, `#!/bin/sh\necho "run for $*"\n`, { mode: 0o755 });
  const here = script.replaceAll('$$', '$').replaceAll('/etc/dattobd/on-failure', command);
  const run = (): string => execFileSync('sh', ['-c', here, 'sh', 'data'], { encoding: 'utf8' });
  assert.match(run(), /^<3>the backup data failed: journalctl .*\nrun for data\n$/);
  rmSync(command);
  assert.match(run(), /^<3>the backup data failed: .*\n$/);
});

test.run();
