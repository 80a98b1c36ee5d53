// MCPSession: binds a user and a group to a machine that an agent works in.
import { z } from 'zod';
import {
  celRules,
  conditions,
  durationSeconds,
  immutable,
  type Kind,
  type KubeObject,
  objectNameSchema,
  observedGeneration,
} from './meta.ts';

export const sessionStates = ['Pending', 'Ready', 'Idle', 'Expired', 'Failed'] as const;

const kindName = 'MCPSession';

const identity = z.string().min(1).max(253);

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
      'Name of a MicroVM of the same namespace with mcpMode: true. Default: a machine from a pool.',
    ).optional(),
    idleTimeoutSeconds: durationSeconds
      .optional()
      .meta({ description: 'Seconds without a call after which the session ends. Default: never.' }),
  })
  .meta({ description: 'Who works in which machine.' });

export const mcpSessionStatus = z
  .object({
    state: z.enum(sessionStates).optional().meta({ description: 'Where the session is in its life.' }),
    lastActivity: z.string().optional().meta({ description: 'When it was last called.', format: 'date-time' }),
    connectionInfo: z
      .object({
        url: z.string().optional().meta({ description: 'Where its MCP endpoint is (Streamable HTTP).' }),
        tokenSecretRef: z
          .object({ name: z.string().meta({ description: 'Name of the Secret.' }) })
          .optional()
          .meta({ description: 'A Secret of the same namespace whose key "token" is the bearer token.' }),
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
    { name: 'VM', type: 'string', jsonPath: '.spec.vmId' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    { name: 'Last-activity', type: 'date', jsonPath: '.status.lastActivity', priority: 1 },
    { name: 'URL', type: 'string', jsonPath: '.status.connectionInfo.url', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
  ],
  selectableFields: ['.spec.userId', '.spec.groupId', '.spec.vmId', '.status.state'],
};
