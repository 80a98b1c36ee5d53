// Takes the kernel's ELF out of a bzImage, so that the VMM need not run the decompressor.
// The layout is that of Documentation/arch/x86/boot.rst: fields setup_sects, payload_offset, payload_length.
import { zstdDecompressSync } from 'node:zlib';
import { TvmError } from '@tvm/api/errors.ts';

const headerMagicOffset = 0x202;
const setupSectorsOffset = 0x1f1;
const payloadOffsetOffset = 0x248;
const payloadLengthOffset = 0x24c;
const sectorBytes = 512;
const lengthTrailerBytes = 4;
const elfMagic = Buffer.from('\x7fELF', 'latin1');
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const xzMagic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]);

/** The ELF image in a bzImage. `decompressXz` serves kernels packed that way; zstd is done here. */
export async function vmlinuxOf(bzImage: Buffer, decompressXz: (packed: Buffer) => Promise<Buffer>): Promise<Buffer> {
  const payload = payloadOf(bzImage);
  const elf = await unpack(payload, decompressXz);
  if (!elf.subarray(0, elfMagic.length).equals(elfMagic)) throw notAKernel('its payload is not an ELF file');
  return elf;
}

function payloadOf(bzImage: Buffer): Buffer {
  if (bzImage.length < 0x260 || bzImage.toString('latin1', headerMagicOffset, headerMagicOffset + 4) !== 'HdrS') {
    throw notAKernel('it has no Linux boot header');
  }
  const setupSectors = bzImage.readUInt8(setupSectorsOffset) || 4;
  const start = (setupSectors + 1) * sectorBytes + bzImage.readUInt32LE(payloadOffsetOffset);
  const end = start + bzImage.readUInt32LE(payloadLengthOffset);
  if (end > bzImage.length) throw notAKernel('it is cut short');
  return bzImage.subarray(start, end);
}

async function unpack(payload: Buffer, decompressXz: (packed: Buffer) => Promise<Buffer>): Promise<Buffer> {
  // The kernel's build appends the unpacked length to the packed data, except to xz's whose own end follows it.
  const packed = payload.subarray(0, payload.length - lengthTrailerBytes);
  if (startsWith(payload, zstdMagic)) return zstdDecompressSync(packed);
  if (startsWith(payload, xzMagic)) return await decompressXz(packed);
  throw notAKernel('its compression is neither zstd nor xz');
}

function startsWith(data: Buffer, magic: Buffer): boolean {
  return data.subarray(0, magic.length).equals(magic);
}

function notAKernel(why: string): TvmError {
  return new TvmError('data_loss', `the kernel image cannot be used: ${why}`);
}
