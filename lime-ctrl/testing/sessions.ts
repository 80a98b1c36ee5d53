// MCP sessions in tests of the whole: made, waited for, called.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import { mcpSessions, secrets } from '@tvm/kit/kube/client.ts';
import { secretNameOf } from '../mcp-session/names.ts';
import type { Echo } from './echo-handlers.ts';
import { eventually, type Harness } from './harness.ts';

/** Ready, with its token. */
export async function makeSession(
  harness: Pick<Harness, 'kube'>,
  name: string,
  spec: Partial<McpSession['spec']> = {},
): Promise<McpSession> {
  const metadata = { name, namespace: 'default' };
  const whose = { userId: 'alice', groupId: 'research' };
  await harness.kube.create(mcpSessions, { apiVersion, kind: 'MCPSession', metadata, spec: { ...whose, ...spec } });
  return eventually(async () => {
    const session = await harness.kube.get(mcpSessions, 'default', name);
    return session.status?.state === 'Ready' && session.status.connectionInfo ? session : undefined;
  });
}

export async function tokenOf(harness: Pick<Harness, 'kube'>, session: McpSession): Promise<string> {
  const { data } = await harness.kube.get(secrets, 'default', secretNameOf(session));
  return Buffer.from(data?.token ?? '', 'base64').toString();
}

export function urlOf({ status }: McpSession): string {
  return status?.connectionInfo?.url ?? '';
}

/** With the body "machine" the echo tells of the machine. */
export async function call(harness: Pick<Harness, 'kube'>, session: McpSession, body: string) {
  const headers = { authorization: `Bearer ${await tokenOf(harness, session)}`, cookie: 'a=b' };
  const response = await fetch(urlOf(session), { method: 'POST', headers, body });
  return { response, echo: (await response.json()) as Echo };
}
