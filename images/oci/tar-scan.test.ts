import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import fc from 'fast-check';
import { tarArchive } from '../testing/tar-archive.ts';
import { type TarTotals, tarScanner } from './tar-scan.ts';

const wide = { maxEntries: 1e9, maxBytes: 1e12 };

async function scan(archive: Buffer, bounds = wide, splits: number[] = []): Promise<TarTotals> {
  const totals = { entries: 0, bytes: 0 };
  const cuts = [0, ...splits.map((at) => at % (archive.length + 1)).sort((a, b) => a - b), archive.length];
  const chunks = cuts.slice(1).map((end, index) => archive.subarray(cuts[index], end));
  await pipeline(Readable.from(chunks.filter((chunk) => chunk.length > 0)), tarScanner(totals, bounds));
  return totals;
}

it('counts entries and bytes however the stream is cut', async () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 1200 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(contents, fc.array(fc.nat()), async (files, splits) => {
      const archive = tarArchive(files.map((content, index) => ({ name: `f${index}`, content })));
      assert.deepEqual(await scan(archive, wide, splits), { entries: files.length, bytes: archive.length });
    }),
  );
});

it('refuses too many entries, too many bytes, sparse files and nonsense sizes', async () => {
  const two = tarArchive([{ name: 'a' }, { name: 'b' }]);
  const negative = tarArchive([{ name: 'a' }]);
  negative.write('-7', 124);
  const huge = tarArchive([{ name: 'a' }]);
  huge.fill(0xff, 124, 136);
  const rows: [Buffer, typeof wide, string][] = [
    [two, { ...wide, maxEntries: 1 }, 'resource_exhausted'],
    [two, { ...wide, maxBytes: 1024 }, 'resource_exhausted'],
    [tarArchive([{ name: 'a', type: 'S' }]), wide, 'data_loss'],
    [tarArchive([{ name: 'a', type: 'x', claimedSize: 1 << 24 }]), wide, 'data_loss'],
    [negative, wide, 'data_loss'],
    [huge, wide, 'data_loss'],
  ];
  for (const [archive, bounds, code] of rows) {
    await assert.rejects(scan(archive, bounds), (error: TvmError) => error.code === code);
  }
});

it('survives garbage', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
      await scan(Buffer.from(bytes)).catch((error: TvmError) => assert.equal(error.code, 'data_loss'));
    }),
  );
});
