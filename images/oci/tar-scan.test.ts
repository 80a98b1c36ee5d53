import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import fc from 'fast-check';
import { paxHeader, tarArchive } from '../testing/tar-archive.ts';
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

it('refuses headers by which a reader would see other entries, or harm', async () => {
  const name = 'x'.repeat(256);
  const rows: Record<string, Parameters<typeof tarArchive>[0]> = {
    'another size': [paxHeader({ size: '0' }), { name: 'a', content: 'x' }],
    'a sparse file': [paxHeader({ 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '999999999999' }), { name: 'a' }],
    'a long name': [paxHeader({ path: `d/${name}` }), { name: 'a' }],
    'a long path': [paxHeader({ path: 'd/'.repeat(2100) }), { name: 'a' }],
    'a long link': [paxHeader({ linkpath: name }), { name: 'a', type: '2' }],
    'a long GNU name': [{ name: '././@LongLink', type: 'L', content: `${name}\0` }, { name: 'a' }],
    'a zero byte': [paxHeader({ path: 'a\0b' }), { name: 'a' }],
    'large attributes': [paxHeader({ 'SCHILY.xattr.user.a': 'x'.repeat(70_000) }), { name: 'a' }],
    'no records': [{ name: 'pax', type: 'x', content: 'nonsense' }, { name: 'a' }],
  };
  for (const [why, entries] of Object.entries(rows)) {
    await assert.rejects(
      scan(tarArchive(entries), wide, [700, 1100]),
      (error: TvmError) => error.code === 'data_loss',
      why,
    );
  }
  assert.equal(
    (await scan(tarArchive([paxHeader({ path: `d/${'x'.repeat(255)}`, mtime: '1.5' }), { name: 'a' }]))).entries,
    2,
  );
});

it('counts what stands behind a link that claims to have content', async () => {
  const hidden = Array.from({ length: 20 }, (_, index) => ({ name: `f${index}` }));
  const archive = tarArchive([{ name: 'link', type: '2', linkName: 'x', claimedSize: 20 * 512 }, ...hidden]);
  assert.equal((await scan(archive)).entries, 21);
});
