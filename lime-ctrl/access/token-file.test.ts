import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { questionsOf, rulesOf } from './route-rules.ts';
import { makeTokenFileAccess } from './token-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-tokens-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'tokens');

test('known tokens have a user; the file is read anew; weak lines do not count', async () => {
  const clock = makeManualClock();
  const access = makeTokenFileAccess(path, clock);
  const ask = (token: string) => access.authenticate(`Bearer ${token}`);
  await assert.rejects(ask('0123456789abcdef'), /not known/);
  writeFileSync(path, '# people\n0123456789abcdef,alice,research\nshort,bob\n,carol\nfedcba9876543210\n');
  await clock.advance(1000);
  assert.deepEqual(await ask('0123456789abcdef'), { user: 'alice', groups: ['research'] });
  for (const wrong of ['short', 'fedcba9876543210', '0123456789abcde', '0123456789abcdef0', '', 'x'.repeat(100_000)]) {
    await assert.rejects(ask(wrong), { code: 'unauthenticated' }, wrong);
  }
  for (const header of [undefined, '', '0123456789abcdef', 'Basic 0123456789abcdef', 'Bearer 0123456789abcdef x']) {
    await assert.rejects(access.authenticate(header), { code: 'unauthenticated' }, header);
  }
  writeFileSync(path, 'another-token-of-16,dave\n');
  await clock.advance(1000);
  await assert.rejects(ask('0123456789abcdef'));
  assert.deepEqual(await ask('another-token-of-16'), { user: 'dave', groups: [] });
});

test('a token with namespaces is good for these alone', async () => {
  writeFileSync(path, 'everywhere-everywhere,alice\na-and-b-a-and-b-,bob,team,a,b\nnowhere-nowhere-,carol,,\n');
  const access = makeTokenFileAccess(path, makeManualClock());
  const may = async (token: string, operation: string, namespace: string) => {
    const caller = await access.authenticate(`Bearer ${token}`);
    return access.authorize(caller, questionsOf(rulesOf(operation), { namespace, name: 'x' })).then(
      () => true,
      (error) => error.code !== 'permission_denied',
    );
  };
  for (const operation of ['POST /v1/execute', 'GET /v1/microvms', 'GET /v1/status', 'POST /v1/microvms/{name}/fork']) {
    for (const namespace of ['a', 'b', 'c', '']) {
      const ownPlace = namespace === 'a' || namespace === 'b';
      assert.equal(await may('everywhere-everywhere', operation, namespace), true);
      assert.equal(await may('a-and-b-a-and-b-', operation, namespace), ownPlace && operation !== 'GET /v1/status');
      assert.equal(await may('nowhere-nowhere-', operation, namespace), false);
    }
  }
});
