import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesFields, parseFieldSelector, selectedName } from './field-selector.ts';

const object = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'a', namespace: 'n' },
  involvedObject: { name: 'x,y' },
};

test('fields by label, with escapes', () => {
  const parse = (text: string) => parseFieldSelector(text, ['involvedObject.name']);
  assert.ok(matchesFields(parse('metadata.name=a,involvedObject.name=x\\,y'), object));
  assert.ok(matchesFields(parse('metadata.name!=b,metadata.namespace==n'), object));
  assert.ok(!matchesFields(parse('metadata.name=b'), object));
  assert.ok(!matchesFields(parse('involvedObject.name='), object));
  assert.equal(selectedName(parse('metadata.name=a')), 'a');
  assert.equal(selectedName(parse('metadata.name!=a')), undefined);
});

test('unknown labels and nonsense are refused', () => {
  assert.throws(() => parseFieldSelector('spec.x=1', []), /field label not supported: spec.x/);
  assert.throws(() => parseFieldSelector('zork', []), /invalid selector/);
  assert.throws(() => parseFieldSelector('metadata.namespace=a', [], false), /not supported/);
});
