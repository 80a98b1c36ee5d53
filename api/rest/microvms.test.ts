import assert from 'node:assert/strict';
import { test } from 'node:test';
import { microVmCreate, storedMicroVmView } from './microvms.ts';

const view = {
  ...{ name: 'old', namespace: 'default', uid: 'u', createdAt: '', deleting: false, labels: {}, status: {} },
  spec: { image: 'tvm/python', cpu: 1, memory: 256 },
};

test('what is stored is shown, also when today it would be refused', () => {
  const old = { ...view, spec: { image: 'two words', cpu: 99, memory: 1, desiredState: 'Dancing' } };
  assert.deepEqual(storedMicroVmView.parse(old).spec, old.spec);
  assert.equal(storedMicroVmView.parse(view).spec.desiredState, 'Running');
  assert.equal(microVmCreate.safeParse({ spec: old.spec }).success, false);
});
