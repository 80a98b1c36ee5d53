import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileDigest, keyOf, makeFileMemo } from './digest.ts';

it('gives different lists of parts different keys', () => {
  assert.notEqual(keyOf('ab', 'c'), keyOf('a', 'bc'));
  assert.notEqual(keyOf('a'), keyOf('a', ''));
  assert.equal(keyOf('a', Buffer.from('b')), keyOf('a', 'b'));
});

it('reads a file again when it changed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-digest-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const digestOf = makeFileMemo(fileDigest);
  const file = join(folder, 'f');
  writeFileSync(file, 'abc');
  const first = await digestOf(file);
  assert.equal(first, 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  assert.equal(await digestOf(file), first);
  writeFileSync(file, 'longer');
  assert.notEqual(await digestOf(file), first);
});
