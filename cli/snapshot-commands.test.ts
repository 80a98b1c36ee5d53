// vvm snapshot, fork and pool as processes against a server that gives the answers of the contract.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Answers, problem, runAgainst } from './client/testing/answering-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-snapshots-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const vvm = (argv: string[], answers: Answers) => runAgainst(folder, argv, answers);

const about = { namespace: 'default', uid: 'u', createdAt: '2030-01-01T00:00:00Z' };
const spec = { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running' };
const machine = (name: string, phase: string) => ({
  ...about,
  name,
  deleting: false,
  labels: {},
  spec,
  status: { phase },
});
const ready = (message: string) => [
  { type: 'Ready', status: 'True', reason: 'Ready', message, lastTransitionTime: '2030-01-01T00:00:00Z' },
];
const taken = { phase: 'Ready', readyToUse: true, sizeBytes: 2_097_152, hosts: ['n'], image: 'i', cpu: 2, memory: 512 };
const snapshot = (status: object) => ({
  ...about,
  name: 'one',
  deleting: false,
  microVM: 'demo',
  deletionPolicy: 'Delete',
  status,
});

test('snapshot create waits until it is there; a failure is told with what to do', async () => {
  const path = 'GET /v1/snapshots/one?namespace=default';
  const writing = snapshot({ phase: 'InProgress', conditions: ready('being written') });
  const made = await vvm(['snapshot', 'create', 'demo', 'one', '--retain'], {
    'POST /v1/microvms/demo/snapshot': [[201, snapshot({})]],
    [path]: [
      [200, writing],
      [200, snapshot(taken)],
    ],
  });
  assert.deepEqual([made.code, made.stdout], [0, 'one\n']);
  assert.match(made.stderr, /one: being written/);
  assert.deepEqual(made.asked[0]?.body, { name: 'one', deletionPolicy: 'Retain' });
  const failed = await vvm(['snapshot', 'create', 'demo', 'one'], {
    'POST /v1/microvms/demo/snapshot': [[201, snapshot({})]],
    [path]: [[200, snapshot({ phase: 'Failed', conditions: ready('no space left') })]],
  });
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /snapshot one failed: no space left/);
});

test('snapshot list, restore, delete', async () => {
  const listed = await vvm(['snapshot', 'list'], { 'GET /v1/snapshots': [[200, { items: [snapshot(taken)] }]] });
  assert.match(listed.stdout, /^NAME +MACHINE +GEN +PHASE +SIZE +HOSTS +AGE\none +demo +- +Ready +2 MiB +n /);
  const restored = await vvm(['snapshot', 'restore', 'one', 'again', '-e', 'A=b'], {
    'GET /v1/snapshots/one': [[200, snapshot(taken)]],
    'POST /v1/microvms': [[201, machine('again', 'Pending')]],
    'GET /v1/microvms/again?namespace=default': [[200, machine('again', 'Running')]],
  });
  assert.deepEqual([restored.code, restored.stdout], [0, 'again\n']);
  const wanted = { image: 'i', cpu: 2, memory: 512, snapshot: 'one', env: [{ name: 'A', value: 'b' }] };
  assert.deepEqual(restored.asked[1]?.body, { name: 'again', spec: wanted });
  const early = await vvm(['snapshot', 'restore', 'one'], {
    'GET /v1/snapshots/one': [[200, snapshot({ phase: 'InProgress' })]],
  });
  assert.deepEqual([early.code, early.asked.length], [1, 1]);
  assert.match(early.stderr, /snapshot one is InProgress/);
  const deleted = await vvm(['snapshot', 'delete', 'one'], {
    'DELETE /v1/snapshots/one': [[202, snapshot(taken)]],
    'GET /v1/snapshots/one': [
      [200, snapshot(taken)],
      [404, problem('not_found', 'gone')],
    ],
  });
  assert.deepEqual([deleted.code, deleted.stdout], [0, '']);
});

test('fork prints the machines once all run, and says how many do', async () => {
  const items = [machine('a', 'Pending'), machine('b', 'Pending')];
  const forked = await vvm(['fork', 'demo', 'a', 'b', '-o', 'json'], {
    'POST /v1/microvms/demo/fork': [[201, { snapshot: 's', items }]],
    'GET /v1/microvms/a?namespace=default': [[200, machine('a', 'Running')]],
    'GET /v1/microvms/b?namespace=default': [
      [200, machine('b', 'Creating')],
      [200, machine('b', 'Running')],
    ],
  });
  assert.equal(forked.code, 0, forked.stderr);
  const printed = JSON.parse(forked.stdout) as { items: { name: string; status: { phase: string } }[] };
  assert.deepEqual(
    printed.items.map(({ name, status }) => `${name} ${status.phase}`),
    ['a Running', 'b Running'],
  );
  assert.match(forked.stderr, /1 of 2 run/);
  assert.deepEqual(forked.asked[0]?.body, { names: ['a', 'b'] });
  const refused = await vvm(['fork', 'demo', '-c', '3'], {
    'POST /v1/microvms/demo/fork': [[412, problem('failed_precondition', 'MicroVM demo is Stopped')]],
  });
  assert.deepEqual([refused.code, refused.asked[0]?.body], [1, { count: 3 }]);
  assert.match(refused.stderr, /MicroVM demo is Stopped/);
});

test('pool create, scale, list, delete', async () => {
  const pool = {
    ...about,
    name: 'busy',
    spec: { minReady: 4, template: { spec: { image: 'tvm/python', cpu: 1, memory: 256 } } },
    status: { ready: 3, conditions: [{ ...ready('3 of 4 machines wait')[0], reason: 'NoRoom', status: 'False' }] },
  };
  const created = await vvm(['pool', 'create', 'busy', '--min', '4'], { 'POST /v1/pools': [[201, pool]] });
  assert.deepEqual([created.code, created.stdout], [0, 'busy\n']);
  assert.deepEqual(created.asked[0]?.body, { name: 'busy', spec: pool.spec });
  const scaled = await vvm(['pool', 'scale', 'busy', '--min', '0'], { 'POST /v1/pools/busy/scale': [[200, pool]] });
  assert.deepEqual([scaled.code, scaled.asked[0]?.body], [0, { minReady: 0 }]);
  const listed = await vvm(['pool', 'list', '-o', 'wide'], { 'GET /v1/pools': [[200, { items: [pool] }]] });
  assert.match(listed.stdout, /busy +tvm\/python +1 +256 MB +4 +- +3 +NoRoom .* 3 of 4 machines wait\n$/);
  const deleted = await vvm(['pool', 'delete', 'busy'], { 'DELETE /v1/pools/busy': [[202, pool]] });
  assert.equal(deleted.code, 0);
});
