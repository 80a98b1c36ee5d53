// MicroVMPool: machines that wait, so that nobody waits for one.
import { z } from 'zod';
import { celRules, conditions, type Kind, type KubeObject } from './meta.ts';
import { machineShape } from './microvm.ts';

const poolMachine = z.object({
  ...machineShape,
  interpreter: z.enum(['python', 'node', 'none']).optional().meta({
    description: 'What waits in each machine for a script. Default: what its image is for, tvm/python or tvm/node.',
  }),
});

export const microVmPoolSpec = z
  .object({
    minReady: z.int().min(0).max(10000).default(1).meta({ description: 'At least this many machines wait.' }),
    maxReady: z
      .int()
      .min(0)
      .max(10000)
      .optional()
      .meta({ description: 'Never more than this many wait, however many are asked for. None: 8 more than minReady.' }),
    template: z.object({ spec: poolMachine }).meta({ description: 'What the machines of the pool are.' }),
  })
  .meta({
    description: 'How many machines of which kind wait.',
    ...celRules({
      rule: '!has(self.maxReady) || self.minReady <= self.maxReady',
      message: 'minReady must not exceed maxReady',
    }),
  });

export const microVmPoolStatus = z.object({
  ready: z.int().optional().meta({ description: 'How many machines wait.' }),
  selector: z.string().optional().meta({ description: 'For the scale subresource; no object bears it.' }),
  observedGeneration: z.int().optional(),
  conditions: conditions.optional(),
});

export type MicroVmPoolSpec = z.infer<typeof microVmPoolSpec>;
export type MicroVmPoolStatus = z.infer<typeof microVmPoolStatus>;
export type MicroVmPool = KubeObject<MicroVmPoolSpec, MicroVmPoolStatus>;

export const microVmPoolKind: Kind = {
  kind: 'MicroVMPool',
  plural: 'microvmpools',
  singular: 'microvmpool',
  shortNames: ['mvmpool'],
  categories: ['tvm'],
  description: 'Machines of one kind that wait to be claimed.',
  spec: microVmPoolSpec,
  status: microVmPoolStatus,
  scale: {
    specReplicasPath: '.spec.minReady',
    statusReplicasPath: '.status.ready',
    labelSelectorPath: '.status.selector',
  },
  columns: [
    { name: 'Image', type: 'string', jsonPath: '.spec.template.spec.image' },
    { name: 'Min', type: 'integer', jsonPath: '.spec.minReady' },
    { name: 'Max', type: 'integer', jsonPath: '.spec.maxReady', priority: 1 },
    { name: 'Ready', type: 'integer', jsonPath: '.status.ready' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
};
