import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { buildCommand } from './engine.ts';
import { productionModules } from './modules.ts';
import { isLeftOut, parts } from './parts.ts';

const root = join(import.meta.dirname, '../..');

test('a part gets what it needs to run, with what that needs, and no tools', () => {
  const modules = productionModules(root, ['api', 'kit', 'lime-ctrl']);
  for (const wanted of ['zod', 'pino', 'hono', '@bufbuild/protobuf']) {
    assert.ok(
      modules.some((folder) => folder.endsWith(`node_modules/${wanted}`)),
      wanted,
    );
  }
  assert.ok(
    modules.some((folder) => folder.endsWith('node_modules/sonic-boom')),
    'pino needs it',
  );
  for (const tool of ['typescript', '@biomejs/biome', '@types/node', 'fast-check', 'node']) {
    assert.ok(!modules.some((folder) => folder.endsWith(`node_modules/${tool}`)), tool);
  }
});

test('a package that is not installed is an error', () => {
  assert.throws(
    () => productionModules(join(root, 'deploy'), ['../api']),
    (error) => error instanceof TvmError && error.code === 'failed_precondition',
  );
});

test('tests and build results stay out of images; every part has a main program', () => {
  for (const path of ['/kit/log.test.ts', '/flintlock/testing/x.ts', '/guest/target/release/a', '/api/gen/a.d.ts']) {
    assert.ok(isLeftOut(path), path);
  }
  for (const path of ['/kit/log.ts', '/images/kernel/guest.config', '/guest/src/main.rs'])
    assert.ok(!isLeftOut(path), path);
  for (const { name, sources } of parts) assert.ok(sources.includes(name), name);
});

test('the engines are told the same', () => {
  const build = { image: 'localhost/tvm/a:1', dockerfile: 'D', context: 'c', arguments: { BASE: 'debian' } };
  assert.deepEqual(
    buildCommand('docker', build),
    'build --build-arg BASE=debian -t localhost/tvm/a:1 -f D c'.split(' '),
  );
  const buildah = buildCommand('buildah', build);
  for (const word of ['--layers', '--build-arg', 'BASE=debian', 'localhost/tvm/a:1'])
    assert.ok(buildah.includes(word), word);
});
