// An ordinary kubectl that writes: apply in both ways, diff, edit, label, annotate, patch, scale, create, replace.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubectlSession, manifest, onEachKubectl } from './kubectl-session.ts';
import { bodyOf } from './objects.ts';
import { temporaryFile } from './scope.ts';

onEachKubectl('that writes', (scope) => {
  const { kubectl, apply, make, read } = kubectlSession(scope);

  test('apply: created, unchanged, configured', async () => {
    const vm = 'microvm.vvm.tvm.github.com/applied';
    assert.equal(await apply(manifest('applied')), `${vm} created\n`);
    assert.equal(await apply(manifest('applied')), `${vm} unchanged\n`);
    assert.equal(await apply(manifest('applied', '  ttlSeconds: 60\n')), `${vm} configured\n`);
    assert.equal((await read('applied')).spec.ttlSeconds, 60);
    assert.equal(await apply(manifest('applied')), `${vm} configured\n`);
    assert.equal((await read('applied')).spec.ttlSeconds, undefined);
    const map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: "1", b: "2"}\n';
    assert.equal(await apply(map), 'configmap/applied created\n');
    assert.equal(await apply(map), 'configmap/applied unchanged\n');
    assert.equal(await apply(map.replace(', b: "2"', '')), 'configmap/applied configured\n');
    assert.deepEqual(bodyOf(await scope.api.get(scope.path('configmaps', 'applied'))).data, { a: '1' });
  });

  test('apply --server-side, twice, and against another manager', async () => {
    const text = manifest('server-side', '  ttlSeconds: 60\n');
    const said = 'microvm.vvm.tvm.github.com/server-side serverside-applied\n';
    assert.equal(await apply(text, '--server-side'), said);
    const { resourceVersion } = (await read('server-side')).metadata;
    assert.equal(await apply(text, '--server-side'), said);
    assert.equal((await read('server-side')).metadata.resourceVersion, resourceVersion);
    const other = ['apply', '-f', '-', '--server-side', '--field-manager=other'];
    const input = text.replace('60', '61');
    const refused = await scope.kubectl(other, { input });
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /Apply failed with 1 conflict: conflict with "kubectl": \.spec\.ttlSeconds/);
    await kubectl([...other, '--force-conflicts'], { input });
    assert.equal((await read('server-side')).spec.ttlSeconds, 61);
  });

  test('apply refuses what is wrong, with the reason', async () => {
    const unknown = await scope.kubectl(['apply', '-f', '-'], { input: manifest('wrong', '  zork: 1\n') });
    assert.equal(unknown.exitCode, 1);
    assert.match(unknown.stderr, /unknown field "(spec\.)?zork"/);
    const small = await scope.kubectl(['apply', '-f', '-'], { input: manifest('wrong').replace('256', '0') });
    assert.equal(small.exitCode, 1);
    assert.match(
      small.stderr,
      /^The MicroVM "wrong" is invalid: spec\.memory: Invalid value: 0: spec\.memory in body should be greater than or equal to 64/,
    );
  });

  test('apply --dry-run=server and diff change nothing', async () => {
    await apply(manifest('dry'));
    const text = manifest('dry', '  ttlSeconds: 5\n');
    assert.match(await apply(text, '--dry-run=server'), /dry configured \(server dry run\)/);
    const diff = await scope.kubectl(['diff', '-f', '-'], { input: text });
    assert.equal(diff.exitCode, 1, diff.stderr);
    assert.match(diff.stdout, /^\+ {2}ttlSeconds: 5$/m);
    assert.equal((await read('dry')).spec.ttlSeconds, undefined);
  });

  test('edit with an editor', async () => {
    await make('edited');
    await using editor = await temporaryFile(
      'editor.sh',
      '#!/bin/sh\nsed -i "s/desiredState: Running/desiredState: Stopped/" "$1"\n',
    );
    const edited = await kubectl(['edit', 'mvm', 'edited'], { env: { KUBE_EDITOR: editor.path } });
    assert.equal(edited, 'microvm.vvm.tvm.github.com/edited edited\n');
    assert.equal((await read('edited')).spec.desiredState, 'Stopped');
  });

  test('label, annotate, patch and scale', async () => {
    await make('marked');
    assert.match(await kubectl(['label', 'mvm', 'marked', 'tier=gold']), /marked labeled/);
    assert.match(await kubectl(['get', 'mvm', '-l', 'tier=gold', '-o', 'name']), /marked/);
    await kubectl(['label', 'mvm', 'marked', 'tier-']);
    assert.match(await kubectl(['annotate', 'mvm', 'marked', 'note=hello']), /marked annotated/);
    await kubectl(['patch', 'mvm', 'marked', '--type=merge', '-p', '{"spec":{"desiredState":"Paused"}}']);
    const { metadata, spec } = await read('marked');
    assert.deepEqual(
      [metadata.labels, metadata.annotations, spec.desiredState],
      [undefined, { note: 'hello' }, 'Paused'],
    );
    const pool = manifest('scaled')
      .replace('MicroVM', 'MicroVMPool')
      .replace(/spec:[\s\S]*/, 'spec: {template: {spec: {image: a, cpu: 1, memory: 64}}}');
    await apply(pool);
    assert.match(await kubectl(['scale', 'mvmpool', 'scaled', '--replicas=3']), /scaled scaled/);
    assert.match(await kubectl(['get', 'mvmpool', 'scaled']), /^scaled\s+a\s+3\s/m);
  });

  test('create and replace', async () => {
    assert.match(await kubectl(['create', '-f', '-'], { input: manifest('replaced') }), /created/);
    const taken = await scope.kubectl(['create', '-f', '-'], { input: manifest('replaced') });
    assert.match(taken.stderr, /^Error from server \(AlreadyExists\)/);
    await kubectl(['replace', '-f', '-'], { input: manifest('replaced', '  ttlSeconds: 9\n') });
    assert.equal((await read('replaced')).spec.ttlSeconds, 9);
    assert.match(await kubectl(['replace', '--force', '-f', '-'], { input: manifest('replaced') }), /replaced/);
  });
});
