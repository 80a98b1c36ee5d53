import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { KubeletFake } from '../testing/kubelet-fake.ts';
import { quickClock } from '../testing/quick-clock.ts';
import { until } from '../testing/until.ts';
import { Registrar } from './registrar.ts';

const calls = {
  async *listAndWatch(signal: AbortSignal) {
    yield { devices: [{ id: 'kvm-0', health: 'Healthy' }] };
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  },
  allocate: async () => ({ containerResponses: [] }),
};

interface Setting {
  fake: KubeletFake;
  folder: string;
  registrar: Registrar;
  results: string[];
  sockets(): string[];
  stop(): Promise<void>;
}

function setting(t: TestContext): Setting {
  const home = mkdtempSync(join(tmpdir(), 'tvm-registrar-'));
  const folder = join(home, 'device-plugins');
  const fake = new KubeletFake(home);
  const results: string[] = [];
  const registrar = new Registrar({
    kubeletFolder: home,
    calls,
    clock: quickClock,
    log: makeLogger('test', 'silent'),
    onRegistered: (result) => results.push(result),
  });
  const stopping = new AbortController();
  const run = registrar.run(stopping.signal);
  const stop = () => {
    stopping.abort();
    return run;
  };
  t.after(async () => {
    await stop();
    await fake.stop();
    rmSync(home, { recursive: true });
  });
  const sockets = () => (existsSync(folder) ? readdirSync(folder).filter((name) => name !== 'kubelet.sock') : []);
  return { fake, folder, registrar, results, sockets, stop };
}

const untilPhase = ({ registrar }: Setting, phase: string) => until(phase, () => registrar.phase === phase);

test('a folder that does not exist is told, and waited for', async (t) => {
  const here = setting(t);
  await untilPhase(here, 'no folder');
  mkdirSync(here.folder);
  await untilPhase(here, 'no kubelet');
  assert.deepEqual(here.sockets(), []);
  await here.fake.start();
  await untilPhase(here, 'registered');
});

test('a kubelet that refuses is asked again, with another socket each time, until it accepts', async (t) => {
  const here = setting(t);
  here.fake.refusal = 'the resource name is taken';
  await here.fake.start();
  await until('some refusals', () => here.fake.registrations >= 4);
  here.fake.refusal = undefined;
  await untilPhase(here, 'registered');
  assert.equal(here.results.at(-1), 'ok');
  assert.ok(here.results.filter((result) => result === 'failed').length >= 4);
  assert.equal(here.sockets().length, 1);
});

test('a kubelet that accepts and does not watch is asked again', async (t) => {
  const here = setting(t);
  here.fake.inattentive = true;
  await here.fake.start();
  await until('a second registration', () => here.fake.registrations >= 2);
  here.fake.inattentive = false;
  await untilPhase(here, 'registered');
});

test('a watch that the kubelet ends is asked for again', async (t) => {
  const here = setting(t);
  await here.fake.start();
  for (let round = 1; round <= 5; round += 1) {
    await until('allocatable', () => here.registrar.phase === 'registered' && here.fake.status.allocatable === 1);
    here.fake.disconnect();
    await until('the end', () => here.fake.registrations > round || here.registrar.phase !== 'registered');
  }
  await until('allocatable', () => here.fake.status.allocatable === 1);
});

test('what only looks like a socket of a plugin is left alone', async (t) => {
  const here = setting(t);
  mkdirSync(here.folder);
  const strange = ['tvm-kvm-0000000000000-00000000.sock', 'tvm-kvm-0000000000001-00000000.sock', 'other.txt'];
  const [file = '', directory = '', other = ''] = strange.map((name) => join(here.folder, name));
  writeFileSync(file, '');
  writeFileSync(other, '');
  mkdirSync(directory);
  await here.fake.start();
  await untilPhase(here, 'registered');
  assert.ok(strange.every((name) => here.sockets().includes(name)));
});

test('many plugins that start at once agree on one, and each end is followed by the next', async (t) => {
  const here = setting(t);
  const home = join(here.folder, '..');
  const log = makeLogger('test', 'silent');
  const more = Array.from({ length: 3 }, () => {
    const stopping = new AbortController();
    const registrar = new Registrar({ kubeletFolder: home, calls, clock: quickClock, log });
    const run = registrar.run(stopping.signal);
    const stop = () => {
      stopping.abort();
      return run;
    };
    t.after(stop);
    return { registrar, stop };
  });
  let all = [...more, { registrar: here.registrar, stop: here.stop }];
  await here.fake.start();
  while (all.length > 0) {
    const serving = await until('one serves, the others stand by', () => {
      const [first, ...others] = all.filter(({ registrar }) => registrar.phase === 'registered');
      const waiting = all.filter(({ registrar }) => registrar.phase === 'standing by');
      return others.length === 0 && waiting.length === all.length - 1 && here.fake.status.allocatable === 1 && first;
    });
    await serving.stop();
    all = all.filter((each) => each !== serving);
  }
  assert.deepEqual(here.sockets(), []);
});

test('the end leaves no socket, whatever it was doing', async (t) => {
  for (const phase of ['no kubelet', 'backing off', 'registered'] as const) {
    const here = setting(t);
    mkdirSync(here.folder);
    if (phase === 'backing off') here.fake.refusal = 'no';
    if (phase !== 'no kubelet') await here.fake.start();
    await untilPhase(here, phase);
    await here.stop();
    assert.deepEqual(here.sockets(), []);
  }
});
