/** The head of an image, which is what the next snapshot will be, against its newest snapshot. */
import { NbdSession } from '../../nbd/server.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { RbdImage } from './image.js';

const PIECE_BYTES = 1048576;

/** Where the head differs from a snapshot of the same size; `data`: what the snapshot has there, until the next one. */
export function* headDifferences(
  image: RbdImage,
  snapshot: string,
  head: NbdSession,
  syscalls: Syscalls,
): Generator<{ readonly offset: number; readonly data: Buffer }> {
  const extents = image.written(snapshot);
  if (extents.length === 0) return;
  const session = new NbdSession(image.export(snapshot), syscalls);
  const [wanted, found] = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)];
  try {
    for (const { offset, length } of extents)
      for (let at = offset; at < offset + length; at += PIECE_BYTES) {
        const size = Math.min(PIECE_BYTES, offset + length - at);
        const data = wanted.subarray(0, size);
        session.client.readFull(data, at);
        head.client.readFull(found.subarray(0, size), at);
        if (!data.equals(found.subarray(0, size))) yield { offset: at, data };
      }
  } finally {
    session.close();
  }
}

/** Gives the head the content of a snapshot of the same size again. */
export const healHead = (image: RbdImage, snapshot: string, head: NbdSession, syscalls: Syscalls): void => {
  for (const { offset, data } of headDifferences(image, snapshot, head, syscalls)) head.client.write(data, offset);
  head.client.flush();
};
