// The service as processes: started once by many, restarted part by part, nothing left behind by any kind of end.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Config, readConfig } from '../config.ts';
import { identityOf, isAlive, signalProcess } from './process-identity.ts';
import { type PartName, partNames, readServiceFile, type ServiceState } from './service-file.ts';
import { ensureService } from './start.ts';
import { purgeState, stopService } from './stop.ts';
import { readToken } from './tokens.ts';

const program = join(import.meta.dirname, 'testing/fake-service-main.ts');
const anyPort = '127.0.0.1:0';

function configOf(t: TestContext, more: Record<string, string> = {}): Config {
  const home = mkdtempSync(join(tmpdir(), 'tvm-service-'));
  const config = readConfig({
    ...process.env,
    TVM_HOME: home,
    TVM_SERVER: undefined,
    TVM_APISERVER_LISTEN: anyPort,
    TVM_LIME_LISTEN: anyPort,
    TVM_METRICS_LISTEN: anyPort,
    TVM_HEALTH_LISTEN: anyPort,
    ...more,
  });
  t.after(async () => {
    await stopService(config, () => undefined).catch(() => undefined);
    rmSync(home, { recursive: true, force: true });
  });
  return config;
}

const up = (config: Config, say: (message: string) => void = () => undefined) => ensureService(config, say, program);

function journal(config: Config): string[] {
  return readFileSync(join(config.home, 'journal'), 'utf8').trim().split('\n');
}

function pidOf(config: Config, part: PartName): number {
  const pid = readServiceFile(config.home)?.state.parts[part]?.pid;
  assert.ok(pid, `${part} has no process`);
  return pid;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !holds(); ) {
    assert.ok(Date.now() < deadline, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function partsOf(state: ServiceState) {
  return partNames.map((name) => identityOf(state.parts[name]?.pid ?? -1)).filter((each) => each !== undefined);
}

test('two starts at once end with one service; down stops lime-ctrl first, then the rest', async (t) => {
  const config = configOf(t);
  const [one, other] = await Promise.all([up(config), up(config)]);
  assert.equal(one.pid, other.pid);
  assert.equal(journal(config).filter((line) => line.includes('started')).length, 3);
  assert.match(readToken(one.tokensFile), /^[\w-]{43}$/);
  for (const file of [one.tokensFile, join(config.home, 'service.json'), one.logFile]) {
    assert.equal(statSync(file).mode & 0o777, 0o600, file);
  }
  const parts = partsOf(one);
  assert.equal(parts.length, 3);
  assert.equal(await stopService(config, () => undefined), 'stopped');
  assert.equal(readServiceFile(config.home), undefined);
  assert.deepEqual(parts.filter(isAlive), []);
  const stops = journal(config).filter((line) => line.includes('stopped'));
  assert.deepEqual(
    stops,
    ['lime-ctrl', 'flintlock', 'apiserver'].map((name) => `${name} stopped SIGTERM`),
  );
  assert.equal(await stopService(config, () => undefined), 'was not running');
});

test('each part that is killed is started again', async (t) => {
  const config = configOf(t);
  await up(config);
  for (const name of partNames) {
    const before = pidOf(config, name);
    process.kill(before, 'SIGKILL');
    await until(`${name} again`, () => {
      const part = readServiceFile(config.home)?.state.parts[name];
      return part?.state === 'running' && part.pid !== before && part.restarts === 1;
    });
    assert.equal(readServiceFile(config.home)?.state.parts[name]?.lastEnd, 'ended by SIGKILL');
  }
});

test('a killed supervisor leaves no part, and the next start works', async (t) => {
  const config = configOf(t);
  const first = await up(config);
  const parts = partsOf(first);
  signalProcess(first, 'SIGKILL');
  await until('parts end', () => !parts.some(isAlive));
  assert.equal(readServiceFile(config.home)?.alive, false);
  const second = await up(config);
  assert.notEqual(second.pid, first.pid);
  assert.equal(partsOf(second).length, 3);
});

test('a taken port is named, with its holder and the variable to set', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const config = configOf(t, { TVM_LIME_LISTEN: `127.0.0.1:${address.port}` });
  await assert.rejects(up(config), (error: { message: string; hint: string; code: string }) => {
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, new RegExp(`port ${address.port} .* is taken by .*\\(process ${process.pid}\\)`));
    assert.match(error.hint, /TVM_LIME_LISTEN=127\.0\.0\.1:PORT/);
    return true;
  });
});

test('a part that cannot start is named, and nothing is left running', async (t) => {
  const config = configOf(t, { FAKE_FAILING: 'flintlock' });
  await assert.rejects(up(config), /flintlock does not start: exit code 3/);
  const file = readServiceFile(config.home);
  assert.equal(file?.state.state, 'failed');
  await until('supervisor ends', () => readServiceFile(config.home)?.alive === false);
  const started = journal(config).flatMap((line) => /started (\d+)/.exec(line)?.[1] ?? []);
  assert.deepEqual(
    started.filter((pid) => identityOf(Number(pid)) !== undefined),
    [],
  );
});

test('a lock that is held by a process that tells nothing of itself is named, with what to do', async (t) => {
  const config = configOf(t, {});
  mkdirSync(config.home, { recursive: true });
  const lock = join(config.home, 'service.lock');
  const holder = spawn('flock', ['--no-fork', lock, 'sleep', '60']);
  t.after(() => holder.kill());
  await until('the lock is held', () => spawnSync('flock', ['--nonblock', lock, 'true']).status === 1);
  await assert.rejects(
    ensureService(config, () => {}, undefined, 50),
    {
      code: 'unavailable',
      message: /another process holds .*service\.lock/,
      hint: /fuser -v/,
    },
  );
});

test('a part that says why it cannot start is quoted', async (t) => {
  const config = configOf(t, { FAKE_FAILING: 'apiserver', FAKE_HOW: 'says why' });
  await assert.rejects(up(config), /apiserver does not start: TVM_X: means nothing/);
});

test('purge removes the state and nothing else', async (t) => {
  const config = configOf(t);
  await up(config);
  await stopService(config, () => undefined);
  await purgeState(config.home);
  assert.throws(() => statSync(join(config.home, 'tokens')));
  assert.ok(journal(config).length > 0);
});
