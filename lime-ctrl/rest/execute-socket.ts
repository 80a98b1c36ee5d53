// The WebSocket of /v1/execute: the first message is the request, then stdin goes in and output comes out.
import { executeRequest } from '@tvm/api/rest/execute.ts';
import type { Engine } from '../engine/engine.ts';
import { check } from './endpoint.ts';
import type { SocketSession } from './socket-session.ts';

/** Throws what the run throws; the caller tells it to the client. */
export async function serveExecuteSocket(engine: Engine, session: SocketSession, namespace: string): Promise<void> {
  const request = check(executeRequest, await session.first(), 'request');
  const options = { namespace, inputs: session.inputs(), signal: session.closed };
  for await (const event of engine.execute(request, options)) {
    if (event.type === 'output') await session.sendOutput(event.channel, event.bytes);
    else if (event.type === 'started') await session.send({ ...event, stdoutOffset: 0, stderrOffset: 0 });
    else await session.send(event);
  }
}
