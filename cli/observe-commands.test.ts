// vvm logs and stats as processes against a server that gives the answers of the contract.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Answers, runAgainst } from './client/testing/answering-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-observe-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const vvm = (argv: string[], answers: Answers) => runAgainst(folder, argv, answers);

test('logs asks for what its options say', async () => {
  const argv = ['logs', 'demo', '-f', '--tail', '20', '--since', '5m', '-t', '--source', 'stderr'];
  const query = 'follow=true&tailLines=20&sinceSeconds=300&timestamps=true&source=stderr';
  const shown = await vvm(argv, { [`GET /v1/microvms/demo/logs?${query}`]: [[200, 'the log']] });
  assert.deepEqual([shown.code, shown.stdout], [0, '"the log"']);
  for (const wrong of [
    ['--tail', 'all'],
    ['--since', 'yesterday'],
    ['--source', 'kernel'],
  ]) {
    assert.equal((await vvm(['logs', 'demo', ...wrong], {})).code, 2, wrong.join(' '));
  }
});

test('stats shows a machine as its guest and its VMM tell it', async () => {
  const mib = 1024 * 1024;
  const usage = {
    ...{
      memoryTotalBytes: 243 * mib,
      memoryAvailableBytes: 200 * mib,
      diskTotalBytes: 121 * mib,
      diskFreeBytes: 100 * mib,
    },
    ...{ cpuTimeMs: 1234, processCount: 7, vmmResidentBytes: 80 * mib, vmmCpuTimeMs: 3400 },
  };
  const diskTraffic = { readBytes: 30 * mib, writtenBytes: 2 * mib, reads: 90, writes: 8 };
  const networkTraffic = { receivedBytes: 5 * mib, sentBytes: mib };
  const answers: Answers = {
    'GET /v1/microvms/demo/metrics': [[200, usage]],
    'GET /v1/microvms/wired/metrics': [[200, { ...usage, diskTraffic, networkTraffic }]],
  };
  const shown = await vvm(['stats', 'demo'], answers);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /\ndemo +1\.2 s +43 MiB of 243 MiB +21 MiB of 121 MiB +7 +- +- +3\.4 s +80 MiB\n$/);
  assert.match((await vvm(['stats', 'wired'], answers)).stdout, / 7 +30 MiB\/2 MiB +5 MiB\/1 MiB +3\.4 s /);
  const json = await vvm(['stats', 'demo', '-o', 'json'], answers);
  assert.deepEqual(JSON.parse(json.stdout), { name: 'demo', ...usage });
  assert.equal((await vvm(['stats', 'demo', '-o', 'yaml'], answers)).code, 2);
});
