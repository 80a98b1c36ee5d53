// REST of MCP sessions: /v1/sessions. Everything takes ?namespace= (default: "default"). The sessions themselves speak MCP at
// the URL in their status.
//
//   POST   /v1/sessions                 sessionCreate -> sessionView (201)
//   GET    /v1/sessions                 {items: sessionView[]}
//   GET    /v1/sessions/{name}          sessionView
//   DELETE /v1/sessions/{name}          202, sessionView
//   GET    /v1/sessions/{name}/token    sessionToken
//   POST   /v1/sessions/{name}/rotate   sessionView: a new token will be made, and all older ones are refused
import { z } from 'zod';
import { mcpSessionSpec, mcpSessionStatus } from '../kinds/mcp-session.ts';
import { objectName } from './microvms.ts';

export const sessionCreate = z.strictObject({
  name: objectName.optional().meta({ description: 'Default: a generated one.' }),
  namespace: objectName.optional(),
  spec: mcpSessionSpec
    .extend({
      userId: mcpSessionSpec.shape.userId.optional().meta({ description: 'Default: the caller.' }),
      groupId: mcpSessionSpec.shape.groupId.optional().meta({ description: "Default: the caller's first group." }),
    })
    .strict()
    .default({}),
});
export type SessionCreate = z.input<typeof sessionCreate>;
export type CheckedSessionCreate = z.output<typeof sessionCreate>;

export const sessionView = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  createdAt: z.string(),
  deleting: z.boolean(),
  spec: mcpSessionSpec,
  status: mcpSessionStatus,
});
export type SessionView = z.infer<typeof sessionView>;

export const sessionToken = z.object({
  url: z.string().meta({ description: 'The MCP endpoint of the session.' }),
  token: z.string().meta({ description: 'For the header "Authorization: Bearer TOKEN", for this URL alone.' }),
  expiresAt: z.string(),
  scopes: z.array(z.string()),
});
export type SessionToken = z.infer<typeof sessionToken>;
