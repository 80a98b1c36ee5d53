// What cannot be done is refused at once: with a code, the field or name that is wrong, and what to do.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { type Service, startService } from './service.ts';

let service: Service;

before(async () => {
  service = await startService();
  await service.ok(['create', 'demo', '--memory', '128']);
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
});

/** The status that was answered, with the problem's own words. */
async function refusal(path: string, init: Parameters<Service['rest']>[1] = {}): Promise<Problem> {
  const response = await service.rest(path, init);
  const problem = (await response.json()) as Problem;
  assert.equal(problem.status, response.status);
  return problem;
}

const execute = (body: object | string) =>
  refusal('/v1/execute', { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });

test('the command: what is mistyped is wrong usage, and nothing runs', async () => {
  for (const [args, words] of [
    [['execute', '--language', 'cobol', '1'], /unknown language "cobol"[\s\S]*python, node, bash/],
    [['execute', '--memory', '0', '1'], /memory/],
    [['execute', '--memory', '-5', '1'], /memory|-5/],
    [['execute', '--cpu', '0', '1'], /cpu/],
    [['execute', '--cpu', 'many', '1'], /many/],
    [['execute', '--timeout', '0', '1'], /"0" is not a time/],
    [['execute', '--timeout', 'soon', '1'], /soon/],
    [['execute', '-e', '1=2', '1'], /env|variable|1=2/i],
    [['execute', '-f', '/nowhere.py'], /\/nowhere\.py/],
    [['execute', '--surprise', '1'], /--surprise/],
    [['execute'], /no code/],
    [['create', 'Bad_Name'], /name/],
    [['surprise'], /surprise/],
  ] as const) {
    const { code, stdout, stderr } = await service.vvm([...args]);
    assert.ok(code === 2 || (code === 1 && args[0] === 'create'), `${args}: exit code ${code}\n${stderr}`);
    assert.match(stderr, words);
    assert.equal(stdout, '');
  }
});

test('a size that no node has ends with 125 and says what there is', async () => {
  for (const args of [
    ['--memory', '1000000'],
    ['--cpu', '32'],
  ]) {
    const { code, stdout, stderr } = await service.vvm(['execute', '--json', ...args, '1']);
    assert.equal(code, 125);
    assert.match(stderr, /no node is large enough: .*(1000000 MB|32) asked/);
    const { error } = JSON.parse(stdout) as { error: Problem };
    assert.deepEqual([error.code, error.reason], ['invalid_argument', 'TooLarge']);
  }
});

test('REST: a wrong field is named', async () => {
  for (const [body, words] of [
    [{ code: '1', surprise: 1 }, /surprise/],
    [{ code: '1', language: 'cobol' }, /body\.language: .*python/],
    [{ code: '1', memory: 0 }, /body\.memory/],
    [{ code: '1', cpu: 0 }, /body\.cpu/],
    [{ code: '1', cpu: 1.5 }, /body\.cpu/],
    [{ code: '1', timeoutSeconds: -1 }, /body\.timeoutSeconds/],
    [{ code: '1', env: { 'A=B': 'x' } }, /body\.env/],
    [{ code: 1 }, /body\.code/],
    [{}, /body\.code/],
    ['[]', /body: .*object/],
    ['null', /body: .*object/],
    ['{"code":', /no JSON/],
    ['', /no JSON/],
  ] as const) {
    const problem = await execute(body);
    assert.deepEqual([problem.status, problem.code], [400, 'invalid_argument'], JSON.stringify(body));
    assert.match(problem.detail, words);
  }
  const declared = { method: 'POST', body: JSON.stringify({ spec: { image: 'tvm/python', cpu: 1, memory: 0 } }) };
  assert.match((await refusal('/v1/microvms', declared)).detail, /body\.spec\.memory/);
});

test('REST: bytes that no string of the system may hold are refused by the guest', async () => {
  for (const part of [{ env: { A: 'x\0y' } }, { args: ['x\0y'] }]) {
    const problem = await execute({ code: '1', ...part });
    assert.deepEqual([problem.status, problem.code], [400, 'invalid_argument'], problem.detail);
  }
});

test('REST: who has no right token gets 401 on every path, and no word about what is there', async () => {
  for (const token of [undefined, 'wrong-wrong-wrong-wrong', service.token().slice(1), `${service.token()}x`, ' ']) {
    for (const path of ['/v1/status', '/v1/microvms/demo', '/v1/microvms/absent', '/v1/nothing']) {
      const problem = await refusal(path, { token });
      assert.deepEqual([problem.status, problem.code], [401, 'unauthenticated']);
      assert.doesNotMatch(problem.detail, /demo|absent/);
    }
  }
});

test('REST: a body beyond the limit is refused and the connection ends', async () => {
  const problem = await execute({ code: 'x'.repeat(9_000_000) });
  assert.deepEqual([problem.status, problem.reason], [413, 'BodyTooLarge']);
  assert.match((await execute({ code: 'x'.repeat(1_100_000) })).detail, /body\.code/);
});

test('REST: oversized headers are refused', async () => {
  assert.equal(await rawStatus('/v1/status', { 'x-filler': 'x'.repeat(20_000) }), 431);
  assert.equal(await rawStatus(`/v1/status?x=${'y'.repeat(20_000)}`), 431);
});

test('REST: odd names and paths reach nothing that they should not', async () => {
  const odd = ['/v1/../../etc/passwd', '/v1/microvms/..%2f..%2fx', '/v1/microvms/a%00b', '/v1/microvms/%F0%9F%8E%B0'];
  const malformed = ['/v1/microvms/%FF%FE', '//v1/status', '/v1/microvms/%', '/v1/microvms/.%2e/.%2e/apis'];
  for (const path of [...odd, ...malformed]) {
    const status = await rawStatus(path, { authorization: `Bearer ${service.token()}` });
    assert.ok(status === 404 || status === 400, `${path}: ${status}`);
  }
  for (const namespace of ['..', '%2e%2e', 'a%2fb', '', '%00', 'x'.repeat(100)]) {
    assert.equal((await refusal(`/v1/microvms?namespace=${namespace}`)).status, 400, namespace);
  }
});

test('REST: file paths are absolute, bounded, and those of the guest', async () => {
  const stat = (path: string) => service.rest(`/v1/microvms/demo/files/stat?path=${path}`);
  for (const path of ['../etc/passwd', '', '%00', '/a%00b', `/${'x'.repeat(5000)}`, 'etc']) {
    assert.equal((await stat(path)).status, 400, path.slice(0, 30));
  }
  assert.equal((await stat(`/no/such`)).status, 404);
  assert.equal((await stat(encodeURIComponent('/root/ünï🎰'))).status, 404);
  const release = await service.rest('/v1/microvms/demo/files/content?path=/../../../../etc/hostname');
  assert.equal(await release.text(), 'demo\n');
});

/** The status of a GET whose path is sent as it is: fetch would tidy it up. */
function rawStatus(path: string, headers: Record<string, string> = {}): Promise<number> {
  const { hostname, port } = new URL(service.state().url ?? '');
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.once('error', reject).end();
  });
}
