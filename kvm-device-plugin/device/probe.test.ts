import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { probeDevice } from './probe.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-probe-'));
after(() => rmSync(folder, { recursive: true }));

const refusing = (code: string) => async () => {
  throw Object.assign(new Error(code), { code });
};

test('a device that opens is healthy, also behind a link', async () => {
  const link = join(folder, 'link');
  symlinkSync('/dev/null', link);
  assert.deepEqual(await probeDevice('/dev/null'), { healthy: true });
  assert.deepEqual(await probeDevice(link), { healthy: true });
});

test('what is no device is none, and its path is told', async () => {
  const file = join(folder, 'file');
  const dangling = join(folder, 'dangling');
  writeFileSync(file, '');
  symlinkSync('/nowhere/at/all', dangling);
  for (const path of [file, folder, join(folder, 'absent'), join(file, 'below'), dangling]) {
    const health = await probeDevice(path);
    assert.equal(health.healthy, false);
    assert.ok(!health.healthy && health.reason.includes(path));
  }
});

test('a device that cannot be opened is unhealthy, with the reason', async () => {
  for (const code of ['ENODEV', 'ENXIO', 'EBUSY', 'EIO', 'EMFILE']) {
    const health = await probeDevice('/dev/null', { tryOpen: refusing(code) });
    assert.ok(!health.healthy && health.reason.includes(code), JSON.stringify(health));
  }
});

test('a device that this process may not open is judged by its driver', async () => {
  const registeredFolder = join(folder, 'char');
  mkdirSync(registeredFolder);
  for (const code of ['EPERM', 'EACCES']) {
    const options = { tryOpen: refusing(code) };
    assert.deepEqual(await probeDevice('/dev/null', options), { healthy: true });
    const health = await probeDevice('/dev/null', { ...options, registeredFolder });
    assert.ok(
      !health.healthy && /no driver has registered|no driver serves/.test(health.reason),
      JSON.stringify(health),
    );
  }
  writeFileSync(join(registeredFolder, '1:3'), '');
  assert.deepEqual(await probeDevice('/dev/null', { tryOpen: refusing('EPERM'), registeredFolder }), { healthy: true });
});
