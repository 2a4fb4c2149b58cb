/** The sub-commands of datto-inspect that draw, or that need an image. */

import type { InspectedCow } from '../../host/inspect/inspected-cow.js';
import { withFiles } from '../../host/inspect/inspected-cow.js';
import { originOfImage } from '../../host/inspect/origin-size.js';
import type { OwnedBlocks } from '../../host/inspect/owners/block-owners.js';
import { findOwners } from '../../host/inspect/owners/block-owners.js';
import { heatMapText, orderFor } from '../../host/inspect/picture/half-blocks.js';
import { HeatMap } from '../../host/inspect/picture/heat-map.js';
import { heatMapPng } from '../../host/inspect/picture/png.js';
import { heatMapSvg } from '../../host/inspect/picture/svg.js';
import { BLOCK_BYTES } from '../../host/layout.js';
import { grouped, humanBytes, percentText } from '../../host/quantities.js';
import { writeNewFile } from '../../host/system/safe-files.js';
import type { Streams } from '../terminal/terminal.js';
import { printJson } from '../terminal/terminal.js';
import type { CommonOptions } from './options.js';
import { geometryJson, listOptions, noteAssumption, originOf, syscalls, withCow } from './options.js';
import { ownerText } from './owner-text.js';
import { table } from './text.js';

interface MapOptions extends CommonOptions {
  readonly png?: string;
  readonly svg?: string;
  readonly order?: number;
  readonly color: 'auto' | 'always' | 'never';
  readonly force?: boolean;
}

const PICTURE_ORDER = 7;

const useColour = ({ color }: MapOptions): boolean => {
  if (color !== 'auto') return color === 'always';
  return process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
};

const titleOf = (cow: InspectedCow, { changedBlocks, nrBlocks }: HeatMap, text: (value: number) => string): string => {
  const percent = percentText((changedBlocks / nrBlocks) * 100);
  return `snapshot ${cow.header.seqid}: ${text(changedBlocks)} of ${text(nrBlocks)} blocks changed, ${percent}`;
};

const mapJson = (cow: InspectedCow, map: HeatMap, files: readonly string[]): unknown => {
  const rows = Array.from({ length: map.side }, (_, y) => Array.from({ length: map.side }, (__, x) => map.share(x, y)));
  const { side, nrBlocks, changedBlocks } = map;
  return {
    path: cow.path,
    side,
    blocks: nrBlocks,
    changed_blocks: changedBlocks,
    files,
    shares: rows,
    index: geometryJson(cow),
  };
};

export const runMap = (path: string, options: MapOptions, streams: Streams): void =>
  withCow(path, options, (cow) => {
    const { png, svg, force = false, json = false } = options;
    const picture = png !== undefined || svg !== undefined;
    const fitting = picture || json ? PICTURE_ORDER : orderFor(process.stdout.columns ?? 64, process.stdout.rows ?? 36);
    const map = new HeatMap(cow.changedRuns(listOptions(options)), cow.nrBlocks(), options.order ?? fitting);
    const title = titleOf(cow, map, grouped);
    if (png !== undefined) writeNewFile(png, heatMapPng(map, title), force);
    if (svg !== undefined) writeNewFile(svg, Buffer.from(heatMapSvg(map, title)), force);
    if (json) {
      printJson(
        mapJson(
          cow,
          map,
          [png, svg].filter((name) => name !== undefined),
        ),
        streams,
      );
      return;
    }
    noteAssumption(cow, options, streams);
    if (!picture) streams.out(heatMapText(map, useColour(options)));
    streams.out(`${titleOf(cow, map, String)}\n`);
  });

const ownerRow = (owner: OwnedBlocks, blockBytes: number): string[] => {
  const { kind, blocks } = owner;
  return [`${blocks}`, humanBytes(BigInt(blocks * blockBytes)), kind, ownerText(owner)];
};

const ownerJson = ({ kind, inode, name, nameBase64, blocks }: OwnedBlocks): unknown => ({
  kind,
  inode,
  name,
  name_base64: nameBase64,
  blocks,
});

export const runFiles = (path: string, imagePath: string, options: CommonOptions, streams: Streams): void =>
  withFiles([imagePath], (image) => {
    const origin = originOf(options) ?? originOfImage(image, syscalls);
    withCow(
      path,
      options,
      (cow) => {
        const { filesystem, owners } = findOwners(image, cow.changedRuns(listOptions(options)));
        if (options.json) {
          const { type, blockBytes } = filesystem;
          const json = { path, image: imagePath, filesystem: type, block_bytes: blockBytes };
          printJson({ ...json, owners: owners.map(ownerJson) }, streams);
          return;
        }
        const rows = owners.map((owner) => ownerRow(owner, filesystem.blockBytes));
        streams.out(table([['blocks', 'size', 'kind', 'name'], ...rows], [0]));
        if (filesystem.blockBytes !== BLOCK_BYTES) {
          streams.out(`blocks are the filesystem's, of ${filesystem.blockBytes} bytes\n`);
        }
      },
      origin,
    );
  });
