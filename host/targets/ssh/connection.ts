/** datto-receive on another machine, started by ssh. It ends with this process. */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EPROTO, errnoOf, RefusalError, SystemError, withErrno } from '../../errors.js';
import { pause } from '../../system/clock.js';
import type { Program } from '../../system/program.js';
import { environment, programMissing } from '../../system/program.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { SshAddress } from './address.js';
import type { Header, Message } from './channel.js';
import { Channel } from './channel.js';
import { countFrom, errorFrom, PROTOCOL } from './messages.js';

const SSH: Program = { name: 'ssh', package: 'openssh-client' };
const RECEIVE = 'datto-receive';
/** Nobody is asked for a password, and a connection that is dead ends within a minute. */
const OPTIONS = [
  'BatchMode=yes',
  'ConnectTimeout=30',
  'ServerAliveInterval=15',
  'ServerAliveCountMax=4',
  'ControlMaster=no',
];
/** A connection that is dead ends by itself within this time. */
const END_MS = 75_000;
const STEP_MS = 20;
/** The most of what it printed last that is shown. */
const SAID_BYTES = 65536;

/** What connects to datto-receive of a host. */
export const commandOf = (host: string): [string, ...string[]] => [
  ...([SSH.name, '-T'] as const),
  ...[...OPTIONS.flatMap((option) => ['-o', option]), '--', host, RECEIVE, '/'],
];

/** A file without a name: however much is printed, the program that prints waits for nobody. */
const openUnnamed = (): number => {
  const folder = withErrno('make a folder in', tmpdir(), () => mkdtempSync(join(tmpdir(), 'datto-ssh-')));
  try {
    return withErrno('create a file in', folder, () => openSync(join(folder, 'messages'), 'wx+', 0o600));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** The first message: what is opened. */
export const openRequest = (folder: string): Header => ({ call: 'open', protocol: PROTOCOL, folder });

export class Connection {
  readonly host: string;
  readonly #pid: number;
  readonly #said: number;
  readonly #syscalls: Syscalls;
  readonly #channel: Channel;
  /** Why it has ended. */
  #ended: Error | undefined;

  /**
   * Connects, and opens the folder.
   *
   * @throws RefusalError PROGRAM_MISSING; PROGRAM_FAILED with what ssh printed; SystemError ENOENT without that folder
   */
  constructor({ host, folder }: SshAddress, syscalls: Syscalls) {
    [this.host, this.#syscalls] = [host, syscalls];
    const [theirInput, output] = syscalls.pipe(SSH.name);
    const [input, theirOutput] = syscalls.pipe(SSH.name);
    this.#said = openUnnamed();
    const [name, ...args] = commandOf(host);
    const child = spawn(name, args, { stdio: [theirInput, theirOutput, this.#said], env: environment({}) });
    // Without a listener, a program that is missing ends this process.
    child.on('error', () => undefined);
    child.unref();
    for (const fd of [theirInput, theirOutput]) closeSync(fd);
    this.#pid = child.pid ?? 0;
    this.#channel = new Channel(input, output, `${RECEIVE} of ${host}`);
    const { header } = this.call(openRequest(folder));
    if (header.protocol === PROTOCOL) return;
    const versions = `version ${String(header.protocol)}, expected ${PROTOCOL}`;
    const hint = 'hint: install the same version on both machines';
    throw new SystemError(EPROTO, 'use', `${RECEIVE} of ${host}, whose protocol has ${versions}; ${hint}`);
  }

  /** It has ended, with whatever was begun on the other side. */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Ends it in the middle of a reply. */
  close(): void {
    this.#channel.close();
    closeSync(this.#said);
  }

  /** Ends it between two requests, and waits until the other side has given up what it holds, but not for ever. */
  end(): void {
    this.close();
    const until = performance.now() + END_MS;
    while (this.#pid !== 0 && !this.#syscalls.hasEnded(this.#pid, false) && performance.now() < until) pause(STEP_MS);
  }

  /** Sends a request that has no reply. */
  send(header: Header, data?: Uint8Array): void {
    this.#try(() => this.#channel.send(header, data));
  }

  /** Sends a request and waits for its reply. */
  call(header: Header, data?: Uint8Array): Message {
    this.send(header, data);
    return this.receive();
  }

  /** Waits for a reply, or for one more. Its errors are those of the other machine. */
  receive(): Message {
    const message = this.#try(() => this.#channel.receive());
    if (!message) throw this.#end();
    if (message.header.error !== undefined) throw this.understand(() => errorFrom(message.header.error, this.host));
    return message;
  }

  /** Reads parts of a reply. */
  understand<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#ended = this.#channel.broken();
      throw this.#ended;
    }
  }

  /** A count of a reply. */
  countOf({ header }: Message, key: string): number {
    return this.understand(() => countFrom(header[key]));
  }

  /** A connection that broke has its reason in what ssh printed. */
  #try<T>(run: () => T): T {
    if (this.#ended) throw this.#ended;
    try {
      return run();
    } catch (error) {
      if (errnoOf(error) === EPROTO) this.#ended = error as Error;
      if (errnoOf(error) === undefined || this.#ended) throw error;
      throw this.#end();
    }
  }

  /** Returns why it has ended. */
  #end(): Error {
    this.#ended ??= this.#failure();
    return this.#ended;
  }

  #failure(): Error {
    if (this.#pid === 0) return programMissing(SSH);
    this.#syscalls.hasEnded(this.#pid, true);
    const said = Buffer.alloc(SAID_BYTES);
    const from = Math.max(0, fstatSync(this.#said).size - said.length);
    const text = said.toString('utf8', 0, readSync(this.#said, said, 0, said.length, from));
    const lines = text.trim().split(/\r?\n/).join('; ');
    const hint = /not found/.test(lines) ? `; hint: install dattobd-utils on ${this.host}` : '';
    const printed = lines === '' ? 'nothing' : `"${lines}"`;
    const message = `cannot reach ${RECEIVE} on ${this.host}: ssh ended and printed ${printed}${hint}`;
    return new RefusalError('PROGRAM_FAILED', message);
  }
}
