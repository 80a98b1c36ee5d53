// Machines as Kubernetes objects, by an ordinary kubectl against the service.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readConfig } from '../config.ts';
import { filesBelow, processesOf } from './host-facts.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let service: Service;

before(async () => {
  service = await startService();
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
});

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await service.kubectl(...args);
  assert.equal(code, 0, `kubectl ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

const apply = (object: object) => service.ok(['kubectl', 'apply', '-f', '-'], { stdin: JSON.stringify(object) });
const phaseOf = (name: string) => kubectl('get', 'microvm', name, '-o', 'jsonpath={.status.phase}');
const untilPhase = (name: string, phase: string) =>
  kubectl('wait', `microvm/${name}`, `--for=jsonpath={.status.phase}=${phase}`, '--timeout=90s');

function microVm(name: string, spec: object = {}) {
  return {
    apiVersion: 'vvm.tvm.github.com/v1alpha1',
    kind: 'MicroVM',
    metadata: { name },
    spec: { image: 'tvm/python', cpu: 1, memory: 192, ...spec },
  };
}

test('the examples are applied, run, and are shown with columns and Events', async () => {
  const examples = join(readConfig().root, 'deploy/examples');
  await kubectl('apply', '-f', examples);
  await untilPhase('demo', 'Running');
  await kubectl('wait', 'microvm/demo', '--for=condition=Ready', '--timeout=60s');
  const [header = '', row = ''] = (await kubectl('get', 'microvms')).split('\n');
  assert.match(header, /^NAME\s+PHASE\s+IMAGE\s+CPU\s+MEMORY\s+HOST\s+BOOT-MS\s+REASON\s+AGE/);
  assert.match(row, /^demo\s+Running\s+tvm\/python\s+1\s+256\s+\S+\s+\d+\s+Running\s+\d+/);
  assert.match(await kubectl('get', 'mcpsessions'), /^demo\s/m);
  const described = await until('an Event tells of the start', async () => {
    const text = await kubectl('describe', 'microvm', 'demo');
    return /Events:\n.*Type.*Reason.*Normal\s+\w+/s.test(text) && text;
  });
  assert.match(described, /Finalizers:\s+vvm\.tvm\.github\.com\/machine/);
  assert.equal(await service.ok(['exec', 'demo', '--', 'hostname']), 'demo\n');
  const again = await kubectl('apply', '-f', examples);
  assert.match(again, /microvm\S* unchanged/);
});

test('what a machine is made of cannot be edited; what it should do can', async () => {
  const refused = await service.kubectl('patch', 'microvm', 'demo', '--type=merge', '-p', '{"spec":{"memory":512}}');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /memory is immutable/);
  for (const [state, phase] of [
    ['Paused', 'Paused'],
    ['Running', 'Running'],
    ['Stopped', 'Stopped'],
    ['Running', 'Running'],
  ] as const) {
    await kubectl('patch', 'microvm', 'demo', '--type=merge', '-p', JSON.stringify({ spec: { desiredState: state } }));
    await untilPhase('demo', phase);
  }
});

test('kubectl delete waits until the machine is gone', async () => {
  const bootId = (await service.ok(['exec', 'demo', '--', 'cat', '/proc/sys/kernel/random/boot_id'])).trim();
  await kubectl('delete', 'microvm', 'demo', '--timeout=60s');
  await service.untilGone(bootId);
  assert.equal((await service.kubectl('get', 'microvm', 'demo')).code, 1);
  await kubectl('delete', 'mcpsession', 'demo', '--timeout=60s');
});

test('a Secret reaches the guest and nothing else', async () => {
  const value = `hidden-${crypto.randomUUID()}`;
  await apply(
    microVm('secretive', { env: [{ name: 'OPEN', value: 'o' }], envFrom: [{ secretRef: { name: 'keys' } }] }),
  );
  await until('it waits for its Secret', async () =>
    (await kubectl('get', 'microvm', 'secretive', '-o', 'yaml')).includes('SecretNotFound'),
  );
  const stringData = { API_KEY: value, OPEN: 'not this' };
  await apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData });
  await untilPhase('secretive', 'Running');
  assert.equal(await service.ok(['exec', 'secretive', '--', 'sh', '-c', 'echo $API_KEY $OPEN']), `${value} o\n`);
  const kept = filesBelow(service.home).filter((file) => !file.startsWith('apiserver/state.db'));
  const leaks = kept.filter((file) => !file.endsWith('/memory') && holds(join(service.home, file), value));
  assert.deepEqual(leaks, []);
  assert.deepEqual(
    processesOf(service.home).filter(
      ({ pid }) => holds(`/proc/${pid}/cmdline`, value) || holds(`/proc/${pid}/environ`, value),
    ),
    [],
  );
  assert.ok(!(await kubectl('get', 'microvm,events', '-o', 'yaml')).includes(value));
  await kubectl('delete', 'microvm/secretive', 'secret/keys', '--timeout=60s');
});

function holds(path: string, text: string): boolean {
  try {
    return readFileSync(path).includes(text);
  } catch {
    return false; // a socket, or gone
  }
}

test('a machine whose time to live has passed is deleted', async () => {
  await apply(microVm('brief', { ttlSeconds: 3 }));
  await kubectl('wait', 'microvm/brief', '--for=delete', '--timeout=60s');
  await until('its VMM is gone', () =>
    service.vmms().every(({ folder }) => !holds(join(folder, 'machine.json'), 'brief')),
  );
});

test('what cannot be is refused by the API, or told in conditions', async () => {
  for (const [spec, words] of [
    [{ memory: 0 }, /memory.*64/],
    [{ memory: -1 }, /memory/],
    [{ cpu: 0 }, /cpu/],
    [{ cpu: 33 }, /cpu.*32/],
    [{ image: '' }, /image/],
    [{ surprise: true }, /surprise/],
    [{ desiredState: 'Dancing' }, /desiredState/],
  ] as const) {
    const { code, stderr } = await service.vvm(['kubectl', 'create', '-f', '-'], {
      stdin: JSON.stringify(microVm('bad', spec)),
    });
    assert.equal(code, 1, JSON.stringify(spec));
    assert.match(stderr, words);
  }
  await apply(microVm('vast', { memory: 1_048_576 }));
  await until('it is told that no node is large enough', async () =>
    (await kubectl('get', 'microvm', 'vast', '-o', 'jsonpath={.status.reason} {.status.message}')).startsWith(
      'TooLarge',
    ),
  );
  assert.equal(await phaseOf('vast'), 'Pending');
  await kubectl('delete', 'microvm', 'vast', '--timeout=60s');
});
