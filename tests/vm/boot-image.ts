/** The kernel in a bootable image. */
import { spawnSync } from 'node:child_process';

/** How a kernel is compressed: the first bytes, and what unpacks it. Other things may follow the compressed stream in the image. */
const COMPRESSIONS: readonly (readonly [magic: Buffer, command: string])[] = [
  [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), 'xz'],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 'zstd'],
  [Buffer.from([0x1f, 0x8b, 0x08]), 'gzip'],
];

/** How a kernel itself begins: vmlinux of x86, and Image of arm64 (Documentation/arch/arm64/booting.rst). */
const KERNELS: readonly (readonly [offset: number, magic: Buffer])[] = [
  [0, Buffer.from([0x7f, 0x45, 0x4c, 0x46])],
  [56, Buffer.from('ARM\x64', 'latin1')],
];

const isKernel = (data: Buffer): boolean =>
  KERNELS.some(([offset, magic]) => data.subarray(offset, offset + magic.length).equals(magic));

/** Returns the unpacked kernel of an image: of a bzImage, of an EFI zboot image, or of what is a kernel itself; undefined if there is none. */
export function unpackedKernel(image: Buffer): Buffer | undefined {
  if (isKernel(image)) return image;
  for (const [magic, command] of COMPRESSIONS) {
    for (let at = image.indexOf(magic); at >= 0; at = image.indexOf(magic, at + 1)) {
      const { stdout } = spawnSync(command, ['-dc'], { input: image.subarray(at), maxBuffer: 1 << 28 });
      if (stdout && isKernel(stdout)) return stdout;
    }
  }
  return undefined;
}
