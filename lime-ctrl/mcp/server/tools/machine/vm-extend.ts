// vm_extend: more time for a machine that has an end.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { defineTool, text } from '../../tool.ts';
import { getMicroVm, patchMicroVm } from './microvm.ts';

const maxSeconds = 86_400;

export const vmExtend = defineTool({
  name: 'vm_extend',
  title: 'Extend the life of the machine',
  description: 'Makes sure that the machine is not deleted for so many seconds from now on. Never shortens its life.',
  scope: 'vm:admin',
  input: z.object({ seconds: z.int().min(1).max(maxSeconds) }),
  output: z.object({
    ends_at: z.string().optional().describe('Absent: it has no end of its own.'),
    extended: z.boolean(),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  async run({ seconds }, call) {
    const { metadata, spec } = await getMicroVm(call);
    if (spec.ttlSeconds === undefined) {
      return {
        output: { extended: false },
        content: [text('The machine has no end of its own: it lasts as long as its session.')],
      };
    }
    const createdMs = Date.parse(metadata.creationTimestamp ?? '');
    if (Number.isNaN(createdMs)) throw new TvmError('internal', 'the machine has no time of creation');
    const wanted = Math.ceil((call.deps.clock.now() - createdMs) / 1000) + seconds;
    const extended = wanted > spec.ttlSeconds;
    if (extended) await patchMicroVm(call, { spec: { ttlSeconds: wanted } });
    const endsAt = new Date(createdMs + Math.max(wanted, spec.ttlSeconds) * 1000).toISOString();
    return { output: { ends_at: endsAt, extended }, content: [text(`The machine lasts until ${endsAt}.`)] };
  },
});
