/** The other side of a target that is reached by ssh: it serves one folder of restore points to one program. */
import { spawnSync } from 'node:child_process';
import { closeSync, realpathSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import { namesIn, withLock } from '../backup/folder.js';
import { ENOTDIR, RefusalError, SystemError, withErrno } from '../errors.js';
import { socketRelay } from '../nbd/relay.js';
import { NbdServer } from '../nbd/server.js';
import { pause } from '../system/clock.js';
import type { Syscalls } from '../system/syscalls.js';
import { factsFrom } from '../targets/point-facts.js';
import { Qcow2Target } from '../targets/qcow2.js';
import type { Channel, Header, Message } from '../targets/ssh/channel.js';
import { DATA_MAX } from '../targets/ssh/channel.js';
import {
  CHANGES,
  countFrom,
  ENDS,
  errorFields,
  PROTOCOL,
  pointFields,
  textFrom,
  UNANSWERED,
} from '../targets/ssh/messages.js';
import type { Point, PointWriter } from '../targets/target.js';

interface Reply {
  readonly header: Header;
  readonly data?: Uint8Array;
}

/** Reads may be short, and a message for each would take longer. */
const PROGRESS_MS = 200;

const reply = (header: Header = {}): Reply => ({ header });

/** An error that the other side is sent; others end the program. */
const failed = (error: unknown, channel: Channel): Header => {
  if (error instanceof SyntaxError || error instanceof RangeError) throw channel.broken();
  return { error: errorFields(error) };
};

/**
 * The folder that is requested, if it lies in the root.
 *
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
const folderIn = (root: string, folder: string): string => {
  const [top, path] = [root, folder].map((one) => withErrno('open', one, () => realpathSync(one))) as [string, string];
  if (path !== top && !path.startsWith(top.endsWith(sep) ? top : top + sep))
    throw new RefusalError('FILE_UNSAFE', `cannot open ${folder}: it lies elsewhere, expected a folder in ${root}`);
  if (!withErrno('open', folder, () => statSync(path)).isDirectory()) throw new SystemError(ENOTDIR, 'open', folder);
  return path;
};

/** @throws RefusalError NO_POINT */
const pointOf = (target: Qcow2Target, name: string): Point => {
  const point = target.points().find((one) => one.name === name);
  if (!point)
    throw new RefusalError('NO_POINT', `cannot find restore point ${name}: expected one of ${target.address}`);
  return point;
};

/** From now on standard input and output are those of a server of network block devices, which has the point. */
const servePoint = (target: Qcow2Target, name: string, syscalls: Syscalls): void => {
  const server = new NbdServer(target.exportOf(pointOf(target, name)), syscalls);
  const [node, args] = socketRelay();
  const { status } = spawnSync(node, args, { stdio: ['inherit', 'inherit', 'inherit', server.socket] });
  closeSync(server.socket);
  // One that nobody has got on with waits for the next client.
  server.kill();
  if (status !== 0) throw server.failure();
};

class Session {
  readonly #channel: Channel;
  readonly #target: Qcow2Target;
  #writer: PointWriter | undefined;
  /** Of a request without a reply. Until the point is given up, nothing else is done with it: it is never made. */
  #failure: unknown;

  constructor(channel: Channel, target: Qcow2Target) {
    [this.#channel, this.#target] = [channel, target];
  }

  /** Does what is requested, and replies. */
  answer({ header, data }: Message): void {
    const call = textFrom(header.call);
    try {
      if (ENDS.has(call)) this.#failure = undefined;
      else if (this.#failure !== undefined && UNANSWERED.has(call)) return;
      else if (this.#failure !== undefined) throw this.#failure;
      const { header: answer, data: blocks } = this.#run(call, header, data);
      if (!UNANSWERED.has(call)) this.#channel.send(answer, blocks);
    } catch (error) {
      const message = failed(error, this.#channel);
      if (UNANSWERED.has(call)) this.#failure = error;
      else this.#channel.send(message);
    }
  }

  /** Ends a point that nobody goes on with. */
  close(): void {
    this.#writer?.close();
    this.#writer = undefined;
  }

  #run(call: string, header: Header, data: Buffer): Reply {
    const writer = this.#writer;
    return writer ? this.#write(writer, call, header, data) : this.#look(call, header);
  }

  #look(call: string, header: Header): Reply {
    const target = this.#target;
    switch (call) {
      case 'points':
        return reply({ points: target.points().map(pointFields) });
      case 'begun':
        return reply(this.#begun());
      case 'lost':
        return reply({ texts: target.lost() });
      case 'fault':
        return reply({ fault: target.fault(this.#point(header.name)) });
      case 'stored':
        return reply({ bytes: target.storedBytes(this.#point(header.name)) });
      case 'verify':
        return this.#verify(this.#point(header.name), header.withData === true);
      case 'tidy':
        return this.#tidy();
      case 'remove':
        target.remove(this.#point(header.name));
        return reply();
      case 'begin':
        return this.#begin(header);
      // After a failed commit().
      case 'close':
      case 'discard':
        return reply();
      default:
        throw new SyntaxError(`no call ${call}`);
    }
  }

  #write(writer: PointWriter, call: string, header: Header, data: Buffer): Reply {
    switch (call) {
      case 'write':
        writer.write(data, countFrom(header.offset));
        return reply();
      case 'zero':
        writer.zero(countFrom(header.offset), countFrom(header.bytes));
        return reply();
      case 'checkpoint':
        writer.checkpoint(countFrom(header.cursor));
        return reply();
      case 'read': {
        const bytes = countFrom(header.bytes);
        if (bytes > DATA_MAX) throw new SyntaxError('too much');
        const block = Buffer.alloc(bytes);
        writer.readFull(block, countFrom(header.offset));
        return { header: {}, data: block };
      }
      case 'flush':
        writer.flush();
        return reply();
      case 'commit': {
        const point = writer.commit();
        this.#writer = undefined;
        return reply({ point: pointFields(point) });
      }
      case 'close':
      case 'discard':
        this.#writer = undefined;
        if (call === 'close') writer.close();
        else writer.discard();
        return reply();
      default:
        return this.#look(call, header);
    }
  }

  #point(name: unknown): Point {
    return pointOf(this.#target, textFrom(name));
  }

  #begun(): Header {
    const begun = this.#target.begun();
    if (begun === undefined) return {};
    const { series, sequence, storedBytes } = begun;
    return { begun: { series, sequence: sequence.toString(), storedBytes } };
  }

  #begin(header: Header): Reply {
    const { fields: _fields, ...facts } = factsFrom(header.facts);
    this.#writer = this.#target.begin(facts, header.base === undefined ? undefined : this.#point(header.base));
    return reply({ cursor: this.#writer.cursor });
  }

  #tidy(): Reply {
    const texts: string[] = [];
    this.#target.tidy((text) => texts.push(text));
    return reply({ texts });
  }

  #verify(point: Point, withData: boolean): Reply {
    let next = 0;
    const damaged = this.#target.verify(
      point,
      (damage) => this.#channel.send({ damage }),
      (done) => {
        if (performance.now() < next) return;
        this.#channel.send({ done });
        next = performance.now() + PROGRESS_MS;
      },
      withData ? (data, offset) => this.#channel.send({ offset }, data) : undefined,
    );
    return reply({ damaged });
  }
}

/** Answers until the other side ends. The folder is locked from the first change until nothing is written any more. */
const answerAll = (session: Session, channel: Channel, lock: (run: () => void) => void): void => {
  for (let message = channel.receive(); message; message = channel.receive()) {
    const first = message;
    if (!CHANGES.has(textFrom(first.header.call))) {
      session.answer(first);
      continue;
    }
    let isLocked = false;
    try {
      lock(() => {
        isLocked = true;
        try {
          session.answer(first);
          answerAll(session, channel, (run) => run());
        } finally {
          session.close();
        }
      });
      return;
    } catch (error) {
      if (isLocked) throw error;
      channel.send(failed(error, channel));
    }
  }
};

/** A server whose client was killed notices it a moment later. */
const LOCK_WAIT_MS = 10_000;
const LOCK_STEP_MS = 200;

/** Runs with the lock of the folder, for which it waits a little. */
const withFolder = (folder: string, syscalls: Syscalls, run: () => void): void => {
  const end = performance.now() + LOCK_WAIT_MS;
  let isLocked = false;
  while (!isLocked)
    try {
      withLock(namesIn(folder), syscalls, () => {
        isLocked = true;
        run();
      });
    } catch (error) {
      const isBusy = error instanceof RefusalError && error.code === 'BACKUP_RUNNING';
      if (isLocked || !isBusy || performance.now() >= end) throw error;
      pause(LOCK_STEP_MS);
    }
};

/**
 * Serves a folder of restore points until the other side ends.
 *
 * @param root the folder that is served must lie in it
 * @throws SystemError EPROTO if the other side does not keep to the protocol
 */
export const receive = (channel: Channel, root: string, syscalls: Syscalls): void => {
  const first = channel.receive();
  if (!first) return;
  const { call, folder, protocol, serve } = first.header;
  if (call !== 'open' || typeof folder !== 'string') throw channel.broken();
  if (serve !== undefined) {
    const target = new Qcow2Target(folderIn(root, folder), syscalls);
    return servePoint(target, textFrom(serve), syscalls);
  }
  // The other side compares.
  if (protocol !== PROTOCOL) return channel.send({ protocol: PROTOCOL });
  let target: Qcow2Target;
  let path: string;
  try {
    path = folderIn(root, folder);
    target = new Qcow2Target(path, syscalls);
  } catch (error) {
    return channel.send(failed(error, channel));
  }
  channel.send({ protocol: PROTOCOL });
  answerAll(new Session(channel, target), channel, (run) => withFolder(path, syscalls, run));
};
