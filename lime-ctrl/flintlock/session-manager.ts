// The HTTP/2 connections of a client. Invariant: a connection that was lost while it was being made fails the calls that wait
// for it. The library's manager takes such a one for made, fails inside, and from then on waits for it without end, never
// letting anything else run.
import { Code, ConnectError } from '@connectrpc/connect';
import { Http2SessionManager } from '@connectrpc/connect-node';

interface Connection {
  closed: boolean;
  destroyed: boolean;
  connecting: boolean;
}

interface Inside {
  setState(state: { t: string; conn?: Promise<Connection> | Connection }): void;
}

export function makeSessionManager(...options: ConstructorParameters<typeof Http2SessionManager>): Http2SessionManager {
  const manager = new Http2SessionManager(...options);
  const inside = manager as unknown as Inside;
  const setState = inside.setState.bind(manager);
  inside.setState = (state) => {
    if (state.t === 'connecting' && state.conn instanceof Promise) state.conn = state.conn.then(alive);
    setState(state);
  };
  return manager;
}

function alive(connection: Connection): Connection {
  if (!connection.closed && !connection.destroyed && !connection.connecting) return connection;
  throw new ConnectError('the connection was lost while it was made', Code.Unavailable);
}
