// The suite of all drivers against a real Firecracker. Needs KVM: test/firecracker/ brings a machine that has it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../../config.ts';
import { describeDriver } from '../conformance.ts';
import { makeFirecrackerDriver } from './driver.ts';
import { findJail } from './find-jail.ts';
import { firecrackerVersion } from './host.ts';
import type { ApiRequest } from './requests.ts';
import { makeRequestCheck } from './testing/openapi.ts';

const config = readConfig();
const log = makeLogger('flintlock', 'warn');
const images = makeImageStore({ cacheDir: config.cacheDir, log, kernel: config.kernel });
const program = config.firecracker;

async function spec() {
  const { path } = await images.ensure('tvm/python', () => {});
  return { cpus: 1, memoryMiB: 128, rootDiskPath: path, boot: await images.bootFiles(() => {}) };
}

const sent: ApiRequest[] = [];
const onRequest = (request: ApiRequest) => void sent.push(request);

async function driverIn(stateFolder: string, confinement: 'require' | 'off', diffSnapshots: boolean) {
  const { firecracker, jailer } = config;
  const version = await firecrackerVersion(firecracker);
  const settings = { ...config.confinement, mode: confinement };
  const found = await findJail({ jailer, firecracker, version, confinement: settings, stateFolder });
  const memory = { trackDirtyPages: diffSnapshots, hugePages: false };
  return makeFirecrackerDriver({
    ...found,
    program,
    version,
    cachePath: join(stateFolder, 'kvm.json'),
    memory,
    log,
    onRequest,
  });
}

describeDriver('firecracker', (stateFolder) => ({
  driver: () => driverIn(stateFolder, 'off', false),
  spec,
  bootTimeoutMs: 120_000,
}));

describeDriver('firecracker in a jail, with snapshots of what changed', (stateFolder) => ({
  driver: () => driverIn(stateFolder, 'require', true),
  spec,
  bootTimeoutMs: 120_000,
}));

const description = process.env.FIRECRACKER_OPENAPI;
test('everything that was asked is as the API is described', {
  skip: !description && 'wants FIRECRACKER_OPENAPI',
}, () => {
  const check = makeRequestCheck(description ?? '');
  assert.deepEqual(new Set(sent.flatMap(check)), new Set());
  assert.ok(sent.length > 50);
});
