// MicroVM: one throw-away machine with its own kernel, declared.
import { z } from 'zod';
import {
  type CelRule,
  celRules,
  conditions,
  durationSeconds,
  immutable,
  type Kind,
  type KubeObject,
  neverAddedNorRemoved,
  objectNameSchema,
  observedGeneration,
} from './meta.ts';
import { allowNeedsRestricted, networkSpec } from './network.ts';
import { persistentStorage } from './persistent-storage.ts';

export const phases = ['Pending', 'Creating', 'Running', 'Paused', 'Stopped', 'Failed', 'Terminating'] as const;
export type Phase = (typeof phases)[number];

const kindName = 'MicroVM';

export const envVariable = z
  .object({
    name: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and "_", and not begin with a digit')
      .max(256)
      .meta({ description: 'Letters, digits and "_", no digit first.' }),
    value: z.string().max(32768).default('').meta({ description: 'Taken as it is. Default: empty.' }),
  })
  .meta({ description: 'One environment variable.' });

export const envSource = z
  .object({
    secretRef: z
      .object({
        name: objectNameSchema('Name of the Secret.'),
        optional: z.boolean().optional().meta({
          description: 'Whether the machine may start when there is no such Secret. Default: false, it waits for one.',
        }),
      })
      .meta({ description: 'A Secret of the same namespace whose keys become environment variables.' }),
  })
  .meta({ description: 'Where environment variables come from.' });

export const imagePullSecret = z
  .object({
    name: objectNameSchema('Name of a Secret of type kubernetes.io/dockerconfigjson in the same namespace.'),
  })
  .meta({ description: 'Where credentials for a registry come from.' });

export const imagePullSecrets = z
  .array(imagePullSecret)
  .max(16)
  .meta({
    description: 'Secrets with the credentials that the registry of the image asks for. Default: none.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  });

/** What a machine is made of; a MicroVM cannot change it, the template of a pool can. */
export const machineShape = {
  image: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[A-Za-z0-9[][A-Za-z0-9._:/@[\]-]*$/, 'must be an image reference such as tvm/python or ubuntu:20.04')
    .meta({
      description: 'What the machine starts from: tvm/python, tvm/node, or an OCI reference such as ubuntu:20.04.',
    }),
  cpu: z.int().min(1).max(32).meta({ description: 'Virtual CPUs, 1 to 32.' }),
  memory: z.int().min(64).max(1048576).meta({ description: 'Memory in MB (2^20 bytes), 64 at least.' }),
};

const argument = z.string().max(32768).meta({ description: 'One argument, taken as it is: no shell reads it.' });

export const machineLimits = z
  .object({
    cpuPercent: z.int().min(1).max(3200).optional().meta({
      description:
        'Processor time of the host that the machine may take, in percent of one processor. Default: as many as it has.',
    }),
    diskIops: z.int().min(1).max(1000000).optional().meta({
      description: 'Operations a second of each of its disks. Default: as many as the host can do.',
    }),
    diskBytesPerSecond: z.int().min(65536).max(1099511627776).optional().meta({
      description: 'Bytes a second read from and written to each of its disks. Default: as many as the host can do.',
    }),
    networkBytesPerSecond: z.int().min(65536).max(1099511627776).optional().meta({
      description:
        'Bytes a second that its network interface sends, and as many that it receives. Default: as many as the host can do.',
    }),
    processes: z.int().min(4).max(1000000).optional().meta({
      description: 'Processes and threads inside the machine, besides the kernel and its agent. Default: 1024.',
    }),
  })
  .meta({ description: 'What the machine may take of its host and of itself. Immutable.' });
export type MachineLimits = z.infer<typeof machineLimits>;

/** The rule of whatever has both. */
export const networkLimitNeedsNetwork: CelRule = {
  rule: "!has(self.limits) || !has(self.limits.networkBytesPerSecond) || (has(self.network) && self.network.egress != 'none')",
  message: 'networkBytesPerSecond needs a network: set network.egress',
  fieldPath: '.limits.networkBytesPerSecond',
};

const microVmRules = celRules(
  networkLimitNeedsNetwork,
  {
    rule: '!has(self.runEntrypoint) || !self.runEntrypoint || !has(self.command) || size(self.command) == 0',
    message: 'runEntrypoint is to run what the image says, command what it says itself: leave one out',
    fieldPath: '.runEntrypoint',
  },
  neverAddedNorRemoved('runEntrypoint', kindName),
  neverAddedNorRemoved('limits', kindName),
  neverAddedNorRemoved('snapshot', kindName),
  neverAddedNorRemoved('command', kindName),
  neverAddedNorRemoved('args', kindName),
  neverAddedNorRemoved('network', kindName),
  neverAddedNorRemoved('persistentStorage', kindName),
  {
    rule: '!has(self.onIdle) || has(self.idleTimeoutSeconds)',
    message: 'onIdle needs idleTimeoutSeconds: without it no machine is ever idle',
    fieldPath: '.onIdle',
  },
);

export const microVmSpec = z
  .object({
    image: machineShape.image.meta(celRules(immutable('image', kindName))),
    cpu: machineShape.cpu.meta(celRules(immutable('cpu', kindName))),
    memory: machineShape.memory.meta(celRules(immutable('memory', kindName))),
    mcpMode: z
      .boolean()
      .optional()
      .meta({ description: 'Whether MCP sessions may be bound to this machine. Default: false.' }),
    command: z
      .array(argument)
      .max(256)
      .optional()
      .meta({
        description:
          'A program and its arguments, run once the machine is up in place of what the image would run; the machine ends ' +
          'with it. Without command, args and runEntrypoint it waits for exec. Immutable.',
        ...celRules(immutable('command', kindName)),
      }),
    args: z
      .array(argument)
      .max(256)
      .optional()
      .meta({
        description:
          'Arguments added to command; without command, to the entrypoint of the image, in place of its cmd. Immutable.',
        ...celRules(immutable('args', kindName)),
      }),
    runEntrypoint: z
      .boolean()
      .optional()
      .meta({
        description:
          "Whether the image's own entrypoint and cmd are run once the machine is up; the machine ends with them. Not with " +
          'command; args imply it. Default: false. Immutable.',
        ...celRules(immutable('runEntrypoint', kindName)),
      }),
    env: z
      .array(envVariable)
      .max(256)
      .optional()
      .meta({
        description: 'Environment of every process of the machine. A change holds from the next start on.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
    envFrom: z
      .array(envSource)
      .max(32)
      .optional()
      .meta({ description: 'Environment from Secrets; a name in env wins.', 'x-kubernetes-list-type': 'atomic' }),
    imagePullSecrets: imagePullSecrets.optional(),
    desiredState: z.enum(['Running', 'Paused', 'Stopped']).default('Running').meta({
      description:
        'What the machine should be doing. Default: Running. A paused one keeps its memory, a stopped one not.',
    }),
    snapshot: objectNameSchema(
      'Name of a MicroVMSnapshot of the same namespace that the machine continues, instead of booting. Immutable.',
    )
      .optional()
      .meta(celRules(immutable('snapshot', kindName))),
    persistentStorage: persistentStorage.optional(),
    network: networkSpec.optional().meta({
      description: 'What the machine may reach. Default: it has no network interface. Immutable.',
      ...celRules(allowNeedsRestricted, immutable('network', kindName)),
    }),
    limits: machineLimits.optional().meta(celRules(immutable('limits', kindName))),
    idleTimeoutSeconds: durationSeconds.optional().meta({
      description: 'Seconds without an open exec or file request after which onIdle is done. Default: never.',
    }),
    onIdle: z
      .enum(['Pause', 'Stop', 'Delete'])
      .optional()
      .meta({
        description:
          'What to do with an idle machine; one that was paused resumes with the next exec or file request. Default: ' +
          'Pause. Needs idleTimeoutSeconds.',
      }),
    ttlSeconds: durationSeconds
      .optional()
      .meta({ description: 'Seconds after its creation after which the MicroVM is deleted. Default: never.' }),
  })
  .meta({ description: 'What the machine should be.', ...microVmRules });

export const microVmStatus = z
  .object({
    phase: z.enum(phases).optional().meta({ description: 'Where the machine is in its life; reason says why.' }),
    conditions: conditions.optional(),
    observedGeneration: observedGeneration.optional(),
    host: z.string().optional().meta({ description: 'The node whose flintlock holds the machine.' }),
    address: z.string().optional().meta({
      description: 'The address that packets of the machine have on its node. None: it has no network interface.',
    }),
    bootMs: z.int().optional().meta({
      description: 'Milliseconds from the start of the machine monitor to the first answer of the guest.',
    }),
    imageDigest: z.string().optional().meta({ description: 'What image meant when the machine was made.' }),
    startedAt: z.string().optional().meta({ description: 'When the machine was last started.', format: 'date-time' }),
    restarts: z.int().optional().meta({ description: 'How often the machine was started again after it had failed.' }),
    exitCode: z.int().optional().meta({ description: 'Exit code of command, once it ended.' }),
    reason: z.string().optional().meta({ description: 'Why the machine is in its phase, one word.' }),
    message: z.string().optional().meta({ description: 'The same in a sentence.' }),
  })
  .meta({ description: 'What was last seen of the machine; written by lime-ctrl.' });

export type MicroVmSpec = z.infer<typeof microVmSpec>;
export type MicroVmStatus = z.infer<typeof microVmStatus>;
export type MicroVm = KubeObject<MicroVmSpec, MicroVmStatus>;

/** "true" on a MicroVM: it has new, empty disks although a node that does not answer may have retained some for it. */
export const newDisksAnnotation = 'vvm.tvm.github.com/new-disks';

/** Holds a MicroVM back until its machine is gone from the node. */
export const machineFinalizer = 'vvm.tvm.github.com/machine';

export const microVmKind: Kind = {
  kind: kindName,
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
    { name: 'Desired', type: 'string', jsonPath: '.spec.desiredState', priority: 1 },
    { name: 'Snapshot', type: 'string', jsonPath: '.spec.snapshot', priority: 1 },
    { name: 'Restarts', type: 'integer', jsonPath: '.status.restarts', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
  ],
  // It is the host name inside the machine.
  maxNameLength: 63,
  selectableFields: ['.spec.image', '.spec.desiredState', '.spec.snapshot', '.status.phase', '.status.host'],
};
