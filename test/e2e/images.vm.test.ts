// Images by their names: what is asked for is what runs, or the registry's own words say why not.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { makeImageStore } from '@tvm/images/store.ts';
import { freePort, startRegistry, type TestRegistry } from '@tvm/images/testing/registry.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../config.ts';
import { busyboxLayer } from './busybox-image.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let registry: TestRegistry;
let service: Service;
let image: string;
const osRelease = `NAME="Ubuntu"\nVERSION_ID="20.04"\nBUILD_ID=${randomUUID()}\n`;

before(async () => {
  registry = await startRegistry();
  image = `${registry.host}/ubuntu:20.04`;
  registry.push('ubuntu:20.04', [busyboxLayer(osRelease)], { Env: ['FROM_IMAGE=yes'] });
  service = await startService();
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  const store = makeImageStore({ cacheDir: readConfig().cacheFolder, log: makeLogger('test', 'silent') });
  for (const name of ['ubuntu:20.04', 'late:1']) await store.remove(`${registry.host}/${name}`);
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
