// Watches: from a version, from now, initial events, selectors, bookmarks, expiry, end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFailure, bodyOf, configMap, microVm } from './objects.ts';
import { onEachTarget } from './scope.ts';
import { WatchStream } from './watch-stream.ts';

onEachTarget('watch', (scope) => {
  const make = async (name: string, labels: Record<string, string> = {}) =>
    bodyOf(await scope.api.create(scope.path('microvms'), microVm(name, { metadata: { labels } })), 201);
  const merge = async (name: string, patch: object) =>
    bodyOf(await scope.api.patch(scope.path('microvms', name), 'merge', patch));
  const version = async () => bodyOf(await scope.api.get(scope.path('microvms'))).metadata.resourceVersion as string;
  const watch = (query: Record<string, string | number | boolean> = {}) =>
    WatchStream.open(scope.api, scope.path('microvms'), query);

  test('from the version of a list comes everything after it, in order', async () => {
    await make('w1');
    const resourceVersion = await version();
    const created = await make('w2');
    const changed = await merge('w2', { spec: { ttlSeconds: 5 } });
    bodyOf(await scope.api.delete(scope.path('microvms', 'w2')));
    using stream = await watch({ resourceVersion });
    assert.equal(stream.status, 200);
    assert.match(stream.headers['content-type'] ?? '', /^application\/json/);
    const [added, modified, deleted] = [await stream.next(), await stream.next(), await stream.next()];
    assert.deepEqual(added, { type: 'ADDED', object: created });
    assert.deepEqual(modified, { type: 'MODIFIED', object: changed });
    assert.equal(deleted?.type, 'DELETED');
    assert.equal(deleted?.object.spec.ttlSeconds, 5);
    assert.ok(BigInt(deleted?.object.metadata.resourceVersion) > BigInt(changed.metadata.resourceVersion));
    await make('w3');
    assert.deepEqual(await stream.take(1), ['ADDED w3']);
  });

  test('a watch resumes after the last version that was seen', async () => {
    const first = await make('resume1');
    const second = await make('resume2');
    using stream = await watch({ resourceVersion: first.metadata.resourceVersion });
    assert.deepEqual(await stream.take(1), ['ADDED resume2']);
    using later = await watch({ resourceVersion: second.metadata.resourceVersion });
    await make('resume3');
    assert.deepEqual(await later.take(1), ['ADDED resume3']);
  });

  for (const [title, query] of [
    ['without a version', {}],
    ['from version 0', { resourceVersion: '0' }],
  ] as const) {
    test(`${title} a watch begins with what is there`, async () => {
      const name = title.startsWith('without') ? 'there' : 'zero';
      await make(name, { start: name });
      using stream = await watch({ ...query, labelSelector: `start=${name}` });
      assert.deepEqual(await stream.take(1), [`ADDED ${name}`]);
      await merge(name, { spec: { ttlSeconds: 9 } });
      assert.deepEqual(await stream.take(1), [`MODIFIED ${name}`]);
    });
  }

  test('an object that enters a selector is added, one that leaves is deleted', async () => {
    const resourceVersion = await version();
    using stream = await watch({ resourceVersion, labelSelector: 'tier in (gold,silver)' });
    await make('in1', { tier: 'gold' });
    await make('out1', { tier: 'lead' });
    await merge('out1', { metadata: { labels: { tier: 'silver' } } });
    await merge('in1', { metadata: { labels: { tier: 'silver' } } });
    const left = await merge('in1', { metadata: { labels: { tier: null } } });
    assert.deepEqual(await stream.take(3), ['ADDED in1', 'ADDED out1', 'MODIFIED in1']);
    const deleted = await stream.next();
    assert.equal(deleted?.type, 'DELETED');
    assert.equal(deleted?.object.metadata.labels.tier, 'silver');
    assert.equal(deleted?.object.metadata.resourceVersion, left.metadata.resourceVersion);
  });

  test('one object by field selector', async () => {
    const resourceVersion = await version();
    using stream = await watch({ resourceVersion, fieldSelector: 'metadata.name=only' });
    await make('not-only');
    await make('only');
    bodyOf(await scope.api.delete(scope.path('microvms', 'only')));
    assert.deepEqual(await stream.take(2), ['ADDED only', 'DELETED only']);
  });

  test('over all namespaces', async () => {
    const resourceVersion = await version();
    using stream = await WatchStream.open(scope.api, '/apis/vvm.tvm.github.com/v1alpha1/microvms', {
      resourceVersion,
      fieldSelector: `metadata.namespace=${scope.namespace}`,
    });
    await make('everywhere');
    assert.deepEqual(await stream.take(1), ['ADDED everywhere']);
  });

  test('sendInitialEvents ends the initial state with a bookmark', async () => {
    await make('initial1', { initial: 'yes' });
    await make('initial2', { initial: 'yes' });
    using stream = await watch({
      sendInitialEvents: true,
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: true,
      labelSelector: 'initial=yes',
    });
    assert.deepEqual((await stream.take(2)).sort(), ['ADDED initial1', 'ADDED initial2']);
    const bookmark = await stream.next();
    assert.equal(bookmark?.type, 'BOOKMARK');
    assert.equal(bookmark?.object.kind, 'MicroVM');
    assert.deepEqual(bookmark?.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
    assert.match(bookmark?.object.metadata.resourceVersion, /^\d+$/);
    await make('initial3', { initial: 'yes' });
    assert.deepEqual(await stream.take(1), ['ADDED initial3']);
  });

  test('sendInitialEvents without resourceVersionMatch is refused', async () => {
    const answer = await scope.api.get(scope.path('microvms'), { watch: 1, sendInitialEvents: true });
    const message = 'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    assertFailure(answer, {
      code: 422,
      reason: 'Invalid',
      message: `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: ${message}`,
      details: {
        group: 'meta.k8s.io',
        kind: 'ListOptions',
        causes: [{ reason: 'FieldValueForbidden', message, field: 'resourceVersionMatch' }],
      },
    });
  });

  test('bookmarks tell the version before the stream ends', async () => {
    const resourceVersion = await version();
    // It comes two seconds before the end, and after what is made here.
    using stream = await watch({ resourceVersion, allowWatchBookmarks: true, timeoutSeconds: 10 });
    const { metadata } = bodyOf(await scope.api.create(scope.path('configmaps'), configMap('elsewhere')), 201);
    await make('before-the-end');
    const seen: string[] = [];
    for (let event = await stream.next(); event; event = await stream.next()) {
      seen.push(event.type);
      if (event.type !== 'BOOKMARK') continue;
      assert.deepEqual(
        Object.keys(event.object.metadata).filter((key) => key !== 'creationTimestamp'),
        ['resourceVersion'],
      );
      assert.ok(BigInt(event.object.metadata.resourceVersion) >= BigInt(metadata.resourceVersion));
    }
    assert.equal(seen[0], 'ADDED');
    assert.ok(seen.includes('BOOKMARK'), `no bookmark in ${seen}`);
  });

  test('timeoutSeconds ends the stream', async () => {
    using stream = await watch({ resourceVersion: await version(), timeoutSeconds: 1 });
    assert.equal(await stream.next(), undefined);
  });

  // The first versions of a server are never kept: etcd's own keys there, the start of the counter here.
  test('a version that is forgotten gives an ERROR event of code 410', async () => {
    using stream = await watch({ resourceVersion: '1' });
    assert.equal(stream.status, 200);
    const event = await stream.next();
    assert.equal(event?.type, 'ERROR');
    assert.equal(event?.object.kind, 'Status');
    assert.equal(event?.object.code, 410);
    assert.equal(event?.object.reason, 'Expired');
    assert.match(event?.object.message, /^too old resource version: 1 \(\d+\)$/);
    assert.equal(await stream.next(), undefined);
  });

  test('a version that is no number is refused', async () => {
    const answer = await scope.api.get(scope.path('microvms'), { watch: 1, resourceVersion: 'abc' });
    assert.ok(answer.status >= 400 && answer.body.kind === 'Status', answer.text);
    assert.match(answer.body.message, /resourceVersion: Invalid value: "abc"/);
  });

  test('deletion with finalizers is a change first', async () => {
    const object = microVm('held', { metadata: { finalizers: ['test.example/hold'] } });
    const { metadata } = bodyOf(await scope.api.create(scope.path('microvms'), object), 201);
    using stream = await watch({ resourceVersion: metadata.resourceVersion });
    bodyOf(await scope.api.delete(scope.path('microvms', 'held')));
    const modified = await stream.next();
    assert.equal(modified?.type, 'MODIFIED');
    assert.ok(modified?.object.metadata.deletionTimestamp);
    await merge('held', { metadata: { finalizers: null } });
    assert.deepEqual(await stream.take(1), ['DELETED held']);
  });

  test('a watch can carry tables and partial metadata', async () => {
    const resourceVersion = await version();
    await make('shown');
    const open = (accept: string) =>
      WatchStream.open(scope.api, scope.path('microvms'), { resourceVersion }, { accept });
    using table = await open('application/json;as=Table;v=v1;g=meta.k8s.io');
    const row = await table.next();
    assert.equal(row?.object.kind, 'Table');
    assert.ok(row?.object.columnDefinitions.length > 5);
    assert.equal(row?.object.rows[0].object.kind, 'PartialObjectMetadata');
    await make('shown2');
    const second = await table.next();
    assert.equal(second?.object.columnDefinitions, null);
    assert.equal(second?.object.rows[0].cells[0], 'shown2');
    using partial = await open('application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io');
    const event = await partial.next();
    assert.equal(event?.object.kind, 'PartialObjectMetadata');
    assert.equal(event?.object.spec, undefined);
  });

  test('many watchers see every change once', async () => {
    const resourceVersion = await version();
    const streams = await Promise.all(Array.from({ length: 10 }, () => watch({ resourceVersion })));
    try {
      await Promise.all(Array.from({ length: 10 }, (_, i) => make(`burst-${i}`)));
      const seen = await Promise.all(streams.map((stream) => stream.take(10)));
      for (const events of seen) {
        assert.deepEqual(events, seen[0]);
        assert.equal(new Set(events).size, 10);
      }
    } finally {
      for (const stream of streams) stream[Symbol.dispose]();
    }
  });

  test('a watch is asked for in several ways', async () => {
    await make('asked');
    for (const watch of ['true', '1', 'True', 'yes', '']) {
      const fieldSelector = 'metadata.name=asked';
      using stream = await WatchStream.open(scope.api, scope.path('microvms'), { watch, fieldSelector });
      assert.deepEqual(await stream.take(1), ['ADDED asked'], watch);
    }
    for (const watch of ['false', '0', 'False']) {
      const list = bodyOf(await scope.api.get(scope.path('microvms'), { watch }));
      assert.equal(list.kind, 'MicroVMList', watch);
    }
  });

  test('a time without end is none', async () => {
    using stream = await watch({ timeoutSeconds: 99_999_999, resourceVersion: await version() });
    await make('late');
    assert.deepEqual(await stream.take(1), ['ADDED late']);
  });

  test('more than any buffer holds, for a client that reads late', async () => {
    const data = { a: 'x'.repeat(400_000) };
    const names = Array.from({ length: 25 }, (_, i) => `large-${i}`);
    for (const name of names) bodyOf(await scope.api.create(scope.path('configmaps'), configMap(name, data)), 201);
    const query = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true };
    using stream = await WatchStream.open(scope.api, scope.path('configmaps'), query);
    for (const b of ['1', '2', '3']) {
      bodyOf(await scope.api.patch(scope.path('configmaps', 'large-0'), 'merge', { data: { b } }));
    }
    const seen: string[] = [];
    while (seen.filter((event) => event === 'MODIFIED large-0').length < 3) seen.push(...(await stream.take(1)));
    const added = seen.filter((event) => event.startsWith('ADDED large-'));
    assert.deepEqual(added.sort(), names.map((name) => `ADDED ${name}`).sort());
  });
});
