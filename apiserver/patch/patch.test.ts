import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StatusError } from '../status/status-error.ts';
import { jsonPatch } from './json-patch.ts';
import { mergePatch } from './merge-patch.ts';
import { strategicMergePatch } from './strategic-merge-patch.ts';

test('JSON patch: the operations of RFC 6902', () => {
  const patched = jsonPatch({ a: { b: 1 }, list: [1, 2, 3] }, [
    { op: 'test', path: '/a/b', value: 1 },
    { op: 'add', path: '/a/c~1d', value: 2 },
    { op: 'replace', path: '/a/b', value: 9 },
    { op: 'remove', path: '/list/0' },
    { op: 'add', path: '/list/-', value: 4 },
    { op: 'add', path: '/list/0', value: 0 },
    { op: 'move', from: '/a/b', path: '/moved' },
    { op: 'copy', from: '/list', path: '/copied' },
  ]);
  assert.deepEqual(patched, { a: { 'c/d': 2 }, list: [0, 2, 3, 4], moved: 9, copied: [0, 2, 3, 4] });
});

test('JSON patch: what cannot be applied is refused and changes nothing', () => {
  const target = { a: { b: 1 }, list: [1] };
  const bad = [
    [{ op: 'test', path: '/a/b', value: 2 }],
    [{ op: 'remove', path: '/zork' }],
    [{ op: 'replace', path: '/zork', value: 1 }],
    [{ op: 'add', path: '/zork/x', value: 1 }],
    [{ op: 'add', path: '/list/7', value: 1 }],
    [{ op: 'add', path: '/list/x', value: 1 }],
    [{ op: 'move', from: '/a', path: '/a/b/c' }],
    [{ op: 'add', path: '/__proto__/polluted', value: 1 }],
    [{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }],
    [{ op: 'zork', path: '/a' }],
    [{ op: 'add', path: 'a', value: 1 }],
    ['zork'],
  ];
  for (const patch of bad) assert.throws(() => jsonPatch(target, patch), StatusError, JSON.stringify(patch));
  assert.throws(() => jsonPatch(target, {}), /error decoding patch/);
  assert.deepEqual(target, { a: { b: 1 }, list: [1] });
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('merge patch: the examples of RFC 7396', () => {
  const rows: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [['a', 'b'], ['c'], ['c']],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of rows) assert.deepEqual(mergePatch(target, patch), result);
});

test('merge patch: patching twice is patching once, and no prototype is touched', () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(json, json, (target, patch) => {
      const once = mergePatch(target, patch);
      assert.deepEqual(mergePatch(once, patch), once);
    }),
  );
  const patched = mergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}'));
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  assert.deepEqual(Object.keys(patched as object), ['__proto__']);
});

const schema = {
  properties: {
    owners: { items: {}, 'x-kubernetes-patch-strategy': 'merge', 'x-kubernetes-patch-merge-key': 'uid' },
    finalizers: { items: {}, 'x-kubernetes-patch-strategy': 'merge' },
    plain: { items: {} },
  },
};

test('strategic merge: lists by key, directives', () => {
  const target = { owners: [{ uid: '1', a: 1 }, { uid: '2' }], finalizers: ['a', 'b'], plain: [1], map: { a: 1 } };
  const patch = (value: object) => strategicMergePatch(target, value, schema);
  assert.deepEqual(patch({ owners: [{ uid: '1', b: 2 }, { uid: '3' }] }), {
    ...target,
    owners: [{ uid: '1', a: 1, b: 2 }, { uid: '2' }, { uid: '3' }],
  });
  assert.deepEqual(patch({ owners: [{ uid: '1', $patch: 'delete' }] }), { ...target, owners: [{ uid: '2' }] });
  assert.deepEqual(patch({ owners: [{ uid: '9' }, { $patch: 'replace' }] }), { ...target, owners: [{ uid: '9' }] });
  assert.deepEqual(patch({ finalizers: ['b', 'c'] }), { ...target, finalizers: ['a', 'b', 'c'] });
  assert.deepEqual(patch({ '$deleteFromPrimitiveList/finalizers': ['a'] }), { ...target, finalizers: ['b'] });
  assert.deepEqual(patch({ '$setElementOrder/finalizers': ['b', 'a'] }), { ...target, finalizers: ['b', 'a'] });
  assert.deepEqual(patch({ plain: [2], map: null }), {
    owners: target.owners,
    finalizers: target.finalizers,
    plain: [2],
  });
  assert.deepEqual(patch({ map: { $patch: 'replace', z: 1 } }), { ...target, map: { z: 1 } });
  assert.throws(() => patch({ owners: [{ a: 1 }] }), /does not contain declared merge key: uid/);
});
