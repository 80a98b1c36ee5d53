import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findJail, hasNoDevices } from './find-jail.ts';

const mountinfo = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '30 22 0:30 / /tmp rw,nosuid,nodev shared:5 - tmpfs tmpfs rw',
  '31 30 8:2 / /tmp/with\\040space rw,relatime - ext4 /dev/sdb rw',
  '32 22 0:31 / /srv rw,relatime - tmpfs tmpfs rw',
  '33 22 0:32 / /srv rw,nodev - tmpfs tmpfs rw',
].join('\n');

test('whether devices work in a folder is said by the mount that it is on', () => {
  assert.equal(hasNoDevices(mountinfo, '/var/lib/tvm'), false);
  assert.equal(hasNoDevices(mountinfo, '/tmp'), true);
  assert.equal(hasNoDevices(mountinfo, '/tmp/tvm'), true);
  assert.equal(hasNoDevices(mountinfo, '/tmpfiles'), false);
  assert.equal(hasNoDevices(mountinfo, '/tmp/with space/tvm'), false);
  assert.equal(hasNoDevices(mountinfo, '/srv/tvm'), true, 'the later mount hides the earlier');
  assert.equal(hasNoDevices('', '/'), false);
});

test('without a jailer that fits, what is required is refused and what may be is said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tvm-find-jail-'));
  try {
    const jailer = join(folder, 'jailer');
    const users = { first: 200_000, last: 299_999 };
    const deps = { jailer, firecracker: '/opt/firecracker', version: '1.16.1', stateFolder: '/' };
    const find = (mode: 'auto' | 'require' | 'off') => findJail({ ...deps, confinement: { mode, users } });
    const isRoot = process.getuid?.() === 0;
    const reasons = async (pattern: RegExp) => {
      const wanted = isRoot ? pattern : /wants root/;
      const found = await find('auto');
      assert.equal(found.jail, undefined);
      assert.match(found.unjailed, wanted);
      await assert.rejects(find('require'), {
        code: 'failed_precondition',
        reason: 'ConfinementMissing',
        message: wanted,
      });
    };
    await reasons(/no jailer .* can be run/);
    await writeFile(jailer, '#!/bin/sh\necho "Jailer v1.15.0"\n', { mode: 0o755 });
    await reasons(/of version 1\.15\.0, Firecracker of 1\.16\.1/);
    assert.deepEqual(await find('off'), { jail: undefined, unjailed: 'TVM_CONFINEMENT=off' });
    await writeFile(jailer, '#!/bin/sh\necho "Jailer v1.16.1"\n', { mode: 0o755 });
    if (isRoot) assert.equal((await find('require')).jail?.jailer, jailer);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
