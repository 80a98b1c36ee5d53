// Every rule of every kind, broken once: the object is refused at admission, and the answer names the field and the rule.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { objectSchemaOf } from '@tvm/api/crd.ts';
import { kinds } from '@tvm/api/kinds/kinds.ts';
import type { StructuralSchema } from '@tvm/api/structural-schema.ts';
import type { ApiObject } from '../api-client.ts';
import { assertFailure, bodyOf, microVm, pool, session, snapshot } from './objects.ts';
import { onEachTarget } from './scope.ts';

interface Case {
  title: string;
  resource: string;
  object: ApiObject;
  /** A merge patch of its spec; none: the object itself is refused. */
  change?: object;
  field: string;
  rule: string;
  /** The value as the answer shows it, when it is a scalar. */
  shown?: string;
}

const vm = (spec: object = {}) => microVm('', { spec });
const fixed = (field: string, kind: string) => `${field} is immutable: make a new ${kind}`;

function fixedCases(resource: string, kind: string, field: string, object: ApiObject, others: unknown[]): Case[] {
  return others.map((value) => ({
    title: `${resource} ${field}: ${JSON.stringify(object.spec[field])} to ${JSON.stringify(value)}`,
    ...{ resource, object, field: `spec.${field}`, rule: fixed(field, kind) },
    change: { [field]: value },
    // A field that comes or goes is told by the object around it, which is not shown.
    ...(object.spec[field] && typeof value !== 'object' && { shown: `${JSON.stringify(value)}: ` }),
  }));
}

const data = { name: 'data', sizeMB: 64, mountPath: '/data' };
const withDisk = vm({ persistentStorage: [data] });

/** What `changed` makes of a disk that is there, in the field that it is about. */
function diskCase(field: 'sizeMB' | 'mountPath' | 'retain', value: unknown, rule: string): Case {
  return {
    title: `${field} of a disk: to ${JSON.stringify(value)}`,
    ...{ resource: 'microvms', object: withDisk, change: { persistentStorage: [{ ...data, [field]: value }] } },
    ...{ field: `spec.persistentStorage[0].${field}`, rule, shown: `${JSON.stringify(value)}: ` },
  };
}

function disksCase(title: string, object: ApiObject, change: object | undefined, rule: string): Case {
  return { title, resource: 'microvms', object, ...(change && { change }), field: 'spec.persistentStorage', rule };
}

const nested = 'mount paths of two disks are the same, or one is within the other';
const sameDisks = 'disks can be neither added nor removed: make a new MicroVM';
const second = { name: 'work', sizeMB: 64, mountPath: '/work' };
const diskCases: Case[] = [
  ...fixedCases('microvms', 'MicroVM', 'persistentStorage', vm(), [[data]]),
  ...fixedCases('microvms', 'MicroVM', 'persistentStorage', withDisk, [null]),
  diskCase('sizeMB', 32, 'a disk can only grow'),
  diskCase('mountPath', '/other', 'mountPath is immutable: make a new MicroVM'),
  diskCase('retain', true, 'retain is immutable: make a new MicroVM'),
  ...['/data/inner', '/data'].map((mountPath) =>
    disksCase(
      `two disks, at ${mountPath}`,
      vm({ persistentStorage: [data, { ...second, mountPath }] }),
      undefined,
      nested,
    ),
  ),
  disksCase('one disk more', withDisk, { persistentStorage: [data, second] }, sameDisks),
  disksCase('another disk', withDisk, { persistentStorage: [{ ...data, name: 'other' }] }, sameDisks),
  ...['/proc', '/dev/shm', '/usr', '/data/../etc'].map((mountPath) => ({
    title: `a disk at ${mountPath}`,
    ...{ resource: 'microvms', object: vm({ persistentStorage: [{ ...data, mountPath }] }) },
    ...{ field: 'spec.persistentStorage[0].mountPath', shown: `"${mountPath}": ` },
    rule: 'nothing can be mounted there: choose a path such as /data or /home/user',
  })),
];

const shape = {
  ...{ image: 'tvm/python', cpu: 1, memory: 256 },
  ...{ network: { egress: 'open' }, limits: { cpuPercent: 50 }, imagePullSecrets: [{ name: 'pull' }] },
};
const otherShape = {
  ...{ image: 'tvm/node', cpu: 2, memory: 512 },
  ...{ network: { egress: 'none' }, limits: { cpuPercent: 60 }, imagePullSecrets: [{ name: 'other' }] },
};
const shapeFields = ['image', 'cpu', 'memory', 'network', 'limits', 'imagePullSecrets'] as const;
const networkLimit = { limits: { networkBytesPerSecond: 65_536 } };
const networkLimitCases = [
  { resource: 'microvms', object: vm(networkLimit) },
  { resource: 'microvms', object: vm({ ...networkLimit, network: { egress: 'none' } }) },
  { resource: 'mcpsessions', object: session('', networkLimit) },
].map((each) => ({
  ...{ title: `a limit of no network: ${each.resource} ${JSON.stringify(each.object.spec.network)}`, ...each },
  ...{ field: 'spec.limits.networkBytesPerSecond', rule: 'networkBytesPerSecond needs a network: set network.egress' },
}));
const withCommand = vm({ command: ['sleep'], args: ['1'] });
const eitherTarget = 'needs either cidr or domain';
const restricted = (allow: object[]) => vm({ network: { egress: 'restricted', allow } });
const networkCases: Case[] = [
  ...fixedCases('microvms', 'MicroVM', 'network', vm(), [{ egress: 'open' }]),
  ...fixedCases('microvms', 'MicroVM', 'network', vm({ network: { egress: 'open' } }), [{ egress: 'none' }, null]),
  {
    title: 'allow with egress open',
    ...{ resource: 'microvms', object: vm({ network: { egress: 'open', allow: [{ domain: 'example.com' }] } }) },
    ...{ field: 'spec.network.allow', rule: 'allow needs egress: restricted' },
  },
  ...[{}, { cidr: '203.0.113.0/24', domain: 'example.com' }].map((rule) => ({
    title: `allow ${JSON.stringify(rule)}`,
    ...{ resource: 'microvms', object: restricted([{ domain: 'example.com' }, rule]) },
    ...{ field: 'spec.network.allow[1]', rule: eitherTarget },
  })),
];
const cases: Case[] = [
  ...diskCases,
  ...networkCases,
  ...networkLimitCases,
  ...fixedCases('microvms', 'MicroVM', 'runEntrypoint', vm(), [true]),
  ...fixedCases('microvms', 'MicroVM', 'runEntrypoint', vm({ runEntrypoint: true }), [false, null]),
  {
    title: 'runEntrypoint with a command',
    ...{ resource: 'microvms', object: vm({ runEntrypoint: true, command: ['sleep'] }), field: 'spec.runEntrypoint' },
    rule: 'runEntrypoint is to run what the image says, command what it says itself: leave one out',
  },
  ...fixedCases('microvms', 'MicroVM', 'limits', vm(), [{ cpuPercent: 50 }]),
  ...fixedCases('microvms', 'MicroVM', 'limits', vm({ limits: { cpuPercent: 50 } }), [{ cpuPercent: 60 }, null]),
  ...fixedCases('microvms', 'MicroVM', 'image', vm(), ['tvm/node']),
  ...fixedCases('microvms', 'MicroVM', 'cpu', vm(), [2]),
  ...fixedCases('microvms', 'MicroVM', 'memory', vm(), [512]),
  ...fixedCases('microvms', 'MicroVM', 'snapshot', vm(), ['now']),
  ...fixedCases('microvms', 'MicroVM', 'snapshot', vm({ snapshot: 'now' }), ['then', null]),
  ...fixedCases('microvms', 'MicroVM', 'command', vm(), [['sleep']]),
  ...fixedCases('microvms', 'MicroVM', 'command', vm({ command: ['sleep', '1'] }), [['sleep', '2'], null]),
  ...fixedCases('microvms', 'MicroVM', 'args', vm({ command: ['sleep'] }), [['1']]),
  ...fixedCases('microvms', 'MicroVM', 'args', vm({ args: ['1'] }), [['2'], null]),
  ...fixedCases('microvms', 'MicroVM', 'args', withCommand, [['2'], null]),
  ...fixedCases('mcpsessions', 'MCPSession', 'userId', session(''), ['bob']),
  ...fixedCases('mcpsessions', 'MCPSession', 'groupId', session(''), ['sales']),
  ...shapeFields.flatMap((field) => [
    ...fixedCases('mcpsessions', 'MCPSession', field, session(''), [otherShape[field]]),
    ...fixedCases('mcpsessions', 'MCPSession', field, session('', shape), [otherShape[field], null]),
    {
      title: `${field} of a machine that is there`,
      ...{ resource: 'mcpsessions', object: session('', { vmId: 'demo', [field]: shape[field] }) },
      ...{ field: `spec.${field}`, rule: `${field} is that of the machine in vmId` },
    },
  ]),
  ...[{ tokenGeneration: 1 }, { tokenGeneration: null }].map((change) => ({
    title: `from token generation 2 to ${change.tokenGeneration}`,
    ...{ resource: 'mcpsessions', object: session('', { tokenGeneration: 2 }), change },
    ...{ field: 'spec.tokenGeneration', rule: 'tokenGeneration only grows' },
    ...(change.tokenGeneration && { shown: `${change.tokenGeneration}: ` }),
  })),
  ...fixedCases('microvmsnapshots', 'MicroVMSnapshot', 'source', snapshot(''), [{ microVM: 'other' }]),
  {
    title: 'onIdle alone',
    ...{ resource: 'microvms', object: vm({ onIdle: 'Stop' }), field: 'spec.onIdle' },
    rule: 'onIdle needs idleTimeoutSeconds: without it no machine is ever idle',
  },
  {
    title: 'onIdle left alone',
    ...{ resource: 'microvms', object: vm({ onIdle: 'Stop', idleTimeoutSeconds: 5 }) },
    ...{ change: { idleTimeoutSeconds: null }, field: 'spec.onIdle' },
    rule: 'onIdle needs idleTimeoutSeconds: without it no machine is ever idle',
  },
  {
    title: 'more machines at least than at most',
    ...{ resource: 'microvmpools', object: pool('', { minReady: 5, maxReady: 2 }) },
    ...{ field: 'spec.minReady', rule: 'minReady must not exceed maxReady' },
  },
  {
    title: 'raised above the most',
    ...{ resource: 'microvmpools', object: pool('', { minReady: 2, maxReady: 2 }), change: { minReady: 3 } },
    ...{ field: 'spec.minReady', rule: 'minReady must not exceed maxReady' },
  },
];

/** The messages of all rules of all kinds. */
function rulesIn(schema: StructuralSchema): string[] {
  const children = [...Object.values(schema.properties ?? {}), ...(schema.items ? [schema.items] : [])];
  return [
    ...(schema['x-kubernetes-validations'] ?? []).map(({ message }) => message),
    ...children.flatMap((child) => rulesIn(child)),
  ];
}

onEachTarget('rules', (scope) => {
  const broken = new Set<string>();
  after(() => {
    const untried = new Set(kinds.flatMap((kind) => rulesIn(objectSchemaOf(kind)))).difference(broken);
    assert.deepEqual([...untried], [], 'rules without a case here');
  });

  for (const [index, { title, resource, object, change, field, rule, shown = '' }] of cases.entries()) {
    test(title, async () => {
      const named = { ...object, metadata: { name: `rule-${index}` } };
      let answer = await scope.api.create(scope.path(resource), named);
      if (change) {
        bodyOf(answer, 201);
        answer = await scope.api.patch(scope.path(resource, named.metadata.name), 'merge', { spec: change });
      }
      const { details } = assertFailure(answer, { code: 422, reason: 'Invalid' });
      const cause = details.causes.find((each: ApiObject) => each.field === field);
      assert.deepEqual(cause, { reason: 'FieldValueInvalid', message: `Invalid value: ${shown}${rule}`, field });
      broken.add(rule);
    });
  }

  test('what is immutable may be sent again as it is', async () => {
    const object = microVm('again', { spec: { command: ['sleep'], args: ['1'], snapshot: 'now', ttlSeconds: 60 } });
    const { metadata } = bodyOf(await scope.api.create(scope.path('microvms'), object), 201);
    const { resourceVersion } = metadata;
    const next = { ...object, metadata: { name: 'again', resourceVersion }, spec: { ...object.spec, ttlSeconds: 90 } };
    const updated = bodyOf(await scope.api.update(scope.path('microvms', 'again'), next));
    assert.equal(updated.spec.ttlSeconds, 90);
  });
});
