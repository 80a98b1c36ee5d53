import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indexByGroups } from './group-index.ts';
import type { Change } from './reflector.ts';

interface Thing {
  metadata: { name: string; namespace: string };
  groups: string[];
}

/** What a reflector is to an index. */
function makeSource() {
  const things = new Map<string, Thing>();
  const listeners = new Set<(change: Change<Thing>) => void>();
  return {
    list: () => [...things.values()],
    subscribe(listener: (change: Change<Thing>) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(name: string, groups: string[] | undefined) {
      const key = `n/${name}`;
      const previous = things.get(key);
      const object = groups && { metadata: { name, namespace: 'n' }, groups };
      if (object) things.set(key, object);
      else things.delete(key);
      for (const listener of listeners) listener({ key, object, previous });
    },
  };
}

test('whatever changes, a group has the objects that name it', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const groups = fc.option(fc.uniqueArray(fc.constantFrom('x', 'y', 'z')), { nil: undefined });
  const changes = fc.array(fc.tuple(name, groups), { maxLength: 12 });
  const property = fc.property(changes, changes, (before, after) => {
    const source = makeSource();
    for (const change of before) source.set(...change);
    const index = indexByGroups(source, (thing) => thing.groups);
    for (const change of after) source.set(...change);
    for (const group of ['x', 'y', 'z']) {
      const wanted = source.list().filter((thing) => thing.groups.includes(group));
      assert.deepEqual(index.in(group).sort(), wanted.map(({ metadata }) => `n/${metadata.name}`).sort());
    }
  });
  fc.assert(property);
});

test('it ends', () => {
  const source = makeSource();
  const index = indexByGroups(source, (thing) => thing.groups);
  index[Symbol.dispose]();
  source.set('a', ['x']);
  assert.deepEqual(index.in('x'), []);
});
