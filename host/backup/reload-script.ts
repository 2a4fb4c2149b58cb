/**
 * The script that announces a volume to the driver after a reboot, before it is mounted (boot/datto-reload runs it). Each
 * transition changes its content, so it is written after each.
 */

import { join } from 'node:path';
import type { DeviceStatus } from '../driver/status.js';
import { STATE_BIT_SNAPSHOT } from '../layout.js';
import { deviceNumber } from '../system/mounts.js';
import { makeOwnFolder, readOwn, removeFile, replaceFile } from '../system/safe-files.js';
import type { Volume } from './volume.js';

/** The folder in which datto-reload looks; the same variable sets another. */
const scriptFolder = (): string => process.env.DATTO_SCRIPTS ?? '/etc/datto/dla';

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A name that stays the same after a reboot, if there is one: that of the filesystem. */
const lastingName = ({ path, number, filesystem }: Volume): string => {
  const uuid = filesystem?.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const byUuid = `/dev/disk/by-uuid/${uuid}`;
  return deviceNumber(byUuid) === number ? byUuid : path;
};

const textOf = (volume: Volume, { state, cowFile, minor }: DeviceStatus): string => {
  const command = (state & STATE_BIT_SNAPSHOT) === 0 ? 'reload-incremental' : 'reload-snapshot';
  return [
    '#!/bin/sh',
    '# Written by datto-backup after each transition. It removes this when it no longer tracks the volume.',
    `dbdctl ${command} ${quoted(lastingName(volume))} ${quoted(cowFile)} ${minor}`,
    '',
  ].join('\n');
};

/**
 * Writes the script for how a volume is tracked now. There is one for each volume: it is tracked for one folder at a time.
 *
 * @param device undefined if nothing tracks the volume: the script is removed
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const keepReloadScript = (volume: Volume, device: DeviceStatus | undefined): void => {
  const path = join(scriptFolder(), `reload_backup-${volume.filesystem}`);
  if (device === undefined) {
    removeFile(path);
    return;
  }
  makeOwnFolder(scriptFolder(), { recursive: true, mode: 0o755 });
  const text = textOf(volume, device);
  if (readOwn(path) !== text) replaceFile(path, text);
};
