/** An sshd on loopback, and an `ssh` that connects to it: with keys of its own, for this process and its children. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });

/** Makes a file that only its owner reads. */
const write = (path: string, text: string, mode = 0o600): void => writeFileSync(path, text, { mode });

export interface Server {
  /** Accepts no key, or one that starts only this command. */
  readonly allow: (command: string | undefined) => void;
  readonly stop: () => void;
}

/**
 * Starts the server. From then on `ssh` connects any host to it.
 *
 * @param folder for its files; it is made
 * @param tools where datto-receive was built
 */
export const startServer = async (folder: string, tools: string): Promise<Server> => {
  mkdirSync(folder, { mode: 0o700 });
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('served'));
  const receive = `exec ${process.execPath} ${join(tools, 'datto-receive.mjs')} "$@"`;
  write(at('served/datto-receive'), `#!/bin/sh\n${receive}\n`, 0o755);
  for (const name of ['host', 'client'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)], { stdio: 'ignore' });
  const port = await freePort();
  const key = readFileSync(at('client.pub'), 'utf8');
  write(
    at('sshd_config'),
    [
      ...['ListenAddress 127.0.0.1', `Port ${port}`, `HostKey ${at('host')}`, `AuthorizedKeysFile ${at('keys')}`],
      ...['PidFile none', 'UsePAM no', 'StrictModes no', 'PermitRootLogin yes', 'MaxStartups 100'],
      `SetEnv PATH=${at('served')}:/usr/sbin:/usr/bin:/sbin:/bin`,
    ].join('\n'),
  );
  write(
    at('ssh_config'),
    [
      ...[
        'Host *',
        'HostName 127.0.0.1',
        `Port ${port}`,
        `User ${userInfo().username}`,
        `IdentityFile ${at('client')}`,
      ],
      ...['IdentitiesOnly yes', 'StrictHostKeyChecking no', `UserKnownHostsFile ${at('known')}`, 'LogLevel ERROR'],
    ].join('\n'),
  );
  const allow = (command: string | undefined): void =>
    write(at('keys'), command === undefined ? '' : `${command === '' ? '' : `command="${command}",restrict `}${key}`);
  allow('');
  mkdirSync(at('bin'));
  write(
    at('bin/ssh'),
    `#!/bin/sh\n# The fakes of a tool are not for it.\nexec env -u LD_PRELOAD /usr/bin/ssh -F ${at('ssh_config')} "$@"\n`,
    0o755,
  );
  process.env.PATH = `${at('bin')}:${process.env.PATH}`;
  // It starts itself again by its path for each connection, and refuses to without this folder.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')], { stdio: 'ignore' });
  for (let tries = 0; !(await listens(port)); tries++) {
    if (child.exitCode !== null || tries > 200) throw new Error('sshd did not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { allow, stop: () => void child.kill('SIGTERM') };
};
