// An ordinary kubectl that reads, waits and deletes: the commands that a person types.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubectlSession, manifest, onEachKubectl } from './kubectl-session.ts';
import { bodyOf } from './objects.ts';

onEachKubectl('that reads, waits and deletes', (scope) => {
  const { kubectl, apply, make } = kubectlSession(scope);

  test('get prints columns, wide ones too, names, paths and YAML', async () => {
    await make('shown');
    const status = { phase: 'Running', host: 'n1', bootMs: 720, message: 'all is well' };
    bodyOf(await scope.api.patch(scope.path('microvms', 'shown', 'status'), 'merge', { status }));
    const [header = '', row = ''] = (await kubectl(['get', 'mvm', 'shown'])).split('\n');
    assert.deepEqual(header.split(/\s+/).filter(Boolean), [
      'NAME',
      'PHASE',
      'IMAGE',
      'CPU',
      'MEMORY',
      'HOST',
      'BOOT-MS',
      'REASON',
      'AGE',
    ]);
    assert.match(row, /^shown\s+Running\s+tvm\/python\s+1\s+256\s+n1\s+720\s+\d+s\s*$/);
    assert.match(await kubectl(['get', 'mvm', 'shown', '-o', 'wide']), /MESSAGE\s*\n.*all is well/);
    assert.equal(await kubectl(['get', 'microvm/shown', '-o', 'name']), 'microvm.vvm.tvm.github.com/shown\n');
    assert.equal(await kubectl(['get', 'microvms', 'shown', '-o', 'jsonpath={.status.bootMs}']), '720');
    assert.match(await kubectl(['get', 'mvm', 'shown', '-o', 'yaml']), /^kind: MicroVM$/m);
    assert.match(await kubectl(['get', 'all']), /^(microvm\.vvm\.tvm\.github\.com\/)?shown\s/m);
    assert.match(await kubectl(['get', 'tvm', '--show-labels']), /LABELS/);
    assert.match(await kubectl(['get', 'mvm', '--sort-by=.metadata.name', '--chunk-size=1']), /shown/);
    assert.match(
      await kubectl(['get', 'mvm', '-A', '--field-selector', 'metadata.name=shown']),
      new RegExp(scope.namespace),
    );
  });

  test('get of what is not there', async () => {
    const missing = await scope.kubectl(['get', 'mvm', 'none']);
    assert.equal(missing.exitCode, 1);
    assert.equal(missing.stderr, 'Error from server (NotFound): microvms.vvm.tvm.github.com "none" not found\n');
    const empty = await scope.kubectl(['get', 'mcps']);
    assert.equal(empty.stderr, `No resources found in ${scope.namespace} namespace.\n`);
    const unknown = await scope.kubectl(['get', 'zorks']);
    assert.match(unknown.stderr, /the server doesn't have a resource type "zorks"/);
  });

  test('get -w sees a change', async () => {
    await make('watched', { metadata: { labels: { watch: 'me' } } });
    const setPhase = (phase: string) =>
      scope.api.patch(scope.path('microvms', 'watched', 'status'), 'merge', { status: { phase } });
    // By a label, since a watch of one name begins anew after what was printed.
    const { stdout } = await scope.kubectl(['get', 'mvm', '-l', 'watch=me', '-w'], {
      onOutput: (output, stop) => {
        if (output.split('\n').length === 3) void setPhase('Creating');
        if (/Creating .*\n/.test(output)) stop(); // it writes cell by cell
      },
    });
    assert.match(stdout, /^NAME .*\nwatched .*\nwatched\s+Creating /);
  });

  test('describe shows fields and Events', async () => {
    const { metadata } = await make('described');
    const event = {
      metadata: { name: 'described.1' },
      involvedObject: {
        apiVersion: 'vvm.tvm.github.com/v1alpha1',
        kind: 'MicroVM',
        name: 'described',
        namespace: scope.namespace,
        uid: metadata.uid,
      },
      reason: 'Scheduled',
      message: 'placed on n1',
      type: 'Normal',
      count: 1,
      firstTimestamp: metadata.creationTimestamp,
      lastTimestamp: metadata.creationTimestamp,
      source: { component: 'lime-ctrl' },
    };
    bodyOf(await scope.api.create(scope.path('events'), event), 201);
    const text = await kubectl(['describe', 'mvm', 'described']);
    assert.match(text, /^Name:\s+described$/m);
    assert.match(text, /^\s+Image:\s+tvm\/python$/m);
    assert.match(
      text,
      /Events:\n\s+Type\s+Reason\s+Age\s+From\s+Message\n.*\n\s+Normal\s+Scheduled\s+\d+s\s+lime-ctrl\s+placed on n1/,
    );
    assert.match(await kubectl(['get', 'events']), /Normal\s+Scheduled\s+microvm\/described\s+placed on n1/);
  });

  test('wait for a condition and the end', async () => {
    await make('awaited');
    const waiting = kubectl(['wait', '--for=condition=Ready', 'mvm/awaited', '--timeout=30s']);
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'Booted',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const status = { phase: 'Running', conditions: [condition] };
    bodyOf(await scope.api.patch(scope.path('microvms', 'awaited', 'status'), 'merge', { status }));
    assert.match(await waiting, /awaited condition met/);
    const { promise: looked, resolve } = Promise.withResolvers<void>();
    const end = kubectl(['wait', '--for=delete', 'mvm/awaited', '--timeout=30s', '-v=6'], {
      onProgress: (line) => line.includes('/microvms') && resolve(), // its first look must find something
    });
    await Promise.race([looked, end]);
    assert.match(await kubectl(['delete', 'mvm', 'awaited']), /"awaited" deleted/);
    await end;
  });

  test('delete by file, label and all', async () => {
    await apply(manifest('d1'));
    assert.match(await kubectl(['delete', '-f', '-'], { input: manifest('d1') }), /"d1" deleted/);
    await make('d2', { metadata: { labels: { kill: 'me' } } });
    assert.match(await kubectl(['delete', 'mvm', '-l', 'kill=me']), /"d2" deleted/);
    const again = await scope.kubectl(['delete', 'mvm', 'd2']);
    assert.match(again.stderr, /^Error from server \(NotFound\)/);
    assert.equal(await kubectl(['delete', 'mvm', 'd2', '--ignore-not-found']), '');
    for (const policy of ['foreground', 'background', 'orphan']) {
      await make('d3');
      assert.match(await kubectl(['delete', 'mvm', 'd3', `--cascade=${policy}`]), /"d3" deleted/);
    }
    await make('d4');
    assert.match(await kubectl(['delete', 'mvm', '--all']), /"d4" deleted/);
  });

  test('explain and api-resources', async () => {
    const spec = await kubectl(['explain', 'mvm.spec']);
    assert.match(spec, /KIND:\s+MicroVM\nVERSION:\s+(vvm\.tvm\.github\.com\/)?v1alpha1/);
    assert.match(spec, /memory\s+<integer> -required-\n\s+Memory in MB \(2\^20 bytes\), 64 at least\./);
    assert.match(await kubectl(['explain', 'microvm.spec.env.name']), /FIELD:\s+name <string>/);
    assert.match(await kubectl(['explain', 'mvm', '--recursive']), /secretRef\s+<Object>/);
    assert.match(await kubectl(['explain', 'mvm.metadata.labels']), /FIELD:\s+labels <map\[string\]string>/);
    assert.match(await kubectl(['explain', 'secret.stringData']), /FIELD:\s+stringData <map\[string\]string>/);
    const resources = await kubectl(['api-resources', '--api-group=vvm.tvm.github.com']);
    assert.match(resources, /^microvms\s+mvm\s+vvm\.tvm\.github\.com\/v1alpha1\s+true\s+MicroVM$/m);
    assert.match(await kubectl(['api-resources', '--verbs=list', '--namespaced=false', '-o', 'name']), /^namespaces$/m);
    assert.match(await kubectl(['api-versions']), /^vvm\.tvm\.github\.com\/v1alpha1$/m);
    assert.match(await kubectl(['version']), /Server Version: .*v1\./);
  });

  test('create secret, configmap and namespace', async () => {
    assert.equal(
      await kubectl(['create', 'secret', 'generic', 'env', '--from-literal=KEY=value']),
      'secret/env created\n',
    );
    assert.match(await kubectl(['get', 'secret', 'env']), /^env\s+Opaque\s+1\s/m);
    assert.equal(await kubectl(['get', 'secret', 'env', '-o', 'jsonpath={.data.KEY}']), 'dmFsdWU=');
    assert.match(await kubectl(['describe', 'secret', 'env']), /KEY:\s+5 bytes/);
    await kubectl(['create', 'configmap', 'settings', '--from-literal=a=b']);
    assert.match(await kubectl(['describe', 'configmap', 'settings']), /a:\n----\nb/);
    const name = `${scope.namespace}-2`;
    assert.equal(await kubectl(['create', 'namespace', name]), `namespace/${name} created\n`);
    assert.match(await kubectl(['delete', 'namespace', name, '--timeout=60s']), /deleted/);
  });
});
