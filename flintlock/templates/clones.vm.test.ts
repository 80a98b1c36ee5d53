// Real machines that start from one template: each must be somebody else, and live in the present.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { openFlintlock, type RunningFlintlock } from '../flintlock.ts';
import { makeTestClient, type TestClient, untilState, untilTemplate } from '../testing/flintlock-harness.ts';
import { chooseDriver } from '../vmm/choose.ts';

const cloneCount = 50;
const atOnce = 4;
/** How late the time may arrive in the guest on a loaded host. */
const clockErrorMs = 1_000;
const log = makeLogger('flintlock', 'warn');

let home: string;
let flintlock: RunningFlintlock;
let client: TestClient;

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'tvm-'));
  const settings = readConfig();
  const { cacheDir, kernel, limits, bootTimeoutMs } = settings;
  const stateFolder = join(home, 'flintlock');
  const rest = { limits, bootTimeoutMs, nodeName: 'clones', stateFolder, templates: true };
  flintlock = await openFlintlock({
    config: { ...rest, listen: `unix:${home}/run/flintlock.sock` },
    driver: await chooseDriver({ ...settings, stateFolder, log }),
    images: makeImageStore({ cacheDir, kernel, log }),
    log,
  });
  client = makeTestClient(flintlock.address);
});
after(async () => {
  const { machines = [] } = (await client?.flintlock.listMachines({})) ?? {};
  for (const { uid } of machines) await client.flintlock.destroyMachine({ uid });
  client?.[Symbol.dispose]();
  await flintlock?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

async function run(uid: string, argv: string[], path: string, code: string, interpreter: string): Promise<string> {
  const process = { argv: [...argv, path], files: [{ path, content: new TextEncoder().encode(code) }], interpreter };
  const requests = (async function* () {
    yield { body: { case: 'start' as const, value: { uid, process } } };
  })();
  let [stdout, stderr] = ['', ''];
  for await (const { output } of client.flintlock.exec(requests)) {
    if (output?.body.case === 'stdout') stdout += Buffer.from(output.body.value).toString();
    if (output?.body.case === 'stderr') stderr += Buffer.from(output.body.value).toString();
    if (output?.body.case === 'exited') assert.equal(output.body.value.code, 0, stderr);
  }
  return stdout;
}

const pythonDraws = `
import json, os, random, secrets, socket, subprocess, tempfile, time, uuid
def of(path): return open(path).read().strip()
print(json.dumps({
  "now": time.time() * 1000, "monotonic order": time.monotonic() <= time.monotonic(),
  "random": random.random(), "shuffle": random.sample(range(10**9), 5), "urandom": os.urandom(16).hex(),
  "getrandom": os.getrandom(16).hex(), "uuid4": str(uuid.uuid4()), "uuid1": str(uuid.uuid1()), "key": secrets.token_hex(32),
  "SystemRandom": random.SystemRandom().random(), "temporary name": tempfile.mktemp(),
  "kernel uuid": of("/proc/sys/kernel/random/uuid"), "boot id": of("/proc/sys/kernel/random/boot_id"),
  "machine id": of("/etc/machine-id"), "host name": socket.gethostname(),
  "another python": subprocess.check_output(["python3", "-c", "import random; print(random.random())"]).decode(),
  "shell": subprocess.check_output(["bash", "-c", "echo $RANDOM$RANDOM$RANDOM$SRANDOM"]).decode(),
}))`;

const nodeDraws = `
const { generateKeyPairSync, randomBytes, randomUUID, webcrypto } = require('node:crypto');
console.log(JSON.stringify({
  now: Date.now(), random: [Math.random(), Math.random()], uuid: randomUUID(), bytes: randomBytes(16).toString('hex'),
  key: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
  web: webcrypto.getRandomValues(new Uint8Array(16)).join(),
}));`;

type Draws = Record<string, unknown> & { now: number };

/** Starts clones that wait, lets each draw, and ends it. */
async function draw(spec: object, count: number, ask: (uid: string) => Promise<string>): Promise<Draws[]> {
  const draws: Draws[] = [];
  const names = Array.from({ length: count }, (_, index) => `clone-${index}`);
  const worker = async () => {
    for (let uid = names.pop(); uid; uid = names.pop()) {
      await client.flintlock.createMachine({ uid, spec: { ...spec, standby: true } });
      const machine = await untilState(client.flintlock, uid, MachineState.PAUSED);
      assert.equal(machine.restored, true);
      const beganMs = Date.now();
      const drawn: Draws = JSON.parse(await ask(uid));
      assert.ok(drawn.now > beganMs - clockErrorMs, `the clock is ${beganMs - drawn.now} ms behind`);
      assert.ok(drawn.now < Date.now() + clockErrorMs, `the clock is ${drawn.now - Date.now()} ms ahead`);
      draws.push(drawn);
      await client.flintlock.destroyMachine({ uid, generation: 1n });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return draws;
}

function assertAllDiffer(draws: Draws[], constant: string[]): void {
  for (const key of Object.keys(draws[0] ?? {})) {
    if (constant.includes(key)) continue;
    const values = draws.map((drawn) => JSON.stringify(drawn[key]));
    assert.equal(new Set(values).size, values.length, `${key} repeats: ${values.slice(0, 5)}`);
  }
}

async function makeTemplate(spec: { image: string; cpus: number; memoryMib: number; interpreter: string }) {
  await client.flintlock.createMachine({ uid: 'first', spec });
  await untilState(client.flintlock, 'first', MachineState.RUNNING);
  await untilTemplate(client.flintlock, spec.image);
  await client.flintlock.destroyMachine({ uid: 'first', generation: 1n });
}

test('50 clones draw different random numbers, UUIDs and keys, are named differently, and know the time', async () => {
  const spec = { image: 'tvm/python', cpus: 1, memoryMib: 192, interpreter: 'python' };
  await makeTemplate(spec);
  const draws = await draw(spec, cloneCount, (uid) =>
    run(uid, ['python3', '-u'], '/tmp/main.py', pythonDraws, 'python'),
  );
  assert.equal(draws.length, cloneCount);
  assertAllDiffer(draws, ['monotonic order']);
});

test('clones with a waiting Node.js draw different numbers and keys', async () => {
  const spec = { image: 'tvm/node', cpus: 1, memoryMib: 256, interpreter: 'node' };
  await makeTemplate(spec);
  assertAllDiffer(await draw(spec, 8, (uid) => run(uid, ['node'], '/tmp/main.js', nodeDraws, 'node')), ['now']);
});
