import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loggablePath } from './secret-paths.ts';

test('paths that are secrets are told without what makes them so', () => {
  assert.equal(loggablePath('/ports/eyJ.tag/a/b?c=d'), '/ports/[sealed]/a/b');
  assert.equal(loggablePath('/ports/eyJ.tag'), '/ports/[sealed]');
  assert.equal(loggablePath('/transfers/eyJ.tag'), '/transfers/[sealed]');
  assert.equal(loggablePath('/v1/microvms/ports/ports/80/x'), '/v1/microvms/ports/ports/80/x');
});
