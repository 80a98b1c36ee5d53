import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeTokens } from './tokens.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-tokens-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'tokens');

test('known tokens have a user; the file is read anew; weak lines do not count', async () => {
  const clock = makeManualClock();
  const tokens = makeTokens(path, clock);
  const ask = (token: string) => tokens.authenticate(`Bearer ${token}`);
  assert.throws(() => ask('0123456789abcdef'), /not known/);
  writeFileSync(path, '# people\n0123456789abcdef,alice,research\nshort,bob\n,carol\nfedcba9876543210\n');
  await clock.advance(1000);
  assert.deepEqual(ask('0123456789abcdef'), { user: 'alice', group: 'research' });
  for (const wrong of ['short', 'fedcba9876543210', '0123456789abcde', '0123456789abcdef0', '']) {
    assert.throws(() => ask(wrong), wrong);
  }
  writeFileSync(path, 'another-token-of-16,dave\n');
  await clock.advance(1000);
  assert.throws(() => ask('0123456789abcdef'));
  assert.deepEqual(ask('another-token-of-16'), { user: 'dave', group: undefined });
});
