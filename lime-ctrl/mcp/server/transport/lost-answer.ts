// What a client is told of a request that nobody works at any more, in place of silence: it would wait until its own time is up.
import { requestOf } from './event-store.ts';

export const unanswered = {
  code: -32000,
  message: 'the connection that this request was made on was ended; whether the request was carried out is not known',
  data: { reason: 'ConnectionEnded' },
};

/**
 * What is left of a stream of which this was the last event, and that went with the replica that held its connection; undefined
 * when it answered no request.
 */
export function lostAnswer(eventId: string | null): Response | undefined {
  const id = eventId === null ? undefined : requestOf(eventId);
  if (id === undefined) return undefined;
  const event = `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id, error: unanswered })}\n\n`;
  return new Response(event, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } });
}
