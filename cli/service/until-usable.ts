// lime-ctrl serves before it has heard from its node; a service is called running when machines can be asked for.
import { statusView } from '@tvm/api/rest/microvms.ts';
import { makeRestClient } from '../client/rest-client.ts';
import { readToken } from './tokens.ts';

const deadlineMs = 20_000;
const pollMs = 50;

/** Resolves with true when a node answers, with false when none did in time: the service can still say what is wrong. */
export async function untilUsable(url: string, tokensFile: string, signal: AbortSignal): Promise<boolean> {
  const client = makeRestClient({ url, token: readToken(tokensFile) });
  const deadline = performance.now() + deadlineMs;
  while (!signal.aborted && performance.now() < deadline) {
    const answer = await client.json({ path: '/v1/status', signal }).catch(() => undefined);
    const status = statusView.safeParse(answer);
    if (status.success && status.data.nodes.some((node) => node.reachable)) return true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return false;
}
