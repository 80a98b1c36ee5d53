import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { failureOfBoot, keepKvmFailure, keptKvmFailure } from './kvm-probe.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tvm-kvm-'));
});
after(() => rm(folder, { recursive: true }));

const depsOf = (name: string, vmm = 'QEMU 9') => ({ vmm, cachePath: join(folder, 'state', `${name}.json`) });
const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 3_600_000);

test('what a probe found is kept for the VMM that it was of', async () => {
  const deps = depsOf('kept');
  assert.equal(await keptKvmFailure(deps), undefined);
  for (const failure of ['', 'a guest hangs']) {
    await keepKvmFailure(deps, failure);
    assert.equal(await keptKvmFailure(deps), failure);
    assert.equal(await keptKvmFailure(depsOf('kept', 'QEMU 10')), undefined);
  }
  await writeFile(deps.cachePath, '{"key":');
  assert.equal(await keptKvmFailure(deps), undefined);
});

test('that guests run is kept for good; that none does for a day', async () => {
  const deps = depsOf('old');
  for (const [failure, days, found] of [
    ['', 400, ''],
    ['a guest hangs', 0.9, 'a guest hangs'],
    ['a guest hangs', 1.1, undefined],
  ] as const) {
    await keepKvmFailure(deps, failure);
    await utimes(deps.cachePath, daysAgo(days), daysAgo(days));
    assert.equal(await keptKvmFailure(deps), found);
  }
});

test('a kernel that panics for want of a root runs; what else comes of a boot is told', () => {
  assert.equal(failureOfBoot(null, 'Kernel panic - not syncing: VFS', ''), '');
  assert.match(failureOfBoot({ killed: true, message: '' }, '', ''), /hangs under \/dev\/kvm/);
  assert.match(failureOfBoot({ killed: false, message: 'exit 1' }, '', 'no access\nmore'), /cannot use .*: no access$/);
  assert.match(failureOfBoot(null, 'one\nlast words\n', ''), /ends early .*: last words$/);
});
