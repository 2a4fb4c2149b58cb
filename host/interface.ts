/** The part of `layout.ts` that is about the driver's interface: the control node, /proc, states, ioctls and their structs. */
import { numbered } from './named.js';

export const CONTROL_NODE = '/dev/datto-ctl';
export const STATUS_FILE = '/proc/datto-info';
export const SNAPSHOT_NODE_PREFIX = '/dev/datto';
export const IOCTL_MAGIC = 0x91;
/** Bytes of a path in an ioctl, NUL included. */
export const PATH_BYTES = 4096;
/** Bytes of the id of a series. */
export const UUID_BYTES = 16;

/** Members of a group of snapshots, at most. */
export const GROUP_MAX = 32;

export const STATE_BIT_SNAPSHOT = 1;
export const STATE_BIT_ACTIVE = 2;
export const STATE_BIT_UNVERIFIED = 4;

export const STATES = numbered(
  ['DORMANT_INCREMENTAL', 'dormant incremental'],
  ['DORMANT_SNAPSHOT', 'dormant snapshot'],
  ['ACTIVE_INCREMENTAL', 'active incremental'],
  ['ACTIVE_SNAPSHOT', 'active snapshot'],
  ['UNVERIFIED_INCREMENTAL', 'unverified incremental'],
  ['UNVERIFIED_SNAPSHOT', 'unverified snapshot'],
);

/** A `path` is a pointer; an `address` is one in 64 bits, whatever the machine. */
export type FieldType = 'path' | 'address' | 'ulong' | 'uint' | 'int' | 'u64' | 'ull' | 'chars';

export interface StructField {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
  /** Number of bytes, for `chars` only. */
  readonly bytes?: number;
  readonly doc: string;
}

export interface StructLayout {
  readonly name: string;
  readonly bytes: number;
  readonly fields: readonly StructField[];
}

const MINOR_DOC = 'minor of the device';

/** Arguments of the ioctls on a 64-bit machine (docs/ABI.md, B.3). */
export const STRUCTS = {
  setup_params: {
    name: 'setup_params',
    bytes: 40,
    fields: [
      { name: 'bdev', type: 'path', offset: 0, doc: 'path of the origin' },
      { name: 'cow', type: 'path', offset: 8, doc: 'path of the COW file' },
      { name: 'fallocated_space', type: 'ulong', offset: 16, doc: 'MiB, 0 for the default' },
      { name: 'cache_size', type: 'ulong', offset: 24, doc: 'bytes, 0 for the default' },
      { name: 'minor', type: 'uint', offset: 32, doc: MINOR_DOC },
    ],
  },
  reload_params: {
    name: 'reload_params',
    bytes: 32,
    fields: [
      { name: 'bdev', type: 'path', offset: 0, doc: 'path of the origin' },
      { name: 'cow', type: 'path', offset: 8, doc: 'from the root of the filesystem' },
      { name: 'cache_size', type: 'ulong', offset: 16, doc: 'bytes, 0 for the default' },
      { name: 'minor', type: 'uint', offset: 24, doc: MINOR_DOC },
    ],
  },
  transition_snap_params: {
    name: 'transition_snap_params',
    bytes: 24,
    fields: [
      { name: 'cow', type: 'path', offset: 0, doc: 'path of the new COW file' },
      { name: 'fallocated_space', type: 'ulong', offset: 8, doc: 'MiB, 0 for the default' },
      { name: 'minor', type: 'uint', offset: 16, doc: MINOR_DOC },
    ],
  },
  reconfigure_params: {
    name: 'reconfigure_params',
    bytes: 16,
    fields: [
      { name: 'cache_size', type: 'ulong', offset: 0, doc: 'bytes, 0 for the default' },
      { name: 'minor', type: 'uint', offset: 8, doc: MINOR_DOC },
    ],
  },
  expand_cow_file_params: {
    name: 'expand_cow_file_params',
    bytes: 16,
    fields: [
      { name: 'size', type: 'u64', offset: 0, doc: 'MiB to add' },
      { name: 'minor', type: 'uint', offset: 8, doc: MINOR_DOC },
    ],
  },
  reconfigure_auto_expand_params: {
    name: 'reconfigure_auto_expand_params',
    bytes: 24,
    fields: [
      { name: 'step_size', type: 'u64', offset: 0, doc: 'MiB per step, 0 for off' },
      { name: 'reserved_space', type: 'u64', offset: 8, doc: 'MiB to leave free' },
      { name: 'minor', type: 'uint', offset: 16, doc: MINOR_DOC },
    ],
  },
  snapshot_group_member: {
    name: 'snapshot_group_member',
    bytes: 40,
    fields: [
      { name: 'bdev', type: 'address', offset: 0, doc: 'path of the origin, of a set-up only' },
      { name: 'cow', type: 'address', offset: 8, doc: 'path of the new COW file' },
      { name: 'fallocated_space', type: 'u64', offset: 16, doc: 'MiB, 0 for the default' },
      { name: 'cache_size', type: 'u64', offset: 24, doc: 'bytes, of a set-up only' },
      { name: 'minor', type: 'u64', offset: 32, doc: MINOR_DOC },
    ],
  },
  snapshot_group_params: {
    name: 'snapshot_group_params',
    bytes: 40,
    fields: [
      { name: 'members', type: 'address', offset: 0, doc: 'struct snapshot_group_member []' },
      { name: 'count', type: 'u64', offset: 8, doc: 'of members, from 1 on' },
      { name: 'flags', type: 'u64', offset: 16, doc: '0' },
      { name: 'failed', type: 'u64', offset: 24, doc: 'out: index of a member, or count' },
      { name: 'taken', type: 'u64', offset: 32, doc: 'out: 1 if there was a snapshot of all' },
    ],
  },
  dattobd_info: {
    name: 'dattobd_info',
    bytes: 8272,
    fields: [
      { name: 'minor', type: 'uint', offset: 0, doc: 'in: minor of the device' },
      { name: 'state', type: 'ulong', offset: 8, doc: 'enum dattobd_state' },
      { name: 'error', type: 'int', offset: 16, doc: '0 or a negative errno' },
      { name: 'cache_size', type: 'ulong', offset: 24, doc: 'bytes' },
      { name: 'falloc_size', type: 'ull', offset: 32, doc: 'size limit of the file, bytes' },
      { name: 'seqid', type: 'ull', offset: 40, doc: 'number in the series' },
      { name: 'uuid', type: 'chars', offset: 48, bytes: UUID_BYTES, doc: 'id of the series' },
      { name: 'cow', type: 'chars', offset: 64, bytes: PATH_BYTES, doc: 'as cow_file in /proc' },
      { name: 'bdev', type: 'chars', offset: 4160, bytes: PATH_BYTES, doc: 'as block_device' },
      { name: 'version', type: 'ull', offset: 8256, doc: 'version of the header' },
      { name: 'nr_changed_blocks', type: 'ull', offset: 8264, doc: 'blocks' },
    ],
  },
} as const satisfies Record<string, StructLayout>;

export type StructName = keyof typeof STRUCTS;

export interface IoctlLayout {
  readonly nr: number;
  readonly direction: 'read' | 'write' | 'both';
  /** A struct of STRUCTS, or a bare C type of 4 bytes. */
  readonly argument: StructName | 'unsigned int' | 'int';
  readonly value: number;
}

/** The commands (docs/ABI.md, B.2). `value` is asserted against the C macro; a test compares the other columns. */
export const IOCTLS = {
  IOCTL_SETUP_SNAP: { nr: 1, direction: 'write', argument: 'setup_params', value: 0x40289101 },
  IOCTL_RELOAD_SNAP: { nr: 2, direction: 'write', argument: 'reload_params', value: 0x40209102 },
  IOCTL_RELOAD_INC: { nr: 3, direction: 'write', argument: 'reload_params', value: 0x40209103 },
  IOCTL_DESTROY: { nr: 4, direction: 'write', argument: 'unsigned int', value: 0x40049104 },
  IOCTL_TRANSITION_INC: { nr: 5, direction: 'write', argument: 'unsigned int', value: 0x40049105 },
  IOCTL_TRANSITION_SNAP: { nr: 6, direction: 'write', argument: 'transition_snap_params', value: 0x40189106 },
  IOCTL_RECONFIGURE: { nr: 7, direction: 'write', argument: 'reconfigure_params', value: 0x40109107 },
  IOCTL_DATTOBD_INFO: { nr: 8, direction: 'read', argument: 'dattobd_info', value: 0xa0509108 },
  IOCTL_GET_FREE: { nr: 9, direction: 'read', argument: 'int', value: 0x80049109 },
  IOCTL_EXPAND_COW_FILE: { nr: 10, direction: 'write', argument: 'expand_cow_file_params', value: 0x4010910a },
  IOCTL_RECONFIGURE_AUTO_EXPAND: {
    nr: 11,
    direction: 'write',
    argument: 'reconfigure_auto_expand_params',
    value: 0x4018910b,
  },
  IOCTL_SETUP_SNAP_GROUP: { nr: 12, direction: 'both', argument: 'snapshot_group_params', value: 0xc028910c },
  IOCTL_TRANSITION_SNAP_GROUP: { nr: 13, direction: 'both', argument: 'snapshot_group_params', value: 0xc028910d },
} as const satisfies Record<string, IoctlLayout>;

export type IoctlName = keyof typeof IOCTLS;
