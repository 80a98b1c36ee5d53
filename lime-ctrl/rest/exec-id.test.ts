import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isExecOf, newExecId } from './exec-id.ts';

test('an id is of the user who started the process, and of nobody else', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (user, other) => {
      const id = newExecId(user);
      assert.match(id, /^[\w-]{44}$/);
      assert.ok(isExecOf(id, user));
      assert.equal(isExecOf(id, other), other === user);
      for (const wrong of [id.slice(1), `${id}A`, id.slice(0, 22), `${other}${id}`, id.slice(22)]) {
        assert.equal(isExecOf(wrong, user), wrong === id);
      }
    }),
  );
  assert.notEqual(newExecId('a'), newExecId('a'));
  for (const wrong of ['', '1', 'constructor']) assert.equal(isExecOf(wrong, 'a'), false);
});
