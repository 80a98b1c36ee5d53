// What the parts of the MCP gateway meet in: whom a request is for, and who answers it. Invariant: a handler is only called
// with a request whose token, audience, Host and Origin were checked; it never sees the token.
import type { SessionScope } from '@tvm/api/kinds/mcp-session.ts';
import type { FlintlockClient } from '../flintlock/client.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';

/** What a token may allow: looking, running code, the files, and the machine's life (pause, snapshots, ports, servers). */
export { sessionScopes as scopes } from '@tvm/api/kinds/mcp-session.ts';
export { machineNow } from '../flintlock/machine-now.ts';
export type { Fleet, FlintlockClient, PlacedMachine };
export type Scope = SessionScope;

export interface SessionIdentity {
  /** Of the MCPSession object; the id in its URL. */
  uid: string;
  namespace: string;
  name: string;
  userId: string;
  groupId: string;
}

export interface SessionContext {
  session: SessionIdentity;
  /** Name of the MicroVM that it works in, in the session's namespace. */
  microVm: string;
  /** The URL that was called, without a query: the token's audience. For example https://HOST/sessions/UID/mcp. */
  url: string;
  scopes: ReadonlySet<Scope>;
  /** Who the token is for: transport sessions, tasks and executions are bound to it. */
  caller: string;
  /**
   * The machine as it is now, running: resumed when it was idle. Throws a TvmError that says what is wrong with it and
   * what to do (reason MachineFailed, MachineGone, MachineStopped, MachineNotReady, NodeUnreachable).
   */
  machine(): Promise<PlacedMachine>;
  /** The machine as it was last seen, in whatever state; nothing is resumed. */
  lastSeen(): PlacedMachine | undefined;
  /** What a call to the machine failed with, or the end of the machine (as `machine` tells it) when that is why. */
  explain(thrown: unknown): Promise<unknown>;
  /** The machine is about to be started anew on purpose: that it is another one then needs no telling. */
  expectRestart(): void;
  /** Notes that the session is used: it does not become idle for a while. Cheap; call it with every bit of work. */
  touch(): void;
}

/**
 * Answers one request of a session. The request carries no Authorization header any more, and its signal aborts when the
 * client goes away. A streamed answer (SSE) is a Response with a stream as its body; cancelling that is the client leaving.
 */
export type SessionHandler = (request: Request, context: SessionContext) => Promise<Response>;

/** Like SessionHandler, for the MCP server of this name inside the machine. */
export type ServerHandler = (request: Request, context: SessionContext, serverName: string) => Promise<Response>;

/** Where the MCP servers of a machine are written down, inside it: a McpServersFile as JSON. */
export const mcpServersPath = '/run/tvm/mcp-servers.json';

/** A program in the machine that speaks MCP over its stdin and stdout. */
export interface McpServerSpec {
  command: string;
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
}

export interface McpServersFile {
  servers: Record<string, McpServerSpec>;
}
