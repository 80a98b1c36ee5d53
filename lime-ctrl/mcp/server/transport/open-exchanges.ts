// What the two sides of one 2025-11-25 connection wait for: requests of the client that are open, and those to the client that it
// has not answered. Invariants: bounded, the oldest are forgotten first; what is claimed is claimed once.

const most = 1_024;
const maxIdLength = 256;

export interface OpenExchanges {
  /** The client sent this. */
  received(message: unknown): void;
  /** This goes to the client. */
  sent(message: unknown): void;
  /** Whether it answers a request that is open, or cancels one. True once for each. */
  claim(message: unknown): boolean;
  /** The ids of requests of the client that are open. */
  open(): unknown[];
}

type Role = { kind: 'request' | 'answer' | 'cancellation'; id: unknown };

export function makeOpenExchanges(): OpenExchanges {
  /** Requests of the client. */
  const open = new Set<unknown>();
  /** Requests to the client. */
  const asked = new Set<unknown>();

  /** The same for both directions: `own` are the requests of whoever sends, `others` those that it answers. */
  function note(message: unknown, own: Set<unknown>, others: Set<unknown>): void {
    const role = roleOf(message);
    if (role?.kind === 'request') add(own, role.id);
    else if (role?.kind === 'cancellation') own.delete(role.id);
    else if (role) others.delete(role.id);
  }

  return {
    received: (message) => note(message, open, asked),
    sent: (message) => note(message, asked, open),
    claim(message) {
      const role = roleOf(message);
      if (role?.kind === 'answer') return asked.delete(role.id);
      return role?.kind === 'cancellation' && open.delete(role.id);
    },
    open: () => [...open],
  };
}

/** Whether a client sends such a message because of another, whatever that was. */
export function concludesAnother(message: unknown): boolean {
  const kind = roleOf(message)?.kind;
  return kind === 'answer' || kind === 'cancellation';
}

function add(ids: Set<unknown>, id: unknown): void {
  if (typeof id === 'string' ? id.length > maxIdLength : typeof id !== 'number') return;
  ids.add(id);
  for (const oldest of ids) {
    if (ids.size <= most) return;
    ids.delete(oldest);
  }
}

/** Undefined: nobody waits for it, and it waits for nobody. */
function roleOf(message: unknown): Role | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { id, method, params } = message as { id?: unknown; method?: unknown; params?: { requestId?: unknown } };
  if (method === 'notifications/cancelled') return { kind: 'cancellation', id: params?.requestId };
  if (id === undefined) return undefined;
  if (typeof method === 'string') return { kind: 'request', id };
  return 'result' in message || 'error' in message ? { kind: 'answer', id } : undefined;
}
