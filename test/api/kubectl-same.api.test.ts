// What kubectl shows of the custom kinds is the same text on both servers: get, describe and explain.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { kinds } from '@tvm/api/kinds/kinds.ts';
import type { StructuralSchema } from '@tvm/api/structural-schema.ts';
import { openApiSchemaOf } from '@tvm/api/structural-schema.ts';
import { readConfig } from '../config.ts';
import { kubectlSession } from './kubectl-session.ts';
import { bodyOf, microVm, pool, session, snapshot } from './objects.ts';
import { onEachTarget, type Scope } from './scope.ts';

/** Target to command to what it printed. */
const printed = new Map<string, Map<string, string>>();

const time = '2026-01-01T00:00:00Z';
const condition = { type: 'Ready', status: 'True', reason: 'Ready', message: 'all is well', lastTransitionTime: time };
const conditions = [condition];

async function make(scope: Scope): Promise<void> {
  const objects: [string, object, object][] = [
    ['microvms', microVm('same', { spec: { command: ['sleep', '1'], env: [{ name: 'A' }] } }), vmStatus],
    ['microvmpools', pool('same', { maxReady: 4 }), { ready: 1, conditions }],
    ['mcpsessions', session('same', { vmId: 'same' }), { state: 'Ready', lastActivity: time, conditions }],
    ['microvmsnapshots', snapshot('same'), { phase: 'Ready', readyToUse: true, hosts: ['n1', 'n2'], conditions }],
  ];
  for (const [resource, object, status] of objects) {
    bodyOf(await scope.api.create(scope.path(resource), object), 201);
    bodyOf(await scope.api.patch(scope.path(resource, 'same', 'status'), 'merge', { status }));
  }
}
const vmStatus = { phase: 'Running', host: 'n1', bootMs: 7, restarts: 0, message: 'all is well', conditions };

/** `microvm.spec.env` and so on, of everything that has fields. */
function explained(schema: StructuralSchema, path: string): string[] {
  const inner = schema.items ?? schema;
  const fields = Object.entries(inner.properties ?? {});
  return fields.length === 0 ? [] : [path, ...fields.flatMap(([name, field]) => explained(field, `${path}.${name}`))];
}

const commands: string[][] = [
  ['get', 'tvm'],
  ...kinds.flatMap(({ shortNames: [short = ''] }) => [
    ['get', short],
    ['get', short, '-o', 'wide'],
    ['describe', short, 'same'],
  ]),
  ...kinds.flatMap(({ singular, spec, status }) =>
    [
      ...explained(openApiSchemaOf(spec), `${singular}.spec`),
      ...explained(openApiSchemaOf(status), `${singular}.status`),
    ].map((path) => ['explain', path]),
  ),
];

/** Without what differs between two objects of one content. */
function masked(text: string, namespace: string): string {
  return text
    .replaceAll(namespace, 'NAMESPACE')
    .replaceAll(/^(\s*(Resource Version|UID|Creation Timestamp):\s+).*$/gm, '$1-')
    .replaceAll(/\b(\d+[smhd])+\b/g, 'AGE')
    .replaceAll(/ +/g, ' ');
}

onEachTarget('what kubectl shows', (scope) => {
  before(() => make(scope));

  test('is printed', async () => {
    const { kubectl } = kubectlSession(scope);
    const texts = new Map<string, string>();
    for (const command of commands) texts.set(command.join(' '), masked(await kubectl(command), scope.namespace));
    printed.set(scope.target, texts);
  });
});

const { targets } = readConfig();
describe('what kubectl shows', { skip: targets.length < 2 && 'it takes two servers' }, () => {
  test('is the same on both servers', () => {
    const [one, other] = targets.map((target) => printed.get(target));
    assert.ok(one && other && one.size === commands.length);
    for (const [command, text] of one) assert.equal(other.get(command), text, `kubectl ${command}`);
  });
});
