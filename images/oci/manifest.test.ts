import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { parseImageConfig, parseManifest } from './manifest.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const blob = { mediaType: 'm', digest, size: 1 };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

it('takes the entry for linux/amd64 of an index', () => {
  const entry = (architecture: string) => ({ ...blob, platform: { os: 'linux', architecture } });
  const found = parseManifest(json({ manifests: [entry('arm64'), entry('amd64')] }));
  assert.equal(found.kind === 'index' && found.entry?.platform?.architecture, 'amd64');
  assert.deepEqual(parseManifest(json({ manifests: [entry('arm64')] })), { kind: 'index', entry: undefined });
});

it('refuses what it cannot read', () => {
  const bad = [
    '{',
    '[]',
    '{}',
    json({ schemaVersion: 1, fsLayers: [] }),
    json({ config: blob, layers: [{ ...blob, size: -1 }] }),
  ];
  bad.push(json({ config: blob, layers: [{ ...blob, digest: 'sha256:../../etc/passwd' }] }));
  for (const raw of bad) {
    assert.throws(
      () => parseManifest(Buffer.from(raw)),
      (error: TvmError) => error.code === 'data_loss',
      String(raw),
    );
  }
  assert.throws(
    () => parseImageConfig(json({ config: { Env: 'x' } })),
    (error: TvmError) => error.code === 'data_loss',
  );
});

it('reads how programs start, and takes "not said" for empty', () => {
  const nothing = { env: {}, user: '', workdir: '', entrypoint: [], cmd: [] };
  for (const empty of [{}, { config: null }, { config: { Env: null, Cmd: null } }]) {
    assert.deepEqual(parseImageConfig(json(empty)), nothing);
  }
  assert.deepEqual(parseImageConfig(json({ config: { Env: ['A=b=c', 'E'] } })), {
    ...nothing,
    env: { A: 'b=c', E: '' },
  });
});

it('takes nothing that no process can have, and bounds the rest', () => {
  const config = (value: object) => parseImageConfig(json({ config: value }));
  assert.deepEqual(config({ Env: ['=x', 'A=1'] }).env, { A: '1' });
  assert.equal(config({ WorkingDir: 'srv/../../app' }).workdir, '/app');
  const codeOf = (value: object) => {
    try {
      config(value);
      return '';
    } catch (error) {
      return (error as TvmError).code;
    }
  };
  for (const value of [{ Env: ['A=\0'] }, { User: '\0' }, { Cmd: ['a\0b'] }]) assert.equal(codeOf(value), 'data_loss');
  assert.equal(codeOf({ Env: [`A=${'x'.repeat(70_000)}`] }), 'resource_exhausted');
});
