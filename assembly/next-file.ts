// The next COW file: a closed file, or one that is about to be, names the one with which tracking goes on (docs/FORMAT.md, A.12).

import {
  COW_HEADER_SIZE,
  EINVAL,
  HEADER_OFFSET_SEQID,
  HEADER_OFFSET_UUID,
  NEXT_FILE_MAGIC,
  NEXT_FILE_OFFSET_MAGIC,
  NEXT_FILE_OFFSET_PATH,
  NEXT_FILE_OFFSET_SUM,
  NEXT_FILE_PATH_BYTES,
} from './layout';
import { header_encode } from './header';
import { BUFFER } from './memory';
import { fold } from './record';
import { xxh64 } from './xxh64';

const SLASH: u8 = 47;

/** Checksum of the path in the header block in the buffer, and of whose next file it is. */
function sum_of_path(): u64 {
  const low = load<u64>(BUFFER, HEADER_OFFSET_UUID);
  const high = load<u64>(BUFFER, HEADER_OFFSET_UUID + 8);
  const sum = fold(fold(fold(0, low), high), load<u64>(BUFFER, HEADER_OFFSET_SEQID));
  return fold(sum, xxh64(BUFFER + NEXT_FILE_OFFSET_PATH, BUFFER + NEXT_FILE_OFFSET_PATH + NEXT_FILE_PATH_BYTES));
}

/** Is there a path at an address? It begins with a slash, and zeros follow. */
function is_path(at: usize): bool {
  const end = at + NEXT_FILE_PATH_BYTES;
  if (load<u8>(at) != SLASH) return false;
  while (at < end && load<u8>(at)) at++;
  if (at == end) return false;
  while (at < end && !load<u8>(at)) at++;
  return at == end;
}

/** Does the header block in the buffer name a next file? */
export function names_next_file(): bool {
  if (load<u64>(BUFFER, NEXT_FILE_OFFSET_MAGIC) != NEXT_FILE_MAGIC) return false;
  return is_path(BUFFER + NEXT_FILE_OFFSET_PATH) && load<u64>(BUFFER, NEXT_FILE_OFFSET_SUM) == sum_of_path();
}

/**
 * Writes the header block of a file that names the next one into the buffer. The path of that, from the root of the filesystem, is in
 * its first NEXT_FILE_PATH_BYTES, followed by zeros; only zeros: none is named.
 *
 * @param closed 1: the file is complete; 0: it is in use, and the checkpoint of what it tracks is in the next one
 * @returns bytes written, 4096; -EINVAL for another path
 */
export function header_close(closed: i64): i64 {
  const path = BUFFER + COW_HEADER_SIZE;
  memory.copy(path, BUFFER, NEXT_FILE_PATH_BYTES);
  const named = load<u8>(path) != 0;
  if (named && !is_path(path)) return -EINVAL;
  header_encode(closed);
  if (!named) return COW_HEADER_SIZE;
  memory.copy(BUFFER + NEXT_FILE_OFFSET_PATH, path, NEXT_FILE_PATH_BYTES);
  store<u64>(BUFFER, NEXT_FILE_MAGIC, NEXT_FILE_OFFSET_MAGIC);
  store<u64>(BUFFER, sum_of_path(), NEXT_FILE_OFFSET_SUM);
  return COW_HEADER_SIZE;
}
