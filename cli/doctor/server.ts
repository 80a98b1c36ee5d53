// What a server elsewhere (TVM_SERVER) says to this user: this machine needs nothing then. Looks and changes nothing.
import { TvmError } from '@tvm/api/errors.ts';
import { statusView } from '@tvm/api/rest/microvms.ts';
import type { Endpoint } from '../client/endpoint.ts';
import { makeRestClient } from '../client/rest-client.ts';
import type { Check } from './check.ts';

/** Where the token is one that nobody took, the server is there all the same. */
const answered = new Set(['unauthenticated', 'permission_denied']);

export async function checkServer(endpoint: Endpoint): Promise<Check[]> {
  const name = 'server';
  const found = `${endpoint.url} (TVM_SERVER)`;
  try {
    const status = statusView.parse(await makeRestClient(endpoint).json({ path: '/v1/status' }));
    const nodes = status.nodes.filter(({ reachable }) => reachable);
    return [
      { name, state: 'ok', found: `${found}, version ${status.version}` },
      { name: 'token', state: 'ok', found: 'accepted' },
      nodes.length > 0
        ? { name: 'nodes', state: 'ok', found: `${nodes.length} of ${status.nodes.length} answer` }
        : { name: 'nodes', state: 'missing', found: 'none answers', advice: 'The log of lime-ctrl says why.' },
    ];
  } catch (thrown) {
    return refusal(TvmError.from(thrown), { name, state: 'ok', found });
  }
}

function refusal({ code, message, hint }: TvmError, server: Check): Check[] {
  const advice = hint !== undefined && { advice: hint.replaceAll('\n', ' ') };
  if (!answered.has(code)) return [{ ...server, state: 'missing', found: message, ...advice }];
  if (code === 'unauthenticated') return [server, { name: 'token', state: 'missing', found: message, ...advice }];
  // A user of one namespace has no right to see the nodes, and needs none.
  return [
    server,
    { name: 'token', state: 'ok', found: 'accepted' },
    { name: 'nodes', state: 'warning', found: message },
  ];
}
