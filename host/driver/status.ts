/** /proc/datto-info: what the driver shows of all its devices (docs/ABI.md, D). */
import { readFileSync } from 'node:fs';
import { deviceErrorText, withErrno } from '../errors.js';
import { STATES, STATUS_FILE } from '../layout.js';
import { OpenFile } from '../system/files.js';

/** A device as /proc shows it. Fields that its state does not show are undefined. */
export interface DeviceStatus {
  readonly minor: number;
  readonly cowFile: string;
  readonly blockDevice: string;
  /** Limit of the index cache, in bytes. */
  readonly maxCache: bigint;
  /** Requested allocation, in bytes. */
  readonly fallocate?: bigint;
  /** Size limit of the COW file, in bytes. */
  readonly cowSizeCurrent?: bigint;
  readonly seqId?: bigint;
  /** 32 hex digits. */
  readonly uuid?: string;
  /** Version of the COW file's header. */
  readonly version?: bigint;
  readonly nrChangedBlocks?: bigint;
  /** How long the last set-up or transition stopped writers, in ms: the filesystem wrote back, and was frozen. */
  readonly lastFreezeMs?: bigint;
  /** What a reload would go on from if the machine crashed now: live, clean or none. The fields below are those of a live one. */
  readonly checkpoint?: string;
  readonly checkpointAgeSeconds?: bigint;
  /** What it takes in the COW file. */
  readonly checkpointBytes?: bigint;
  /** Regions of the volume that were written to since. */
  readonly dirtyRegions?: bigint;
  /** Size of a region. */
  readonly regionBytes?: bigint;
  readonly autoExpand?: { readonly stepSizeMib: bigint; readonly reservedSpaceMib: bigint };
  /** Negative errno. */
  readonly error?: number;
  /** One of STATES. */
  readonly state: number;
}

export interface DriverStatus {
  /** Version of the driver's interface. */
  readonly version: string;
  readonly devices: readonly DeviceStatus[];
}

const PATH_KEYS = new Set(['cow_file', 'block_device']);
const KEY_LINE = /^\t+"(\w+)": (.*)$/s;

/**
 * Lines of the file, a path with a newline in it put together again.
 *
 * A driver of version 0.12.1 does not escape them, so JSON.parse would stumble over a quote or a newline in a name.
 */
const logicalLines = (source: string): string[] => {
  const lines: string[] = [];
  let open = false;
  for (const line of source.split('\n')) {
    if (open) lines[lines.length - 1] += `\n${line}`;
    else lines.push(line);
    const current = lines[lines.length - 1] ?? '';
    const key = KEY_LINE.exec(current)?.[1];
    open = key !== undefined && PATH_KEYS.has(key) && !current.endsWith('",');
  }
  return lines;
};

/** A string of JSON. A driver of version 0.12.1 escapes nothing: there, what stands between the quotes. */
const unquote = (value: string): string => {
  if (!/^".*"$/s.test(value)) return value;
  try {
    return JSON.parse(value) as string;
  } catch {
    return value.slice(1, -1);
  }
};

const toDevice = (values: ReadonlyMap<string, string>): DeviceStatus => {
  const need = (key: string): string => {
    const value = values.get(key);
    if (value === undefined) throw new SyntaxError(`cannot read the driver's status: a device has no ${key}`);
    return value;
  };
  const integer = (key: string): bigint | undefined => {
    const value = values.get(key);
    return value === undefined ? undefined : BigInt(value);
  };
  const step = integer('step_size_mib');
  const fields = {
    fallocate: integer('fallocate'),
    cowSizeCurrent: integer('cow_size_current'),
    seqId: integer('seq_id'),
    uuid: values.get('uuid'),
    version: integer('version'),
    nrChangedBlocks: integer('nr_changed_blocks'),
    lastFreezeMs: integer('last_freeze_ms'),
    checkpoint: values.get('checkpoint'),
    checkpointAgeSeconds: integer('checkpoint_age_seconds'),
    checkpointBytes: integer('checkpoint_bytes'),
    dirtyRegions: integer('dirty_regions'),
    regionBytes: integer('region_bytes'),
    autoExpand:
      step === undefined ? undefined : { stepSizeMib: step, reservedSpaceMib: BigInt(need('reserved_space_mib')) },
    error: values.has('error') ? Number(need('error')) : undefined,
  };
  const present = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<DeviceStatus>;
  return {
    minor: Number(need('minor')),
    cowFile: need('cow_file'),
    blockDevice: need('block_device'),
    maxCache: BigInt(need('max_cache')),
    ...present,
    state: Number(need('state')),
  };
};

/**
 * Reads the text of /proc/datto-info.
 *
 * @throws SyntaxError if it has not the form of docs/ABI.md, D
 */
export const parseStatus = (source: string): DriverStatus => {
  let version: string | undefined;
  let device: Map<string, string> | undefined;
  const devices: DeviceStatus[] = [];
  for (const line of logicalLines(source)) {
    if (/^\t\t\{$/.test(line)) {
      device = new Map();
    } else if (/^\t\t\},?$/.test(line) && device) {
      devices.push(toDevice(device));
      device = undefined;
    } else {
      const [, key, rest] = KEY_LINE.exec(line) ?? [];
      if (key === undefined || rest === undefined) continue;
      const value = unquote(rest.replace(/,$/, ''));
      if (device) device.set(key, value);
      else if (key === 'version') version = value;
    }
  }
  if (version === undefined || device || !/^\}\n*$/m.test(source.slice(-16)))
    throw new SyntaxError("cannot read the driver's status: it is cut short");
  return { version, devices };
};

/** Reads the driver's status. Throws a SystemError if the driver is not there. */
export const readStatus = (path = STATUS_FILE): DriverStatus => {
  const file = OpenFile.open(path, 'r', 'read');
  try {
    return parseStatus(withErrno('read', path, () => readFileSync(file.fd, 'utf8')));
  } finally {
    file.close();
  }
};

/** Plain words for a device's state, and for its error if it has one. */
export const describeState = (state: number, error = 0): string => {
  const name = STATES[state]?.doc ?? `unknown state ${state}`;
  return error === 0 ? name : `${name}, failed: ${deviceErrorText(error)}`;
};
