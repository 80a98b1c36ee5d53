import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { charDeviceMode, cpioArchive, executableMode, folderMode } from './cpio.ts';
import { makeInitramfs } from './initramfs.ts';

interface ReadEntry {
  path: string;
  mode: number;
  content: Buffer;
  device: [number, number];
}

/** Reads newc by its own rules, independently of the writer. */
function readCpio(archive: Buffer): ReadEntry[] {
  const entries: ReadEntry[] = [];
  const aligned = (offset: number) => offset + ((4 - (offset % 4)) % 4);
  for (let offset = 0; ; ) {
    assert.equal(archive.toString('latin1', offset, offset + 6), '070701');
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', offset + 6 + index * 8, offset + 14 + index * 8), 16);
    const nameEnd = offset + 110 + field(11);
    const path = archive.toString('utf8', offset + 110, nameEnd - 1);
    if (path === 'TRAILER!!!') return entries;
    const start = aligned(nameEnd);
    const content = archive.subarray(start, start + field(6));
    entries.push({ path, mode: field(1), content, device: [field(9), field(10)] });
    offset = aligned(start + field(6));
  }
}

it('writes any files so that they read back', () => {
  const entry = fc.record(
    {
      path: fc.string({ minLength: 1, unit: fc.constantFrom(...'abé/.-') }).filter((path) => path !== 'TRAILER!!!'),
      content: fc.uint8Array({ maxLength: 40 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const archive = cpioArchive(entries.map((given) => ({ ...given, mode: executableMode })));
      const read = readCpio(archive).map(({ path, content }) => ({ path, content: Uint8Array.from(content) }));
      assert.deepEqual(read, entries);
    }),
  );
});

it('makes an initramfs with the console, the agent and the modules in their order', () => {
  const modules = [
    { path: '/kernels/modules/00-a.ko', content: Buffer.from('first') },
    { path: '/kernels/modules/01-b.ko', content: Buffer.from('second') },
  ];
  const entries = readCpio(makeInitramfs({ agent: Buffer.from('agent'), modules }));
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  assert.deepEqual(byPath.get('dev/console')?.device, [5, 1]);
  assert.equal(byPath.get('dev/console')?.mode, charDeviceMode);
  assert.equal(byPath.get('init')?.mode, executableMode);
  assert.equal(byPath.get('init')?.content.toString(), 'agent');
  assert.equal(byPath.get('modules')?.mode, folderMode);
  assert.deepEqual(
    [...byPath.keys()].filter((path) => path.startsWith('modules/')),
    ['modules/00-a.ko', 'modules/01-b.ko'],
  );
  assert.equal(
    readCpio(makeInitramfs({ agent: Buffer.from('agent'), modules: [] })).some(({ path }) => path === 'modules'),
    false,
  );
});
