// Images by their names: what is asked for is what runs, or the registry's own words say why not.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { makeImageStore } from '@tvm/images/store.ts';
import { configWith, freePort, startRegistry, type TestRegistry } from '@tvm/images/testing/registry.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { busyboxLayer } from './busybox-image.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let registry: TestRegistry;
let closed: TestRegistry;
let service: Service;
let image: string;
const osRelease = `NAME="Ubuntu"\nVERSION_ID="20.04"\nBUILD_ID=${randomUUID()}\n`;

before(async () => {
  registry = await startRegistry();
  image = `${registry.host}/ubuntu:20.04`;
  registry.push('ubuntu:20.04', [busyboxLayer(osRelease)], { Env: ['FROM_IMAGE=yes'] });
  registry.push('app:1', [busyboxLayer(osRelease, 'app:x:1000:1000::/home/app:/bin/sh\n')], {
    Env: ['MODE=image', 'KEPT=yes'],
    User: 'app',
    WorkingDir: '/srv/app',
    Entrypoint: ['/bin/sh', '-c', 'echo "$0" "$@" $MODE $KEPT $(pwd) $(id -u)', 'entry'],
    Cmd: ['from', 'cmd'],
  });
  closed = await startRegistry({ auth: true });
  closed.push('private:1', [busyboxLayer(osRelease)]);
  service = await startService();
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  await closed?.[Symbol.asyncDispose]();
  const store = makeImageStore({ cacheDir: readConfig().cacheFolder, log: makeLogger('test', 'silent') });
  for (const { reference } of await store.list()) {
    const [host] = reference.split('/');
    if (host === registry.host || host === closed.host) await store.remove(reference);
  }
});

const runIn = (name: string, code: string, ...options: string[]) =>
  service.vvm(['execute', '--image', name, '--language', 'bash', ...options, code]);

async function failureOf(name: string): Promise<Problem> {
  const { code, stdout, stderr } = await runIn(name, 'echo never', '--json');
  assert.equal(code, 125, stderr);
  const { error } = JSON.parse(stdout) as { error: Problem };
  assert.match(stderr, /^vvm: /m);
  return error;
}

test('ubuntu:20.04 of a registry is what runs, executed and declared', async () => {
  const executed = await runIn(image, 'cat /etc/os-release');
  assert.deepEqual([executed.code, executed.stdout], [0, osRelease], executed.stderr);
  await service.ok(['create', 'focal', '--image', image, '--memory', '128']);
  assert.equal(await service.ok(['exec', 'focal', '--', 'cat', '/etc/os-release']), osRelease);
  assert.equal(await service.ok(['exec', 'focal', '--', 'id', '-u']), '0\n');
  await service.ok(['delete', 'focal']);
});

test('a language that the image has no interpreter for is said so', async () => {
  const { code, stderr } = await service.vvm(['execute', '--image', image, 'print(1)']);
  assert.equal(code, 127);
  assert.match(stderr, /start "python3": No such file/);
});

test('what the registry does not have is told in its words, with a code', async () => {
  const tag = await failureOf(`${registry.host}/ubuntu:99.99`);
  assert.deepEqual([tag.code, tag.reason], ['not_found', 'ImagePullFailed']);
  assert.match(tag.detail, /ubuntu:99\.99.*manifest unknown/);
  const repository = await failureOf(`${registry.host}/nothing:1`);
  assert.equal(repository.code, 'not_found');
  assert.match(repository.detail, /unknown/);
  const nobody = await failureOf(`127.0.0.1:${await freePort()}/x:1`);
  assert.equal(nobody.code, 'unavailable');
  assert.match(nobody.detail, /connection refused/);
});

test('names that are none are refused before anything is pulled', async () => {
  for (const name of ['tvm/cobol', '../../etc/passwd', 'a b', '$(id)', '-x', 'x@sha256:12', 'docker.io/UPPER:1']) {
    const error = await failureOf(name);
    assert.deepEqual([error.code, error.reason], ['invalid_argument', 'InvalidImageReference'], name);
  }
});

test('a declared machine waits for its image and starts once the registry has it', async () => {
  await service.ok(['create', 'late', '--image', `${registry.host}/late:1`, '--memory', '128', '--no-wait']);
  const get = async () => JSON.parse(await service.ok(['get', 'late', '-o', 'json']));
  const { status } = await until('the reason is told', async () => {
    const object = await get();
    return object.status?.reason === 'ImagePullFailed' && object;
  });
  assert.match(status.message, /manifest unknown|name unknown/);
  registry.push('late:1', [busyboxLayer(osRelease)]);
  await until('it runs', async () => (await get()).status?.phase === 'Running', 90_000);
  assert.equal(await service.ok(['exec', 'late', '--', 'cat', '/etc/os-release']), osRelease);
});

const whoAndWhere = ['sh', '-c', 'echo $MODE $KEPT $(pwd) $(id -u)'];

test('environment, user and folder of an image are the defaults of all its programs, from a template too', async () => {
  const name = `${registry.host}/app:1`;
  await service.ok(['create', 'app', '--image', name, '--memory', '128', '--env', 'MODE=mine']);
  assert.equal(await service.ok(['exec', 'app', '--', ...whoAndWhere]), 'mine yes /srv/app 1000\n');
  assert.equal(await service.ok(['exec', 'app', '--user', 'root', '--', 'id', '-u']), '0\n');
  assert.equal(await service.ok(['exec', 'app', '--workdir', '/tmp', '--', 'pwd']), '/tmp\n');
  await until(
    'an execute starts from a template',
    async () => {
      const { stdout, stderr } = await runIn(name, 'echo $MODE $KEPT $(pwd) $(id -u)', '--memory', '128', '--json');
      const answer = JSON.parse(stdout);
      assert.equal(answer.stdout, 'image yes /srv/app 1000\n', stderr);
      return answer.machine.start !== 'booted';
    },
    120_000,
  );
  await service.ok(['delete', 'app']);
});

test("the image's own command on request, args for its entrypoint, or a command in its place", async () => {
  const rows = [
    [{ args: ['a', 'b'] }, 'entry a b image yes /srv/app 1000'],
    [{ command: ['/bin/echo', 'own'], args: ['c'] }, 'own c'],
    [{ runEntrypoint: true }, 'entry from cmd image yes /srv/app 1000'],
  ] as const;
  for (const [index, [run, expected]] of rows.entries()) {
    const spec = { image: `${registry.host}/app:1`, cpu: 1, memory: 128, ...run };
    const name = `run-${index}`;
    const object = { apiVersion: 'vvm.tvm.github.com/v1alpha1', kind: 'MicroVM', metadata: { name }, spec };
    await service.ok(['kubectl', 'apply', '-f', '-'], { stdin: JSON.stringify(object) });
    const get = async () => JSON.parse(await service.ok(['get', name, '-o', 'json']));
    await until('it has ended', async () => (await get()).status?.phase === 'Stopped', 60_000);
    assert.match(await service.ok(['logs', name]), new RegExp(`^${expected}$`, 'm'));
    await service.ok(['delete', name]);
  }
});

test('a private image is for those whose Secret opens it, cached or not', async () => {
  const name = `${closed.host}/private:1`;
  const secret = (text: string, type: string) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'pull' },
      type,
      stringData: { '.dockerconfigjson': text },
    });
  const apply = (text: string) => service.ok(['kubectl', 'apply', '-f', '-'], { stdin: text });
  const reasonOf = (machine: string, reason: string) =>
    until(`${machine} says ${reason}`, async () => {
      const { status } = JSON.parse(await service.ok(['get', machine, '-o', 'json']));
      return status?.reason === reason && status.message;
    });
  const create = (machine: string, ...options: string[]) =>
    service.ok(['create', machine, '--image', name, '--memory', '128', '--no-wait', ...options]);
  await create('alone');
  assert.match(await reasonOf('alone', 'ImagePullFailed'), /unauthorized|authentication required/);
  await create('mine', '--pull-secret', 'pull');
  assert.match(await reasonOf('mine', 'SecretNotFound'), /waits for Secret pull/);
  await apply(secret('{}', 'Opaque'));
  await until('the wrong type is told', async () => /not of type/.test(await reasonOf('mine', 'SecretNotFound')));
  await service.ok(['kubectl', 'delete', 'secret', 'pull']);
  await apply(secret(configWith(closed.host), 'kubernetes.io/dockerconfigjson'));
  await until('it runs', async () => /"Running"/.test(await service.ok(['get', 'mine', '-o', 'json'])), 90_000);
  await create('other');
  assert.match(await reasonOf('other', 'ImageAccessDenied'), /were not accepted/);
  const executed = await failureOf(name);
  assert.deepEqual([executed.code, executed.reason], ['permission_denied', 'ImageAccessDenied']);
  const allowed = await runIn(name, 'cat /etc/os-release', '--pull-secret', 'pull', '--memory', '128');
  assert.deepEqual([allowed.code, allowed.stdout], [0, osRelease], allowed.stderr);
  await service.ok(['pool', 'create', 'private', '--image', name, '--memory', '128', '--pull-secret', 'pull']);
  const ready = async () => / 1 {2,}Ready/.test(await service.ok(['pool', 'list']));
  await until('a machine waits', ready, 90_000);
  const denied = await runIn(name, 'id', '--memory', '128', '--json');
  assert.match(denied.stdout, /ImageAccessDenied/, 'what waits is not for whoever names no Secret');
  const { machine } = JSON.parse(
    (await runIn(name, 'id', '--memory', '128', '--pull-secret', 'pull', '--json')).stdout,
  );
  assert.equal(machine.start, 'warm');
  await service.ok(['pool', 'delete', 'private']);
  for (const machine of ['alone', 'mine', 'other']) await service.ok(['delete', machine]);
});

test('a private image is pulled ahead with a file of credentials, with plain lines in a pipe', async () => {
  closed.push('private:2', [busyboxLayer(osRelease)]);
  const name = `${closed.host}/private:2`;
  const stdin = configWith(closed.host);
  const { code, stdout, stderr } = await service.vvm(['image', 'pull', name, '--authfile', '-'], { stdin });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^127\.0\.0\.1:\d+\/private:2 sha256:[0-9a-f]{64}\n$/);
  assert.match(stderr, /^vvm: .*private:2: unpacking( \(\d+ s\))?$/m);
  assert.doesNotMatch(stderr, /\r/);
  assert.equal((await service.vvm(['image', 'pull', name, '--authfile', '/nonexistent'])).code, 2);
  assert.equal((await service.vvm(['image', 'pull', name])).code, 1);
});

test('an image that was built here is run by its name, and told to be in use', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-built-'));
  const name = `localhost/${randomUUID()}`;
  try {
    writeFileSync(join(folder, 'root.tar'), busyboxLayer(osRelease));
    await service.ok(['image', 'build', join(folder, 'root.tar'), '-t', name, '--workdir', '/srv', '--env', 'A=built']);
    await service.ok(['create', 'built', '--image', name, '--memory', '128']);
    assert.equal(await service.ok(['exec', 'built', '--', 'sh', '-c', 'echo $A $(pwd)']), 'built /srv\n');
    await until('the store knows that it is used', async () => {
      const { items } = JSON.parse(await service.ok(['image', 'list', '--json']));
      return items.find(({ reference }: { reference: string }) => reference === `${name}:latest`).inUse;
    });
    await service.ok(['delete', 'built']);
    await service.ok(['image', 'rm', name]);
    const { reason } = await failureOf(name);
    assert.equal(reason, 'ImageNotBuilt');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
