import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import fc from 'fast-check';
import { parseReference } from './reference.ts';

const hex = 'a'.repeat(64);

it('normalises as docker does', () => {
  const rows: [string, string, string][] = [
    ['ubuntu:20.04', 'docker.io/library/ubuntu:20.04', 'docker.io'],
    ['ubuntu', 'docker.io/library/ubuntu:latest', 'docker.io'],
    ['owner/name', 'docker.io/owner/name:latest', 'docker.io'],
    ['docker.io/ubuntu', 'docker.io/library/ubuntu:latest', 'docker.io'],
    ['index.docker.io/library/ubuntu:1', 'docker.io/library/ubuntu:1', 'docker.io'],
    ['localhost:5000/x', 'localhost:5000/x:latest', 'localhost:5000'],
    ['localhost/x', 'localhost/x:latest', 'localhost'],
    ['127.0.0.1:5000/a/b_c:v-1', '127.0.0.1:5000/a/b_c:v-1', '127.0.0.1:5000'],
    ['ghcr.io/o/n:t', 'ghcr.io/o/n:t', 'ghcr.io'],
    ['[::1]:5000/x:1', '[::1]:5000/x:1', '[::1]:5000'],
    [`ubuntu:20.04@sha256:${hex}`, `docker.io/library/ubuntu@sha256:${hex}`, 'docker.io'],
  ];
  for (const [text, normalised, registry] of rows) {
    assert.deepEqual(parseReference(text), { kind: 'oci', normalised, registry });
  }
});

it('knows the default images', () => {
  assert.deepEqual(parseReference('tvm/python'), { kind: 'default', normalised: 'tvm/python' });
  assert.deepEqual(parseReference('tvm/node:latest'), { kind: 'default', normalised: 'tvm/node' });
});

it('refuses what is not a reference', () => {
  const bad = [
    '',
    ' ',
    '-x',
    '--all',
    'a b',
    'UPPER',
    'a:',
    ':a',
    'a@',
    'a/',
    '/a',
    'a//b',
    '../x',
    'a\nb',
    'a\0b',
    'a;id',
    '$(id)',
    'docker://x',
    'a@sha256:abc',
    `a@md5:${hex}`,
    'tvm/unknown',
    'tvm/python:3',
    'tvm/../x',
    `a:${'t'.repeat(129)}`,
    'a'.repeat(600),
    '-host.io/x',
    'é',
  ];
  for (const text of bad) {
    assert.throws(
      () => parseReference(text),
      (error: TvmError) => error.code === 'invalid_argument',
      JSON.stringify(text),
    );
  }
});

it('never lets through what a command line could misread', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'ab-/.:@_[]A0 \n$') })), (text) => {
      try {
        const { normalised } = parseReference(text);
        assert.match(normalised, /^[a-zA-Z0-9[][a-zA-Z0-9._:/@[\]-]*$/);
        assert.deepEqual(parseReference(normalised).normalised, normalised);
      } catch (error) {
        assert.equal((error as TvmError).code, 'invalid_argument');
      }
    }),
    { numRuns: 3000, examples: [['a.a_a/a']] },
  );
});
