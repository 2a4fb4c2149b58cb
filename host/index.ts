/** What other programs may use (docs/LIBRARY.md). What is not named here or in inspect/index.ts may change. */

export { planBackup, runBackup } from './backup/backup.js';
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
export type { CopyFailure } from './copy.js';
export type { DeviceInfo, ReloadOptions, SetupOptions } from './driver.js';
export { Driver } from './driver.js';
export type { RefusalCode } from './errors.js';
export { deviceErrorText, errnoText, RefusalError, SystemError } from './errors.js';
export type { Explanation } from './explain.js';
export { explainDevice } from './explain.js';
export type { ImageState, Previous } from './image-state.js';
export type { RollbackRequest, RollbackResult } from './rollback.js';
export { imageStatus, rollbackImage } from './rollback.js';
export type { BlockRun, Piece } from './runs.js';
export type { Finding } from './scrub.js';
export type { DeviceStatus, DriverStatus } from './status.js';
export { describeState, parseStatus, readStatus } from './status.js';
export type { Syscalls } from './syscalls.js';
export { nativeSyscalls } from './syscalls.js';
export type { UpdateEvents, UpdatePlan, UpdateRequest, UpdateResult } from './update-image.js';
export { updateImage } from './update-image.js';
export type {
  CompareRequest,
  CompareResult,
  MadeManifest,
  ManifestRequest,
  ScrubResult,
  VerifyEvents,
} from './verify-image.js';
export { compareImage, makeManifest, scrubImage } from './verify-image.js';
