// Proof that biome.json keeps the parts apart: an import that crosses a boundary is refused, one that does not is fine.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

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
  ['cli/commands/x.ts', '../../lime-ctrl/config.ts'],
  ['cli/x.ts', '@tvm/test/config.ts'],
] as const;

const allowed = [
  ['kit/x.ts', '@tvm/api/errors.ts'],
  ['flintlock/x.ts', '@tvm/images/store.ts'],
  ['lime-ctrl/rest/x.ts', '../flintlock/client.ts'],
  ['cli/commands/x.ts', '@tvm/images/store.ts'],
] as const;

function lint(file: string, specifier: string) {
  const options = ['lint', '--only=style/noRestrictedImports', `--stdin-file-path=${file}`];
  const run = spawnSync('node_modules/.bin/biome', options, {
    input: `import '${specifier}';\n`,
    cwd: `${import.meta.dirname}/..`,
  });
  return { code: run.status, text: `${run.stdout}${run.stderr}` };
}

test('an import across a boundary is refused, with a word why', () => {
  for (const [file, specifier] of refused) {
    const { code, text } = lint(file, specifier);
    assert.notEqual(code, 0, `${file} may import ${specifier}`);
    assert.match(text, /the parts meet in api/);
  }
});

test('an import along the layers is fine', () => {
  for (const [file, specifier] of allowed)
    assert.equal(lint(file, specifier).code, 0, `${file} may not import ${specifier}`);
});
