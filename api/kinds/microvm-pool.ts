// MicroVMPool: machines that wait, so that nobody waits for one.
import { z } from 'zod';
import { celRules, conditions, type Kind, type KubeObject, observedGeneration } from './meta.ts';
import { imagePullSecrets, machineLimits, machineShape } from './microvm.ts';

const poolMachine = z
  .object({
    ...machineShape,
    interpreter: z.enum(['python', 'node', 'none']).optional().meta({
      description: 'What waits in each machine for a script. Default: what its image is for, tvm/python or tvm/node.',
    }),
    limits: machineLimits
      .omit({ networkBytesPerSecond: true })
      .optional()
      .meta({ description: 'What each machine may take. Only who asks for the same limits gets one. Default: none.' }),
    imagePullSecrets: imagePullSecrets.optional().meta({
      description:
        'Secrets of this namespace with the credentials that the registry asks for. Only who names the same ones, here, gets ' +
        'such a machine. Default: none.',
    }),
  })
  .meta({ description: 'What each machine is. A change makes the machines that wait anew.' });

const count = z.int().min(0).max(10000);

export const microVmPoolSpec = z
  .object({
    minReady: count.default(1).meta({
      description: 'At least this many machines wait, 0 to 10000; the replicas of the scale subresource. Default: 1.',
    }),
    maxReady: count.optional().meta({
      description: 'Never more than this many wait, however many are asked for. Default: 8 more than minReady.',
    }),
    template: z.object({ spec: poolMachine }).meta({ description: 'What the machines of the pool are.' }),
  })
  .meta({
    description: 'How many machines of which kind wait.',
    ...celRules({
      rule: '!has(self.maxReady) || self.minReady <= self.maxReady',
      message: 'minReady must not exceed maxReady',
      fieldPath: '.minReady',
    }),
  });

export const microVmPoolStatus = z
  .object({
    ready: z.int().optional().meta({ description: 'How many machines wait.' }),
    selector: z.string().optional().meta({ description: 'For the scale subresource; no object bears it.' }),
    observedGeneration: observedGeneration.optional(),
    conditions: conditions.optional(),
  })
  .meta({ description: 'What was last seen of the pool; written by lime-ctrl.' });

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
    { name: 'Max', type: 'integer', jsonPath: '.spec.maxReady' },
    { name: 'Ready', type: 'integer', jsonPath: '.status.ready' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    { name: 'CPU', type: 'integer', jsonPath: '.spec.template.spec.cpu', priority: 1 },
    { name: 'Memory', type: 'integer', jsonPath: '.spec.template.spec.memory', description: 'MB', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
  ],
  selectableFields: ['.spec.template.spec.image'],
};
