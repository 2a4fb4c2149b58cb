/** What other programs may use (docs/LIBRARY.md). What is not named here or in inspect/index.ts may change. */

export { planBackup, runBackup } from './backup/backup.js';
export { runGroup } from './backup/group.js';
export type {
  BackupContext,
  BackupEvents,
  BackupKind,
  BackupPlan,
  BackupRequest,
  BackupResult,
  CopyOutcome,
} from './backup/request.js';
export { isGood } from './backup/request.js';
export type { CopyFailure } from './copy/copy.js';
export type { BlockRun, Piece } from './cow/runs.js';
export type { DeviceInfo, NextSnapshot, ReloadOptions, SetupOptions } from './driver/driver.js';
export { Driver, GroupError } from './driver/driver.js';
export type { Explanation } from './driver/explain.js';
export { crashCost, explainDevice } from './driver/explain.js';
export type { DeviceStatus, DriverStatus } from './driver/status.js';
export { describeState, parseStatus, readStatus } from './driver/status.js';
export type { RefusalCode } from './errors.js';
export { deviceErrorText, errnoText, RefusalError, SystemError } from './errors.js';
export type { RollbackRequest, RollbackResult } from './image/rollback.js';
export { imageStatus, rollbackImage } from './image/rollback.js';
export type { ImageState, Previous } from './image/state.js';
export type { UpdateEvents, UpdatePlan, UpdateRequest, UpdateResult } from './image/update-image.js';
export { updateImage } from './image/update-image.js';
export type {
  CompareRequest,
  CompareResult,
  MadeManifest,
  ManifestRequest,
  ScrubResult,
  VerifyEvents,
} from './image/verify-image.js';
export { compareImage, makeManifest, scrubImage } from './image/verify-image.js';
export type { Finding } from './manifest/scrub.js';
export type { Syscalls } from './system/syscalls.js';
export { nativeSyscalls } from './system/syscalls.js';
