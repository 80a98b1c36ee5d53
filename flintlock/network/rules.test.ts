import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseBlock } from './ipv4.ts';
import { namesOf } from './names.ts';
import { checkPolicy, matchesDomain, mayAsk, type NetworkPolicy, rulesFor } from './policy.ts';
import { machineRules, nameElements, nodeRules } from './rules.ts';

const pair = { host: '100.100.0.0', machine: '100.100.0.1' };
const block = parseBlock('100.100.0.0/18') ?? assert.fail();

/** Rules of the chain that a machine's packets leave by, in their order. */
function leaving(policy: NetworkPolicy): string[] {
  const lines = machineRules({ policy, pair, block }).split('\n');
  const from = lines.indexOf('  chain leave {') + 1;
  return lines.slice(from, lines.indexOf('  }', from)).map((line) => line.trim());
}

const always = [
  'ct state invalid drop',
  'ip daddr 100.100.0.0 meta l4proto { tcp, udp } th dport 1053 accept',
  'ip daddr @never drop',
  'ct state new add @connections { ip saddr ct count over 2048 } drop',
  'ct state established,related accept',
];

test('none accepts nothing, open all but what is private', () => {
  assert.deepEqual(leaving({ egress: 'none', allow: [] }), [...always, 'drop']);
  assert.deepEqual(leaving({ egress: 'open', allow: [] }), [...always, 'ip daddr @private drop', 'accept', 'drop']);
});

test('the node forwards nothing to addresses that are refused to all', () => {
  const refused = [parseBlock('203.0.113.7') ?? assert.fail()];
  const rules = nodeRules('owner', { block, refused, present: new Map() });
  const never = /set never \{[^}]*elements = \{ (.*?) \}/.exec(rules)?.[1]?.split(', ');
  assert.ok(never?.includes('203.0.113.7/32'), rules);
  assert.match(rules, /chain forward \{\n.*\n {4}iifname "\S+\*" ip daddr @never drop/);
});

test('a limit holds for what comes from both sides, before anything else is asked', () => {
  const arriving = (bytesPerSecond?: number) => {
    const rules = machineRules({ policy: { egress: 'open', allow: [] }, pair, block, bytesPerSecond });
    return rules.split('\n').filter((line) => line.includes('limit rate over'));
  };
  assert.deepEqual(arriving(), []);
  assert.deepEqual(arriving(65_536), [
    '    iifname "tap0" limit rate over 65536 bytes/second burst 65536 bytes drop',
    '    iifname "uplink" limit rate over 65536 bytes/second burst 65536 bytes drop',
  ]);
});

test('restricted accepts what is listed; only a rule that lies within reaches private addresses', () => {
  const allow = [
    { cidr: '0.0.0.0/0', ports: [443] },
    { cidr: '10.1.0.0/16', ports: [] },
    { domain: 'example.com', ports: [80, 443] },
  ];
  assert.deepEqual(leaving({ egress: 'restricted', allow }), [
    ...always,
    'meta l4proto { tcp, udp } th dport { 53, 853 } drop',
    'ip daddr 10.1.0.0/16 accept',
    'ip daddr @private drop',
    'ip daddr 0.0.0.0/0 meta l4proto { tcp, udp } th dport { 443 } accept',
    'ip daddr @names2 meta l4proto { tcp, udp } th dport { 80, 443 } accept',
    'drop',
  ]);
});

const octet = fc.nat(255);
const rule = fc.oneof(
  fc.record({
    cidr: fc.tuple(octet, octet, octet, octet, fc.nat(32)).map(([a, b, c, d, n]) => `${a}.${b}.${c}.${d}/${n}`),
    ports: fc.array(fc.integer({ min: 1, max: 65535 }), { maxLength: 3 }),
  }),
  fc.record({ domain: fc.constantFrom('example.com', '*.example.com'), ports: fc.constant([] as number[]) }),
);

test('whatever the policy, what is never reached is dropped before anything is accepted but the resolver', () => {
  fc.assert(
    fc.property(fc.constantFrom('none', 'open', 'restricted'), fc.array(rule), (egress, allow) => {
      const rules = leaving({ egress, allow: egress === 'restricted' ? allow : [] } as NetworkPolicy);
      const dropped = rules.indexOf('ip daddr @never drop');
      const accepted = rules.findIndex((each) => each.endsWith('accept') && !each.includes('th dport 1053'));
      assert.ok(dropped >= 0 && (accepted < 0 || dropped < accepted));
      assert.equal(rules.at(-1), 'drop');
    }),
  );
});

test('a domain means itself, a wildcard all below it', () => {
  assert.ok(matchesDomain('example.com', 'example.com') && matchesDomain('*.example.com', 'a.b.example.com'));
  for (const name of ['example.com', 'badexample.com', '.example.com', 'example.com.evil.net']) {
    assert.ok(!matchesDomain('*.example.com', name), name);
  }
  assert.ok(!matchesDomain('example.com', 'a.example.com'));
  const policy: NetworkPolicy = {
    egress: 'restricted',
    allow: [
      { cidr: '1.2.3.4/32', ports: [] },
      { domain: '*.a.b', ports: [] },
    ],
  };
  assert.deepEqual([rulesFor(policy, 'x.a.b'), mayAsk(policy, 'x.a.b'), mayAsk(policy, 'a.b')], [[1], true, false]);
});

test('what is no policy is refused, and no text of one reaches the rules unchecked', () => {
  const bad: NetworkPolicy[] = [
    { egress: 'open', allow: [{ cidr: '1.2.3.4/32', ports: [] }] },
    { egress: 'restricted', allow: [{ ports: [] }] },
    { egress: 'restricted', allow: [{ cidr: '1.2.3.4/32', domain: 'a.b', ports: [] }] },
    { egress: 'restricted', allow: [{ cidr: '1.2.3.4/32 accept; ', ports: [] }] },
    { egress: 'restricted', allow: [{ domain: 'a b', ports: [] }] },
    { egress: 'restricted', allow: [{ domain: 'a.b', ports: [0] }] },
    { egress: 'all' as 'open', allow: [] },
  ];
  for (const policy of bad)
    assert.throws(() => checkPolicy(policy), { code: 'invalid_argument' }, JSON.stringify(policy));
  checkPolicy({ egress: 'restricted', allow: [{ domain: '*.a.b', ports: [443] }] });
});

test('addresses of a name are let through for a while; names are short enough for the kernel', () => {
  assert.equal(
    nameElements(3, ['1.2.3.4'], 20).split('\n').at(-2),
    'add element inet tvm names3 { 1.2.3.4 timeout 20s }',
  );
  assert.ok(namesOf('abcd', '0123456789ab').link.length <= 15);
  assert.throws(() => namesOf('abcd', '../etc'));
});
