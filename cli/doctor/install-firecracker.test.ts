import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type FirecrackerRelease, installFirecracker } from './install-firecracker.ts';

const version = '1.16.1';
let root: string;
let archive: Buffer;
let release: FirecrackerRelease;
let answer: (path: string) => { status: number; body: Buffer; cut?: number };
const said: string[] = [];
const server = createServer((request, response) => {
  const { status, body, cut } = answer(request.url ?? '');
  response.writeHead(status, { 'content-length': body.length });
  if (cut === undefined) response.end(body);
  else response.write(body.subarray(0, cut), () => response.destroy());
});

function makeArchive(program: string): Buffer {
  const inside = join(root, 'made', `release-v${version}-x86_64`);
  mkdirSync(inside, { recursive: true });
  for (const name of ['firecracker', 'jailer']) {
    writeFileSync(join(inside, `${name}-v${version}-x86_64`), program, { mode: 0o755 });
  }
  writeFileSync(join(inside, 'NOTICE'), 'not needed');
  return execFileSync('tar', ['-cz', '-C', join(root, 'made'), `release-v${version}-x86_64`]);
}

const releaseOf = (body: Buffer) => ({
  ...{ version, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sizeBytes: body.length },
  sha256: createHash('sha256').update(body).digest('hex'),
});
const freshCache = () => mkdtemp(join(root, 'cache-'));
const install = (cacheDir: string, over: Partial<FirecrackerRelease> = {}) =>
  installFirecracker({ release: { ...release, ...over }, cacheDir, say: (line) => said.push(line), idleMs: 300 });

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tvm-install-'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  archive = makeArchive('#!/bin/sh\necho "v1"\n');
  release = releaseOf(archive);
  answer = (path) =>
    path === `/v${version}/firecracker-v${version}-x86_64.tgz`
      ? { status: 200, body: archive }
      : { status: 404, body: Buffer.alloc(0) };
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(root, { recursive: true, force: true });
});

async function refusesAnd(installs: (cache: string) => Promise<string>, error: object): Promise<void> {
  const cache = await freshCache();
  await assert.rejects(installs(cache), error);
  assert.deepEqual(readdirSync(join(cache, 'firecracker')), []);
}

test('both programs are installed, with progress, and only once', async () => {
  const cache = await freshCache();
  const folder = await install(cache);
  assert.deepEqual(readdirSync(folder).sort(), ['firecracker', 'jailer']);
  assert.equal(execFileSync(join(folder, 'firecracker')).toString(), 'v1\n');
  assert.match(said.join('\n'), /downloading Firecracker 1\.16\.1 \(0\.0 MiB\): 100%\n.*unpacking/s);
  assert.equal(await install(cache, { baseUrl: 'http://127.0.0.1:9' }), folder);
  assert.deepEqual(readdirSync(join(cache, 'firecracker')), [version]);
});

test('several at once end with one installation', async () => {
  const cache = await freshCache();
  await Promise.all([install(cache), install(cache), install(cache)]);
  assert.deepEqual(readdirSync(join(cache, 'firecracker')), [version]);
});

test('another archive, a longer and a shorter one are refused, and nothing of them is kept or run', async () => {
  const ran = join(root, 'ran');
  const other = makeArchive(`#!/bin/sh\ntouch ${ran}\n`);
  const whole = answer;
  try {
    answer = () => ({ status: 200, body: other });
    await refusesAnd((cache) => install(cache, { sizeBytes: other.length }), {
      code: 'data_loss',
      message: /SHA-256 is/,
    });
    answer = () => ({ status: 200, body: Buffer.concat([archive, Buffer.from('x')]) });
    await refusesAnd(install, { code: 'data_loss', message: /larger than/ });
    answer = () => ({ status: 200, body: archive.subarray(0, 100) });
    await refusesAnd(install, { code: 'data_loss', message: /ends after 100 of/ });
    answer = () => ({ status: 200, body: archive, cut: 100 });
    await refusesAnd(install, { code: 'unavailable' });
  } finally {
    answer = whole;
  }
  assert.equal(existsSync(ran), false);
});

test('without a network, and without such a release, it says what to do', async () => {
  const hint = /TVM_FIRECRACKER_URL/;
  await refusesAnd((cache) => install(cache, { baseUrl: 'http://127.0.0.1:9' }), { code: 'unavailable', hint });
  await refusesAnd((cache) => install(cache, { version: '9.9.9' }), { code: 'not_found', hint });
});

test('an archive that is as pinned but holds no programs, or ones that do not run, installs nothing', async () => {
  const whole = answer;
  const empty = execFileSync('tar', ['-cz', '-T', '/dev/null']);
  const broken = makeArchive('#!/bin/sh\nexit 3\n');
  try {
    for (const [body, code] of [
      [empty, 'data_loss'],
      [broken, 'failed_precondition'],
    ] as const) {
      answer = () => ({ status: 200, body });
      await refusesAnd((cache) => install(cache, releaseOf(body)), { code });
    }
  } finally {
    answer = whole;
  }
});

test('the pin is one of a whole checksum', () => {
  assert.match(readFileSync(new URL('../../kit/firecracker-release.ts', import.meta.url), 'utf8'), /'[0-9a-f]{64}'/);
});
