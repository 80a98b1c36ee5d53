// MCPSession: binds a user and a group to a machine that an agent works in.
import { z } from 'zod';
import {
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
import { imagePullSecrets, machineLimits, machineShape, networkLimitNeedsNetwork } from './microvm.ts';
import { allowNeedsRestricted, networkSpec } from './network.ts';

export const sessionStates = ['Pending', 'Ready', 'Idle', 'Expired', 'Failed'] as const;

const kindName = 'MCPSession';

const identity = z.string().min(1).max(253);

/** What a token may allow: looking, running code, the files, and the machine's life. */
export const sessionScopes = ['vm:read', 'vm:exec', 'vm:files', 'vm:admin'] as const;
export type SessionScope = (typeof sessionScopes)[number];

const ownMachine = 'Of the machine that the session makes, without vmId.';
const ownFields = ['image', 'cpu', 'memory', 'network', 'limits', 'imagePullSecrets'] as const;
const shapeRules = ownFields.flatMap((field) => [
  neverAddedNorRemoved(field, kindName),
  {
    rule: `!has(self.${field}) || !has(self.vmId)`,
    message: `${field} is that of the machine in vmId`,
    fieldPath: `.${field}`,
  },
]);

const tokenRule = {
  rule: '!has(oldSelf.tokenGeneration) || has(self.tokenGeneration)',
  message: 'tokenGeneration only grows',
  fieldPath: '.tokenGeneration',
};

export const mcpSessionSpec = z
  .object({
    userId: identity.meta({
      description: 'Who the session is for. Immutable.',
      ...celRules(immutable('userId', kindName)),
    }),
    groupId: identity.meta({
      description: 'The group whose quota the session counts against. Immutable.',
      ...celRules(immutable('groupId', kindName)),
    }),
    vmId: objectNameSchema(
      'Name of a MicroVM of the same namespace with mcpMode: true. Default: the session makes a machine of its own.',
    ).optional(),
    image: machineShape.image.optional().meta({
      description: `${ownMachine} Default: what the first MicroVMPool of the namespace has, or else tvm/node. Immutable.`,
      ...celRules(immutable('image', kindName)),
    }),
    cpu: machineShape.cpu.optional().meta({
      description: `Virtual CPUs. ${ownMachine} Default: as for image, or else 1. Immutable.`,
      ...celRules(immutable('cpu', kindName)),
    }),
    memory: machineShape.memory.optional().meta({
      description: `Memory in MB. ${ownMachine} Default: as for image, or else 256. Immutable.`,
      ...celRules(immutable('memory', kindName)),
    }),
    network: networkSpec.optional().meta({
      description: `What it may reach. ${ownMachine} Default: it has no network interface. Immutable.`,
      ...celRules(allowNeedsRestricted, immutable('network', kindName)),
    }),
    limits: machineLimits.optional().meta({
      description: `What it may take of its host. ${ownMachine} Default: as for image, or else none. Immutable.`,
      ...celRules(immutable('limits', kindName)),
    }),
    imagePullSecrets: imagePullSecrets.optional().meta({
      description: `Secrets with the credentials that the registry asks for. ${ownMachine} Default: as for image. Immutable.`,
      ...celRules(immutable('imagePullSecrets', kindName)),
    }),
    idleTimeoutSeconds: durationSeconds
      .optional()
      .meta({ description: 'Seconds without a call after which the session ends. Default: never.' }),
    ttlSeconds: durationSeconds
      .optional()
      .meta({ description: 'Seconds after its creation after which the session ends. Default: never.' }),
    scopes: z
      .array(z.enum(sessionScopes).meta({ description: 'One thing that is allowed.' }))
      .min(1)
      .max(sessionScopes.length)
      .optional()
      .meta({
        description: 'What the token allows: vm:read, vm:exec, vm:files, vm:admin. Default: all of it.',
        'x-kubernetes-list-type': 'set',
      }),
    tokenGeneration: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .optional()
      .meta({
        description: 'Raise it to make a new token and refuse all that were given before. Default: 1.',
        ...celRules({ rule: 'self >= oldSelf', message: 'tokenGeneration only grows' }),
      }),
  })
  .meta({
    description: 'Who works in which machine.',
    ...celRules(...shapeRules, networkLimitNeedsNetwork, tokenRule),
  });

export const mcpSessionStatus = z
  .object({
    state: z.enum(sessionStates).optional().meta({ description: 'Where the session is in its life.' }),
    vmId: z.string().optional().meta({ description: 'Name of the MicroVM that the session works in.' }),
    machineStartedAt: z.string().optional().meta({
      description: 'The start of the machine that the session knows of; a later one means that it was made anew.',
      format: 'date-time',
    }),
    lastActivity: z.string().optional().meta({ description: 'When it was last called.', format: 'date-time' }),
    connectionInfo: z
      .object({
        url: z.string().optional().meta({ description: 'Where its MCP endpoint is (Streamable HTTP).' }),
        tokenSecretRef: z
          .object({ name: z.string().meta({ description: 'Name of the Secret.' }) })
          .optional()
          .meta({ description: 'A Secret of the same namespace whose key "token" is the bearer token.' }),
        tokenExpiresAt: z.string().optional().meta({
          description: 'When that token ends; the Secret has a new one long before.',
          format: 'date-time',
        }),
      })
      .optional()
      .meta({ description: 'How a client reaches the session, once it is Ready.' }),
    observedGeneration: observedGeneration.optional(),
    conditions: conditions.optional(),
  })
  .meta({ description: 'What was last seen of the session; written by lime-ctrl.' });

export type McpSessionSpec = z.infer<typeof mcpSessionSpec>;
export type McpSessionStatus = z.infer<typeof mcpSessionStatus>;
export type McpSession = KubeObject<McpSessionSpec, McpSessionStatus>;

/** Holds an MCPSession back until the machine that it made is being destroyed. */
export const sessionFinalizer = 'vvm.tvm.github.com/session';

export const mcpSessionKind: Kind = {
  kind: kindName,
  plural: 'mcpsessions',
  singular: 'mcpsession',
  shortNames: ['mcps'],
  categories: ['tvm'],
  description: 'A machine of its own for an AI agent, over the Model Context Protocol.',
  spec: mcpSessionSpec,
  status: mcpSessionStatus,
  columns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'User', type: 'string', jsonPath: '.spec.userId' },
    { name: 'Group', type: 'string', jsonPath: '.spec.groupId' },
    { name: 'VM', type: 'string', jsonPath: '.status.vmId' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    { name: 'Last-activity', type: 'date', jsonPath: '.status.lastActivity', priority: 1 },
    { name: 'URL', type: 'string', jsonPath: '.status.connectionInfo.url', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
  ],
  selectableFields: ['.spec.userId', '.spec.groupId', '.spec.vmId', '.status.state'],
};
