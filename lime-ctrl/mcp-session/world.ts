// The words of the MCPSession controller: what is observed, what can be done, what is planned. All of it is plain data, so
// that a plan can be printed, compared and replayed. No token is in it, only what one says.
import type { McpSession, McpSessionStatus } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm, MicroVmSpec } from '@tvm/api/kinds/microvm.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';
import type { TokenFacts, TokenGrant } from '../mcp/sessions/tokens.ts';

/** What a machine of a session's own is made of. */
export interface MachineShape {
  image: string;
  cpu: number;
  /** MB */
  memory: number;
  network?: MicroVmSpec['network'];
  limits?: MicroVmSpec['limits'];
  imagePullSecrets?: MicroVmSpec['imagePullSecrets'];
  /** The MicroVMSnapshot to start from; the shape is then that of its machine. */
  snapshot?: string;
}

/** The Secret with the name that this session's token has. */
export type ObservedSecret =
  | { type: 'none' }
  /** Somebody else's: it is neither read nor written. */
  | { type: 'foreign' }
  /** `token`: undefined when what is in it is not good. */
  | { type: 'own'; token: TokenFacts | undefined };

export interface Observed {
  session: McpSession;
  /** The MicroVM that vmId names. */
  named: MicroVm | undefined;
  /** The MicroVM with the name of the session's own machine, whoever made it. */
  own: MicroVm | undefined;
  secret: ObservedSecret;
  /** The base of the session's URL. */
  base: string;
  tokenLifeMs: number;
  /** Of an own machine, where the spec says nothing. */
  defaults: MachineShape;
  /** When the session was last used, as far as this process and the machine's node know; 0: not known. */
  usedAtMs: number;
  /** Something runs in its machine on somebody's behalf. */
  inUse: boolean;
  nowMs: number;
}

export type Action =
  | { type: 'addFinalizer' }
  | { type: 'removeFinalizer' }
  | { type: 'deleteObject' }
  /** A MicroVM that the session owns. */
  | { type: 'createMachine'; shape: MachineShape; idleTimeoutSeconds: number }
  | { type: 'deleteMachine'; uid: string }
  | { type: 'writeToken'; grant: TokenGrant };

export interface Plan {
  actions: Action[];
  /** The very same object when nothing changed. */
  status: McpSessionStatus;
  events: EventIntent[];
  requeueAfterMs: number | undefined;
}
