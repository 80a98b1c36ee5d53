// What concerns which MicroVM, with a fleet that has machines and a list that changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MicroVm, MicroVmStatus } from '@tvm/api/kinds/microvm.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import type { Change } from '@tvm/kit/controller/reflector.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeFleet } from '../flintlock/fleet.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { microVm } from '../testing/harness.ts';
import { makeWake } from './wake.ts';

const vm = (name: string, status: MicroVmStatus, spec = {}): MicroVm => ({ ...microVm(name, spec), status });

function makeList(objects: MicroVm[]) {
  const listeners = new Set<(change: Change<MicroVm>) => void>();
  return {
    list: () => objects,
    subscribe(listener: (change: Change<MicroVm>) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    change(previous: MicroVm, object: MicroVm) {
      for (const listener of listeners) listener({ key: `default/${object.metadata.name}`, object, previous });
    },
  };
}

test('an event wakes those that it concerns', async () => {
  const fleet = makeFleet(new Map([['a', makeFakeFlintlock('a').client]]), {
    clock: systemClock,
    log: makeLogger('test', 'silent'),
  });
  const onA = vm('on-a', { host: 'a' });
  const objects = [
    onA,
    vm('on-b', { host: 'b' }),
    vm('new', {}),
    vm('full', { host: 'b', reason: 'NoRoom' }),
    vm('gone', { host: 'z', reason: 'NodeGone' }),
    vm('child', {}, { snapshot: 'now' }),
    vm('up', { host: 'b' }, { snapshot: 'now' }),
  ];
  const list = makeList(objects);
  using wake = makeWake(list, fleet);
  const names = (keys: string[]) => keys.map((key) => key.replace('default/', '')).sort();
  const labels = { owner: 'microvm', namespace: 'default', name: 'stray' };
  const machine = await makeFakeFlintlock('a').client.createMachine({ uid: 'u', spec: { memoryMib: 64 }, labels });
  fleet.learn('a', machine);

  assert.deepEqual(names(wake.byNode('a')), ['child', 'full', 'gone', 'new', 'on-a', 'stray']);
  assert.deepEqual(names(wake.byNode('c')), ['child', 'full', 'gone', 'new']);
  assert.deepEqual(names(wake.bySnapshot('default/now')), ['child']);
  assert.deepEqual(names(wake.byRoom()), ['full', 'gone']);
  assert.deepEqual(names(wake.byMachine(machine)), ['stray']);
  assert.deepEqual(names(wake.all()), [...objects.map(({ metadata }) => metadata.name), 'stray'].sort());

  list.change(onA, vm('on-a', { host: 'c' }));
  assert.deepEqual(names(wake.byNode('a')), ['child', 'full', 'gone', 'new', 'stray']);
  assert.deepEqual(names(wake.byNode('c')), ['child', 'full', 'gone', 'new', 'on-a']);
});
