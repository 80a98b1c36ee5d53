import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { TvmError } from '@tvm/api/errors.ts';
import { listen } from '@tvm/kit/listen.ts';
import { closeServer } from '@tvm/kit/metrics.ts';
import { cutWhenBroken, streamResponse } from './responses.ts';

async function* half(breaks: boolean): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half');
  // It is on its way before the rest is asked for.
  await sleep(20);
  if (breaks) throw new TvmError('unavailable', 'the machine is gone');
}

/** All that the server sends before it closes the connection. */
async function rawAnswer(url: string, path: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  return text(socket);
}

test('an answer whose body breaks off does not look whole', async (t) => {
  const answer = (request: Request, env: HttpBindings) =>
    cutWhenBroken(streamResponse(half(request.url.endsWith('/broken')), 'text/plain'), env);
  const server = createAdaptorServer({ fetch: (request, env) => answer(request, env as HttpBindings) }) as Server;
  const url = await listen(server, { host: '127.0.0.1', port: 0 });
  t.after(() => closeServer(server));
  assert.match(await rawAnswer(url, '/whole'), /half\r\n0\r\n\r\n$/);
  assert.match(await rawAnswer(url, '/broken'), /half\r\n$/, 'no last chunk, and no words that are not of the body');
});
