// MCPSession: binds a user and a group to a machine that an agent works in.
import { z } from 'zod';
import { celRules, conditions, type Kind, type KubeObject } from './meta.ts';

export const sessionStates = ['Pending', 'Ready', 'Idle', 'Expired', 'Failed'] as const;

export const mcpSessionSpec = z
  .object({
    userId: z
      .string()
      .min(1)
      .max(253)
      .meta({
        description: 'Who the session is for. Immutable.',
        ...celRules({ rule: 'self == oldSelf', message: 'userId is immutable' }),
      }),
    groupId: z
      .string()
      .min(1)
      .max(253)
      .meta({
        description: 'The group whose quota the session counts against. Immutable.',
        ...celRules({ rule: 'self == oldSelf', message: 'groupId is immutable' }),
      }),
    vmId: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .meta({ description: 'Name of a MicroVM of the same namespace; none: one from a pool.' }),
    idleTimeoutSeconds: z
      .int()
      .min(1)
      .optional()
      .meta({ description: 'End the session after this long without a call.' }),
  })
  .meta({ description: 'Who works in which machine.' });

export const mcpSessionStatus = z.object({
  state: z.enum(sessionStates).optional(),
  lastActivity: z.string().optional().meta({ format: 'date-time' }),
  connectionInfo: z
    .object({
      url: z.string().optional(),
      tokenSecretRef: z.object({ name: z.string() }).optional(),
    })
    .optional(),
  observedGeneration: z.int().optional(),
  conditions: conditions.optional(),
});

export type McpSessionSpec = z.infer<typeof mcpSessionSpec>;
export type McpSessionStatus = z.infer<typeof mcpSessionStatus>;
export type McpSession = KubeObject<McpSessionSpec, McpSessionStatus>;

export const mcpSessionKind: Kind = {
  kind: 'MCPSession',
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
    { name: 'URL', type: 'string', jsonPath: '.status.connectionInfo.url', priority: 1 },
  ],
};
