import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseBlock, choosePair, pairOfHost } from './address-plan.ts';
import { type Block, contains, formatBlock, overlap, parseAddress, parseBlock } from './ipv4.ts';

const block = (text: string): Block => parseBlock(text) ?? assert.fail(text);
const anyBlock = fc
  .tuple(fc.nat(0xffffffff), fc.integer({ min: 8, max: 32 }))
  .map(([address, prefix]) => block(`${[24, 16, 8, 0].map((at) => (address >>> at) & 255).join('.')}/${prefix}`));

test('blocks and addresses are read and written', () => {
  for (const text of ['10.0.0.0/8', '203.0.113.7/32', '0.0.0.0/0']) assert.equal(formatBlock(block(text)), text);
  assert.equal(formatBlock(block('10.1.2.3/8')), '10.0.0.0/8');
  for (const text of ['10.0.0/8', '1.2.3.4/33', '256.0.0.1', '1.2.3.4/', '01.2.3.4', '1.2.3.4/8/8', '']) {
    assert.equal(parseBlock(text), undefined, text);
  }
});

test('the block overlaps no route of the host, and is the same each time', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(anyBlock, { maxLength: 20 }), (owner, routes) => {
      fc.pre(!routes.some((route) => overlap(route, block('100.64.0.0/10')) && route.prefix < 13));
      const chosen = chooseBlock(owner, routes, undefined);
      assert.ok(contains(block('100.64.0.0/10'), chosen));
      assert.ok(!routes.some((route) => overlap(route, chosen)));
      assert.deepEqual(chooseBlock(owner, routes, undefined), chosen);
    }),
  );
  assert.throws(() => chooseBlock('a', [block('100.64.0.0/10')], undefined), { reason: 'NoAddress' });
  assert.deepEqual(chooseBlock('a', [], '10.9.0.0/16'), block('10.9.0.0/16'));
  for (const wrong of ['10.9.0.0/32', '10.0.0.0/4', 'fd00::/64']) {
    assert.throws(() => chooseBlock('a', [], wrong), { code: 'invalid_argument' });
  }
});

test('machines have pairs of their own within the block, until it is full', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^[0-9a-f]{12}$/), { minLength: 8, maxLength: 8 }), (ids) => {
      const small = block('100.100.0.0/28');
      const taken = new Set<string>();
      for (const id of ids) {
        const { host, machine } = choosePair(id, small, taken);
        assert.ok(contains(small, block(machine)) && !taken.has(host));
        assert.equal(parseAddress(machine), (parseAddress(host) ?? 0) + 1);
        assert.deepEqual(pairOfHost(host), { host, machine });
        taken.add(host);
      }
      assert.throws(() => choosePair('ffffffffffff', small, taken), { reason: 'NoAddress' });
    }),
  );
});
