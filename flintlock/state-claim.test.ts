import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { claimState } from './state-claim.ts';

test('a folder is claimed once, under whatever name; it is free when the claim ends', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-claim-'));
  t.after(() => rmSync(folder, { recursive: true }));
  symlinkSync('.', join(folder, 'same'));
  const first = await claimState(folder);
  for (const path of [folder, join(folder, 'same')]) {
    await assert.rejects(claimState(path, 0), { code: 'failed_precondition', message: /another flintlock/ });
  }
  await using _other = await claimState(join(folder, 'below'), 0);
  const patient = claimState(folder);
  await first[Symbol.asyncDispose]();
  await (await patient)[Symbol.asyncDispose]();
});
