import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeAuthenticator } from './tokens.ts';

test('only a known bearer token proves a user', () => {
  const { userOf } = makeAuthenticator(new Map([['secret', 'admin']]));
  assert.equal(userOf('Bearer secret'), 'admin');
  assert.equal(userOf('bearer secret'), 'admin');
  const wrong = [undefined, '', 'secret', 'Basic secret', 'Bearer', 'Bearer ', 'Bearer Secret', 'Bearer secret x'];
  for (const header of [...wrong, `Bearer ${'x'.repeat(10_000)}`]) assert.equal(userOf(header), undefined, header);
});
