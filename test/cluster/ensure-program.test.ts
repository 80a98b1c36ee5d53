import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensureProgram, findProgram } from './ensure-program.ts';

test('programs are found in PATH, in its order', async () => {
  assert.match((await findProgram('sh')) ?? '', /\/sh$/);
  assert.equal(await findProgram('sh', '/nonexistent:/bin:/usr/bin'), '/bin/sh');
  assert.equal(await findProgram('no-such-program-anywhere'), undefined);
  assert.equal(await findProgram('sh', ''), undefined);
});

test('what is there is not installed', async () => {
  await ensureProgram('sh', 'no-such-package', () => assert.fail('nothing to say'));
});
