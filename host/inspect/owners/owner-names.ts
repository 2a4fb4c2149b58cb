/** Names of files as a filesystem has them: bytes, mostly of UTF-8. */

export interface OwnerName {
  /** The name as text; what is no UTF-8 of it is shown as U+FFFD. */
  readonly name: string | undefined;
  /** The name's bytes, if they are no UTF-8. */
  readonly nameBase64?: string;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text of bytes; undefined if they are no UTF-8. */
export const textOfBytes = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
};

/** A name of bytes that came as latin1. */
export const nameOfLatin1 = (latin1: string): OwnerName => {
  const bytes = Buffer.from(latin1, 'latin1');
  const name = textOfBytes(bytes);
  return name === undefined ? { name: bytes.toString('utf8'), nameBase64: bytes.toString('base64') } : { name };
};
