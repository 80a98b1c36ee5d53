// Proof that biome.json keeps the parts apart: an import that crosses a boundary is refused, one that does not is fine.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';

const repository = join(import.meta.dirname, '..');

const refused = [
  ['api/x.ts', '@tvm/kit/log.ts'],
  ['api/rest/x.ts', '../../kit/log.ts'],
  ['kit/x.ts', '@tvm/images/store.ts'],
  ['images/oci/x.ts', '@tvm/flintlock/config.ts'],
  ['flintlock/x.ts', '@tvm/lime-ctrl/config.ts'],
  ['flintlock/rpc/x.ts', '../../apiserver/config.ts'],
  ['lime-ctrl/x.ts', '@tvm/flintlock/config.ts'],
  ['lime-ctrl/rest/x.ts', '../../flintlock/config.ts'],
  ['lime-ctrl/x.ts', '@tvm/images/store.ts'],
  ['apiserver/x.ts', '@tvm/cli/config.ts'],
  ['kvm-device-plugin/x.ts', '@tvm/flintlock/config.ts'],
  ['kvm-device-plugin/kubelet/x.ts', '../../lime-ctrl/config.ts'],
  ['flintlock/x.ts', '@tvm/kvm-device-plugin/permits.ts'],
  ['cli/commands/x.ts', '../../lime-ctrl/config.ts'],
  ['cli/x.ts', '@tvm/test/config.ts'],
] as const;

const allowed = [
  ['kit/x.ts', '@tvm/api/errors.ts'],
  ['flintlock/x.ts', '@tvm/images/store.ts'],
  ['lime-ctrl/rest/x.ts', '../flintlock/client.ts'],
  ['cli/commands/x.ts', '@tvm/images/store.ts'],
] as const;

/** The files that the linter refuses, out of files that hold one import each. */
function refusedOf(files: readonly (readonly [file: string, specifier: string])[], t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-boundaries-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { overrides } = JSON.parse(readFileSync(join(repository, 'biome.json'), 'utf8'));
  writeFileSync(join(folder, 'biome.json'), JSON.stringify({ root: true, overrides }));
  const paths = files.map(([file, specifier], index) => {
    const path = file.replace('x.ts', `x${index}.ts`);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `import '${specifier}';\n`);
    return path;
  });
  const options = ['lint', '--only=style/noRestrictedImports', '--max-diagnostics=none', '--colors=off', '.'];
  const run = spawnSync(join(repository, 'node_modules/.bin/biome'), options, { cwd: folder, encoding: 'utf8' });
  const output = `${run.stdout}${run.stderr}`;
  return { output, files: files.filter((_, index) => output.includes(`${paths[index]}:`)) };
}

test('an import across a boundary is refused, with a word why', (t) => {
  const { output, files } = refusedOf(refused, t);
  assert.deepEqual(files, refused, output);
  assert.match(output, /the parts meet in api/);
});

test('an import along the layers is fine', (t) => {
  const { output, files } = refusedOf(allowed, t);
  assert.deepEqual(files, [], output);
  assert.match(output, /Checked \d+ files/);
});
