import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { isInsecure, parseInsecure, parseMirrors, registriesConf } from './registry-settings.ts';

it('writes mirrors in their order as registries.conf, secure unless said otherwise', () => {
  const mirrors = parseMirrors('docker.io=127.0.0.1:5000, docker.io=m.example.com/hub,quay.io=m.example.com');
  assert.equal(
    registriesConf({ mirrors, insecure: ['127.0.0.1'] }),
    `[[registry]]
prefix = "docker.io"
location = "docker.io"
insecure = false
[[registry.mirror]]
location = "127.0.0.1:5000"
insecure = true
[[registry.mirror]]
location = "m.example.com/hub"
insecure = false
[[registry]]
prefix = "quay.io"
location = "quay.io"
insecure = false
[[registry.mirror]]
location = "m.example.com"
insecure = false
`,
  );
  assert.equal(registriesConf({ mirrors: {}, insecure: ['x'] }), undefined);
});

it('takes no registry for insecure that is not named', () => {
  const insecure = parseInsecure('localhost:5000,127.0.0.1');
  const rows = {
    'localhost:5000': true,
    '127.0.0.1:9': true,
    localhost: false,
    'localhost:5001': false,
    'docker.io': false,
  };
  for (const [registry, expected] of Object.entries(rows)) assert.equal(isInsecure({ insecure }, registry), expected);
});

it('refuses what could be more than names', () => {
  for (const text of ['x', 'a=', '=b', 'a="\n[evil]', 'a=b"c', 'https://a=b']) {
    assert.throws(
      () => parseMirrors(text),
      (error: TvmError) => error.code === 'invalid_argument',
      text,
    );
  }
  assert.throws(
    () => parseInsecure('a/b'),
    (error: TvmError) => error.code === 'invalid_argument',
  );
});
