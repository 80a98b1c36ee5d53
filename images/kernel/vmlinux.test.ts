import assert from 'node:assert/strict';
import { it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import type { TvmError } from '@tvm/api/errors.ts';
import { vmlinuxOf } from './vmlinux.ts';

const elf = Buffer.from('\x7fELF and the rest', 'latin1');
const noXz = () => Promise.reject(new Error('not xz'));

function bzImage(payload: Buffer): Buffer {
  const setup = Buffer.alloc(2 * 512);
  setup.writeUInt8(1, 0x1f1);
  setup.write('HdrS', 0x202);
  setup.writeUInt32LE(7, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(7), payload, Buffer.from('what follows')]);
}

const length = Buffer.alloc(4);

it('unpacks zstd and xz payloads', async () => {
  assert.deepEqual(await vmlinuxOf(bzImage(Buffer.concat([zstdCompressSync(elf), length])), noXz), elf);
  const xz = Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), Buffer.from('packed'), length]);
  const unpacked = await vmlinuxOf(bzImage(xz), (packed) => {
    assert.equal(packed.toString('latin1', 5), 'packed');
    return Promise.resolve(elf);
  });
  assert.deepEqual(unpacked, elf);
});

it('refuses what is not a kernel', async () => {
  const good = bzImage(Buffer.concat([zstdCompressSync(elf), length]));
  const bad = [
    Buffer.alloc(0),
    Buffer.alloc(4096),
    good.subarray(0, 1050),
    bzImage(Buffer.from('gzip or whatever')),
    bzImage(Buffer.concat([zstdCompressSync(Buffer.from('no elf')), length])),
  ];
  for (const image of bad)
    await assert.rejects(vmlinuxOf(image, noXz), (error: TvmError) => error.code === 'data_loss');
});
