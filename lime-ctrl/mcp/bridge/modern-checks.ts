// What a request of 2026-07-28 must be before it reaches a server: of a revision that is spoken here, and with headers that
// say what its body says. Invariant: proxies on the way may trust the headers of what passes.
import { classifyInboundRequest } from '@modelcontextprotocol/server';
import { modernVersion } from './eras.ts';
import type { MessageId, RpcNotification, RpcRequest } from './messages.ts';

const headerMismatch = -32020;
const unsupportedVersion = -32022;
const base64Value = /^=\?base64\?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\?=$/;

/** Which parameter the Mcp-Name header repeats. */
const nameOf: Record<string, string> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

export function refusal(status: number, id: MessageId | null, code: number, message: string, data?: unknown): Response {
  return Response.json(
    { jsonrpc: '2.0', id, error: { code, message, ...(data !== undefined && { data }) } },
    { status },
  );
}

/** The message, or what to answer to an unsound request. */
export function checkModern({ headers }: Request, body: unknown): RpcRequest | RpcNotification | Response {
  const header = (name: string) => headers.get(name)?.trim();
  const version = header('mcp-protocol-version');
  const method = header('mcp-method');
  const outcome = classifyInboundRequest({
    httpMethod: 'POST',
    body,
    ...(version !== undefined && { protocolVersionHeader: version }),
    ...(method !== undefined && { mcpMethodHeader: method }),
  });
  const id = idOf(body);
  if (outcome.kind === 'reject') return refusal(outcome.httpStatus, id, outcome.code, outcome.message, outcome.data);
  if (outcome.kind === 'legacy') return refusal(400, id, -32600, 'Bad Request: no request of revision 2026-07-28');
  const requested = outcome.classification.revision;
  if (requested !== modernVersion) {
    const data = { supported: [modernVersion], requested };
    return refusal(400, id, unsupportedVersion, `Unsupported protocol version: ${requested}`, data);
  }
  const message = outcome.message as RpcRequest | RpcNotification;
  if (outcome.messageKind === 'notification') return message;
  const wrong = checkHeaders(message, version, method, header('mcp-name'));
  return wrong ? refusal(400, id, headerMismatch, `Bad Request: ${wrong}`) : message;
}

function checkHeaders(
  { method, params }: RpcNotification,
  versionHeader: string | undefined,
  methodHeader: string | undefined,
  nameHeader: string | undefined,
): string | undefined {
  if (versionHeader === undefined) return 'the MCP-Protocol-Version header is missing';
  if (methodHeader === undefined) return `the Mcp-Method header is missing; the body has ${method}`;
  const field = Object.hasOwn(nameOf, method) ? nameOf[method] : undefined;
  const value = field && params?.[field];
  if (typeof value !== 'string') return undefined;
  if (nameHeader === undefined) return `the Mcp-Name header is missing; the body has ${field} ${JSON.stringify(value)}`;
  if (decode(nameHeader) === value) return undefined;
  return `the Mcp-Name header is ${JSON.stringify(nameHeader)}; the body has ${field} ${JSON.stringify(value)}`;
}

function decode(value: string): string | undefined {
  if (!value.startsWith('=?base64?')) return value;
  const encoded = base64Value.exec(value)?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
}

export function idOf(body: unknown): MessageId | null {
  const id = (body as { id?: unknown } | null)?.id;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}
