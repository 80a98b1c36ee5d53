// MicroVM: one throw-away machine with its own kernel, declared.
import { z } from 'zod';
import { celRules, conditions, type Kind, type KubeObject } from './meta.ts';

export const phases = ['Pending', 'Creating', 'Running', 'Paused', 'Stopped', 'Failed', 'Terminating'] as const;
export type Phase = (typeof phases)[number];

export const envVariable = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .max(256),
  value: z.string().max(32768).default(''),
});

export const envSource = z.object({
  secretRef: z
    .object({ name: z.string().min(1).max(253), optional: z.boolean().optional() })
    .meta({ description: 'A Secret of the same namespace whose keys become environment variables.' }),
});

/** What a machine is made of; a MicroVM cannot change it, the template of a pool can. */
export const machineShape = {
  image: z.string().min(1).max(512).meta({
    description: 'What the machine starts from: tvm/python, tvm/node, or an OCI reference such as ubuntu:20.04.',
  }),
  cpu: z.int().min(1).max(32).meta({ description: 'Virtual CPUs.' }),
  memory: z.int().min(64).max(1048576).meta({ description: 'Memory in MB, 64 at least.' }),
};

export const microVmSpec = z
  .object({
    image: machineShape.image.meta(
      celRules({ rule: 'self == oldSelf', message: 'image is immutable: make a new MicroVM' }),
    ),
    cpu: machineShape.cpu.meta(celRules({ rule: 'self == oldSelf', message: 'cpu is immutable' })),
    memory: machineShape.memory.meta(celRules({ rule: 'self == oldSelf', message: 'memory is immutable' })),
    mcpMode: z.boolean().optional().meta({ description: 'Whether MCP sessions may be bound to this machine.' }),
    command: z.array(z.string().max(32768)).max(256).optional().meta({
      description: 'A program to run once the machine is up; the machine ends with it. None: it waits for exec.',
    }),
    args: z.array(z.string().max(32768)).max(256).optional().meta({ description: 'Arguments added to command.' }),
    env: z
      .array(envVariable)
      .max(256)
      .optional()
      .meta({
        description: 'Environment of every process of the machine.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
    envFrom: z
      .array(envSource)
      .max(32)
      .optional()
      .meta({ description: 'Environment from Secrets; a name in env wins.', 'x-kubernetes-list-type': 'atomic' }),
    desiredState: z
      .enum(['Running', 'Paused', 'Stopped'])
      .default('Running')
      .meta({ description: 'What the machine should be doing.' }),
    snapshot: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .meta({
        description: 'Name of a MicroVMSnapshot of the same namespace that the machine continues, instead of booting.',
        ...celRules({ rule: 'self == oldSelf', message: 'snapshot is immutable: make a new MicroVM' }),
      }),
    idleTimeoutSeconds: z
      .int()
      .min(1)
      .optional()
      .meta({ description: 'Do onIdle when no exec and no file request was open for this long. None: never.' }),
    onIdle: z.enum(['Pause', 'Stop', 'Delete']).optional().meta({
      description:
        'What to do with an idle machine; one that was paused resumes with the next exec or file request. None: Pause.',
    }),
    ttlSeconds: z.int().min(1).optional().meta({ description: 'Delete the MicroVM this long after it was created.' }),
  })
  .meta({
    description: 'What the machine should be.',
    ...celRules({
      rule: 'has(self.snapshot) == has(oldSelf.snapshot)',
      message: 'snapshot is immutable: make a new MicroVM',
    }),
  });

export const microVmStatus = z
  .object({
    phase: z.enum(phases).optional(),
    conditions: conditions.optional(),
    observedGeneration: z.int().optional(),
    host: z.string().optional().meta({ description: 'The flintlock that holds the machine.' }),
    bootMs: z
      .int()
      .optional()
      .meta({ description: 'From the start of the VMM to the answer of the guest agent, in ms.' }),
    imageDigest: z.string().optional().meta({ description: 'What image meant when the machine was made.' }),
    startedAt: z.string().optional().meta({ format: 'date-time' }),
    restarts: z.int().optional().meta({ description: 'How often the machine was started again after its VMM died.' }),
    exitCode: z.int().optional().meta({ description: 'Exit code of command, once it ended.' }),
    reason: z.string().optional().meta({ description: 'Why the machine is in its phase, one word.' }),
    message: z.string().optional().meta({ description: 'The same in a sentence.' }),
  })
  .meta({ description: 'What was last seen of the machine.' });

export type MicroVmSpec = z.infer<typeof microVmSpec>;
export type MicroVmStatus = z.infer<typeof microVmStatus>;
export type MicroVm = KubeObject<MicroVmSpec, MicroVmStatus>;

/** Holds a MicroVM back until its machine is gone from the node. */
export const machineFinalizer = 'vvm.tvm.github.com/machine';

export const microVmKind: Kind = {
  kind: 'MicroVM',
  plural: 'microvms',
  singular: 'microvm',
  shortNames: ['mvm'],
  categories: ['all', 'tvm'],
  description: 'A throw-away machine with its own kernel that runs untrusted code.',
  spec: microVmSpec,
  status: microVmStatus,
  columns: [
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Image', type: 'string', jsonPath: '.spec.image' },
    { name: 'CPU', type: 'integer', jsonPath: '.spec.cpu' },
    { name: 'Memory', type: 'integer', jsonPath: '.spec.memory', description: 'MB' },
    { name: 'Host', type: 'string', jsonPath: '.status.host' },
    { name: 'Boot-ms', type: 'integer', jsonPath: '.status.bootMs' },
    { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
  ],
};
