// The zod schema and the CRD made from it accept the same objects: random specs, judged by both.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { kinds } from '@tvm/api/kinds/kinds.ts';
import type { Kind } from '@tvm/api/kinds/meta.ts';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { readConfig } from '../config.ts';
import { apiVersion, bodyOf, microVm, pool, session, snapshot } from './objects.ts';
import { onEachTarget } from './scope.ts';

/** Mostly valid values for a field, with enough others that every bound is crossed. */
const text = fc.oneof(
  fc.constantFrom('', 'a', 'a.b-c', 'a..b', '-a', 'a\n', 'tvm/python', '[::1]:5000/a@sha256:0', 'A_1', '1a'),
  fc.constantFrom('x'.repeat(253), 'x'.repeat(254), 'é'.repeat(253), '𝒳'.repeat(127)),
  fc.string({ maxLength: 8 }),
);
const number = fc.oneof(
  fc.constantFrom(-1, 0, 1, 2, 32, 33, 63, 64, 256, 10_000, 10_001, 1_048_576, 1_048_577, 315_360_000, 315_360_001),
  fc.integer(),
);
const wrong = fc.constantFrom<unknown>('text', 7, true, [], {}, [1], 1.5);
const nearly = (good: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 9, arbitrary: good }, { weight: 1, arbitrary: wrong });
/** Rules between fields are not the business of the schema: what they want is there. */
function obeysRules({ vmId, image, cpu, memory }: Record<string, unknown>): boolean {
  // A machine that is there has its own size; a MicroVM, which has no vmId, always has one.
  return vmId === undefined || [image, cpu, memory].every((field) => field === undefined);
}
const list = (item: fc.Arbitrary<unknown>) => fc.array(item, { maxLength: 3 });

const size = {
  image: nearly(text),
  cpu: nearly(fc.oneof(fc.constant(1), number)),
  memory: nearly(fc.oneof(fc.constant(256), number)),
};
const specs: Record<string, fc.Arbitrary<unknown>> = {
  MicroVM: fc
    .record(
      {
        ...size,
        mcpMode: nearly(fc.boolean()),
        command: nearly(list(nearly(text))),
        args: nearly(list(text)),
        env: nearly(
          fc.uniqueArray(fc.record({ name: text, value: text }, { requiredKeys: [] }), {
            selector: (each) => each.name,
            maxLength: 3,
          }),
        ),
        envFrom: nearly(
          list(
            fc.record(
              { secretRef: nearly(fc.record({ name: text, optional: fc.boolean() }, { requiredKeys: [] })) },
              { requiredKeys: [] },
            ),
          ),
        ),
        desiredState: nearly(fc.constantFrom('Running', 'Paused', 'Stopped', 'running')),
        snapshot: nearly(text),
        ttlSeconds: nearly(number),
        idleTimeoutSeconds: nearly(number),
        unknown: wrong,
      },
      { requiredKeys: ['cpu'] },
    )
    .filter(obeysRules),
  MCPSession: fc
    .record(
      {
        userId: nearly(text),
        groupId: nearly(text),
        vmId: nearly(text),
        ...size,
        idleTimeoutSeconds: nearly(number),
        ttlSeconds: nearly(number),
        scopes: nearly(fc.uniqueArray(fc.constantFrom('vm:read', 'vm:exec', 'vm:files', 'vm:admin', 'vm:all'))),
        tokenGeneration: nearly(number),
      },
      { requiredKeys: ['userId'] },
    )
    .filter(obeysRules),
  MicroVMSnapshot: fc.record(
    {
      source: nearly(fc.record({ microVM: nearly(text), retained: nearly(text) }, { requiredKeys: [] })),
      deletionPolicy: nearly(fc.constantFrom('Delete', 'Retain', '')),
    },
    { requiredKeys: [] },
  ),
  MicroVMPool: fc.record(
    // One bound alone, since the rule between the two is not the business of the schema.
    {
      minReady: nearly(number),
      template: nearly(
        fc.record(
          {
            spec: nearly(
              fc.record(
                { ...size, interpreter: nearly(fc.constantFrom('python', 'node', 'none', 'ruby')) },
                { requiredKeys: ['cpu'] },
              ),
            ),
          },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: ['template'] },
  ),
};

/** One spec of each kind that is surely accepted. */
const valid: Record<string, unknown> = {
  MicroVM: microVm('').spec,
  MCPSession: session('').spec,
  MicroVMSnapshot: snapshot('').spec,
  MicroVMPool: pool('').spec,
};

onEachTarget('schemas', (scope) => {
  const accepts = async (kind: Kind, spec: unknown) => {
    const body = { apiVersion, kind: kind.kind, metadata: { name: 'random' }, spec };
    const answer = await scope.api.create(scope.path(kind.plural), body, { dryRun: 'All' });
    assert.ok([201, 422].includes(answer.status), answer.text);
    return answer;
  };

  for (const kind of kinds) {
    test(`zod and the server agree on ${kind.kind}`, async () => {
      let accepted = 0;
      const runs = 250;
      const property = fc.asyncProperty(specs[kind.kind] ?? fc.object(), async (spec) => {
        const parsed = kind.spec.safeParse(spec);
        const answer = await accepts(kind, spec);
        const message = () => `${JSON.stringify(spec)}\nzod: ${parsed.error}\nserver: ${answer.text}`;
        assert.equal(answer.status === 201, parsed.success, message());
        if (!parsed.success) return;
        accepted += 1;
        assert.deepEqual(answer.body.spec, parsed.data, message());
      });
      await fc.assert(property, { numRuns: runs, examples: [[valid[kind.kind]]] });
      assert.ok(accepted > 0 && accepted < runs, `${accepted} of ${runs} accepted: the generator is one-sided`);
    });
  }

  test('the examples are accepted as they stand', async () => {
    const folder = join(readConfig().root, 'deploy/examples');
    for (const file of await readdir(folder)) {
      for (const document of parseAllDocuments(await readFile(join(folder, file), 'utf8'))) {
        const example = document.toJS();
        const resource = kinds.find(({ kind }) => kind === example.kind)?.plural ?? file;
        const query = { dryRun: 'All', fieldValidation: 'Strict' };
        bodyOf(await scope.api.create(scope.path(resource), example, query), 201);
      }
    }
  });
});
