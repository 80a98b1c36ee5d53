import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bootBriefly, firecrackerVersion } from './host.ts';

/** Has a program used that says this and no more. */
async function withProgram<T>(said: string, use: (program: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tvm-fc-'));
  try {
    const program = join(folder, 'firecracker');
    await writeFile(program, `#!/bin/sh\necho '${said}'\n`, { mode: 0o755 });
    return await use(program);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const versionOf = (said: string) => withProgram(said, firecrackerVersion);

test('the version is what Firecracker says, also where it says none', async () => {
  for (const version of ['1.15.0', '1.16.1', '1.17.0-dev', '2.0.0']) {
    assert.equal(await versionOf(`Firecracker v${version}`), version);
  }
  assert.equal(await versionOf('something else'), 'unknown');
});

test('one that is too old or missing is told with what to do', async () => {
  for (const version of ['1.14.4', '0.25.0', '1.9.1']) {
    const message = new RegExp(`^Firecracker ${version} .* is too old: it has to be 1.15 or later$`);
    await assert.rejects(versionOf(`Firecracker v${version}`), { reason: 'VmmTooOld', message, hint: /doctor/ });
  }
  await assert.rejects(firecrackerVersion('/nowhere/firecracker'), { reason: 'VmmMissing', hint: /doctor/ });
});

test('a guest that ends early is told with its own last line', async () => {
  const said =
    'no init found\n2026-01-02T03:04:05.678901234 [anonymous-instance:main] Firecracker exiting successfully.';
  const failure = await withProgram(said, (program) =>
    bootBriefly(program, { kernelPath: '', initrdPath: '', kernelArgs: [], needsAcpi: true }),
  );
  assert.match(failure, /ends early .*; its last line: no init found$/);
});
