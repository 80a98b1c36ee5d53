// Lists: order, selectors, pages of one consistent moment, tokens that are too old or nonsense, versions.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf, microVm } from './objects.ts';
import { onEachTarget } from './scope.ts';

onEachTarget('list', (scope) => {
  const names = (list: ApiObject): string[] => list.items.map((each: ApiObject) => each.metadata.name);
  const list = async (query: Record<string, string | number> = {}) =>
    bodyOf(await scope.api.get(scope.path('microvms'), query));

  before(async () => {
    for (const [name, labels] of Object.entries({
      b: { tier: 'gold', zone: 'a' },
      a: { tier: 'gold' },
      d: { tier: 'lead', zone: 'b' },
      c: {},
      e: { tier: '' },
    })) {
      bodyOf(await scope.api.create(scope.path('microvms'), microVm(name, { metadata: { labels } })), 201);
    }
  });

  test('a list is sorted by name and carries a version', async () => {
    const all = await list();
    assert.equal(all.kind, 'MicroVMList');
    assert.equal(all.apiVersion, 'vvm.tvm.github.com/v1alpha1');
    assert.deepEqual(names(all), ['a', 'b', 'c', 'd', 'e']);
    assert.match(all.metadata.resourceVersion, /^[1-9]\d*$/);
    assert.equal(all.metadata.remainingItemCount, undefined);
    assert.ok(!all.metadata.continue);
  });

  test('label selectors', async () => {
    for (const [labelSelector, expected] of Object.entries({
      'tier=gold': 'ab',
      'tier==gold': 'ab',
      'tier!=gold': 'cde',
      'tier in (gold, lead)': 'abd',
      'tier notin (gold)': 'cde',
      tier: 'abde',
      '!tier': 'c',
      'tier=': 'e',
      'tier=gold,zone': 'b',
      'tier,zone notin (a)': 'ade',
      'tier=none': '',
    })) {
      assert.equal(names(await list({ labelSelector })).join(''), expected, labelSelector);
    }
  });

  test('field selectors', async () => {
    assert.deepEqual(names(await list({ fieldSelector: 'metadata.name=c' })), ['c']);
    assert.deepEqual(names(await list({ fieldSelector: 'metadata.name!=c' })), ['a', 'b', 'd', 'e']);
    assert.equal((await list({ fieldSelector: `metadata.namespace=${scope.namespace}` })).items.length, 5);
    assert.deepEqual(names(await list({ fieldSelector: 'metadata.namespace=other' })), []);
    assertFailure(await scope.api.get(scope.path('microvms'), { fieldSelector: 'spec.cpu=1' }), {
      code: 400,
      reason: 'BadRequest',
      message: 'field label not supported: spec.cpu',
    });
  });

  test('fields that the kinds name can be selected, as they are now', async () => {
    const found = async (fieldSelector: string) => names(await list({ fieldSelector }));
    bodyOf(await scope.api.patch(scope.path('microvms', 'b', 'status'), 'merge', { status: { phase: 'Failed' } }));
    assert.deepEqual(await found('status.phase=Failed'), ['b']);
    assert.deepEqual(await found('status.phase!=Failed,spec.image=tvm/python'), ['a', 'c', 'd', 'e']);
    assert.deepEqual(await found('status.phase='), ['a', 'c', 'd', 'e']);
    assert.deepEqual(await found('spec.desiredState=Running,status.host='), ['a', 'b', 'c', 'd', 'e']);
    const sessions = { fieldSelector: 'spec.userId=alice,spec.vmId=demo,status.state=' };
    assert.deepEqual(names(bodyOf(await scope.api.get(scope.path('mcpsessions'), sessions))), []);
    const snapshots = { fieldSelector: 'spec.source.microVM=a,status.readyToUse=true' };
    assert.deepEqual(names(bodyOf(await scope.api.get(scope.path('microvmsnapshots'), snapshots))), []);
    const pools = { fieldSelector: 'spec.template.spec.image=tvm/python' };
    assert.deepEqual(names(bodyOf(await scope.api.get(scope.path('microvmpools'), pools))), []);
  });

  test('selectors that cannot be read are refused', async () => {
    for (const labelSelector of ['a===b', 'a in', 'a b', 'a in (', '=x', 'a=b c']) {
      const answer = await scope.api.get(scope.path('microvms'), { labelSelector });
      assertFailure(answer, { code: 400, reason: 'BadRequest' });
    }
    assertFailure(await scope.api.get(scope.path('microvms'), { labelSelector: 'a===b' }), {
      code: 400,
      message: "unable to parse requirement: found '=', expected: identifier",
    });
    assertFailure(await scope.api.get(scope.path('microvms'), { limit: 'x' }), {
      code: 400,
      message: 'strconv.ParseInt: parsing "x": invalid syntax',
    });
  });

  test('pages show the moment of the first one', async () => {
    const first = await list({ limit: 2 });
    assert.deepEqual(names(first), ['a', 'b']);
    assert.equal(first.metadata.remainingItemCount, 3);
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('cc')), 201);
    bodyOf(await scope.api.delete(scope.path('microvms', 'd')));
    bodyOf(await scope.api.patch(scope.path('microvms', 'c'), 'merge', { spec: { ttlSeconds: 77 } }));
    const second = await list({ limit: 2, continue: first.metadata.continue });
    assert.deepEqual(names(second), ['c', 'd']);
    assert.equal(second.items[0].spec.ttlSeconds, undefined);
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    const third = await list({ limit: 2, continue: second.metadata.continue });
    assert.deepEqual(names(third), ['e']);
    assert.ok(!third.metadata.continue);
    assert.deepEqual(names(await list()), ['a', 'b', 'c', 'cc', 'e']);
    bodyOf(
      await scope.api.create(scope.path('microvms'), microVm('d', { metadata: { labels: { tier: 'lead' } } })),
      201,
    );
    bodyOf(await scope.api.delete(scope.path('microvms', 'cc')));
  });

  test('pages with a selector never claim to know what remains', async () => {
    const page = await list({ limit: 1, labelSelector: 'tier=gold' });
    assert.deepEqual(names(page), ['a']);
    assert.ok(page.metadata.continue);
    assert.equal(page.metadata.remainingItemCount, undefined);
    const rest = await list({ limit: 5, labelSelector: 'tier=gold', continue: page.metadata.continue });
    assert.deepEqual(names(rest), ['b']);
  });

  test('a token of a forgotten moment is Expired and offers one that goes on', async () => {
    const { metadata } = await list({ limit: 2 });
    const token = JSON.parse(Buffer.from(metadata.continue, 'base64').toString('utf8'));
    assert.equal(token.v, 'meta.k8s.io/v1');
    assert.equal(token.rv, Number(metadata.resourceVersion));
    await forgetHistory();
    const old = Buffer.from(JSON.stringify({ ...token, rv: 1 })).toString('base64url');
    const answer = await scope.api.get(scope.path('microvms'), { limit: 2, continue: old });
    assert.equal(answer.status, 410, answer.text);
    assert.equal(answer.body.reason, 'Expired');
    assert.match(
      answer.body.message,
      /^The provided continue parameter is too old to display a consistent list result/,
    );
    const rest = await list({ continue: answer.body.metadata.continue });
    assert.deepEqual(names(rest), ['c', 'd', 'e']);
  });

  test('a token that is nonsense is refused', async () => {
    const answer = await scope.api.get(scope.path('microvms'), { continue: 'zzzz' });
    assertFailure(answer, {
      code: 400,
      reason: 'BadRequest',
      message: /^(invalid continue token: )?continue key is not valid/,
    });
  });

  test('resourceVersion: exact, not older than, from the future', async () => {
    const { metadata } = await list();
    bodyOf(await scope.api.create(scope.path('microvms'), microVm('later')), 201);
    const query = { resourceVersion: metadata.resourceVersion, limit: 10 };
    const exact = await list({ ...query, resourceVersionMatch: 'Exact' });
    assert.ok(!names(exact).includes('later'));
    assert.equal(exact.metadata.resourceVersion, metadata.resourceVersion);
    const newer = await list({ ...query, resourceVersionMatch: 'NotOlderThan' });
    assert.ok(BigInt(newer.metadata.resourceVersion) >= BigInt(metadata.resourceVersion));
    assert.equal((await list({ resourceVersion: '0' })).kind, 'MicroVMList');
    const future = await scope.api.get(scope.path('microvms'), {
      resourceVersion: '9999999',
      resourceVersionMatch: 'NotOlderThan',
    });
    assertFailure(future, {
      code: 504,
      reason: 'Timeout',
      message: /^Timeout: Too large resource version: 9999999, current: \d+$/,
    });
    assertFailure(await scope.api.get(scope.path('microvms'), { resourceVersionMatch: 'Exact' }), {
      code: 422,
      reason: 'Invalid',
    });
    bodyOf(await scope.api.delete(scope.path('microvms', 'later')));
  });

  test('across namespaces', async () => {
    const path = '/apis/vvm.tvm.github.com/v1alpha1/microvms';
    const all = bodyOf(await scope.api.get(path, { fieldSelector: `metadata.namespace=${scope.namespace}` }));
    assert.deepEqual(names(all), ['a', 'b', 'c', 'd', 'e']);
  });

  /** Compacts etcd on the real server; the embedded one never knew version 1. */
  async function forgetHistory(): Promise<void> {
    if (!scope.server.etcdUrl) return;
    const { metadata } = await list();
    const body = JSON.stringify({ revision: metadata.resourceVersion, physical: true });
    const answer = await fetch(`${scope.server.etcdUrl}/v3/kv/compaction`, { method: 'POST', body });
    assert.equal(answer.status, 200, await answer.text());
  }
});
