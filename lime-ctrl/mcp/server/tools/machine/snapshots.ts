// snapshot_create and snapshot_list. Snapshots are declared; their controller takes them.
import { TvmError } from '@tvm/api/errors.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import { microVmSnapshots } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { z } from 'zod';
import { defineTool, type ToolCall, text } from '../../tool.ts';

const waitMs = 120_000;
const lookMs = 500;
const maxListed = 200;

const snapshotView = z.object({
  name: z.string(),
  phase: z.string(),
  ready: z.boolean(),
  created_at: z.string().optional(),
  size_bytes: z.int().optional(),
  message: z.string().optional(),
});
export const snapshotName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$/)
  .describe('Small letters, digits and "-".');

export const snapshotCreate = defineTool({
  name: 'snapshot_create',
  title: 'Take a snapshot',
  description: 'Keeps the whole machine as it is now, with memory, processes and files. Waits until it is taken.',
  scope: 'vm:admin',
  input: z.object({ name: snapshotName.optional() }),
  output: snapshotView,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  async run({ name }, call) {
    const { context, deps, report } = call;
    await call.guest.place();
    const made = await deps.client.create(microVmSnapshots, declared(call, name));
    report.step(`taking snapshot ${made.metadata.name}`);
    const taken = await whenTaken(call, made.metadata.name);
    context.touch();
    return { output: viewOf(taken), content: [text(`Snapshot ${taken.metadata.name} is taken.`)] };
  },
});

export const snapshotList = defineTool({
  name: 'snapshot_list',
  title: 'List snapshots',
  description: 'The snapshots of this machine.',
  scope: 'vm:read',
  input: z.object({}),
  output: z.object({ snapshots: z.array(snapshotView) }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  run: async (_args, call) => ({ output: { snapshots: (await ownSnapshots(call)).slice(0, maxListed).map(viewOf) } }),
});

function declared({ context }: ToolCall, name: string | undefined): MicroVmSnapshot {
  const { namespace } = context.session;
  const named = name === undefined ? { generateName: 'session-', name: undefined as never } : { name };
  const spec = { source: { microVM: context.microVm }, deletionPolicy: 'Delete' as const };
  return { apiVersion, kind: 'MicroVMSnapshot', metadata: { ...named, namespace }, spec };
}

async function whenTaken({ context, deps, signal }: ToolCall, name: string): Promise<MicroVmSnapshot> {
  const untilMs = deps.clock.now() + waitMs;
  for (;;) {
    const snapshot = await deps.client.get(microVmSnapshots, context.session.namespace, name);
    if (snapshot.status?.readyToUse) return snapshot;
    if (snapshot.status?.phase === 'Failed') {
      throw new TvmError('failed_precondition', `snapshot ${name} failed: ${messageOf(snapshot)}`);
    }
    if (signal.aborted || deps.clock.now() > untilMs) {
      throw new TvmError('deadline_exceeded', `snapshot ${name} is not ready yet`, {
        hint: 'snapshot_list tells when it is.',
      });
    }
    await deps.clock.sleep(lookMs, signal);
  }
}

export async function ownSnapshots({ context, deps }: Pick<ToolCall, 'context' | 'deps'>): Promise<MicroVmSnapshot[]> {
  const { items } = await deps.client.list(microVmSnapshots, { namespace: context.session.namespace });
  return items.filter(({ spec }) => spec.source.microVM === context.microVm);
}

function messageOf({ status }: MicroVmSnapshot): string {
  return conditionOf(status?.conditions, 'Ready')?.message ?? 'no reason is known';
}

function viewOf(snapshot: MicroVmSnapshot): z.infer<typeof snapshotView> {
  const { metadata, status = {} } = snapshot;
  return {
    name: metadata.name,
    phase: status.phase ?? 'Pending',
    ready: status.readyToUse ?? false,
    ...(status.createdAt !== undefined && { created_at: status.createdAt }),
    ...(status.sizeBytes !== undefined && { size_bytes: status.sizeBytes }),
    ...(status.phase === 'Failed' && { message: messageOf(snapshot) }),
  };
}
