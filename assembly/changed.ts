// C in chunks, as the larger core of an origin that has grown takes it over.

import { EINVAL, STATUS_ROOM } from './layout';
import { BUFFER, CHANGED, Device, chunks_of } from './memory';
import { chunk_ready, copy_chunk, is_empty_chunk, replace_chunk } from './mask';
import { summarize_chunk } from './summary';

/**
 * Copies a chunk of C to the buffer.
 *
 * @param chunk number of the chunk of 262144 blocks
 * @returns 1; 0, and nothing copied, if no bit of it is set; -EINVAL past the end
 */
export function changed_export(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  if (is_empty_chunk(CHANGED, chunk)) return 0;
  copy_chunk(CHANGED, chunk, BUFFER);
  return 1;
}

/**
 * Makes a chunk of C, of which no bit is set, what the buffer holds. What is set so is not counted.
 *
 * @param chunk number of the chunk of 262144 blocks
 * @returns 0; -EINVAL past the end; STATUS_ROOM, and nothing changed: make room and ask again
 */
export function changed_import(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  if (!chunk_ready()) return STATUS_ROOM;
  summarize_chunk(chunk, replace_chunk(CHANGED, chunk, BUFFER));
  return 0;
}
