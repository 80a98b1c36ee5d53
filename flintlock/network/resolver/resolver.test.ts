import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { type Answer, decode, type Packet } from 'dns-packet';
import type { NetworkPolicy } from '../policy.ts';
import { makeResolver } from './resolver.ts';
import { decoded } from './upstream.ts';

const policy: NetworkPolicy = {
  egress: 'restricted',
  allow: [
    { domain: '*.example.com', ports: [] },
    { cidr: '10.1.0.0/16', ports: [] },
  ],
};
const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl });

function world(answers: Answer[], egress: NetworkPolicy = policy) {
  const [asked, granted]: [string[], [number, readonly string[], number][]] = [[], []];
  const clock = { ms: 0 };
  const resolver = makeResolver({
    policy: egress,
    servers: async () => ['192.0.2.1'],
    async ask(_, question) {
      asked.push(`${question.type} ${question.name}`);
      return { type: 'response', flags: 0, questions: [question], answers };
    },
    grant: async (...grant) => void granted.push(grant),
    now: () => clock.ms,
    log: makeLogger('test', 'silent'),
  });
  const query = (name: string, type: string, maxBytes = 512, more: Packet = {}) =>
    resolver({ type: 'query', id: 7, questions: [{ name, type: type as 'A' }], ...more }, maxBytes).then((bytes) => {
      const answer = decode(bytes);
      const code = (answer.flags ?? 0) & 0xf;
      return {
        id: answer.id,
        code,
        truncated: answer.flag_tc,
        data: (answer.answers ?? []).map((each) => (each as { data: unknown }).data),
      };
    });
  return { asked, granted, clock, query };
}

test('a name on the list is asked, in lower case, and its addresses are let through before they are told', async () => {
  const { asked, granted, query } = world([a('www.example.com', '198.51.100.7', 5)]);
  const answer = await query('WWW.Example.com', 'A');
  assert.deepEqual(answer, { id: 7, code: 0, truncated: false, data: ['198.51.100.7'] });
  assert.deepEqual(asked, ['A www.example.com']);
  assert.deepEqual(granted, [[0, ['198.51.100.7'], 20]]);
});

test('a name that is not on the list never leaves the node', async () => {
  const { asked, query } = world([a('x', '198.51.100.7')]);
  for (const name of ['example.com', 'evil.net', 'example.com.evil.net', 'localhost', '1.0.0.127.in-addr.arpa']) {
    for (const type of ['A', 'TXT', 'AAAA']) assert.equal((await query(name, type)).code, 5, `${name} ${type}`);
  }
  assert.deepEqual(asked, []);
});

test('addresses of the host, private ones and metadata are taken out, unless the list names the address', async () => {
  const name = 'x.example.com';
  const bad = ['127.0.0.1', '169.254.169.254', '192.168.0.1', '100.64.0.9', '0.0.0.0', '224.0.0.1'];
  const { granted, query } = world([...bad, '10.1.2.3', '10.2.0.1'].map((address) => a(name, address)));
  assert.deepEqual((await query(name, 'A')).data, ['10.1.2.3']);
  assert.deepEqual(granted, []);
});

test('an alias is followed; records of other names are dropped', async () => {
  const answers: Answer[] = [
    { type: 'CNAME', name: 'x.example.com', data: 'y.cdn.net', ttl: 60 },
    a('y.cdn.net', '198.51.100.9'),
    a('bank.example.net', '198.51.100.66'),
  ];
  const { granted, query } = world(answers);
  assert.deepEqual((await query('x.example.com', 'A')).data, ['y.cdn.net', '198.51.100.9']);
  assert.deepEqual(granted, [[0, ['198.51.100.9'], 70]]);
});

test('IPv6 and addresses in other records are answered with nothing; odd questions are not passed on', async () => {
  const { asked, query } = world([]);
  for (const type of ['AAAA', 'HTTPS', 'SVCB']) assert.deepEqual((await query('x.example.com', type)).data, []);
  for (const type of ['ANY', 'AXFR', 'NULL']) assert.equal((await query('x.example.com', type)).code, 4, type);
  const two = { questions: [1, 2].map(() => ({ name: 'x.example.com', type: 'A' as const })) };
  assert.equal((await query('', 'A', 512, two)).code, 1);
  assert.deepEqual(asked, []);
});

test('what holds already is not let through anew; a record that changed is, once its time is over', async () => {
  const { granted, clock, query } = world([a('x.example.com', '198.51.100.9', 1)]);
  for (let count = 0; count < 3; count++) await query('x.example.com', 'A');
  assert.equal(granted.length, 1);
  clock.ms += 11_000;
  await query('x.example.com', 'A');
  assert.equal(granted.length, 2);
});

test('questions are bounded: too many are refused, long answers go over a connection', async () => {
  const { clock, query } = world(Array.from({ length: 32 }, (_, index) => a('x.example.com', `198.51.100.${index}`)));
  const codes = [];
  for (let count = 0; count < 110; count++) codes.push((await query('x.example.com', 'A', 65_535)).code);
  assert.deepEqual([codes.at(0), codes.at(-1)], [0, 5]);
  clock.ms += 1_000;
  const { code, truncated, data } = await query('x.example.com', 'A');
  assert.deepEqual([code, truncated, data], [0, true, []]);
});

test('what is no message is seen as that', () => {
  for (const text of [
    '',
    '00',
    '0007010000010000000000000377',
    'ffff'.repeat(40),
    `000701000001${'c00c'.repeat(20)}`,
  ]) {
    assert.doesNotThrow(() => decoded(Buffer.from(text, 'hex')));
  }
});
