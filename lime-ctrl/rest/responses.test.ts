import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { test } from 'node:test';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { TvmError } from '@tvm/api/errors.ts';
import { listen } from '@tvm/kit/listen.ts';
import { closeServer } from '@tvm/kit/metrics.ts';
import { cutWhenBroken, streamResponse } from './responses.ts';

async function* half(breaks: boolean): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half');
  if (breaks) throw new TvmError('unavailable', 'the machine is gone');
}

test('an answer whose body breaks off does not look whole', async (t) => {
  const answer = (request: Request, env: HttpBindings) =>
    cutWhenBroken(streamResponse(half(request.url.endsWith('/broken')), 'text/plain'), env);
  const server = createAdaptorServer({ fetch: (request, env) => answer(request, env as HttpBindings) }) as Server;
  const url = await listen(server, { host: '127.0.0.1', port: 0 });
  t.after(() => closeServer(server));
  assert.equal(await (await fetch(`${url}/whole`)).text(), 'half');
  await assert.rejects(async () => (await fetch(`${url}/broken`)).text(), TypeError);
});
