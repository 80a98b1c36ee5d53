import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DiskRecord, type DiskSpec, keyOf } from './disk.ts';
import {
  checkCopyRoom,
  checkDiskRoom,
  checkDisks,
  checkUnattached,
  type DiskOwner,
  grown,
  isRemovedWithMachine,
  planDisk,
  sized,
} from './plan.ts';

const data: DiskSpec = { name: 'data', sizeMiB: 64, mountPath: '/data', retainedAs: '' };
const record: DiskRecord = { key: 'machine/a/data', retained: false, machineUid: 'a', sizeMiB: 64, used: true };
const empty = { owners: [], records: [], copiesMiB: 0 };
const owner = (uid: string, ...disks: DiskSpec[]): DiskOwner => ({ uid, spec: { disks } });

test('what can never be disks of a machine is refused', () => {
  checkDisks([data, { ...data, name: 'work', mountPath: '/database' }]);
  const bad: Partial<DiskSpec>[] = [
    ...[{ name: '' }, { name: '../up' }, { name: 'x'.repeat(21) }, { name: 'a,b' }, { sizeMiB: 0 }],
    ...[
      { sizeMiB: 2 ** 31 },
      { mountPath: 'data' },
      { mountPath: '/' },
      { mountPath: '/proc' },
      { mountPath: '/dev/x' },
    ],
    ...[{ mountPath: '/sys' }, { mountPath: '/usr' }, { mountPath: '/a/../etc' }, { mountPath: '/a/./b' }],
    ...[{ mountPath: '/data/' }, { mountPath: '/a//b' }, { mountPath: '/a b' }, { mountPath: `/${'x'.repeat(255)}` }],
  ];
  for (const each of bad)
    assert.throws(() => checkDisks([{ ...data, ...each }]), { reason: 'InvalidSpec' }, JSON.stringify(each));
  const pairs: Partial<DiskSpec>[] = [{ name: 'data' }, { mountPath: '/data' }, { mountPath: '/data/inner' }];
  for (const each of pairs) {
    const other = { ...data, name: 'other', mountPath: '/other', ...each };
    assert.throws(() => checkDisks([data, other]), { reason: 'InvalidSpec' });
    assert.throws(() => checkDisks([other, data]), { reason: 'InvalidSpec' });
  }
  const five = [1, 2, 3, 4, 5].map((each) => ({ ...data, name: `d${each}`, mountPath: `/d${each}` }));
  assert.throws(() => checkDisks(five), { reason: 'InvalidSpec' });
});

test('a retained disk has one machine, whatever it is called there; others have nothing in common', () => {
  const kept = { ...data, retainedAs: 'ns/a/data' };
  checkUnattached(owner('b', data), [owner('a', data)]);
  checkUnattached(owner('a', kept), [owner('a', kept)]);
  assert.throws(() => checkUnattached(owner('b', { ...kept, name: 'mine' }), [owner('a', kept)]), {
    code: 'failed_precondition',
    reason: 'DiskInUse',
  });
});

const sizes = fc.integer({ min: 1, max: 100 });
const owners = fc.array(fc.record({ uid: fc.uuid(), spec: fc.record({ disks: fc.tuple(sizes) }) }), { maxLength: 8 });

test('what is let in never exceeds the limit', () => {
  fc.assert(
    fc.property(owners, fc.integer({ min: 1, max: 300 }), fc.nat(50), (wanted, limitMiB, copiesMiB) => {
      const taken: DiskOwner[] = [];
      for (const { uid, spec } of wanted) {
        const next = owner(uid, ...spec.disks.map((sizeMiB) => ({ ...data, sizeMiB })));
        try {
          checkDiskRoom(next, { ...empty, owners: taken, copiesMiB }, limitMiB);
          taken.push(next);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'resource_exhausted');
        }
      }
      const sum = taken.flatMap(({ spec }) => spec.disks ?? []).reduce((total, { sizeMiB }) => total + sizeMiB, 0);
      assert.ok(sum === 0 || sum + copiesMiB <= limitMiB);
    }),
  );
});

test('disks that nobody has count as well, and one that is found again counts once', () => {
  const kept = { ...data, retainedAs: 'k' };
  const there = { ...record, key: keyOf('', kept), machineUid: '' };
  const kind = { ...empty, records: [there] };
  assert.throws(() => checkDiskRoom(owner('b', data), kind, 127), { reason: 'NoDiskRoom' });
  checkDiskRoom(owner('b', data), kind, 128);
  checkDiskRoom(owner('b', kept), { ...kind, owners: [owner('b', kept)] }, 64);
});

test('one that is found again counts as large as it is, however little is asked for', () => {
  const kept = { ...data, retainedAs: 'k' };
  const there = { ...record, key: keyOf('', kept), sizeMiB: 100 };
  const b = owner('b', { ...kept, sizeMiB: 16 }, { ...data, name: 'other', mountPath: '/other' });
  assert.throws(() => checkDiskRoom(b, { ...empty, records: [there] }, 163), { reason: 'NoDiskRoom' });
  checkDiskRoom(b, { ...empty, records: [there] }, 164);
});

test('copies fit beside disks and other copies, or are refused with how much is free', () => {
  const there = { ...empty, owners: [owner('a', data)], copiesMiB: 10 };
  checkCopyRoom(26, there, 100);
  checkCopyRoom(0, there, 10);
  assert.throws(() => checkCopyRoom(27, there, 100), {
    reason: 'NoDiskRoom',
    message: 'a snapshot needs 27 MiB for copies of disks, 26 MiB are free on this node',
  });
});

test('a disk is made once, grows, and never shrinks', () => {
  assert.deepEqual(planDisk(data, undefined, false), { do: 'make', sizeMiB: 64 });
  assert.deepEqual(planDisk(data, record, false), { do: 'take' });
  fc.assert(
    fc.property(sizes, sizes, (sizeMiB, has) => {
      const step = planDisk({ ...data, sizeMiB }, { ...record, sizeMiB: has }, false);
      assert.equal(step.do, sizeMiB > has ? 'grow' : 'take');
      const [after] = grown([{ ...data, sizeMiB: has }], [{ name: 'data', sizeMiB }]);
      assert.equal(after?.sizeMiB, Math.max(sizeMiB, has));
    }),
  );
  assert.equal(sized([{ ...data, sizeMiB: 9 }], [data])[0]?.sizeMiB, 64);
});

test('what a snapshot continues with is a copy, never something that is in use', () => {
  assert.equal(planDisk(data, undefined, true).do, 'copy');
  assert.equal(planDisk(data, { ...record, used: false }, true).do, 'copy');
  assert.throws(() => planDisk(data, record, true), { reason: 'DiskInUse' });
});

test('a retained disk stays once it was used', () => {
  assert.equal(isRemovedWithMachine(record), true);
  assert.equal(isRemovedWithMachine({ ...record, retained: true }), false);
  assert.equal(isRemovedWithMachine({ ...record, retained: true, used: false }), true);
});
