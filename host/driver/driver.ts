/** The driver's ioctls (docs/ABI.md, B): each function opens the control node, issues one ioctl and closes. */
import { closeSync, openSync } from 'node:fs';
import { SystemError, withErrno } from '../errors.js';
import type { IoctlName, StructField, StructLayout } from '../layout.js';
import { CONTROL_NODE, IOCTLS, PATH_BYTES, STRUCTS } from '../layout.js';
import type { Syscalls } from '../system/syscalls.js';

export interface SetupOptions {
  readonly minor: number;
  /** Path of the origin. */
  readonly blockDevice: string;
  readonly cowFile: string;
  /** MiB, 0 for the driver's default. */
  readonly fallocateMib: bigint;
  /** Limit of the index cache in bytes, 0 for the driver's default. */
  readonly cacheBytes: bigint;
}

export interface ReloadOptions {
  readonly minor: number;
  readonly blockDevice: string;
  /** From the root of the origin's filesystem. */
  readonly cowFile: string;
  readonly cacheBytes: bigint;
}

/** A device by IOCTL_DATTOBD_INFO. Of an unverified device, sizes and the identity of the series are 0. */
export interface DeviceInfo {
  readonly minor: number;
  /** One of STATES. */
  readonly state: number;
  /** 0 or a negative errno. */
  readonly error: number;
  readonly cacheBytes: bigint;
  /** Size limit of the COW file, in bytes. */
  readonly cowBytes: bigint;
  readonly seqid: bigint;
  readonly uuid: Buffer;
  readonly cowFile: string;
  readonly blockDevice: string;
  readonly version: bigint;
  readonly nrChangedBlocks: bigint;
}

/** A member of a group that continues. */
export interface NextSnapshot {
  readonly minor: number;
  /** Path of the new COW file. */
  readonly cowFile: string;
  /** MiB, 0 for the size of the one before. */
  readonly fallocateMib: bigint;
}

/** A group of snapshots was refused, or a member of it failed. */
export class GroupError extends SystemError {
  /** Index of the first member that was refused or failed; undefined if it was no single one. */
  readonly member: number | undefined;
  /** The snapshots were taken, and the member failed afterwards; else nothing has changed. */
  readonly taken: boolean;

  constructor(error: SystemError, member: number | undefined, taken: boolean) {
    super(error.errno, error.call, error.subject);
    this.member = member;
    this.taken = taken;
  }
}

type FieldValue = string | bigint;

const fieldOf = (layout: StructLayout, name: string): StructField => {
  const field = layout.fields.find((candidate) => candidate.name === name);
  if (!field) throw new RangeError(`struct ${layout.name} has no ${name}`);
  return field;
};

/** Bytes of a struct, and of the strings that it points to, which must live as long as it. */
interface Encoded {
  readonly bytes: Buffer;
  readonly strings: Buffer[];
}

const U32_MAX = 0xffffffffn;

const encode = (syscalls: Syscalls, layout: StructLayout, values: Readonly<Record<string, FieldValue>>): Encoded => {
  const bytes = Buffer.alloc(layout.bytes);
  const strings: Buffer[] = [];
  for (const [name, value] of Object.entries(values)) {
    const { type, offset } = fieldOf(layout, name);
    if (typeof value === 'string') {
      // A NUL would cut the path short behind the caller's back.
      if ((type !== 'path' && type !== 'address') || value.includes('\0'))
        throw new RangeError(`${name} is not a path: ${value}`);
      const text = Buffer.from(`${value}\0`);
      strings.push(text);
      bytes.writeBigUInt64LE(syscalls.addressOf(text), offset);
    } else if (type === 'uint') {
      if (value < 0n || value > U32_MAX) throw new RangeError(`${name} is ${value}, expected at most ${U32_MAX}`);
      bytes.writeUInt32LE(Number(value), offset);
    } else {
      bytes.writeBigUInt64LE(value, offset);
    }
  }
  return { bytes, strings };
};

const text = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
};

const decodeInfo = (bytes: Buffer): DeviceInfo => {
  const at = (name: string): number => fieldOf(STRUCTS.dattobd_info, name).offset;
  const u64 = (name: string): bigint => bytes.readBigUInt64LE(at(name));
  const chars = (name: string, length: number): Buffer => bytes.subarray(at(name), at(name) + length);
  return {
    minor: bytes.readUInt32LE(at('minor')),
    state: Number(u64('state')),
    error: bytes.readInt32LE(at('error')),
    cacheBytes: u64('cache_size'),
    cowBytes: u64('falloc_size'),
    seqid: u64('seqid'),
    uuid: Buffer.from(chars('uuid', 16)),
    cowFile: text(chars('cow', PATH_BYTES)),
    blockDevice: text(chars('bdev', PATH_BYTES)),
    version: u64('version'),
    nrChangedBlocks: u64('nr_changed_blocks'),
  };
};

/**
 * The driver behind its control node.
 *
 * Every method throws a SystemError with the errno of opening the node, or of the ioctl (docs/ABI.md, B.4).
 */
export class Driver {
  readonly #syscalls: Syscalls;
  readonly #node: string;

  constructor(syscalls: Syscalls, node = CONTROL_NODE) {
    this.#syscalls = syscalls;
    this.#node = node;
  }

  /** Starts a snapshot of a mounted origin. */
  setupSnapshot(options: SetupOptions): void {
    this.#issueStruct('IOCTL_SETUP_SNAP', STRUCTS.setup_params, {
      bdev: options.blockDevice,
      cow: options.cowFile,
      fallocated_space: options.fallocateMib,
      cache_size: options.cacheBytes,
      minor: BigInt(options.minor),
    });
  }

  /** Announces a snapshot that resumes when its origin is mounted. */
  reloadSnapshot(options: ReloadOptions): void {
    this.#reload('IOCTL_RELOAD_SNAP', options);
  }

  /** Announces an incremental that resumes when its origin is mounted. */
  reloadIncremental(options: ReloadOptions): void {
    this.#reload('IOCTL_RELOAD_INC', options);
  }

  /** Ends a device, whatever its state. */
  destroy(minor: number): void {
    this.#issueMinor('IOCTL_DESTROY', minor);
  }

  /** Ends the snapshot; from now on the driver only tracks which blocks change. */
  transitionToIncremental(minor: number): void {
    this.#issueMinor('IOCTL_TRANSITION_INC', minor);
  }

  /** Starts the series' next snapshot, with a COW file of its own. */
  transitionToSnapshot(minor: number, cowFile: string, fallocateMib: bigint): void {
    this.#issueStruct('IOCTL_TRANSITION_SNAP', STRUCTS.transition_snap_params, {
      cow: cowFile,
      fallocated_space: fallocateMib,
      minor: BigInt(minor),
    });
  }

  /**
   * Starts snapshots of several mounted origins at one instant: of all of them, or of none.
   *
   * @throws GroupError
   */
  setupSnapshotGroup(members: readonly SetupOptions[]): void {
    this.#issueGroup(
      'IOCTL_SETUP_SNAP_GROUP',
      members.map((member) => ({
        bdev: member.blockDevice,
        cow: member.cowFile,
        fallocated_space: member.fallocateMib,
        cache_size: member.cacheBytes,
        minor: BigInt(member.minor),
      })),
    );
  }

  /**
   * Starts the next snapshots of several incrementals at one instant: of all of them, or of none.
   *
   * @throws GroupError
   */
  transitionToSnapshotGroup(members: readonly NextSnapshot[]): void {
    this.#issueGroup(
      'IOCTL_TRANSITION_SNAP_GROUP',
      members.map(({ minor, cowFile, fallocateMib }) => ({
        cow: cowFile,
        fallocated_space: fallocateMib,
        minor: BigInt(minor),
      })),
    );
  }

  /** Sets the limit of the index cache. */
  reconfigure(minor: number, cacheBytes: bigint): void {
    this.#issueStruct('IOCTL_RECONFIGURE', STRUCTS.reconfigure_params, {
      cache_size: cacheBytes,
      minor: BigInt(minor),
    });
  }

  /** Adds to the COW file of an active snapshot. */
  expandCowFile(minor: number, sizeMib: bigint): void {
    this.#issueStruct('IOCTL_EXPAND_COW_FILE', STRUCTS.expand_cow_file_params, { size: sizeMib, minor: BigInt(minor) });
  }

  /** Lets the COW file grow by itself, by `stepMib` at a time, as long as `reservedMib` stay free. Step 0 ends that. */
  reconfigureAutoExpand(minor: number, stepMib: bigint, reservedMib: bigint): void {
    this.#issueStruct('IOCTL_RECONFIGURE_AUTO_EXPAND', STRUCTS.reconfigure_auto_expand_params, {
      step_size: stepMib,
      reserved_space: reservedMib,
      minor: BigInt(minor),
    });
  }

  /** The state of a device. */
  info(minor: number): DeviceInfo {
    const argument = encode(this.#syscalls, STRUCTS.dattobd_info, { minor: BigInt(minor) });
    this.#issue('IOCTL_DATTOBD_INFO', argument.bytes);
    return decodeInfo(argument.bytes);
  }

  /** The lowest minor that is not used. */
  freeMinor(): number {
    const argument = Buffer.alloc(4);
    this.#issue('IOCTL_GET_FREE', argument);
    return argument.readInt32LE(0);
  }

  #reload(command: 'IOCTL_RELOAD_SNAP' | 'IOCTL_RELOAD_INC', options: ReloadOptions): void {
    this.#issueStruct(command, STRUCTS.reload_params, {
      bdev: options.blockDevice,
      cow: options.cowFile,
      cache_size: options.cacheBytes,
      minor: BigInt(options.minor),
    });
  }

  #issueStruct(command: IoctlName, layout: StructLayout, values: Readonly<Record<string, FieldValue>>): void {
    const { bytes, strings } = encode(this.#syscalls, layout, values);
    this.#issue(command, bytes, strings);
  }

  #issueGroup(command: IoctlName, members: ReadonlyArray<Readonly<Record<string, FieldValue>>>): void {
    const encoded = members.map((member) => encode(this.#syscalls, STRUCTS.snapshot_group_member, member));
    const list = Buffer.concat(encoded.map(({ bytes }) => bytes));
    const params = STRUCTS.snapshot_group_params;
    const argument = encode(this.#syscalls, params, {
      members: this.#syscalls.addressOf(list),
      count: BigInt(members.length),
      failed: BigInt(members.length),
    }).bytes;
    try {
      this.#issue(command, argument, [list, ...encoded.flatMap(({ strings }) => strings)]);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const failed = Number(argument.readBigUInt64LE(fieldOf(params, 'failed').offset));
      const taken = argument.readBigUInt64LE(fieldOf(params, 'taken').offset) !== 0n;
      throw new GroupError(error, failed < members.length ? failed : undefined, taken);
    }
  }

  #issueMinor(command: IoctlName, minor: number): void {
    const argument = Buffer.alloc(4);
    argument.writeUInt32LE(minor, 0);
    this.#issue(command, argument);
  }

  /** `_keep` keeps what the argument points to alive until the call returns. */
  #issue(command: IoctlName, argument: Buffer, _keep: readonly Buffer[] = []): void {
    const fd = withErrno('open', this.#node, () => openSync(this.#node, 'r'));
    try {
      this.#syscalls.ioctl(fd, IOCTLS[command].value, argument, this.#node);
    } finally {
      closeSync(fd);
    }
  }
}
